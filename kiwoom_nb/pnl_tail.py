"""Realized P&L of the rows that came since one looked last, at a cost that does not depend on the rows before."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from .holdings import AGGREGATE, CASH
from .keyed import Ints, Key, days_of, moments, numbers
from .latest import KEY
from .queries import is_lot
from .repeats import RepeatsTail
from .schema import RECEIVED_AT
from .scopes import Scope, check

_NEEDED: Final = (*KEY, RECEIVED_AT, "cost", "realized_pnl", "credit_realized_pnl")
_CHUNK: Final = 1 << 14
_NAT: Final = np.iinfo(np.int64).min


class PnlPoints(NamedTuple):
    """Points of a step line: moments (int64, microseconds since the epoch, UTC) and realized P&L (int64, won).

    ``is_anew`` tells that what was given before does not count any more: the rows were others, or fewer. Of points at
    the same moment, one after the other (also the last one before), only the last one counts.
    """

    is_anew: bool
    times: Ints
    won: Ints

    def lines(self) -> dict[str, tuple[Ints, Ints]]:
        """Return them as :func:`kiwoom_nb.figures.plot_realized_pnl` draws them: the line, the ground on both sides."""
        above, below = np.maximum(self.won, 0), np.minimum(self.won, 0)
        return {"above": (self.times, above), "below": (self.times, below), "total": (self.times, self.won)}


class PnlTail:
    """Follows a frame that grows: :meth:`take` gives the realized P&L of the day of the rows that are new.

    Put together, the points are those of :func:`kiwoom_nb.pnl.realized_pnl` of the whole frame.

    Parameters
    ----------
    scope
        What FIDs 990 and 992 of a row count: ``"position"`` or ``"account"``.
    """

    def __init__(self, scope: Scope = "position") -> None:
        check(scope)
        self._scope = scope
        self._forget()

    def _forget(self) -> None:
        self._rows = 0
        self._at = 0  # of the last row
        self._day: int | None = None
        self._total = 0
        self._last: dict[
            Any, tuple[int, int]
        ] = {}  # of each position: the day of its last row that tells, what it told
        self._sums: dict[Key, tuple[int, int]] = {}  # the last row of each that sums up lots: its day, what it told
        self._with_lots: set[tuple[str | None, str | None]] = set()  # account and symbol of which a lot is known
        self._repeats = RepeatsTail()

    def take(self, frame: pd.DataFrame) -> PnlPoints:
        """Return the points of the rows that are new since the last call; those of all rows after a seek back."""
        is_anew = not self._is_continued(frame)
        if is_anew:
            self._forget()
        starts = range(self._rows, len(frame), _CHUNK)
        columns = {name: frame[name] for name in _NEEDED} if starts else {}
        taken = [self._take(frame.iloc[: start + _CHUNK], columns, slice(start, start + _CHUNK)) for start in starts]
        at = np.concatenate([at for at, _ in taken]) if taken else np.empty(0, np.int64)
        values = np.concatenate([values for _, values in taken]) if taken else np.empty(0, np.int64)
        last = np.flatnonzero(np.diff(at, append=at[-1:] + 1))
        return PnlPoints(is_anew, at[last], values[last])

    def _is_continued(self, frame: pd.DataFrame) -> bool:
        """Tell whether the rows that were taken are still there; a frame has only one row at its end to tell by."""
        if not self._rows:
            return True
        if len(frame) < self._rows:
            return False
        return int(moments(frame[RECEIVED_AT].iloc[self._rows - 1 : self._rows])[0]) == self._at

    def _take(self, frame: pd.DataFrame, columns: dict[str, pd.Series[Any]], rows: slice) -> tuple[Ints, Ints]:
        at = moments(columns[RECEIVED_AT].iloc[rows])
        cash, no_cash = numbers(columns["realized_pnl"].iloc[rows])
        credit, no_credit = numbers(columns["credit_realized_pnl"].iloc[rows])
        told = np.ones(len(at), np.bool_)
        for blank in (no_cash, no_credit):
            if blank is not None:
                told &= ~blank
        keys = list(zip(*(_labels(columns[name].iloc[rows]) for name in KEY), strict=True))
        days, totals = days_of(at).tolist(), (cash + credit).tolist()
        costs = numbers(columns["cost"].iloc[rows])[0].tolist()
        told &= ~self._repeats.take(frame, keys, list(zip(days, costs, totals, strict=True)))
        values = [self._add(*row) for row in zip(keys, days, totals, told.tolist(), strict=True)]
        self._rows += len(at)
        self._at = int(at[-1])
        return at, np.array(values, np.int64)

    def _add(self, key: Key, day: int, total: int, is_told: bool) -> int:
        """Take in a row and return what was realized that day."""
        if day != self._day:
            self._day, self._total = day, 0
        by_account = self._scope == "account"
        if is_told:
            owner = key[0] if by_account else key
            step = total - self._before(self._last.get(owner), day)
            self._last[owner] = day, total
            if by_account or key[2] != AGGREGATE or key[:2] not in self._with_lots:
                self._total += step
        if key[2] != CASH and not by_account:
            self._leave_out_sums(key, day, total, is_told=is_told)
        return self._total

    def _leave_out_sums(self, key: Key, day: int, total: int, *, is_told: bool) -> None:
        """Take back what rows that sum up lots told, as soon as one of the lots is known."""
        if key[2] == AGGREGATE:
            if is_told:
                self._sums[key] = day, total
        elif is_lot(key) and key[:2] not in self._with_lots:
            self._with_lots.add(key[:2])
            for summed, before in self._sums.items():
                if summed[:2] == key[:2]:
                    self._total -= self._before(before, day)

    @staticmethod
    def _before(last: tuple[int, int] | None, day: int) -> int:
        return last[1] if last is not None and last[0] == day else 0


def _labels(column: pd.Series[Any]) -> list[Any]:
    """Return the values of a column that names a position, None where it is blank."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = [*column.cat.categories, None]  # the code of a blank is -1
        return [names[code] for code in column.cat.codes.to_numpy().tolist()]
    values = column.to_numpy("M8[ms]").astype(np.int64).tolist() if column.dtype.kind == "M" else list(column)
    return [None if value == _NAT or pd.isna(value) else value for value in values]
