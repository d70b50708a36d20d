"""Realized P&L over time, by day, and checked against our own bookkeeping.

Kiwoom tells with each event what was realized today: FID 990 in cash, 992 on credit. Whether that is about the position
of the row or about the whole account is documented nowhere (the one live client that says anything books it to the
position), so it is a named argument: ``scope="position"`` or ``"account"``. Data that contradict it raise a warning.
"""

from __future__ import annotations

import warnings
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from .errors import ScopeWarning
from .fills import fills
from .holdings import AGGREGATE
from .keyed import BUY, Bools, Ints, Keys, days_of, keys_of, moments, numbers, order_of, previous_of, sides
from .line import Gap
from .positions import positions
from .queries import is_lot
from .repeats import repeated, seem_repeated
from .schema import RECEIVED_AT, TIMEZONE
from .scopes import Scope, check
from .told import told_by

By = Literal["symbol", "account"] | None


def realized_pnl(frame: pd.DataFrame, by: By = None, scope: Scope = "position") -> pd.Series[int] | pd.DataFrame:
    """Return the realized P&L of the day so far, in cash and on credit together, as it was after each arrival.

    Parameters
    ----------
    frame
        Balance events in order of arrival.
    by
        None: the total. ``"symbol"``, ``"account"``: one column for each.
    scope
        What FIDs 990 and 992 of a row count: ``"position"`` (account, symbol, credit type, loan date) or
        ``"account"`` (everything that the account realized today, whatever the row is about).

    Returns
    -------
    pandas.Series or pandas.DataFrame
        int64, won, before fee and tax; the index is ``received_at`` (KST), one point for each moment at which
        something arrived, good until the next. It begins anew with each KST day. What a position had realized before
        its first event of the day counts from that event on.

    Raises
    ------
    ValueError
        ``by`` or ``scope`` is none of these.

    Warns
    -----
    ScopeWarning
        The data contradict ``scope``, such as a symbol that was only bought and realizes something.

    Notes
    -----
    Rows of ``99`` sum up loan lots and count only until a lot of theirs is known. An event that is sent again, at once
    or late, changes nothing.
    """
    _check(by, scope)
    steps = _Steps(frame, scope)
    steps.warn(frame)
    return steps.series() if by is None else steps.table(frame, by)


def _check(by: object, scope: object) -> None:
    if by not in {None, "symbol", "account"}:
        raise ValueError(f'by={by!r} is not known: leave it out for the total, or give "symbol" or "account".')
    check(scope)


