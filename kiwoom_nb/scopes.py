"""What FIDs 990 and 992 of a row count: the position of the row, or everything that its account realized today.

The latter can be turned into the former: what an event adds to the last value of its account belongs to its position.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import numpy as np
import pandas as pd

from .holdings import AGGREGATE
from .keyed import BUY, NONE, Bools, Ints, Key, Keys, days_of, keys_of, moments, numbers, order_of, previous_of, sides
from .latest import KEY
from .queries import is_lot
from .schema import RECEIVED_AT
from .unread import Gaps

Scope = Literal["position", "account"]

_SCOPES: Final = ("position", "account")
_REALIZED: Final = ("realized_pnl", "credit_realized_pnl")
_STATE: Final = ("side", "price", "quantity", "cost", "net_bought_today", *_REALIZED)
_READ: Final = [RECEIVED_AT, *KEY, *_STATE]


def check(scope: object) -> None:
    """Raise a ValueError where ``scope`` is none."""
    if scope not in _SCOPES:
        raise ValueError(f'scope={scope!r} is not known: give "position" or "account".')


def by_position(frame: pd.DataFrame, previous: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return ``frame``, whose 990 and 992 count the whole account, with what they would say of each position alone.

    What an event adds to the last value of its account and KST day belongs to the position of the event. A blank stays
    blank, and what it hid belongs to the next event that tells a value. An event that is sent again adds nothing.

    Parameters
    ----------
    frame
        Balance events in order of arrival, all of them: of a selection it is not known what the others realized.
    previous
        The events before it: the values go on from theirs.

    Returns
    -------
    pandas.DataFrame
        The same rows; ``realized_pnl`` and ``credit_realized_pnl`` (Int64, won) are new, the rest is shared.
    """
    return _with(frame, _Turning(_rows(frame, previous)).columns())


class Turned(NamedTuple):
    """A frame by position; ``unsure`` (bool, by row) marks changes that other positions may have a part in.

    These are the first value of an account on each day, and what changed while the line was down or an event of it
    could not be read.
    """

    frame: pd.DataFrame
    unsure: Bools


def turned(frame: pd.DataFrame, previous: pd.DataFrame | None = None) -> Turned:
    """Return ``frame`` as :func:`by_position` does, but where it is not sure no buy realizes anything."""
    rows = _rows(frame, previous)
    turning = _Turning(rows)
    unsure = turning.unsure(Gaps(frame))
    columns = turning.columns(unsure & (sides(rows["side"]) == BUY))
    return Turned(_with(frame, columns), unsure[len(rows) - len(frame) :])


