"""The dashboard in a real JupyterLab and Chromium: how late the page is, and what it holds after minutes.

``python -m benchmarks.page`` (about three minutes; ``--quick`` half a minute). It wants a Chromium, Chrome or Edge,
and the harness of the tests in a browser.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .measure import Row, Size

_INTERVAL = 0.1
_MANY = 200
_ROOT = Path(__file__).resolve().parents[1]

_BEGIN = f"""
import asyncio, json, sys, time
sys.path.insert(0, {str(_ROOT)!r})
import kiwoom_nb as kn
from benchmarks.material import buys
server = kn.serve()
df = kn.stream_balances(url=server.url, token=server.token, record=False)
df.kn.dashboard()
"""
# Each round tells one more share, so that the quantity that the page shows says how far the page has come.
_PUSH = """
sent = {{}}
async def push():
    begin = time.monotonic()
    for number in range({rounds}):
        sent[number + 1] = time.time() * 1000
        server.push(buys(number, {positions}))
        await asyncio.sleep(max(0.0, begin + (number + 1) * {interval} - time.monotonic()))
pushing = asyncio.get_running_loop().create_task(push())
"""
_TELL = "with open('sent.json', 'w') as file: json.dump([pushing.done(), sent], file)"
_CELL = ".kn-positions tbody [data-column=quantity] > span"
# Noted is when it was drawn: in the frame after the change, on the clock that the kernel has, too.
_WATCH = f"""() => {{
  window.knSeen = {{}};
  window.knDrawn = 0;
  let frame = null;
  const look = () => {{
    frame = null;
    window.knDrawn += 1;
    const quantity = Number(document.querySelector('{_CELL}')?.textContent.replaceAll(',', ''));
    if (quantity && !(quantity in window.knSeen)) window.knSeen[quantity] = Date.now();
  }};
  new MutationObserver(() => {{ frame ??= requestAnimationFrame(look); }})
    .observe(document.querySelector('.kn-positions'), {{childList: true, subtree: true, characterData: true}});
}}"""
_HAS = f"(n) => Number(document.querySelector('{_CELL}')?.textContent.replaceAll(',', '')) >= n"


class _Held(NamedTuple):
    """What a page holds after its garbage was collected."""

    heap: float  # bytes of JavaScript objects
    nodes: int


class _Work(NamedTuple):
    """What a page has done since the pushes began: seconds of a processor, and how often it drew the table."""

    seconds: float
    drawn: int


def dashboard_in_a_page(size: Size) -> Iterator[Row]:
    """Ten refreshes a second for two minutes, of one position; then of 200 positions that all change each time."""
    seconds = size.of(120, 12, 3)
    with _lab() as lab:
        with _showing(lab) as page:
            yield from _for_long(page, seconds)
        with _showing(lab) as page:
            yield from _of_many(page, size.of(30, 8, 3))


def _for_long(page: _Page, seconds: int) -> Iterator[Row]:
    page.push(seconds, positions=1)
    page.wait_for(10)
    begin, held = time.monotonic(), [page.held()]
    before = page.work()
    for part in (1, 2):
        time.sleep(max(0.0, begin + part * (seconds - 1) / 2 - time.monotonic()))
        held.append(page.held())
    page.wait_for(round(seconds / _INTERVAL))
    yield _work_of("1 position", before, page.work())
    lags = page.lags()
    portion = max(len(lags) // 6, 1)
    parts = (("p50", 50), ("p95", 95))
    first, last = sorted(lags[:portion]), sorted(lags[-portion:])
    span = round(portion * _INTERVAL)
    for name, percent in parts:
        ours, before = (each[len(each) * percent // 100] for each in (last, first))
        yield Row(
            f"drawn in the page after it was sent, {name}", ours, f"the first {span} s", before, "<= 1.3", unit="ms"
        )
    name = f"in the page after {seconds} s at 10 Hz"
    start, middle, end = held
    note = f"{start.heap / 1e6:.1f} MB at the beginning"
    yield Row(f"heap {name}", end.heap / 1e6, f"after {seconds // 2} s", middle.heap / 1e6, "<= 1.05", note, "MB")
    note = f"{start.nodes:,} at the beginning"
    yield Row(f"DOM nodes {name}", end.nodes, f"after {seconds // 2} s", middle.nodes, "<= 1.05", note, "nodes")


def _of_many(page: _Page, seconds: int) -> Iterator[Row]:
    page.push(seconds, positions=_MANY)
    page.wait_for(10)
    before = page.work()
    page.wait_for(round(seconds / _INTERVAL))
    name = f"{_MANY} positions that all changed"
    yield _work_of(name, before, page.work())
    yield Row(f"{name}: drawn after it was sent, p50", statistics.median(page.lags()), unit="ms", note="no target")


def _work_of(what: str, before: _Work, after: _Work) -> Row:
    """Return what the page did for one drawing of all that the dashboard shows: table, header, chart."""
    each = (after.seconds - before.seconds) / (after.drawn - before.drawn) * 1e3
    name = f"the page's work for one refresh, {what}"
    return Row(name, each, "the time between two refreshes", _INTERVAL * 1e3, "<= 1", unit="ms")


class _Page:
    """A page that shows a dashboard, and its kernel."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self._devtools = page.do(page.context.new_cdp_session(page.page))
        self._ask("Performance.enable", timeDomain="threadTicks")  # processor time: others run here too

    def _ask(self, method: str, **options: str) -> Any:
        return self._page.do(self._devtools.send(method, options))

    def push(self, seconds: int, positions: int) -> None:
        """Let the server push ten frames a second from now on; note when each is drawn."""
        self._page.js(_WATCH)
        rounds = round(seconds / _INTERVAL)
        self._page.python(_PUSH.format(rounds=rounds, positions=positions, interval=_INTERVAL))

    def wait_for(self, number: int) -> None:
        """Wait until the page shows what the push of that number told."""
        self._page.until(_HAS, number, patience=300)

    def held(self) -> _Held:
        """Collect the garbage and count what is left."""
        self._ask("HeapProfiler.collectGarbage")
        return _Held(self._ask("Runtime.getHeapUsage")["usedSize"], self._ask("Memory.getDOMCounters")["nodes"])

    def work(self) -> _Work:
        """Return what the page's main thread has done so far."""
        metrics = {one["name"]: one["value"] for one in self._ask("Performance.getMetrics")["metrics"]}
        return _Work(metrics["TaskDuration"], self._page.js("() => window.knDrawn"))

    def lags(self) -> list[float]:
        """Return the milliseconds from each push until it, or a newer one, was drawn."""
        self._page.python(_TELL)
        is_done, sent = json.loads((self._page.path.parent / "sent.json").read_text())
        assert is_done, "the kernel was too busy to push ten times a second"
        seen = {int(number): at for number, at in self._page.js("() => window.knSeen").items()}
        lags, drawn_at = [], float("inf")
        for number in range(len(sent), 0, -1):
            drawn_at = min(drawn_at, seen.get(number, drawn_at))
            lags.append(drawn_at - sent[str(number)])
        return lags[::-1]


@contextlib.contextmanager
def _showing(lab: Any) -> Iterator[_Page]:
    """Show the dashboard of a stream in a page of its own."""
    with lab.notebook(_BEGIN, height=1400) as page:
        page.run_all()
        page.until("() => document.querySelector('.kn-positions') && document.querySelector('.kn-light.kn-live')")
        yield _Page(page)
        page.python("df.kn.stop(); server.close()")


@contextlib.contextmanager
def _lab() -> Iterator[Any]:
    """Start a JupyterLab and a browser."""
    spec = importlib.util.spec_from_file_location("browser", _ROOT / "tests" / "browser.py")
    assert spec is not None
    assert spec.loader is not None
    harness = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(harness)
    program = harness.program()
    if program is None:
        sys.exit("No Chromium, Chrome or Edge was found: this part needs one (on Debian: chromium).")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        browser = harness.Browser(program)
        stack.callback(browser.close)
        lab = harness.Lab(Path(folder) / "lab", browser)
        stack.callback(lab.close)
        yield lab


if __name__ == "__main__":
    from .__main__ import main

    main([*sys.argv[1:], "--only", "page"])
