"""The dashboard: what one refresh costs the kernel and sends to the page, whatever the number of rows behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any, Self

import comm
from comm.base_comm import BaseComm

from kiwoom_nb.dashboard import Dashboard
from kiwoom_nb.protocol import parse
from kiwoom_nb.session import Transport
from kiwoom_nb.stream import Stream
from kiwoom_nb.table import BalanceTable

from .material import buys, fill, frames
from .measure import Row, Size, in_turn

_INTERVAL = 0.1e6
_POSITIONS = 200
_FEW = 5  # events between two refreshes


def refreshes(size: Size) -> Iterator[Row]:
    """Refresh a dashboard after a few new rows, at growing lengths; then with 200 positions that all changed."""
    lengths = size.of((1_000, 100_000, 1_000_000), (1_000, 30_000), (100, 300))
    with contextlib.ExitStack() as stack:
        views = [stack.enter_context(_View(length)) for length in lengths]
        sides = {f"{length}": view.refresh for length, view in zip(lengths, views, strict=True)}
        cost = in_turn(size.of(60, 30, 3), **sides)
        first, sent = lengths[0], [statistics.median(view.sent) for view in views]
        for length, each in zip(lengths, sent, strict=True):
            name = f"dashboard refresh, {length:,} rows, {_FEW} new"
            yield Row(name, cost[f"{length}"], f"at {first:,} rows", cost[f"{first}"], "<= 1.3" * (length != first))
            yield Row(f"{name}: sent to the page", each, f"at {first:,} rows", sent[0], "<= 1.05", unit="B")
    with _View(0) as view:
        yield _many(view, rounds=size.of(30, 10, 2))


def _many(view: _View, rounds: int) -> Row:
    """Let each of 200 positions change, and refresh."""
    messages = [parse(buys(number, _POSITIONS)) for number in range(rounds + 1)]
    view.take(messages[:1])

    def ours(number: int) -> int:
        view.take([messages[number + 1]])
        return 1

    cost = in_turn(rounds, ours=ours)["ours"]
    note = f"{statistics.median(view.sent):,.0f} B sent"
    name = f"dashboard refresh, {_POSITIONS} positions changed"
    return Row(name, cost, "the time between two refreshes", _INTERVAL, "<= 1", note)


class _View:
    """A dashboard of a stream that holds so many rows, and a page that looks at it: a counter of what is sent."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._day = [parse(raw) for _, raw in frames(5_000)]
        self._at = time.time_ns() // 1000
        self._number = 0
        self.sent: list[int] = []

    def __enter__(self) -> Self:
        self._stream = Stream(connect=_no_line, tokens=_NoToken(), server="demo", owner="0" * 12)
        if self._rows:
            fill(self._table, self._rows)
        self._stream.sync()
        self._comms: list[_CountingComm] = []
        before, comm.create_comm = comm.create_comm, self._open
        try:
            self._dashboard = Dashboard(self._stream.frame)
        finally:
            comm.create_comm = before
        for each in self._comms:
            each.look()
        return self

    def __exit__(self, *_: object) -> None:
        self._dashboard.close()
        self._stream.stop()

    @property
    def _table(self) -> BalanceTable:
        return self._stream._table  # noqa: SLF001 - filled from here instead of from a socket

    def _open(self, *args: Any, **kwargs: Any) -> _CountingComm:
        self._comms.append(_CountingComm(*args, **kwargs))
        return self._comms[-1]

    def refresh(self, number: int) -> int:
        """Let a few events arrive and be shown: a side of :func:`in_turn`."""
        self.take([self._day[(number * _FEW + each) % len(self._day)] for each in range(_FEW)])
        return 1

    def take(self, messages: list[Any]) -> None:
        """Let these messages arrive; the stream shows its rows and tells the dashboard, as in a notebook."""
        before = self._count()
        for message in messages:
            self._at += 1_000
            self._table.receive(message, self._at)
        self._stream.sync()
        self.sent.append(self._count() - before)
        assert self.sent[-1], "nothing was sent: the page would stand still"

    def _count(self) -> int:
        return sum(each.bytes for each in self._comms)


class _CountingComm(BaseComm):
    """A comm that goes nowhere and counts the bytes of what is sent by it."""

    bytes = 0

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        """Count a message as it would travel: JSON, then the buffers."""
        body = json.dumps([msg_type, data or {}, metadata or {}], default=str, ensure_ascii=False)
        self.bytes += len(body.encode()) + sum(memoryview(buffer).nbytes for buffer in buffers or ())

    def look(self) -> None:
        """Say what the page of a chart, of the header and of the table says when it looks."""
        content = {"kind": "look", "page": "benchmark", "number": 0}
        self.handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


class _NoToken:
    async def get(self) -> str:
        return "x"

    async def refused(self, token: str) -> str:
        raise AssertionError(token)


async def _no_line(_: str) -> Transport:
    await asyncio.Event().wait()
    raise AssertionError
