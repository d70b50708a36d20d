"""Fills, inferred from consecutive balance events: type ``04`` tells the state after a fill, not the fill.

Between two states of a position lie a change of quantity (930), of cost (932), of today's realized P&L (990 + 992) and
of the shares bought today (945). One buy adds shares and cost and realizes nothing: its amount is the change of cost.
One sell takes its share of the cost along: its amount is what it realized plus that cost. Where the four and the side
(946) agree on one such fill at one price, it is exact, to the won and the share.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from . import costs as rates
from . import krx
from .costs import Costs
from .history import Change, End, History
from .holdings import AGGREGATE
from .keyed import BUY, NONE, Bools, Ints, Key, moments, numbers
from .queries import comes_after, is_lot, stop_of
from .schema import RECEIVED_AT, SIDES, TIMEZONE
from .scopes import Scope, check, turned
from .told import told_by
from .unread import Gaps, Unread, hidden

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


def fills(
    frame: pd.DataFrame,
    previous: pd.DataFrame | None = None,
    costs: Costs | None = None,
    scope: Scope = "position",
) -> pd.DataFrame:
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
    scope
        What FIDs 990 and 992 of a row count, see :func:`kiwoom_nb.pnl.realized_pnl`. With ``"account"`` the frames have
        to hold all events of the account: what it realized with one that is left out counts for the next one.

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
    TypeError
        ``previous`` is no DataFrame, or ``costs`` no :class:`kiwoom_nb.Costs`.
    ValueError
        ``previous`` does not end before these events; ``scope`` is not known; with ``costs``: a sale is older than its
        table of taxes.

    Notes
    -----
    A duplicate of an event is no fill. What was filled together with an event of which a value could not be read is
    ``merged``. Rows of ``99`` (all loan lots of a symbol together) are none where a lot of it
    is known.
    """
    check(scope)
    rates.check(costs)
    _check_previous(frame, previous)
    unsure = None
    if scope == "account":
        frame, unsure = turned(frame, previous)
        previous = None if previous is None else turned(previous).frame
    found = _Part(frame, None if previous is None else _end_of(previous, frame)).fills(unsure)
    return found if costs is None else add_costs(found, costs)


class Before(NamedTuple):
    """What came before a frame: how its history ends, and which events of it could not be read."""

    end: End | None = None
    unread: Unread = Unread()


def follow(frame: pd.DataFrame, before: Before | None = None) -> tuple[pd.DataFrame, Before]:
    """Return the fills of ``frame``, and how it ends: pass that on with the rows that come next."""
    part = _Part(frame, before)
    return part.fills(), part.end()


def _end_of(frame: pd.DataFrame, after: pd.DataFrame) -> Before:
    """Return how ``frame`` ends before ``after``."""
    return _Part(frame, until=int(after.index[0]) if comes_after(after, stop_of(frame)) else None).end()


def _check_previous(frame: pd.DataFrame, previous: object) -> None:
    """Raise an error where ``previous`` is no frame, or holds events that ``frame`` holds, or later ones."""
    if previous is None:
        return
    if not isinstance(previous, pd.DataFrame):
        raise TypeError(
            f"previous is a {type(previous).__name__}, not a DataFrame: give the balance events before these, "
            "such as df.iloc[:n] with df.iloc[n:]."
        )
    if previous.empty or frame.empty or comes_after(frame, stop_of(previous)):
        return
    ends, begins = previous.iloc[-1:], frame.iloc[:1]
    first = moments(begins[RECEIVED_AT])
    same = previous.loc[previous.index == frame.index[0]]  # alone they say nothing: each day has rows 0, 1, 2, ...
    if moments(ends[RECEIVED_AT])[0] > first[0] or first[0] in moments(same[RECEIVED_AT]):
        raise ValueError(
            f"previous overlaps these events: it goes on to {_said(ends)}, and they begin at {_said(begins)}. "
            "Give as previous only what came before, such as df.iloc[:n] with df.iloc[n:]."
        )


def _said(row: pd.DataFrame) -> str:
    moment: pd.Timestamp = row[RECEIVED_AT].iloc[0]
    return f"{moment:%Y-%m-%d %H:%M:%S} (row {row.index[0]})"


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


class _Part:
    """A frame, or one of several parts of it that are looked at one after the other."""

    def __init__(self, frame: pd.DataFrame, before: Before | None = None, until: int | None = None) -> None:
        end, unread = Before() if before is None else before
        self._frame = frame
        self._history = History(frame, end, until)
        self._after_unread, self._unread = hidden(frame, self._history, unread)

    def end(self) -> Before:
        """Return how it ends."""
        return Before(self._history.end(), self._unread)

    def fills(self, unsure: Bools | None = None) -> pd.DataFrame:
        """Return its fills; what the rows ``unsure`` realized may be of others."""
        rows, change = _moves(self._history)
        return _Found(self._frame, self._history, rows, change, self._after_unread, unsure).shown(self._frame)


def _moves(history: History) -> tuple[Ints, Change]:
    """Return the states that a fill led to, and what changed with it."""
    states, before, change = history.states, history.previous, history.changes
    is_new, moved = before == NONE, change.is_any
    if len(states.key) == history.rows:  # then there are only events
        rows = np.flatnonzero(counted(history) & (is_new | moved))
        return rows, change.take(rows)
    is_query = ~states.is_event
    moved = np.where(is_query, (change.quantity != 0) | (change.cost != 0), moved)
    led_to = counted(history)
    told = led_to & ~moved & ~is_new & ~is_query & is_query[before]
    told[told] = [not _was_told(history, row) for row in np.flatnonzero(told).tolist()]
    rows = np.flatnonzero(led_to & np.where(is_new, ~is_query, moved | told))
    rows = rows[np.argsort(states.place[rows], kind="stable")]
    return rows, history.change(rows)


