"""One event: decoding and appending it, and the longest that a single append ever took."""

from __future__ import annotations

import gc
import json
import time

from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable

from .accelerated import plainly, quickly
from .material import frames
from .measure import Row, Size, in_turn


def decode_and_append(size: Size) -> list[Row]:
    """Raw text to typed rows of a whole day, against json.loads into a list of untyped dicts that is kept too."""
    day = frames(size.of(20_000, 5_000, 300))
    events = sum(raw.count(b'"type":"04"') for _, raw in day)

    def ours(_: int) -> int:
        table = BalanceTable()
        for received_at, raw in day:
            table.receive(parse(raw), received_at)
        assert table.rows == events
        return events

    def other(_: int) -> int:
        dicts = []
        for _at, raw in day:
            dicts.append(json.loads(raw))
        assert len(dicts) == len(day)
        return events

    sides = {"ours": plainly(ours), "other": other, **quickly("fast", ours)}
    cost = in_turn(size.of(7, 7, 1), **sides)
    name = "decode and append one event"
    return [
        Row(name, cost["ours"], "json.loads to list of dicts", cost["other"], "<= 0.75"),
        *(
            Row(f"{name}, extra fast", cost[fast], "the plain way", cost["ours"], "<= 4 us")
            for fast in cost
            if fast == "fast"
        ),
    ]


def longest_append(size: Size) -> list[Row]:
    """Measure the longest single append up to a million rows, in processor time (others run here too).

    Machine code is made ready before, where it is to be had: while numba is imported, Python's garbage collector goes
    once through all that it brings, in whatever thread, and whatever waits there waits for 20 to 30 ms.
    """
    quickly("fast", lambda _: 0)
    day = [(parse(raw), received_at) for received_at, raw in frames(size.of(20_000, 20_000, 300))]
    table = BalanceTable()
    longest = total = 0.0
    gc.freeze()  # the material is kept alive by this measurement, not by a stream
    appends = size.of(920_000, 90_000, 1_000)  # frames; some hold two events, and a million rows are the limit
    for number in range(appends):
        message, received_at = day[number % len(day)]
        begin = time.thread_time()
        table.receive(message, received_at)
        took = time.thread_time() - begin
        total += took
        longest = max(longest, took)
    assert table.rows <= 1_000_000  # noqa: PLR2004 - up to where the target is set
    mean = total / table.rows * 1e6
    return [Row(f"longest append up to {table.rows:,} rows", longest * 1e6, "mean append", mean, "<= 10,000 us")]
