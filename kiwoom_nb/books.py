"""Our own books beside the broker's: moving-average accounting recomputed from the fills, and where the two differ."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from . import krx
from .fills import counted, fills
from .history import History
from .holdings import AGGREGATE
from .keyed import Key, days_of, keys_of, moments, names_of, numbers
from .schema import RECEIVED_AT
from .scopes import Scope, turned

_WON: Final = ("ours", "theirs", "difference", "at_price")
_DTYPES: Final = {**dict.fromkeys(_WON, "Int64"), "complete": "bool", "fills": "int64"}


def reconcile(frame: pd.DataFrame, scope: Scope = "position") -> pd.DataFrame:
    """Recompute what was realized from the fills and set it beside what the broker said, for each position and day.

    A buy adds its amount to the cost; a sell takes its share of the cost along, rounded to won, halves up, and realizes
    its amount less that. The books begin with the state before the first fill that is known, and anew after each fill
    that is not.

    Parameters
    ----------
    frame
        Balance events in order of arrival.
    scope
        What FIDs 990 and 992 of a row count, see :func:`kiwoom_nb.pnl.realized_pnl`. With ``"account"`` ``theirs`` is
        what the account's value changed by with the events of the position.

    Returns
    -------
    pandas.DataFrame
        One row for each position and KST day with an event: ``date`` (datetime64[ms]), ``account``, ``symbol``,
        ``credit_type``, ``loan_date``; ``ours``, ``theirs`` (990 + 992 after the last event of the day), their
        ``difference`` and ``at_price`` (Int64, won, before fee and tax); ``complete`` (bool: every fill of the day is
        known, so that a difference is one of rounding or of method, such as first in, first out); ``fills`` (int64).
        ``99`` (all loan lots of a symbol together) has a row only as long as no lot of it is known.

    Raises
    ------
    ValueError
        ``scope`` is not known.

    Notes
    -----
    The amount of a sell that is not ``exact`` is the one which 990 itself implies, so that ``ours`` checks the method
    of costs there and not the level. ``at_price`` books such a sell at its quantity x the price that its event showed
    (NA where that is blank): what a broker books into 990 besides, such as fee and tax, is ``at_price`` less
    ``theirs``, to the won where each sell was filled at one price and its event shows that one.
    """
    traded = fills(frame, scope=scope)
    frame = frame if scope == "position" else turned(frame).frame
    history = History(frame)
    books: dict[tuple[int, Key], _Day] = {}
    for day, key, theirs in _theirs(frame, history):
        books[day, key] = _Day(theirs)
    held: dict[Key, _Held | None] = {}
    for fill in _known(traded, frame, history):
        held[fill.key] = fill.book(held.get(fill.key), books.setdefault((fill.day, fill.key), _Day(None)))
    return _table(books, frame)


class _Day:
    """What was realized on a day with one position, by the broker's books and by ours."""

    def __init__(self, theirs: int | None) -> None:
        self.theirs = theirs
        self.ours = 0
        self.at_price: int | None = 0
        self.complete = True
        self.fills = 0

    def book_at_price(self, realized: int | None) -> None:
        """Add what a sell realized at the price shown; where one is not known, the sum is not."""
        self.at_price = None if realized is None or self.at_price is None else self.at_price + realized


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
    """A fill with the state that the broker told after it, and its worth at the price shown; not known: None."""

    def __init__(
        self, key: Key, day: int, values: dict[str, Any], after: tuple[int, int] | None, worth: int | None
    ) -> None:
        self.key = key
        self.day = day
        self._values = values
        self._after = after
        self._worth = worth

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
            realized = held.sell(quantity, amount)
            day.ours += realized
            day.book_at_price(None if self._worth is None else realized + self._worth - amount)
        return held

    def _before(self) -> _Held | None:
        """Return what was held before it, by what changed with it."""
        net, cash, realized = (self._values[name] for name in ("net_quantity", "cash", "realized_pnl"))
        if self._after is None or None in {net, cash, realized}:
            return None
        quantity, cost = self._after
        return _Held(quantity - net, cost - (realized - cash))


_UNSURE: Final = {"first", "gap", "contradictory"}


