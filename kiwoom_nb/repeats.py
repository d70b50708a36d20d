"""Rows that say again what was said before: of a frame that was sent twice, or heard by two recorders.

Such a row may come late, after others of its position, and then it is not the latest state although it is the latest
row. :mod:`kiwoom_nb.history` tells which rows these are; here it is asked only where any can be.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from .history import End, History
from .keyed import BUY, SELL, Bools, Ints, Key, days_of, keys_of, moments, numbers, order_of, sides
from .latest import KEY, LATEST_COLUMNS, RECENT, LatestRows, Rows
from .schema import COLUMNS, RECEIVED_AT
from .told import ATTRS_KEY

_MIXED: Final = np.int64(-7046029254386353131)  # an odd number without a pattern; what runs over does no harm
_MONEY: Final = ("cost", "realized_pnl", "credit_realized_pnl", "price", "net_bought_today")
_STATE: Final = (*KEY, RECEIVED_AT, "quantity", "side", *_MONEY)
_MOST_KNOWN: Final = 4096
_SHOWN: Final = tuple(name for name in LATEST_COLUMNS if name != RECEIVED_AT)


def seem_repeated(ids: Ints, order: Ints, told: tuple[Ints, Ints, Ints]) -> Bools:
    """Tell of each row whether one of the last rows of its position told the same.

    ``order`` is that of the rows by ``ids``, which say of which position each is; ``told`` are the day, the cost and
    the realized P&L of each.
    """
    mixed = ids * _MIXED
    for values in told:
        mixed = (mixed + values) * _MIXED
    mixed = mixed[order]
    found = np.zeros(len(ids), np.bool_)
    for lag in range(1, min(RECENT, len(ids))):
        found[lag:] |= mixed[lag:] == mixed[:-lag]
    seem = np.empty(len(ids), np.bool_)
    seem[order] = found
    return seem


def repeated(frame: pd.DataFrame) -> Bools:
    """Tell of each row whether it repeats one of the last states of its position, and no fill explains it."""
    return _repeated(frame, History(frame))


def _repeated(frame: pd.DataFrame, history: History) -> Bools:
    rows, states = slice(history.rows), history.states
    told: Bools = states.has_money[rows] & frame["quantity"].notna().to_numpy()
    return told & ~states.is_state[rows]


class RepeatsTail:
    """Follows a frame that grows: which of its new rows :func:`repeated` would name.

    The rows are gone through only when one of them seems repeated; those before it then in one go.
    """

    def __init__(self) -> None:
        self._recent: dict[Key, deque[tuple[int, int, int]]] = {}
        self._rows = 0
        self._end: End | None = None

    def take(self, frame: pd.DataFrame, keys: list[Key], told: list[tuple[int, int, int]]) -> Bools:
        """Tell it of the last rows of ``frame``; ``told`` are their days, costs and realized P&L."""
        seem = np.array([self._seems_repeated(*row) for row in zip(keys, told, strict=True)], np.bool_)
        if seem.any():
            fresh = frame.iloc[self._rows :]
            history = History(fresh, self._end)
            self._rows, self._end = len(frame), history.end()
            seem &= _repeated(fresh, history)[-len(seem) :]
        return seem

    def _seems_repeated(self, key: Key, told: tuple[int, int, int]) -> bool:
        recent = self._recent.get(key)
        if recent is None:
            recent = self._recent[key] = deque(maxlen=RECENT - 1)
        seems = told in recent
        recent.append(told)
        return seems


# --- the latest rows ------------------------------------------------------------------------------------------------


def latest_rows(frame: pd.DataFrame) -> LatestRows:
    """Return the latest row of each position of ``frame``, looked for among all its rows."""
    keys = keys_of(frame)
    counts = np.bincount(keys.ids, minlength=len(keys.firsts))
    order, ends = order_of(keys.ids), np.cumsum(counts)
    few = np.minimum(counts, RECENT)
    recent = order[np.arange(few.sum()) + np.repeat(ends - np.cumsum(few), few)]
    rows = order[ends - 1]
    return LatestRows(_columns(frame, rows), rows, keys.firsts, counts, recent, {})


def settled(frame: pd.DataFrame, latest: LatestRows) -> LatestRows:
    """Return the rows that hold the latest state of each position: not those that only repeat one, now or late.

    A blank quantity is read off the shares bought today, as :mod:`kiwoom_nb.history` does it.
    """
    known, carried = latest.found, frame.attrs.get(ATTRS_KEY)
    rows = latest.rows.tolist()
    if len(known) > max(_MOST_KNOWN, 4 * len(rows)):
        known.clear()
    fresh = [number for number, row in enumerate(rows) if (row, carried) not in known]
    if fresh:
        found = _looked_at(frame, latest, np.array(fresh, np.int64))
        known.update({(rows[number], carried): found.get(number) for number in fresh})
    others = [(number, other) for number, row in enumerate(rows) if (other := known[row, carried]) is not None]
    if not others:
        return latest
    columns = {name: values.copy() for name, values in latest.columns.items()}
    places = latest.rows.copy()
    for number, other in others:
        places[number] = other.row
        for name, value in other.told.items():
            columns[name][number] = value
    return latest._replace(columns=columns, rows=places)


class _Found(NamedTuple):
    """Which row holds the latest state of a position, and what it tells otherwise than the latest row."""

    row: int
    told: dict[str, Any]


def _looked_at(frame: pd.DataFrame, latest: LatestRows, fresh: Ints) -> dict[int, _Found]:
    """Look closer at the last rows of the positions ``fresh``; return those of which another row or value counts."""
    few = np.minimum(latest.counts, RECENT)
    of_position = np.repeat(np.arange(len(few)), few)
    recent = latest.recent[np.isin(of_position, fresh)]
    doubtful = fresh[_doubtful(frame, [latest.columns["quantity"][number] for number in fresh], recent, few[fresh])]
    if not len(doubtful):
        return {}
    rows = np.sort(latest.recent[np.isin(of_position, doubtful)])
    part = _taken(frame, rows)
    history = History(part)
    lasts = np.searchsorted(rows, latest.rows[doubtful])
    again = np.flatnonzero(_repeated(part, history)[lasts])
    late = history.changes.is_any[lasts[again]]
    lasts[again] = [_state_before(history, row) for row in lasts[again].tolist()]
    told = _columns(frame, rows[lasts[again]]) if len(again) else {}
    found = {number: _Found(int(latest.rows[number]), {}) for number in doubtful.tolist()}
    for at, place in enumerate(again.tolist()):
        number = int(doubtful[place])
        if late[at] or all(latest.columns[name][number] == told[name][at] for name in _SHOWN):
            found[number] = _Found(int(rows[lasts[place]]), {name: values[at] for name, values in told.items()})
    for each, row in zip(found.values(), lasts.tolist(), strict=True):
        if history.states.is_state[row]:
            each.told["quantity"] = int(history.states.quantity[row])
    return found


def _doubtful(frame: pd.DataFrame, quantities: list[Any], recent: Rows, few: Ints) -> Ints:
    """Return the positions whose last row seems repeated, or has a blank among the last ``quantities``.

    ``few`` says how many rows of each are among the ``recent`` ones.
    """
    unread = np.array([quantity is None for quantity in quantities], np.bool_)
    same = np.ones(len(recent), np.bool_)
    ends = np.cumsum(few) - 1
    same[ends] = False
    told = {}
    for name in _MONEY:
        told[name] = values = _picked_numbers(frame, name, recent)
        same &= values == np.repeat(values[ends], few)
        if not same.any():
            return np.flatnonzero(unread)
    told["quantity"] = _picked_numbers(frame, "quantity", recent)
    told["side"] = side = sides(_picked(frame, "side", recent))
    odd, starts = ~_plain(told), ends - few + 1
    odd[starts] = False  # nothing is known before the first ones
    same &= np.repeat(np.logical_or.reduceat(odd, starts), few)
    if same.any():
        days = days_of(moments(_picked(frame, RECEIVED_AT, recent)))
        for values in (days, side):
            same &= values == np.repeat(values[ends], few)
    return np.flatnonzero(unread | np.logical_or.reduceat(same, starts))


def _plain(told: dict[str, Ints]) -> Bools:
    """Tell of each row whether one fill at its price leads to it from the one before: then it repeats nothing.

    Where it is not plain the row may still be all right; :mod:`kiwoom_nb.history` knows.
    """
    change = {name: np.diff(values, prepend=values[:1]) for name, values in told.items()}
    quantity, cost, price = change["quantity"], change["cost"], told["price"]
    realized = change["realized_pnl"] + change["credit_realized_pnl"]
    held, costs = told["quantity"] - quantity, told["cost"] - cost
    share = np.divide(costs * -quantity.astype(np.float64), held, out=np.zeros(len(held)), where=held > 0)
    bought = (told["side"] == BUY) & (quantity > 0) & (realized == 0) & (cost == quantity * price)
    sold = (told["side"] == SELL) & (quantity < 0) & (realized - cost == -quantity * price)
    sold &= np.abs(-cost - share) <= 1
    plain: Bools = (bought | sold) & (change["net_bought_today"] == quantity) & (price > 0)
    return plain


def _picked(frame: pd.DataFrame, name: str, rows: Rows) -> pd.Series[Any]:
    """Return a column of a few rows; to ask its array costs a tenth of ``iloc``."""
    return pd.Series(frame[name].array.take(rows), name=name, copy=False)


def _picked_numbers(frame: pd.DataFrame, name: str, rows: Rows) -> Ints:
    """Return the whole numbers of a few rows, 0 where they are blank."""
    values = frame[name].array.take(rows)
    if isinstance(values, pd.arrays.IntegerArray):
        return values.to_numpy(np.int64, na_value=0)
    return numbers(pd.Series(values, copy=False))[0]


def _taken(frame: pd.DataFrame, rows: Rows) -> pd.DataFrame:
    """Return what :mod:`kiwoom_nb.history` reads of these rows, and never as if none were missing between them."""
    part = pd.DataFrame({name: frame[name].array.take(rows) for name in _STATE}, copy=False)
    part.index = pd.Index(frame.index[rows].to_numpy())  # no range
    part.attrs = frame.attrs
    return part


def _state_before(history: History, row: int) -> int:
    """Return the row of the state that was the latest one when ``row`` repeated one before it."""
    states = history.states
    while not (states.is_state[row] and states.is_event[row]):
        row = int(history.previous[row])
    return row


def _columns(frame: pd.DataFrame, rows: Ints) -> dict[str, list[Any]]:
    return {name: _listed(_picked(frame, name, rows)) for name in LATEST_COLUMNS}


def _listed(column: pd.Series[Any]) -> list[Any]:
    """Return the values of ``column``, None where blank, days and moments as numbers since the epoch."""
    if column.name == RECEIVED_AT:
        values: Any = moments(column)
    elif COLUMNS[str(column.name)].startswith("datetime64"):
        values = column.to_numpy("M8[ms]").astype(np.int64)
    else:
        values = column.astype("object")
    blank = column.isna().to_numpy()
    return [None if is_blank else value for value, is_blank in zip(values.tolist(), blank.tolist(), strict=True)]
