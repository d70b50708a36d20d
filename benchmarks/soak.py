"""Soak: a server that pushes for a long time, a line that drops on the way, and whether anything leaks or is lost.

``python -m benchmarks.soak [--minutes 10] [--rate 1000] [--drops 9]`` prints what it sees every few seconds, then the
checks, and exits with 1 where one fails. The server has a process of its own; it numbers its events (FID 932), so that
each one that was not received can be named, and has to lie in a gap that the stream told.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import statistics
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psutil

from kiwoom_nb.account_query import read_holdings
from kiwoom_nb.aside import aside
from kiwoom_nb.reading import read_frames
from kiwoom_nb.storage import load
from kiwoom_nb.stream import Stream
from kiwoom_nb.told import told_by
from kiwoom_nb.transport import connect

from .pushing import NUMBER, digest_of, pushing

_PATIENCE = 120.0  # seconds within which what is on its way has arrived, and what ends by itself has ended
_ALLOWED = 40.0  # bytes a row beside those of its buffers
_ENOUGH = 100_000  # rows in the second half: against them what a library loads late is nothing


# --- the client's side ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """What the process takes at one moment."""

    seconds: float
    rows: int
    rss: int
    tasks: int
    threads: int
    handles: int
    gaps: int

    @classmethod
    def take(cls, begin: float, rows: int, gaps: int) -> Sample:
        """Look now."""
        process = psutil.Process()
        handles = process.num_handles() if sys.platform == "win32" else process.num_fds()
        return cls(
            time.monotonic() - begin,
            rows,
            process.memory_info().rss,
            len(asyncio.all_tasks()),
            threading.active_count(),
            handles,
            gaps,
        )

    def line(self) -> str:
        """Return it as a line of the table."""
        return (
            f"{self.seconds:>8.0f} s {self.rows:>10,} rows {self.rss / 2**20:>8.1f} MiB {self.tasks:>3} tasks "
            f"{self.threads:>3} threads {self.handles:>4} handles {self.gaps:>3} gaps"
        )


class Recorded(NamedTuple):
    """An event in the journal: when it was received, its number, and what its content comes to."""

    received_at: int
    number: int
    digest: int


@dataclass
class Outcome:
    """What came of a soak: the samples, what was left behind, and what is to be compared."""

    sent: array[int]  # the digest of each event by its number
    samples: list[Sample]
    before: Sample
    after: Sample
    live: pd.DataFrame
    loaded: pd.DataFrame
    recorded: list[Recorded]
    drops: int

    @property
    def missing(self) -> int:
        """How many events fell into gaps."""
        return len(self.sent) - len(self.recorded)


def read_recorded(path: Path) -> list[Recorded]:
    """Return the events of the journal at ``path``."""
    return [Recorded(at, int(NUMBER.findall(raw)[0]), digest_of(raw)) for at, raw in read_frames(path)]


class _Token:
    """Gives the server's token."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get(self) -> str:
        return self._token

    async def refused(self, token: str) -> str:
        raise AssertionError(token)


async def soak(folder: Path, *, count: int, rate: float, drops: int, every: float = 5.0, show: Any = None) -> Outcome:
    """Stream ``count`` events with a journal in ``folder``, as in a notebook, and return what came of it.

    ``every`` so many seconds a :class:`Sample` is taken, and given to ``show``.
    """
    with pushing(count, rate, drops) as (url, rest_url, token, pipe):
        loop = asyncio.get_running_loop()
        ask = partial(read_holdings, rest_url, pause=0.0)
        await aside(partial(ask, token))  # what is made at the first use only is no leak
        begin = time.monotonic()
        gc.collect()
        before = Sample.take(begin, 0, 0)
        stream = Stream(
            connect=partial(connect, url),
            tokens=_Token(token),
            server="soak",
            owner="0" * 12,
            folder=folder,
            loop=loop,
            read_holdings=lambda token: aside(partial(ask, token)),
        )
        stop_looking = stream.observe(partial(_look, stream))
        samples = []
        while not pipe.poll():
            await asyncio.sleep(every)
            samples.append(Sample.take(begin, len(stream.frame), stream.status.gaps))
            if show is not None:
                show(samples[-1])
        pipe.recv()
        await _arrive(stream, count, pipe)
        samples.append(Sample.take(begin, len(stream.frame), stream.status.gaps))
        path = stream.status.journal
        assert path is not None
        stop_looking()
        stream.stop()
        live = stream.frame.copy()
        del stream
        after = await _settle(before, begin)
        sent = pipe.recv()
    return Outcome(sent, samples, before, after, live, load(path), read_recorded(path), drops)


def _look(stream: Stream) -> None:
    """Read what a widget reads ten times a second."""
    stream.frame.tail(10).to_dict()
    stream.latest_rows()


async def _arrive(stream: Stream, count: int, pipe: Pipe) -> None:
    """Let one more event be pushed, and wait until it is there: what is missing then, is missing for good.

    The line may be down without our knowing yet, and the event pushed to nobody; then one more.
    """
    clock = asyncio.get_running_loop().time
    last, pause = count - 1, 1.0
    async with asyncio.timeout(_PATIENCE):
        while True:
            if stream.status.state == "live":
                pipe.send(True)
                last += 1
            ends_at = clock() + pause
            while clock() < ends_at:
                if not stream.frame.empty and stream.frame["cost"].iloc[-1] == last:
                    pipe.send(False)
                    return
                await stream.changed(timeout=0.2)
            pause *= 2


async def _settle(before: Sample, begin: float) -> Sample:
    """Return what is left when all that ends by itself has ended."""
    ends_at = time.monotonic() + _PATIENCE
    while True:
        gc.collect()
        after = Sample.take(begin, 0, 0)
        if not _leaks(before, after) or time.monotonic() > ends_at:
            return after
        await asyncio.sleep(0.05)