def counted(history: History) -> Bools:
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

    def __init__(  # noqa: PLR0917 - what is known of the fills, once
        self,
        frame: pd.DataFrame,
        history: History,
        rows: Ints,
        change: Change,
        after_unread: Bools | None,
        unsure: Bools | None,
    ) -> None:
        states, before = history.states, history.previous[rows]
        self._states = states
        self._events = history.rows
        self._keys = history.keys
        self._rows = rows
        is_new, is_query = before == NONE, ~states.is_event[rows]
        is_told = ~is_new & (is_query | ~change.is_any)  # by an account query alone, or by one before already
        self._fits = (change.bought | change.sold) & ~is_new & ~is_query
        priced = change.bought | change.is_realized_known
        self._side = change.side.copy()
        as_told = np.flatnonzero(is_new | ~change.is_any)
        self._side[as_told] = states.side[rows[as_told]]
        self._quantity = np.abs(change.quantity)
        self._net, self._knows_net = change.quantity, ~is_new & (is_query | change.is_any)
        self._realized = change.realized.copy()  # 0 of a buy: else it is none
        self._cash = self._realized - change.cost
        self._knows_cash = ~is_new & ~is_told & priced
        self._begin(is_new & ~is_query)
        self._amount = np.abs(self._cash)
        self._knows_amount = self._fits & self._knows_cash
        self._price = states.price[rows]
        is_doubtful = self._doubt(unsure)
        is_single = self._priced_alone(frame)
        if after_unread is not None:
            is_single &= ~after_unread[rows]
        self._reason = np.full(len(rows), _AVERAGED, np.int8)
        for is_so, reason in (  # the first that is so is told: it is written last
            (is_single, _NO_REASON),
            (~priced, _UNREALIZED),
            (~self._fits, _DISAGREE),
            (is_doubtful, _UNREALIZED),
            (~is_new & Gaps(frame).between(states.time, before, rows), _LINE_DOWN),
            (is_told, _TOLD),
            (is_new, _UNSEEN),
            (is_query, _ASKED),
        ):
            self._reason[is_so] = reason

    def _doubt(self, unsure: Bools | None) -> Bools:
        """Leave out the money of the rows ``unsure``, unless the last price says the same; return of which."""
        is_doubtful = np.zeros(len(self._rows), np.bool_)
        if unsure is not None:
            is_row = self._rows < self._events
            is_doubtful[is_row] = unsure[self._rows[is_row]]
            is_doubtful &= ~(self._knows_amount & (self._price * self._quantity == self._amount))
            self._knows_cash, self._knows_amount = (
                known & ~is_doubtful for known in (self._knows_cash, self._knows_amount)
            )
        return is_doubtful

    def _priced_alone(self, frame: pd.DataFrame) -> Bools:
        """Put the average price in place of the last one; tell where it is a price that one fill can have had."""
        is_last: Bools = self._price * self._quantity == self._amount
        others = np.flatnonzero(self._knows_amount & ~is_last)
        amount, each = self._amount[others], self._quantity[others]
        average = (2 * amount + each) // (2 * each)
        self._price[others] = average
        is_whole = average * each == amount
        is_price = is_whole & ((each == 1) | krx.on_tick(average))
        doubtful = np.flatnonzero(is_whole & ~is_price & krx.on_tick(average, etf=True))
        is_price[doubtful] = self._are_etfs(frame, others[doubtful])
        is_last[others] = is_price
        return is_last

    def _are_etfs(self, frame: pd.DataFrame, doubtful: Ints) -> Bools:
        """Tell which trade at the prices of an ETF: the average may be one, and the market have moved on since.

        Type 04 does not tell an ETF from a share; its quotes do, where one of them is no price of a share.
        """
        quotes = frame[["price", "ask", "bid"]].take(self._rows[doubtful])
        is_etf = np.zeros(len(doubtful), np.bool_)
        for name in quotes:
            is_etf |= ~krx.on_tick(numbers(quotes[name])[0])
        return is_etf

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
        if is_row.all():
            return {name: frame[name].array.take(self._rows) for name in _NAMES}
        keys = [self._keys[key] for key in self._states.key[self._rows[~is_row]]]
        taken = _with_queries(frame[list(_NAMES)].take(self._rows[is_row]), frame, is_row, keys)
        return {name: taken[name].array for name in _NAMES}


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


_CONFIDENCE_OF: Final = np.array([_EXACT, _MERGED, _GAP, _GAP, _FIRST, _FIRST, _FIRST, _CONTRADICTORY], np.int8)


def _labels(frame: pd.DataFrame, rows: Ints, is_row: Bools) -> Ints:
    """Return the number that each row bears in the index, its place where that has none; where it is no row, any."""
    index = frame.index
    if not pd.api.types.is_integer_dtype(index.dtype):
        return rows
    if isinstance(index, pd.RangeIndex):
        return index.start + index.step * rows
    return index.to_numpy(np.int64)[np.where(is_row, rows, 0)]


def _integers(values: Ints, known: Bools) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(values, ~known)


def _category(codes: npt.NDArray[np.integer], categories: tuple[str, ...]) -> pd.Categorical:
    dtype = pd.CategoricalDtype(pd.Index(categories, dtype="str"))
    return pd.Categorical.from_codes(codes.astype(np.int8, copy=False), dtype=dtype, validate=False)