class _Steps:
    """By how much each row of a frame changes what was realized today."""

    def __init__(self, frame: pd.DataFrame, scope: Scope) -> None:
        self.times = moments(frame[RECEIVED_AT])
        self.days = days_of(self.times)
        self._scope = scope
        cash, no_cash = numbers(frame["realized_pnl"])
        credit, no_credit = numbers(frame["credit_realized_pnl"])
        told = np.ones(len(frame), np.bool_)
        for blank in (no_cash, no_credit):
            if blank is not None:
                told &= ~blank
        self._total, self._told = cash + credit, told
        keys = keys_of(frame)
        order = order_of(keys.ids)
        owners = keys.ids if scope == "position" else _codes(frame["account"])
        own = order if scope == "position" else order_of(owners)
        self._link(owners, own)
        seem = seem_repeated(keys.ids, order, (self.days, numbers(frame["cost"])[0], self._total))
        if (seem & (self.step != 0)).any():
            self._told = told & ~(seem & repeated(frame))
            self._link(owners, own)
        if scope == "position":
            self._leave_out_sums(frame, keys)

    def _link(self, owners: Ints, order: Ints) -> None:
        """Find the row before each of the same owner, and by how much the realized P&L of the day changed since."""
        self.previous = previous_of(owners, self._told, order)
        before = np.where(self.previous >= 0, self._total[self.previous], 0)
        self.again = self.days[self.previous] != self.days
        before[self.again] = 0
        self.step = np.where(self._told, self._total - before, 0)

    def _leave_out_sums(self, frame: pd.DataFrame, keys: Keys) -> None:
        """Count rows that sum up lots only until one of the lots is known, and take them back then."""
        names = keys.labels(frame)
        for number, name in enumerate(names):
            if name[2] != AGGREGATE:
                continue
            lots = [keys.firsts[lot] for lot, other in enumerate(names) if other[:2] == name[:2] and is_lot(other)]
            if not lots:
                continue
            known = int(min(lots))
            own = np.flatnonzero(keys.ids == number)
            self.step[own[own > known]] = 0
            before = own[(own < known) & self._told[own]]
            if len(before) and self.days[before[-1]] == self.days[known]:
                self.step[known] -= self._total[before[-1]]

    # --- shown --------------------------------------------------------------------------------------------------------

    def series(self) -> pd.Series[int]:
        """Return the total after each moment."""
        last = self._last_of_moments()
        return pd.Series(self._so_far(self.step)[last], index=self._index(last), name="realized_pnl")

    def table(self, frame: pd.DataFrame, by: str) -> pd.DataFrame:
        """Return the total after each moment for each symbol or account."""
        last = self._last_of_moments()
        codes = _codes(frame[by])
        names = list(frame[by].astype("category").cat.categories)
        columns = {
            name: self._so_far(np.where(codes == code, self.step, 0))[last]
            for code, name in enumerate(names, 1)
            if (codes == code).any()
        }
        return pd.DataFrame(columns, index=self._index(last), columns=pd.Index(list(columns), dtype="str", name=by))

    def _so_far(self, step: Ints) -> Ints:
        """Add ``step`` up, from 0 at the beginning of each day."""
        total = np.cumsum(step)
        begins = np.flatnonzero(np.diff(self.days, prepend=self.days[:1] - 1))
        if len(begins) > 1:
            yesterday = np.concatenate([[0], total[begins[1:] - 1]])
            total -= np.repeat(yesterday, np.diff(begins, append=len(total)))
        return total

    def _last_of_moments(self) -> Ints:
        return np.flatnonzero(np.diff(self.times, append=self.times[-1:] + 1))

    def _index(self, rows: Ints) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(pd.array(self.times[rows], dtype=pd.DatetimeTZDtype("us", TIMEZONE)), name=RECEIVED_AT)

    # --- doubts -------------------------------------------------------------------------------------------------------

    def warn(self, frame: pd.DataFrame) -> None:
        """Warn of a buy that realizes something although nothing can have been missed: the scope is another one."""
        is_buy = (sides(frame["side"]) == BUY) & (self.step != 0)
        linked = is_buy & (self.previous >= 0) & ~self.again
        for row in np.flatnonzero(linked | self._of_another(frame, is_buy & ~linked)).tolist():
            if linked[row] and any(self._is_within(gap, row) for gap in told_by(frame).gaps):
                continue
            moment = pd.Timestamp(self.times[row], unit="us", tz="UTC").tz_convert(TIMEZONE)
            seen = frame.index[row], f"{moment:%Y-%m-%d %H:%M:%S}", str(frame["symbol"].iloc[row])
            warnings.warn(ScopeWarning(self._scope, *seen, int(self.step[row])), stacklevel=4)
            return

    def _of_another(self, frame: pd.DataFrame, firsts: Bools) -> Bools:
        """Tell which of the first events of positions tell what the account has just told of another symbol."""
        if self._scope != "position" or not firsts.any():
            return np.zeros(len(firsts), np.bool_)
        accounts, symbols = _codes(frame["account"]), _codes(frame["symbol"])
        before = previous_of(accounts, self._told, order_of(accounts))
        is_same = (self._total == self._total[before]) & (self.days == self.days[before])
        of_another: Bools = firsts & (before >= 0) & is_same & (symbols != symbols[before])
        return of_another

    def _is_within(self, gap: Gap, row: int) -> bool:
        return gap.start < self.times[row] and (gap.end is None or gap.end > self.times[self.previous[row]])


def _codes(column: pd.Series[Any]) -> Ints:
    """Return a code from 1 for each category, 0 where it is blank."""
    codes: Ints = column.astype("category").cat.codes.to_numpy() + np.int64(1)
    return codes


# --- by day -----------------------------------------------------------------------------------------------------------


