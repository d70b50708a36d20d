"""``kiwoom-nb dashboard`` without a browser: its command line, what a page is given, and how it ends."""

import json
import signal
import subprocess
import sys

import httpx
import psutil
import pytest
from lines import until
from page_process import ended, family_of, served
from typer.testing import CliRunner

import kiwoom_nb as kn
from kiwoom_nb import cli, page
from kiwoom_nb.errors import CredentialsNotFound, SourceError

WITHOUT_VOILA = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "voila" else find(name, *rest)
sys.modules["voila"] = None
from kiwoom_nb.cli import main
main()
"""
KEYS = ("APP_KEY", "APP_SECRET", "APP_KEY_MOCK", "APP_SECRET_MOCK", "KIWOOM_MODE", "KIWOOM_NB_TOKEN")


def refused(*arguments, monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kiwoom_nb.credentials._complete", lambda mode: None)
    return CliRunner().invoke(cli.app, ["dashboard", "--no-browser", *arguments])


# --- the command line -------------------------------------------------------------------------------------------------


def test_without_voila_the_sentence_says_what_to_install():
    """And exit code 1, as other commands do."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_VOILA, "dashboard", "--replay", "sample"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert 'pip install "kiwoom-nb[voila]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--replay", "sample", "--mode", "demo"], "--mode"),
        (["--replay", "sample", "--colors", "green"], "--colors"),
        (["--url", "ws://127.0.0.1:1/"], "--token"),
        (["--token", "abc"], "--url"),
        (["--replay", "sample", "--speed", "-1"], "--speed"),
    ],
)
def test_a_wrong_command_line_is_refused_before_anything_starts(arguments, said, monkeypatch):
    """With exit code 2 and the option named."""
    result = refused(*arguments, monkeypatch=monkeypatch)
    assert result.exit_code == 2
    assert said in result.output


def test_what_cannot_be_shown_is_said_in_the_terminal(monkeypatch, tmp_path):
    """No recording of that name, no keys: sooner than in a page."""
    missing = refused("--replay", str(tmp_path / "no.jsonl"), monkeypatch=monkeypatch)
    assert isinstance(missing.exception, SourceError)
    assert isinstance(refused(monkeypatch=monkeypatch).exception, CredentialsNotFound)


# --- in the kernel ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """What pages are given, one after the other, for the options that are set."""
    given = []
    monkeypatch.setattr("IPython.display.display", given.append)
    monkeypatch.chdir(tmp_path)
    page._dashboard.cache_clear()

    def show(**options):
        told = {"folder": str(tmp_path), "colors": "us", "replay": None, "stream": None, **options}
        monkeypatch.setenv(page.OPTIONS, json.dumps(told))
        page.show()
        return given[-1]

    yield show
    page._dashboard.cache_clear()


def test_all_pages_show_one_dashboard(shown):
    """Whatever the options say by then: there is one frame behind all of them."""
    replay = {"source": "sample:calm", "speed": 0, "max_silence": None}
    first = shown(replay=replay)
    assert first._colors == "us"
    assert len(first._frame) == first._frame.kn.status.total
    assert shown(replay=replay) is first


def test_what_goes_wrong_is_a_sentence_in_the_page_and_the_next_page_tries_again(shown):
    """Not a traceback, and no part of it is read as HTML."""
    wrong = {"source": "<b>no.jsonl", "speed": 1, "max_silence": None}
    told = shown(replay=wrong).data
    assert "kiwoom-nb: Cannot load" in told
    assert "&lt;b&gt;no.jsonl" in told
    assert shown(replay={**wrong, "source": "sample:calm"})._frame.kn.status.total == 60


# --- served -----------------------------------------------------------------------------------------------------------


def test_pages_of_the_account_share_one_login_and_the_journal_is_closed_at_the_end(tmp_path):
    """One app key holds one connection: a second page logs in no second time.

    Nobody enters without the page's token, and the stream's token is in no address, file, argument or output.
    """
    home, folder = tmp_path / "home", tmp_path / "journals"
    environment = {"KIWOOM_NB_HOME": str(home), "TMPDIR": str(tmp_path), "KIWOOM_NB_TOKEN": ""}
    with kn.serve(kn.simulate(3, events=30), speed=float("inf")) as server:
        secret = environment["KIWOOM_NB_TOKEN"] = server.token
        with served("--url", server.url, "--to", str(folder), **environment) as (process, address):
            place = address.partition("?")[0]
            assert httpx.get(place, timeout=60).is_redirect  # to a form that asks for the token
            kernel = f"{place}api/kernels/00000000-0000-0000-0000-000000000000"
            assert httpx.get(kernel, timeout=60).status_code == 403
            assert httpx.get(address, headers={"Host": "evil.example"}, timeout=60).status_code == 403
            assert server.sessions == 0
            for _ in range(2):
                answer = httpx.get(address, timeout=120)
                assert answer.status_code == 200
                assert "jupyter.widget-view+json" in answer.text
                assert "cdn." not in answer.text
                assert secret not in answer.text
            until(lambda: list(folder.rglob("*.jsonl")) and len(kn.load(folder)) == 30, 60)
            assert server.sessions == 1
            family = family_of(process)
            assert len(family) > 1
            assert not any(secret in argument for pid in family for argument in psutil.Process(pid).cmdline())
            written = [path for path in tmp_path.rglob("*") if path.is_file()]
            assert not any(secret.encode() in path.read_bytes() for path in written)
            code, said = ended(process, signal.SIGTERM)
            assert (code, said) == (0, ("", ""))
        until(lambda: server.sessions == 0)
    (journal,) = folder.rglob("*.jsonl")
    assert '"stopped"' in journal.read_text("utf-8").splitlines()[-1]
    assert not list(tmp_path.glob("kiwoom_nb-*"))
