"""What the measurements work on: the frames of long synthetic days."""

from __future__ import annotations

import functools
from pathlib import Path

from kiwoom_nb import journal
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.trading_day import simulate

_DAY = 86_400_000_000  # microseconds


@functools.cache
def frames(events: int) -> list[tuple[int, bytes]]:
    """Return the frames of a synthetic day of about so many events."""
    return list(simulate(seed=1, events=events).frames())


def filled_table(rows: int) -> BalanceTable:
    """Return a table that holds at least so many rows, of one day after the other."""
    table = BalanceTable()
    day = [(parse(raw), received_at) for received_at, raw in frames(20_000)]
    later = 0
    while table.rows < rows:
        for message, received_at in day[: rows - table.rows]:
            table.receive(message, received_at + later)
        later += _DAY
    return table


def write_journal(path: Path, events: int) -> int:
    """Write a journal of at least so many events; return how many rows it holds."""
    day = frames(20_000)
    rows = 0
    with path.open("wb") as file:
        file.write(journal.header_line(journal.Header(journal.VERSION, "synthetic", "0" * 12, "2026-11-20")))
        while rows < events:
            for received_at, raw in day:
                file.write(journal.frame_line(received_at, raw))
                rows += raw.count(b'"type":"04"')
    return rows