def summary(frame: pd.DataFrame, scope: Scope = "position") -> pd.DataFrame:
    """Return one row for each account and KST day.

    Parameters
    ----------
    frame
        Balance events in order of arrival.
    scope
        What FIDs 990 and 992 of a row count, see :func:`realized_pnl`.

    Returns
    -------
    pandas.DataFrame
        ``date`` (datetime64[ms]), ``account``; ``realized_pnl`` (990 + 992), ``unrealized_pnl`` (of what was held
        after the last event of the day, at the last prices; NA where that of a position is not known), ``bought``,
        ``sold`` (amounts of the fills that are known), all Int64, won, before fee and tax; ``fills`` and of them
        ``uncertain`` (int64: not ``exact``); ``win_rate`` (float64, 0 to 1: sells that realized more than 0, of those
        that tell); ``best_symbol``, ``best_pnl``, ``worst_symbol``, ``worst_pnl`` (by what the symbol realized that
        day; blank where nothing was sold); ``max_drawdown`` (Int64, won, 0 or less: the deepest fall of realized P&L
        below its highest, or below 0, of the day, as it was after each arrival); ``events`` (int64).

    Raises
    ------
    ValueError
        ``scope`` is not known.

    Warns
    -----
    ScopeWarning
        The data contradict ``scope``.
    """
    _check(None, scope)
    steps = _Steps(frame, scope)
    steps.warn(frame)
    traded = fills(frame, scope=scope)
    rows = [_day(frame, steps, traded, day) for day in np.unique(steps.days)]
    return _summary_table([row for rows_of_day in rows for row in rows_of_day], frame)


def _day(frame: pd.DataFrame, steps: _Steps, traded: pd.DataFrame, day: int) -> list[dict[str, Any]]:
    """Return the rows of one day, one for each account with an event."""
    of_day = steps.days == day
    held = positions(frame.iloc[: int(np.flatnonzero(of_day)[-1]) + 1])
    fills_of_day = traded[days_of(moments(traded["time"])) == day]
    accounts = frame["account"][of_day].dropna().unique()
    return [
        {
            "date": day,
            "account": account,
            "unrealized_pnl": held.loc[held["account"] == account, "unrealized_pnl"].sum(skipna=False),
            "events": int((of_day & (frame["account"] == account).to_numpy()).sum()),
            **_of_steps(frame, steps, of_day & (frame["account"] == account).to_numpy()),
            **_of_fills(fills_of_day[fills_of_day["account"] == account]),
        }
        for account in accounts
    ]


def _of_steps(frame: pd.DataFrame, steps: _Steps, rows: Bools) -> dict[str, Any]:
    step, times = steps.step[rows], steps.times[rows]
    so_far = np.cumsum(step)[np.diff(times, append=times[-1:] + 1) != 0]  # after each moment: several may come at once
    highest = np.maximum.accumulate(np.maximum(so_far, 0))
    by_symbol = pd.Series(step).groupby(frame["symbol"][rows].to_numpy(), observed=True).agg(["sum", np.count_nonzero])
    sums = by_symbol.loc[by_symbol["count_nonzero"] > 0, "sum"]
    return {
        "realized_pnl": int(step.sum()),
        "max_drawdown": int((so_far - highest).min(initial=0)),
        "best_symbol": sums.idxmax() if len(sums) else None,
        "best_pnl": int(sums.max()) if len(sums) else None,
        "worst_symbol": sums.idxmin() if len(sums) else None,
        "worst_pnl": int(sums.min()) if len(sums) else None,
    }


def _of_fills(traded: pd.DataFrame) -> dict[str, Any]:
    is_sell = traded["side"] == "sell"
    told = traded.loc[is_sell, "realized_pnl"].dropna()
    return {
        "bought": int(traded.loc[traded["side"] == "buy", "amount"].sum()),
        "sold": int(traded.loc[is_sell, "amount"].sum()),
        "fills": len(traded),
        "uncertain": int((traded["confidence"] != "exact").sum()),
        "win_rate": float((told > 0).mean()) if len(told) else np.nan,
    }


_SUMMARY: Final = {
    "date": "int64",
    "account": "object",
    "realized_pnl": "Int64",
    "unrealized_pnl": "Int64",
    "bought": "Int64",
    "sold": "Int64",
    "fills": "int64",
    "uncertain": "int64",
    "win_rate": "float64",
    "best_symbol": "object",
    "best_pnl": "Int64",
    "worst_symbol": "object",
    "worst_pnl": "Int64",
    "max_drawdown": "Int64",
    "events": "int64",
}


def _summary_table(rows: list[dict[str, Any]], frame: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=dtype) for name, dtype in _SUMMARY.items()}
    )
    table["date"] = table["date"].to_numpy().astype("M8[D]").astype("M8[ms]")
    table["account"] = table["account"].astype(frame["account"].dtype)
    for name in ("best_symbol", "worst_symbol"):
        table[name] = table[name].astype(frame["symbol"].dtype)
    return table.sort_values(["date", "account"], kind="stable", ignore_index=True)
