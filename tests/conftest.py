import os
import sys
import threading
import time

import pytest
from hypothesis import HealthCheck, settings

from kiwoom_nb import labels

# A third of hypothesis' own number: there are many laws, and the whole suite has to stay under eight minutes on two cores.
# How long an example takes says more about what else the machine does than about the law.
for profile, examples in {"kiwoom_nb": 30, "thorough": 200}.items():
    settings.register_profile(
        profile, max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
settings.load_profile("kiwoom_nb")


def pytest_xdist_auto_num_workers():
    """One worker more than there are processors: half of the tests wait for a kernel, a browser or a server."""
    return (os.cpu_count() or 1) + 1


OURS = ("kiwoom_nb-stream", "kiwoom_nb-journal")


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """No test reads or writes what belongs to the person at this machine: their files, their keys."""
    monkeypatch.setenv("KIWOOM_NB_HOME", str(tmp_path / "home"))
    for name in ("APP_KEY", "APP_SECRET", "APP_KEY_MOCK", "APP_SECRET_MOCK", "KIWOOM_MODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def english(monkeypatch):
    """Texts are those of an English locale, unless a test chooses another language; that choice ends with it."""
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setattr(labels, "_chosen", None)


@pytest.fixture(autouse=True)
def nothing_left_running(own_home):
    """No stream outlives its test, and none of our threads does."""
    yield
    notebook = sys.modules.get("kiwoom_nb.notebook")
    if notebook is not None:
        notebook.stop_all()
    ends_at = time.monotonic() + 10
    while (left := _ours()) and time.monotonic() < ends_at:
        time.sleep(0.01)
    assert left == []


def _ours():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(OURS)]