def _rows(frame: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    read = frame[_READ]
    return read if previous is None else pd.concat([previous[_READ], read], ignore_index=True)


def _with(frame: pd.DataFrame, columns: dict[str, pd.arrays.IntegerArray]) -> pd.DataFrame:
    """Return ``frame`` with the last values of these columns."""
    return frame.assign(**{name: values[len(values) - len(frame) :] for name, values in columns.items()})


class _Turning:
    """Rows whose 990 and 992 count the whole account, on the way to what they say of each position."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self._rows = rows
        keys = keys_of(rows)
        names = keys.labels(rows)
        numbered: dict[str | None, int] = {}
        accounts = [numbered.setdefault(name[0], len(numbered)) for name in names]
        self._accounts = np.array(accounts, np.int64)[keys.ids]
        self._at = moments(rows[RECEIVED_AT])
        self._ids, self._days = keys.ids, days_of(self._at)
        self._by_account, self._by_key = order_of(self._accounts), order_of(keys.ids)
        self._told = {name: numbers(rows[name]) for name in _REALIZED}
        self._sums = list(_sums(names, keys))
        self._counts = np.ones(len(rows), np.bool_)
        for own, lot in self._sums:
            self._counts[own[own > lot]] = False
        self._again, self._first = self._repetitions()
        self._counts[self._again] = False

    def columns(self, nothing: Bools | None = None) -> dict[str, pd.arrays.IntegerArray]:
        """Return 990 and 992 by position; the rows ``nothing`` are known to have realized none of it."""
        return {name: self._column(*told, nothing) for name, told in self._told.items()}

    def unsure(self, gaps: Gaps) -> Bools:
        """Tell of each row whether others than its position may have changed the account's value."""
        found = np.zeros(len(self._rows), np.bool_)
        received, last = self._before(self._counts), np.arange(len(found))
        for told, blank in self._told.values():
            counts = self._counts if blank is None else self._counts & ~blank
            before = self._before(counts)
            is_first = before == NONE
            missed = (before != received) | gaps.between(self._at, before, last)
            found |= counts & np.where(is_first, told != 0, (told != told[before]) & missed)
        return found

    def _column(self, told: Ints, blank: Bools | None, nothing: Bools | None) -> pd.arrays.IntegerArray:
        counts = self._counts if blank is None else self._counts & ~blank
        before = self._before(counts)
        change = np.where(counts, told - np.where(before == NONE, 0, told[before]), 0)
        if nothing is not None:
            change[nothing] = 0
        for own, lot in self._sums:  # from now on the lots tell what their sum told
            change[lot] += change[own[(own < lot) & (self._days[own] == self._days[lot])]].sum()
        so_far = self._so_far(change)
        so_far[self._again] = so_far[self._first]
        return pd.arrays.IntegerArray(so_far, np.zeros(len(told), np.bool_) if blank is None else blank)

    def _before(self, counts: Bools) -> Ints:
        """Return the row before each of the same account and day that ``counts``, -1 where there is none."""
        before = previous_of(self._accounts, counts, self._by_account)
        of_day: Ints = np.where(self._days[before] == self._days, before, NONE)
        return of_day

    def _so_far(self, change: Ints) -> Ints:
        """Add ``change`` up within each position and day."""
        ids, days, steps = self._ids[self._by_key], self._days[self._by_key], change[self._by_key]
        is_new = np.ones(len(steps), np.bool_)
        is_new[1:] = (ids[1:] != ids[:-1]) | (days[1:] != days[:-1])
        begins, sums = np.flatnonzero(is_new), np.cumsum(steps)
        so_far = np.empty(len(steps), np.int64)
        so_far[self._by_key] = sums - np.repeat(sums[begins] - steps[begins], np.diff(begins, append=len(steps)))
        return so_far

    def _repetitions(self) -> tuple[Ints, Ints]:
        """Return the rows that tell a state again after others, and for each the row that told it first.

        They bring the account back to a value that it had today; only what does is looked at any further.
        """
        rows = self._back()
        same = np.flatnonzero(np.isin(self._ids, self._ids[rows])) if len(rows) else rows
        states = self._rows[list(_STATE)].take(same).assign(_id=self._ids[same], _day=self._days[same])
        groups = states.groupby(list(states), dropna=False, observed=True, sort=False).ngroup().to_numpy()
        _, firsts, numbers_of = np.unique(groups, return_index=True, return_inverse=True)
        first = same[firsts[numbers_of]]
        again = (first < same) & np.isin(same, rows)
        return same[again], first[again]

    def _back(self) -> Ints:
        """Return the rows at which an account stands at a value that it had today, with others in between."""
        (cash, no_cash), (credit, no_credit) = self._told.values()
        counts = self._counts.copy()
        for blank in (no_cash, no_credit):
            if blank is not None:
                counts &= ~blank
        before = self._before(counts)
        rows = self._by_account[counts[self._by_account]]
        has_moved = ((cash != cash[before]) | (credit != credit[before]) | (before == NONE))[rows]
        moved = rows[has_moved]
        values = {"account": self._accounts, "day": self._days, "cash": cash, "credit": credit}
        was_there = pd.DataFrame({name: of[moved] for name, of in values.items()}).duplicated().to_numpy()
        back: Ints = rows[was_there[np.cumsum(has_moved) - 1]]
        return back


def _sums(names: list[Key], keys: Keys) -> Iterator[tuple[Ints, int]]:
    """Yield the rows of each ``99``, which sums up loan lots, with the first row of one of these, if there is one."""
    for number, name in enumerate(names):
        if name[2] != AGGREGATE:
            continue
        lots = [keys.firsts[lot] for lot, other in enumerate(names) if other[:2] == name[:2] and is_lot(other)]
        if lots:
            yield np.flatnonzero(keys.ids == number), int(min(lots))