def _known(traded: pd.DataFrame, frame: pd.DataFrame, history: History) -> list[_Fill]:
    columns = ("side", "quantity", "amount", "net_quantity", "cash", "realized_pnl", "confidence")
    values = [_listed(traded[name]) for name in columns]
    days = days_of(moments(traded["time"])).tolist()
    rows = _places(frame, traded["row"])
    each = zip(names_of(traded), days, zip(*values, strict=True), strict=True)
    of_events = zip(_states(history, rows), _worth(traded, frame, rows), strict=True)
    return [
        _Fill(key, day, dict(zip(columns, row, strict=True)), after, worth)
        for (key, day, row), (after, worth) in zip(each, of_events, strict=True)
    ]


def _places(frame: pd.DataFrame, labels: pd.Series[Any]) -> list[int | None]:
    """Return where the events ``labels`` stand, None where a fill has none."""
    index = frame.index if pd.api.types.is_integer_dtype(frame.index.dtype) else range(len(frame))
    places = {label: place for place, label in enumerate(index)}
    return [None if pd.isna(label) else places[label] for label in labels.tolist()]


def _states(history: History, rows: list[int | None]) -> list[tuple[int, int] | None]:
    """Return quantity and cost after the events ``rows``, None where there is no event or they are not known."""
    states = history.states
    known = [None if row is None or not states.is_state[row] else row for row in rows]
    return [None if row is None else (int(states.quantity[row]), int(states.cost[row])) for row in known]


def _worth(traded: pd.DataFrame, frame: pd.DataFrame, rows: list[int | None]) -> list[int | None]:
    """Return what each fill was worth at the price that its event showed, None where there is none.

    Of an exact fill it is the amount: the market may have moved on since. Not so where its price is none that there can
    be: one share is a single fill at any price, also at one from which fee and tax were taken.
    """
    is_sure = (traded["confidence"] == "exact") & ((traded["quantity"] > 1) | krx.on_tick(numbers(traded["price"])[0]))
    shown, _ = numbers(frame["price"])
    prices = [None if row is None else int(shown[row]) or None for row in rows]
    worth = (pd.Series(prices, dtype="Int64") * traded["quantity"]).where(~is_sure, traded["amount"])
    return _listed(worth)


def _theirs(frame: pd.DataFrame, history: History) -> list[tuple[int, Key, int | None]]:
    """Return what the broker said last of each position on each day, of sums of loan lots while no lot is known."""
    keys = keys_of(frame)
    days = days_of(moments(frame[RECEIVED_AT]))
    sums = [number for number, key in enumerate(keys.labels(frame)) if key[2] == AGGREGATE]
    rows = np.flatnonzero(counted(history)[: len(frame)] | ~np.isin(keys.ids, sums))
    last = pd.Series(rows).groupby([days[rows], keys.ids[rows]], sort=True).last().to_numpy(np.int64)
    few = frame.take(last)
    cash, no_cash = numbers(few["realized_pnl"])
    credit, no_credit = numbers(few["credit_realized_pnl"])
    told: list[int | None] = (cash + credit).tolist()
    for blank in (no_cash, no_credit):
        for row in () if blank is None else np.flatnonzero(blank).tolist():
            told[row] = None
    return list(zip(days[last].tolist(), names_of(few), told, strict=True))


def _listed(column: pd.Series[Any]) -> list[int | None]:
    return [None if pd.isna(value) else value for value in column.tolist()]


def _table(books: dict[tuple[int, Key], _Day], frame: pd.DataFrame) -> pd.DataFrame:
    names = ("account", "symbol", "credit_type", "loan_date")
    rows = [
        (day, *key, book.ours, book.theirs, book.at_price, book.complete and book.theirs is not None, book.fills)
        for (day, key), book in books.items()
    ]
    table = pd.DataFrame(
        rows, columns=["date", *names, "ours", "theirs", "at_price", "complete", "fills"], dtype="object"
    )
    table.insert(7, "difference", table["ours"].astype("Int64") - table["theirs"].astype("Int64"))
    table["date"] = table["date"].to_numpy(np.int64).astype("M8[D]").astype("M8[ms]")
    table["loan_date"] = pd.to_datetime(table["loan_date"].astype("Int64"), unit="ms").astype("datetime64[ms]")
    for name in names[:3]:
        table[name] = table[name].astype("str").astype(frame[name].dtype)
    return table.astype(_DTYPES).sort_values("date", kind="stable", ignore_index=True)
