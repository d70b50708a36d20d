"""Fills, inferred from consecutive balance events: type ``04`` tells the state after a fill, not the fill.

Between two states of a position lie a change of quantity (930), of cost (932), of today's realized P&L (990 + 992) and
of the shares bought today (945). One buy adds shares and cost and realizes nothing: its amount is the change of cost.
One sell takes its share of the cost along: its amount is what it realized plus that cost. Where the four and the side
(946) agree on one such fill at one price, it is exact, to the won and the share.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import krx
from .costs import Costs
from .history import Change, End, History
from .holdings import AGGREGATE
from .keyed import BUY, NONE, Bools, Ints, Key, numbers
from .queries import comes_after, is_lot, stop_of
from .schema import SIDES, TIMEZONE
from .told import told_by

CONFIDENCES: Final = ("exact", "merged", "gap", "first", "contradictory")
_EXACT, _MERGED, _GAP, _FIRST, _CONTRADICTORY = range(5)
REASONS: Final = (
    "",
    "at an average price: several fills that were told as one",
    "the line was down before it",
    "seen when the account was asked",
    "the first event of the position: what was held before is not known",
    "the account query before it may have told it already",
    "what was realized before is not known",
    "side, quantity, cost and realized P&L do not agree on one fill",
)
_NO_REASON, _AVERAGED, _LINE_DOWN, _ASKED, _UNSEEN, _TOLD, _UNREALIZED, _DISAGREE = range(8)


def fills(frame: pd.DataFrame, previous: pd.DataFrame | None = None, costs: Costs | None = None) -> pd.DataFrame:
    """Return the fills that lie between the events of each position, in the order in which they were told.

    Parameters
    ----------
    frame
        Balance events, of any length.
    previous
        The events before it: ``fills(frame) == fills(a) + fills(b, previous=a)`` wherever it is cut.
    costs
        Adds ``fee``, ``tax``, ``net_amount`` (won; what a buy cost and what a sell brought, all told) and ``assumed``
        (the market of the symbol was not given). Without it everything is gross.

    Returns
    -------
    pandas.DataFrame
        ``time`` (KST, when it was told), ``account``, ``symbol``, ``name``, ``venue``, ``credit_type``,
        ``loan_date``, ``side``; ``quantity`` (Int64, shares), ``price`` (Int64, won; of several fills their average,
        rounded), ``amount`` (Int64, won), ``realized_pnl`` (Int64, won, before fee and tax; 0 of a buy);
        ``net_quantity`` and ``cash`` (Int64: the change of shares and the money that moved, negative where it was
        paid); ``confidence``, ``reason`` (category) and ``row`` (Int64, the label of the event; NA where the fill was
        seen by an account query only). Confidence is ``exact``; ``merged`` (several fills as one: quantity and amount
        are their exact sums); ``gap`` (the line was down before it); ``first`` (what the position was before is not
        known); ``contradictory`` (no fill of one side explains it). Quantity and amount are NA where they cannot be
        told, ``price`` is then the last price; ``net_quantity`` and ``cash`` are right wherever they are given. Where
        an event was lost and no gap is known, what cancelled out in between is not seen.

    Raises
    ------
    ValueError
        With ``costs``: a sale is older than its table of taxes.

    Notes
    -----
    A duplicate of an event is no fill. Rows of ``99`` (all loan lots of a symbol together) are none where a lot of it
    is known.
    """
    history = History(frame, None if previous is None else end_of(previous, frame))
    shown = _find(frame, history).shown(frame)
    return shown if costs is None else add_costs(shown, costs)


def follow(frame: pd.DataFrame, before: End | None = None) -> tuple[pd.DataFrame, End]:
    """Return the fills of ``frame``, and how it ends: pass that on with the rows that come next."""
    history = History(frame, before)
    return _find(frame, history).shown(frame), history.end()


def end_of(frame: pd.DataFrame, after: pd.DataFrame) -> End:
    """Return how the history of ``frame`` ends before ``after``."""
    until = int(after.index[0]) if comes_after(after, stop_of(frame)) else None
    return History(frame, until=until).end()


def add_costs(fills: pd.DataFrame, costs: Costs) -> pd.DataFrame:
    """Return ``fills`` with ``fee``, ``tax``, ``net_amount`` (Int64, won) and ``assumed`` (bool)."""
    known = fills["amount"].notna().to_numpy()
    is_sell = (fills["side"] == "sell").to_numpy()
    amounts = fills["amount"].to_numpy(np.int64, na_value=0)
    fee, tax = costs.fees(amounts), np.zeros(len(fills), np.int64)
    taxed = known & is_sell
    tax[taxed] = costs.taxes(amounts[taxed], fills["symbol"][taxed], fills["time"][taxed])
    net = np.where(is_sell, amounts - fee - tax, amounts + fee)
    columns = {name: _integers(values, known) for name, values in (("fee", fee), ("tax", tax), ("net_amount", net))}
    return fills.assign(**columns, assumed=costs.assumed(fills["symbol"]))


class _Gaps:
    """The times in which the line was down, to be asked for many spans at once."""

    def __init__(self, frame: pd.DataFrame) -> None:
        gaps = told_by(frame).gaps
        latest = np.iinfo(np.int64).max
        self._starts = np.sort(np.array([gap.start for gap in gaps], np.int64))
        self._ends = np.sort(np.array([latest if gap.end is None else gap.end for gap in gaps], np.int64))

    def between(self, time: Ints, before: Ints, rows: Ints) -> Bools:
        """Tell of each span, from ``time[before]`` to ``time[rows]``, whether the line was down in it."""
        if not len(self._starts):
            return np.zeros(len(rows), np.bool_)
        begun = np.searchsorted(self._starts, time[rows], side="left")
        over: Bools = begun > np.searchsorted(self._ends, time[before], side="right")
        return over


def _find(frame: pd.DataFrame, history: History) -> _Found:
    """Tell which states a fill led to, and what that fill was."""
    states = history.states
    rows = np.flatnonzero(_counted(history))
    before = history.previous[rows]
    change = history.changes.take(rows)
    is_new = before == NONE
    is_query = ~states.is_event[rows]
    moved = np.where(is_query, (change.quantity != 0) | (change.cost != 0), change.is_any)
    told = ~moved & ~is_new & ~is_query & ~states.is_event[before]
    told[told] = [not _was_told(history, row) for row in rows[told].tolist()]
    kept = np.flatnonzero(np.where(is_new, ~is_query, moved | told))
    if len(kept) != len(rows):
        rows, change = rows[kept], change.take(kept)
    if len(states.key) > history.rows:
        rows = rows[np.argsort(states.place[rows], kind="stable")]
        change = history.change(rows)
    return _Found(frame, history, rows, change)


def _counted(history: History) -> Bools:
    """Tell which states are of this frame and of a position of its own: not of the sum of lots that are known."""
    states = history.states
    counted = states.is_state.copy()
    counted[history.rows :] &= states.place[history.rows :] >= 0
    sums = [number for number, key in enumerate(history.keys) if key[2] == AGGREGATE]
    for number in sums:
        of_sum = np.flatnonzero(states.key == number)
        counted[of_sum[states.place[of_sum] > _lots_known_from(history, history.keys[number])]] = False
    return counted


def _lots_known_from(history: History, total: Key) -> float:
    """Return the place from which on a lot is known of what ``total`` sums up."""
    lots = [number for number, key in enumerate(history.keys) if key[:2] == total[:2] and is_lot(key)]
    states = history.states
    known = np.isin(states.key, lots) & (states.is_event | (states.quantity != 0))
    return float(states.place[known].min()) if known.any() else np.inf


def _was_told(history: History, row: int) -> bool:
    """Tell whether an event before the account query told the same: then ``row`` only repeats it."""
    states, before = history.states, int(history.previous[row])
    while before >= 0 and not states.is_event[before]:
        before = int(history.previous[before])
    columns = (states.quantity, states.cost, states.realized, states.net, states.side, states.price)
    return before >= 0 and all(column[before] == column[row] for column in columns)


class _Found:
    """The fills that led to the states ``rows``, as arrays; ``knows_*`` tell where there is something to tell."""

    def __init__(self, frame: pd.DataFrame, history: History, rows: Ints, change: Change) -> None:
        states, before = history.states, history.previous[rows]
        self._states = states
        self._events = history.rows
        self._keys = history.keys
        self._rows = rows
        is_new, is_query = before == NONE, ~states.is_event[rows]
        is_told = ~is_new & (is_query | ~change.is_any)  # by an account query alone, or by one before already
        self._fits = (change.bought | change.sold) & ~is_new & ~is_query
        priced = change.bought | change.is_realized_known
        self._side = np.where(is_new | ~change.is_any, states.side[rows], change.side)
        self._quantity = np.abs(change.quantity)
        self._net, self._knows_net = change.quantity, ~is_new & (is_query | change.is_any)
        self._realized = np.where(change.bought, 0, change.realized)
        self._cash = self._realized - change.cost
        self._knows_cash = ~is_new & ~is_told & priced
        self._begin(is_new & ~is_query)
        self._amount = np.abs(self._cash)
        self._knows_amount = self._fits & self._knows_cash
        self._price = states.price[rows]
        is_single = self._priced_alone(frame)
        self._reason = np.full(len(rows), _AVERAGED, np.int8)
        for is_so, reason in (  # the first that is so is told: it is written last
            (is_single, _NO_REASON),
            (~priced, _UNREALIZED),
            (~self._fits, _DISAGREE),
            (~is_new & _Gaps(frame).between(states.time, before, rows), _LINE_DOWN),
            (is_told, _TOLD),
            (is_new, _UNSEEN),
            (is_query, _ASKED),
        ):
            self._reason[is_so] = reason

    def _priced_alone(self, frame: pd.DataFrame) -> Bools:
        """Put the average price in place of the last one; tell where it is a price that one fill can have had."""
        is_last: Bools = self._price * self._quantity == self._amount
        others = np.flatnonzero(self._knows_amount & ~is_last)
        amount, each = self._amount[others], self._quantity[others]
        average = (2 * amount + each) // (2 * each)
        self._price[others] = average
        is_whole = average * each == amount
        is_last[others] = is_whole & ((each == 1) | self._on_tick(frame, others, average))
        return is_last

    def _on_tick(self, frame: pd.DataFrame, doubtful: Ints, average: Ints) -> Bools:
        """Tell whether an average is a price at all: the market may have moved on since the one fill.

        Type 04 does not tell an ETF from a share; its quotes do, where one of them is no price of a share.
        """
        quotes = frame[["price", "ask", "bid"]].take(self._rows[doubtful])
        is_etf = np.zeros(len(doubtful), np.bool_)
        for name in quotes:
            is_etf |= ~krx.on_tick(numbers(quotes[name])[0])
        on_tick: Bools = np.where(is_etf, krx.on_tick(average, etf=True), krx.on_tick(average))
        return on_tick

    def _begin(self, is_new: Bools) -> None:
        """Read the first event of a position that was not held this morning: everything happened today."""
        states = self._states
        for found in np.flatnonzero(is_new).tolist():
            row = self._rows[found]
            quantity, cost, realized = states.quantity[row], states.cost[row], states.realized[row]
            if states.no_net[row] or states.net[row] != quantity:
                continue
            self._net[found], self._cash[found], self._realized[found] = quantity, realized - cost, realized
            self._knows_net[found] = self._knows_cash[found] = True
            self._quantity[found] = quantity
            self._fits[found] = states.side[row] == BUY and quantity > 0 and realized == 0

    def shown(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return them as :func:`fills` does."""
        states, rows = self._states, self._rows
        is_row = rows < self._events
        columns: dict[str, object] = {
            "time": pd.array(states.time[rows], dtype=pd.DatetimeTZDtype("us", TIMEZONE)),
            **self._names(frame, is_row),
            "side": _category(self._side, tuple(SIDES.values())),
            "quantity": _integers(self._quantity, self._fits),
            "price": _integers(self._price, self._price > 0),
            "amount": _integers(self._amount, self._knows_amount),
            "realized_pnl": _integers(self._realized, self._knows_cash),
            "net_quantity": _integers(self._net, self._knows_net),
            "cash": _integers(self._cash, self._knows_cash),
            "confidence": _category(_CONFIDENCE_OF[self._reason], CONFIDENCES),
            "reason": _category(self._reason, REASONS),
            "row": _integers(_labels(frame, rows, is_row), is_row),
        }
        return pd.DataFrame(columns, copy=False)

    def _names(self, frame: pd.DataFrame, is_row: Bools) -> dict[str, object]:
        """Return the columns that say which position, from the rows; where there is none, from the account query."""
        taken = frame[list(_NAMES)].take(self._rows[is_row])
        if not is_row.all():
            taken = _with_queries(
                taken, frame, is_row, [self._keys[key] for key in self._states.key[self._rows[~is_row]]]
            )
        taken = taken.reset_index(drop=True)
        return {name: taken[name] for name in _NAMES}