def _leaks(before: Sample, after: Sample) -> list[str]:
    return [
        f"{getattr(before, name)} {name} before, {getattr(after, name)} after"
        for name in ("tasks", "threads", "handles")
        if getattr(after, name) > getattr(before, name)
    ]


# --- the checks ----------------------------------------------------------------------------------------------------


def faults(outcome: Outcome) -> list[str]:
    """Return what is wrong, exactly, whatever the machine: leaks, events lost or made up, a journal that differs."""
    found = _leaks(outcome.before, outcome.after)
    numbers = [event.number for event in outcome.recorded]
    if numbers != sorted(set(numbers)):
        found.append("events are out of order or doubled")
    sent = dict(enumerate(outcome.sent))
    wrong = sum(sent.get(event.number) != event.digest for event in outcome.recorded)
    if wrong:
        found.append(f"{wrong} events are not as they were sent")
    if len(outcome.live) != len(numbers) or outcome.live["cost"].tolist() != numbers:
        found.append("the rows are not the events of the journal")
    found += _untold(outcome)
    if _differ(outcome.loaded, outcome.live):
        found.append("the journal loads as another frame")
    if outcome.loaded.attrs != outcome.live.attrs:
        found.append("gaps, rejects or holdings of the journal differ from those of the live frame")
    return found


def _differ(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Tell whether cells, dtypes or categories in their order differ."""
    return not one.equals(other) or any(
        not one[name].cat.categories.equals(other[name].cat.categories) for name in other.select_dtypes("category")
    )


def _untold(outcome: Outcome) -> list[str]:
    """Say which missing events do not lie in a gap that the stream told, and whether it tells more than there were."""
    gaps = told_by(outcome.live).gaps
    found = [] if len(gaps) <= outcome.drops else [f"{outcome.drops} drops, but {len(gaps)} gaps"]
    first, last = outcome.recorded[0], outcome.recorded[-1]
    if (first.number, last.number) != (0, len(outcome.sent) - 1):
        found.append("events are missing at the beginning or at the end")
    for event, following in pairwise(outcome.recorded):
        is_told = any(event.received_at <= gap.start <= (gap.end or 0) <= following.received_at for gap in gaps)
        if following.number > event.number + 1 and not is_told:
            found.append(f"events {event.number + 1} to {following.number - 1} are missing, and no gap tells it")
    return found


def second_half(samples: Sequence[Sample]) -> Sequence[Sample]:
    """Return what was seen after all that is loaded and compiled on the way had been."""
    return samples[(len(samples) - 1) // 2 :]


def bytes_per_row(samples: Sequence[Sample]) -> float:
    """Return by how many bytes the process grew for each row in the second half: the slope of a straight line."""
    half = second_half(samples)
    return statistics.linear_regression([each.rows for each in half], [each.rss for each in half]).slope


def needed_per_row(frame: pd.DataFrame) -> float:
    """Return how many bytes of the buffers a row takes; what is reserved beyond takes none before it is used."""
    return float(frame.memory_usage(index=False).sum()) / len(frame)


def can_tell_memory(samples: Sequence[Sample]) -> bool:
    """Tell whether rows came in such numbers that beside them nothing else counts."""
    half = second_half(samples)
    return half[-1].rows - half[0].rows >= _ENOUGH


def swollen(outcome: Outcome) -> list[str]:
    """Return whether memory grew by more than the buffers need for the rows; of a short run nobody can tell."""
    needed, grown = needed_per_row(outcome.live), bytes_per_row(outcome.samples)
    if grown <= needed + _ALLOWED or not can_tell_memory(outcome.samples):
        return []
    return [f"memory grew by {grown:.0f} bytes for each row of the second half; the buffers need {needed:.0f}"]


def report(outcome: Outcome) -> str:
    """Return the figures as text."""
    half = second_half(outcome.samples)[0]
    last = outcome.samples[-1]
    needed = needed_per_row(outcome.live)
    whole = hashlib.blake2b(array("Q", [event.digest for event in outcome.recorded]), digest_size=16).hexdigest()
    return (
        f"{len(outcome.sent):,} events sent, {len(outcome.live):,} rows, {outcome.missing:,} in "
        f"{len(told_by(outcome.live).gaps)} gaps; hash of what was recorded {whole}\n"
        f"half-way {half.rows:,} rows at {half.rss / 2**20:.1f} MiB, at the end {last.rows:,} at "
        f"{last.rss / 2**20:.1f} MiB: {bytes_per_row(outcome.samples):.0f} bytes a row; the buffers need {needed:.0f}"
        f"{'' if can_tell_memory(outcome.samples) else ' (too short a run to judge that)'}\n"
        f"before and after: {outcome.before.tasks} and {outcome.after.tasks} tasks, {outcome.before.threads} and "
        f"{outcome.after.threads} threads, {outcome.before.handles} and {outcome.after.handles} handles"
    )


def main() -> None:
    """Soak, print the table and the checks, and exit with 1 where one fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=1000.0, help="events a second")
    parser.add_argument("--drops", type=int, default=9, help="how often the line is cut or closed")
    chosen = parser.parse_args()
    count = round(chosen.minutes * 60 * chosen.rate)
    with tempfile.TemporaryDirectory() as folder:
        soaking = soak(
            Path(folder),
            count=count,
            rate=chosen.rate,
            drops=chosen.drops,
            show=lambda sample: print(sample.line(), flush=True),
        )
        outcome = asyncio.run(soaking)
    print(f"\n{report(outcome)}\n")
    found = faults(outcome) + swollen(outcome)
    print("\n".join(f"FAILED: {fault}" for fault in found) or "all checks hold")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
