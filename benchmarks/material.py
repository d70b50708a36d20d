"""What the measurements work on: the frames of long synthetic days."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

from kiwoom_nb import journal
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.trading_day import simulate

_DAY = 86_400_000_000  # microseconds
_DATE = "2026-11-20"
_LONG = 20_000  # events of a day that is repeated


@functools.cache
def frames(events: int) -> list[tuple[int, bytes]]:
    """Return the frames of a synthetic day of about so many events."""
    return list(simulate(seed=1, date=_DATE, events=events).frames())


def fill(table: BalanceTable, rows: int) -> None:
    """Let ``table`` receive one day after the other until it holds at least so many rows.

    They are one day again and again, but for the lots lent before it: what is sold out is not sold again.
    """
    is_old = re.compile(rb'"916":"(?!00000000|%b)' % _DATE.replace("-", "").encode()).search
    first = frames(min(rows, _LONG))
    day = [(parse(raw), received_at) for received_at, raw in first]
    others = [event for event, (_, raw) in zip(day, first, strict=True) if not is_old(raw)]
    later = 0
    while table.rows < rows:
        for message, received_at in day[: rows - table.rows]:
            table.receive(message, received_at + later)
        later, day = later + _DAY, others


def filled_table(rows: int) -> BalanceTable:
    """Return a table of one's own that holds at least so many rows."""
    table = BalanceTable()
    fill(table, rows)
    return table


@functools.cache
def standing_table(rows: int) -> BalanceTable:
    """Return a table that holds at least so many rows and is only looked at: several measurements share it."""
    return filled_table(rows)


def write_journal(path: Path, events: int) -> int:
    """Write a journal of at least so many events; return how many rows it holds."""
    day = frames(min(events, _LONG))
    rows = 0
    with path.open("wb") as file:
        file.write(journal.header_line(journal.Header(journal.VERSION, "synthetic", "0" * 12, _DATE)))
        while rows < events:
            for received_at, raw in day:
                file.write(journal.frame_line(received_at, raw))
                rows += raw.count(b'"type":"04"')
    return rows


def buys(number: int, positions: int) -> bytes:
    """Return a frame that tells of as many positions, each after its ``number``-th buy (from 0) of one share.

    Each buy has a price of its own, 100 won above the one before; the quantity is ``number`` + 1.
    """
    held = number + 1
    price = 50_000 + 100 * number
    cost = 50_000 * held + 50 * number * held
    values = {
        "9201": "1111111111",
        "917": "00",
        "916": "00000000",
        "10": f"+{price}",
        "930": f"{held}",
        "931": f"{cost // held}",
        "932": f"{cost}",
        "933": f"{held}",
        "945": f"{held}",
        "946": "2",
        "950": "0",
        "951": "0",
        "27": f"+{price + 100}",
        "28": f"+{price}",
        "307": "50000",
        "8019": "0.00",
        "957": "0",
        "958": "0",
        "918": "00000000",
        "990": "0",
        "991": "0.00",
        "992": "0",
        "993": "0.00",
        "959": "0",
        "924": "0",
    }
    codes = [f"{100_000 + place}" for place in range(positions)]
    entries = [
        {"values": {**values, "9001": code, "302": f"종목 {code}"}, "type": "04", "name": "현물잔고", "item": code}
        for code in codes
    ]
    return json.dumps({"data": entries, "trnm": "REAL"}, ensure_ascii=False, separators=(",", ":")).encode()
