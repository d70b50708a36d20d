"""Our own books beside the broker's: moving-average accounting recomputed from the fills, and where the two differ."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from .fills import fills
from .history import History
from .holdings import AGGREGATE
from .keyed import Ints, Key, days_of, keys_of, moments, names_of, numbers
from .schema import RECEIVED_AT

_DTYPES: Final = {"ours": "Int64", "theirs": "Int64", "difference": "Int64", "complete": "bool", "fills": "int64"}


def reconcile(frame: pd.DataFrame) -> pd.DataFrame:
    """Recompute what was realized from the fills and set it beside what the broker said, for each position and day.

    A buy adds its amount to the cost; a sell takes its share of the cost along, rounded to won, halves up, and realizes
    its amount less that. The books begin with the state before the first fill that is known, and anew after each fill
    that is not.

    Parameters
    ----------
    frame
        Balance events in order of arrival.

    Returns
    -------
    pandas.DataFrame
        One row for each position and KST day with an event: ``date`` (datetime64[ms]), ``account``, ``symbol``,
        ``credit_type``, ``loan_date``; ``ours``, ``theirs`` (990 + 992 after the last event of the day) and their
        ``difference`` (Int64, won, before fee and tax); ``complete`` (bool: every fill of the day is known, so that
        a difference is one of rounding or of method, such as first in, first out); ``fills`` (int64).
    """
    books: dict[tuple[int, Key], _Day] = {}
    for day, key, theirs in _theirs(frame):
        books[day, key] = _Day(theirs)
    held: dict[Key, _Held | None] = {}
    for fill in _known_fills(frame):
        held[fill.key] = fill.book(held.get(fill.key), books.setdefault((fill.day, fill.key), _Day(None)))
    return _table(books, frame)


class _Day:
    """What was realized on a day with one position, by the broker's books and by ours."""

    def __init__(self, theirs: int | None) -> None:
        self.theirs = theirs
        self.ours = 0
        self.complete = True
        self.fills = 0


class _Held:
    """What our books say is held."""

    def __init__(self, quantity: int, cost: int) -> None:
        self.quantity = quantity
        self.cost = cost

    def buy(self, quantity: int, amount: int) -> None:
        self.quantity += quantity
        self.cost += amount

    def sell(self, quantity: int, amount: int) -> int:
        """Book a sale and return what it realized."""
        removed = (2 * self.cost * quantity + self.quantity) // (2 * self.quantity)
        self.quantity -= quantity
        self.cost -= removed
        return amount - removed


class _Fill:
    """A fill with the state that the broker told after it; what is not known is None."""

    def __init__(self, key: Key, day: int, values: dict[str, Any], after: tuple[int, int] | None) -> None:
        self.key = key
        self.day = day
        self._values = values
        self._after = after

    def book(self, held: _Held | None, day: _Day) -> _Held | None:
        """Book it and return what is held then, None where that is not known."""
        day.fills += 1
        quantity, amount = self._values["quantity"], self._values["amount"]
        held = held or self._before()
        if held is None or quantity is None or amount is None or self._values["confidence"] in _UNSURE:
            day.complete = False
        if held is None or quantity is None or amount is None:
            return None if self._after is None else _Held(*self._after)
        if self._values["side"] == "buy":
            held.buy(quantity, amount)
        elif held.quantity < quantity:
            day.complete = False
            return None if self._after is None else _Held(*self._after)
        else:
            day.ours += held.sell(quantity, amount)
        return held

    def _before(self) -> _Held | None:
        """Return what was held before it, by what changed with it."""
        net, cash, realized = (self._values[name] for name in ("net_quantity", "cash", "realized_pnl"))
        if self._after is None or None in {net, cash, realized}:
            return None
        quantity, cost = self._after
        return _Held(quantity - net, cost - (realized - cash))


_UNSURE: Final = {"first", "gap", "contradictory"}


def _known_fills(frame: pd.DataFrame) -> list[_Fill]:
    traded = fills(frame)
    columns = ("side", "quantity", "amount", "net_quantity", "cash", "realized_pnl", "confidence")
    values = [[None if pd.isna(value) else value for value in traded[name].tolist()] for name in columns]
    days = days_of(moments(traded["time"])).tolist()
    afters = _states(frame, traded["row"])
    each = zip(names_of(traded), days, zip(*values, strict=True), afters, strict=True)
    return [_Fill(key, day, dict(zip(columns, row, strict=True)), after) for key, day, row, after in each]


def _states(frame: pd.DataFrame, rows: pd.Series[Any]) -> list[tuple[int, int] | None]:
    """Return quantity and cost after the events ``rows``, None where there is no event or they are not known."""
    states = History(frame).states
    places = {label: place for place, label in enumerate(frame.index.tolist()) if states.is_state[place]}
    known = [None if pd.isna(label) else places.get(label) for label in rows.tolist()]
    return [None if row is None else (int(states.quantity[row]), int(states.cost[row])) for row in known]


def _theirs(frame: pd.DataFrame) -> list[tuple[int, Key, int | None]]:
    """Return what the broker said last of each position on each day; sums of loan lots are none."""
    keys = keys_of(frame)
    days = days_of(moments(frame[RECEIVED_AT]))
    last = pd.Series(np.arange(len(frame))).groupby([days, keys.ids], sort=True).last().to_numpy(np.int64)
    few = frame.take(last)
    cash, no_cash = numbers(few["realized_pnl"])
    credit, no_credit = numbers(few["credit_realized_pnl"])
    told: list[int | None] = (cash + credit).tolist()
    for blank in (no_cash, no_credit):
        for row in () if blank is None else np.flatnonzero(blank).tolist():
            told[row] = None
    each = zip(_listed(days, last), names_of(few), told, strict=True)
    return [(day, key, theirs) for day, key, theirs in each if key[2] != AGGREGATE]


def _listed(days: Ints, rows: Ints) -> list[int]:
    found: list[int] = days[rows].tolist()
    return found


def _table(books: dict[tuple[int, Key], _Day], frame: pd.DataFrame) -> pd.DataFrame:
    names = ("account", "symbol", "credit_type", "loan_date")
    rows = [
        (day, *key, book.ours, book.theirs, book.complete and book.theirs is not None, book.fills)
        for (day, key), book in books.items()
    ]
    table = pd.DataFrame(rows, columns=["date", *names, "ours", "theirs", "complete", "fills"], dtype="object")
    table.insert(7, "difference", table["ours"].astype("Int64") - table["theirs"].astype("Int64"))
    table["date"] = table["date"].to_numpy(np.int64).astype("M8[D]").astype("M8[ms]")
    table["loan_date"] = pd.to_datetime(table["loan_date"].astype("Int64"), unit="ms").astype("datetime64[ms]")
    for name in names[:3]:
        table[name] = table[name].astype("str").astype(frame[name].dtype)
    return table.astype(_DTYPES).sort_values("date", kind="stable", ignore_index=True)
