"""One event: decoding, appending, reading after each, and the longest that a single append ever took."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable

import pandas as pd

from kiwoom_nb.frame import LiveFrame
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable

from .material import filled_table, frames
from .measure import Row, in_turn


def decode_and_append(*, quick: bool) -> list[Row]:
    """Raw text to typed rows of a whole day, against json.loads into a list of untyped dicts that is kept too."""
    day = frames(5_000 if quick else 20_000)
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

    cost = in_turn(7, ours=ours, other=other)
    return [Row("decode and append one event", cost["ours"], "json.loads to list of dicts", cost["other"], "<= 0.75")]


class _Source:
    def state_line(self) -> str:
        return ""


def append_and_read(*, quick: bool) -> list[Row]:
    """Append, then df.tail() and df["price"].iloc[-1], after every event, at growing lengths."""
    rows: list[Row] = []
    firsts: float | None = None
    for length in (1_000, 30_000) if quick else (1_000, 100_000, 1_000_000):
        measured = _append_and_read_at(length, repeats=60 if quick else 150)
        rows += measured
        firsts = firsts or measured[0].ours
        rows.append(Row(f"the same, against {1_000:,} rows", measured[0].ours, "at 1,000 rows", firsts, "<= 1.3"))
    return rows


def _append_and_read_at(length: int, repeats: int) -> list[Row]:
    table = filled_table(length)
    live = LiveFrame(table.frame(), _Source())
    static = table.frame()
    copied = static.copy()
    listed = static.tail(1)
    day = frames(5_000)

    def ours(number: int) -> int:
        received_at, raw = day[number]
        table.receive(parse(raw), received_at)
        live._show(table.frame())  # noqa: SLF001 - what a refresh does
        _read(live)
        return 1

    def reads(_: int) -> int:
        _read(static)
        return 1

    cost = in_turn(repeats, ours=ours, reads=reads)
    slow = in_turn(3, concat=_grow_by_concat(copied, listed), loc=_grow_by_loc(copied.copy(), listed))
    name = f"append and read, {length:,} rows"
    big = length >= 1_000_000  # noqa: PLR2004 - where the targets are set
    return [
        Row(name, cost["ours"], "the two reads alone", cost["reads"], "<= 3"),
        Row(name, cost["ours"], "pd.concat, then read", slow["concat"], "<= 1/40" if big else ""),
        Row(name, cost["ours"], "df.loc[len(df)] = row, then read", slow["loc"], "<= 1/500" if big else ""),
    ]


def _read(frame: pd.DataFrame) -> None:
    frame.tail()
    frame["price"].iloc[-1]


def _grow_by_concat(frame: pd.DataFrame, one: pd.DataFrame) -> Callable[[int], int]:
    def grow(_: int) -> int:
        _read(pd.concat([frame, one], ignore_index=True))
        return 1

    return grow


def _grow_by_loc(frame: pd.DataFrame, one: pd.DataFrame) -> Callable[[int], int]:
    values = one.iloc[0].tolist()

    def grow(_: int) -> int:
        frame.loc[len(frame)] = values
        _read(frame)
        return 1

    return grow


def longest_append(*, quick: bool) -> list[Row]:
    """Measure the longest single append up to a million rows, in processor time (others run here too)."""
    day = [(parse(raw), received_at) for received_at, raw in frames(20_000)]
    table = BalanceTable()
    longest = total = 0.0
    gc.freeze()  # the material is kept alive by this measurement, not by a stream
    appends = 90_000 if quick else 920_000  # frames; some hold two events, and a million rows are the limit
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