_NAMES: Final = ("account", "symbol", "name", "venue", "credit_type", "loan_date")


def _with_queries(taken: pd.DataFrame, frame: pd.DataFrame, is_row: Bools, keys: list[Key]) -> pd.DataFrame:
    """Put the positions ``keys`` between the rows ``taken``, where ``is_row`` is false."""
    names = {held.symbol: held.name for query in told_by(frame).holdings for held in query.holdings}
    asked = pd.DataFrame(keys, columns=["account", "symbol", "credit_type", "loan_date"], dtype="object")
    asked["loan_date"] = pd.to_datetime(asked["loan_date"].astype("Int64"), unit="ms").astype("datetime64[ms]")
    asked["name"] = asked["symbol"].map(names)
    asked["venue"] = None
    places = np.argsort(np.concatenate([np.flatnonzero(is_row), np.flatnonzero(~is_row)]), kind="stable")
    columns = {}
    for name in _NAMES:
        dtype = taken[name].dtype
        if isinstance(dtype, pd.CategoricalDtype):
            more = [value for value in asked[name].dropna().unique() if value not in dtype.categories]
            dtype = pd.CategoricalDtype(pd.Index([*dtype.categories, *more], dtype="str"))
        columns[name] = pd.concat([taken[name].astype(dtype), asked[name].astype(dtype)]).iloc[places]
    return pd.DataFrame(columns)


_CONFIDENCE_OF: Final = np.array([_EXACT, _MERGED, _GAP, _GAP, _FIRST, _FIRST, _FIRST, _CONTRADICTORY])


def _labels(frame: pd.DataFrame, rows: Ints, is_row: Bools) -> Ints:
    labels = frame.index.to_numpy()
    if not (len(labels) and np.issubdtype(labels.dtype, np.integer)):
        labels = np.arange(max(len(labels), 1))
    return np.asarray(labels, np.int64)[np.where(is_row, rows, 0)]


def _integers(values: Ints, known: Bools) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(values, ~known)


def _category(codes: npt.NDArray[np.integer], categories: tuple[str, ...]) -> pd.Categorical:
    dtype = pd.CategoricalDtype(pd.Index(categories, dtype="str"))
    return pd.Categorical.from_codes(codes.astype(np.int8), dtype=dtype, validate=False)
