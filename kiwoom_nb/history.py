"""Every known state of every position, in order: what each event told, and what the account told when it was asked.

A state is quantity, cost and realized P&L of today. Each is linked to the one before it of the same position, so that
what lies between two of them can be looked at for all rows at once. Rows with a blank among these are no states, and
neither are those that repeat an earlier state out of turn: a frame of several events that was sent twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .holdings import AGGREGATE, Holding
from .keyed import BUY, NONE, SELL, Bools, Ints, Key, days_of, keys_of, previous_of
from .queries import comes_after, is_part, is_whole, lots_of, queries_of, stop_of, told_positions
from .states import REMEMBERED, Placed, State, by_key, joined, states_of_rows

_AT_ONCE: Final = 1 << 14  # rows whose last states are looked at together: some megabytes


class End(NamedTuple):
    """How a history ends: the last states of each position, and when which account was asked for all it holds.

    ``asked`` is empty where not all positions are known; ``stop`` is the label after the last row, if rows have any.
    """

    states: dict[Key, list[State]]
    asked: dict[str | None, int]
    stop: int | None


class Change(NamedTuple):
    """What lies between two states of a position; ``bought`` and ``sold`` say whether one such fill explains it.

    Where ``is_realized_known`` is false, ``realized`` is 0.
    """

    quantity: Ints
    cost: Ints
    realized: Ints
    is_realized_known: Bools
    side: npt.NDArray[np.int8]
    is_any: Bools
    bought: Bools
    sold: Bools

    def take(self, places: Ints) -> Change:
        """Return those at ``places``, which are in order."""
        if len(places) == len(self.quantity):
            return self
        return Change(*(part[places] for part in self))  # type: ignore[arg-type]  # each is of its own dtype


class History:
    """The states of all positions of a frame, going on from the end of another one.

    Attributes
    ----------
    keys
        The positions; ``states.key`` counts them.
    states
        The rows of the frame first (``rows`` of them), then what is known from account queries and from before.
    previous
        The number of the state before each, -1 where none is known.
    changes
        What lies between the two; it means nothing where there is none before.
    """

    def __init__(self, frame: pd.DataFrame, before: End | None = None, until: int | None = None) -> None:
        self.rows = len(frame)
        self._stop = stop_of(frame) if self.rows or before is None else before.stop
        found = keys_of(frame)
        numbered = {key: number for number, key in enumerate(found.labels(frame))}
        others, self._asked = _other_states(frame, numbered, before, until)
        self.keys = list(numbered)
        states = states_of_rows(frame, found.ids)
        self.states = joined(states, others) if others else states
        self._days = days_of(self.states.time)
        self._order = by_key(self.states, self.rows)
        self._repair(frame)

    def end(self) -> End:
        """Return how it ends, for another one to go on from."""
        lasts: dict[Key, list[State]] = {}
        of_key = self.states.key[self._order]
        for number, key in enumerate(self.keys):
            own = self._order[np.searchsorted(of_key, number) : np.searchsorted(of_key, number, side="right")]
            lasts[key] = [self._state(row) for row in own[self.states.is_state[own]][-REMEMBERED:].tolist()]
        return End(lasts, self._asked, self._stop)

    def change(self, rows: Ints | slice = slice(None)) -> Change:
        """Return what lies between each of these states and the one before; it means nothing where there is none."""
        states, before = self.states, self.previous[rows]
        again = self._days[rows] != self._days[before]  # realized P&L and shares bought begin anew with each day
        held, paid = states.quantity[before], states.cost[before]
        quantity, cost = states.quantity[rows] - held, states.cost[rows] - paid
        realized, is_known = _since(states.realized, states.no_realized, rows, before, again)
        net, is_counted = _since(states.net, states.no_net, rows, before, again)
        agrees = (net == quantity) | ~is_counted
        side = np.array(states.side[rows])  # its own: that of the frame is not to be written
        if (side == NONE).any():
            side = np.where(side == NONE, (quantity > 0).astype(np.int8), side)
        bought = agrees & (side == BUY) & (quantity > 0) & (cost > 0) & (realized == 0)
        sold = agrees & (side == SELL) & (quantity < 0) & (~is_known | (realized > cost))
        sells = np.flatnonzero(sold)
        sold[sells] = _is_share(held[sells], paid[sells], -quantity[sells], -cost[sells])
        is_any = (quantity != 0) | (cost != 0) | (realized != 0) | ((net != 0) & is_counted)
        return Change(quantity, cost, realized, is_known, side, is_any, bought, sold)

    # --- links --------------------------------------------------------------------------------------------------------

    def _repair(self, frame: pd.DataFrame) -> None:
        """Link the states, and see to what is not plain: blanks, what queries leave open, repetitions."""
        self.previous = self._link()
        blank = frame["quantity"].isna().to_numpy()
        if blank.any():
            self._fill_in(np.flatnonzero(blank))
        if len(self.states.key) > self.rows:
            self._carry_on()
        self.changes = self.change()
        self._drop_repetitions()

    def _link(self) -> Ints:
        """Return the state before each, of the same position."""
        return previous_of(self.states.key, self.states.is_state, self._order)

    def _fill_in(self, rows: Ints) -> None:
        """Read a blank quantity off the shares bought today (945), which change with it."""
        states, before = self.states, self.previous[rows]
        known = (before >= 0) & ~states.no_net[rows] & ~states.no_net[before] & (states.place[rows] >= 0)
        known &= self._days[rows] == self._days[before]
        rows, before = rows[known], before[known]
        states.quantity[rows] = states.quantity[before] + states.net[rows] - states.net[before]
        states.is_state[rows] = states.has_money[rows]
        self.previous = self._link()

    def _carry_on(self) -> None:
        """Let a query that found a position as it was know what was realized: it is the same."""
        states = self.states
        for row in sorted(range(self.rows, len(states.key)), key=states.place.__getitem__):
            before = self.previous[row]
            if before < 0 or self._days[row] != self._days[before] or states.is_event[row]:
                continue
            if states.quantity[row] == states.quantity[before] and states.cost[row] == states.cost[before]:
                for known, value in ((states.no_realized, states.realized), (states.no_net, states.net)):
                    if known[row]:
                        known[row], value[row] = known[before], value[before]

    def _drop_repetitions(self) -> None:
        """Let rows be no states that say what one of the last states said, and that no fill explains.

        Taking one out lets those behind it look further back, to states that seemed too long ago: they are all looked
        at again.
        """
        while len(rows := self._repetitions()):
            following = self._following(rows)
            while len(rows):
                rows = self._take_out(rows, following)

    def _repetitions(self) -> Ints:
        """Return the rows that are to be taken out."""
        linked = self.states.is_state & (self.previous >= 0) & _is_odd(self.changes)
        rows = np.flatnonzero(linked[: self.rows])
        return rows[self._repeats(rows)]

    def _take_out(self, rows: Ints, following: Ints) -> Ints:
        """Let ``rows`` be no states; return those behind them that are to be taken out now."""
        self.states.is_state[rows] = False
        before, after = self.previous[rows], following[rows]
        following[before] = after
        after, before = after[after >= 0], before[after >= 0]
        self.previous[after] = before
        self._change_again(after)
        rows = np.sort(after[after < self.rows])
        rows = rows[_is_odd(self.changes.take(rows))]
        return rows[self._repeats(rows)]

    def _change_again(self, rows: Ints) -> None:
        """Look again at what lies before ``rows``; at everything, where account queries may know more now."""
        if len(self.states.key) > self.rows:
            self._carry_on()
            self.changes = self.change()
            return
        parts: Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = zip(self.changes, self.change(rows), strict=True)
        for part, changed in parts:
            part[rows] = changed

    def _following(self, rows: Ints) -> Ints:
        """Return the state after each of the positions that ``rows`` are of, -1 where there is none."""
        states, following = self.states, np.full(len(self.previous), NONE)
        is_theirs = np.zeros(len(self.keys), np.bool_)
        is_theirs[states.key[rows]] = True
        linked = np.flatnonzero(is_theirs[states.key] & states.is_state & (self.previous >= 0))
        following[self.previous[linked]] = linked
        return following

    def _repeats(self, rows: Ints) -> Bools:
        """Tell of each row whether one of the last states of its position said the same, and the one before stays."""
        found = np.zeros(len(rows), np.bool_)
        for begin in range(0, len(rows), _AT_ONCE):
            found[begin : begin + _AT_ONCE] = self._said_before(rows[begin : begin + _AT_ONCE])
        stays: Bools = np.isin(self.previous[rows], rows[found], invert=True)
        return found & stays

    def _said_before(self, rows: Ints) -> Bools:
        """Tell of each row whether one of the last states of its position said the same."""
        states, others = self.states, np.empty((REMEMBERED, len(rows)), np.int64)
        others[0] = self.previous[rows]
        for number in range(1, REMEMBERED):
            nearer = others[number - 1]
            others[number] = np.where(nearer >= 0, self.previous[nearer], NONE)
        same = np.flatnonzero((others >= 0) & states.is_event[others] & (states.cost[others] == states.cost[rows]))
        others, places = others.ravel()[same], same % len(rows)
        for column in (states.quantity, states.realized, states.net, states.price, states.side):
            still = column[others] == column[rows[places]]  # few have the same cost: only those are looked at further
            others, places = others[still], places[still]
        found = np.zeros(len(rows), np.bool_)
        found[places] = True
        return found

    def _state(self, row: int) -> State:
        states = self.states
        return State(
            int(states.time[row]),
            int(states.quantity[row]),
            int(states.cost[row]),
            None if states.no_realized[row] else int(states.realized[row]),
            None if states.no_net[row] else int(states.net[row]),
            int(states.price[row]),
            int(states.side[row]),
            bool(states.is_event[row]),
        )


def _is_odd(change: Change) -> Bools:
    """Tell what no fill explains, be it that nothing changed."""
    return ~(change.bought | change.sold)


def _since(values: Ints, unknown: Bools, rows: Ints | slice, before: Ints, again: Bools) -> tuple[Ints, Bools]:
    """Return by how much ``values`` changed, from 0 where the day began ``again``, and where that is known (else 0)."""
    start = values[before]
    if again.any():
        start[again] = 0
    change = values[rows] - start
    if not unknown.any():
        return change, np.ones(len(change), np.bool_)
    known = ~unknown[rows] & (again | ~unknown[before])
    change[~known] = 0
    return change, known


def _is_share(held: Ints, paid: Ints, sold: Ints, cost: Ints) -> Bools:
    """Tell whether the shares ``sold`` of those ``held`` took their share of what was ``paid`` along, however rounded.

    Kiwoom does not say how; taken at the rounded average price (931) it is off by half a won a share at the most.
    """
    share = np.divide(paid.astype(np.float64) * sold, held, out=np.zeros(len(held)), where=held > 0)
    is_share: Bools = np.abs(cost - share) <= 0.5 * sold + 1
    return is_share


# --- what is known besides the rows ---------------------------------------------------------------------------------


def _other_states(
    frame: pd.DataFrame, numbered: dict[Key, int], before: End | None, until: int | None
) -> tuple[list[Placed], dict[str | None, int]]:
    """Return what was known before the rows and what account queries told: also that nothing more was held.

    Positions without a row are added to ``numbered`` where the frame is about all positions.
    """
    asked = {} if before is None else dict(before.asked)
    known = {} if before is None else before.states
    stop = None if before is None else before.stop
    tells_all = bool(asked) and is_part(frame, stop)
    if stop is None or len(frame):  # an empty selection begins at 0, too
        tells_all |= is_whole(frame)
    own = {key[:2] for key in numbered}
    for key in known:
        numbered.setdefault(key, len(numbered))
    accounts = {key[0] for key in numbered if key[0] is not None}
    queries = queries_of(frame, accounts, stop if comes_after(frame, stop) else None, until)
    lots = lots_of(numbered)
    told = [told_positions(query, lots) for query in queries]
    for key in (key for positions in told for key in positions) if tells_all else ():
        numbered.setdefault(key, len(numbered))
    others: list[Placed] = []
    for key, number in numbered.items():
        states = known.get(key) or ([State(asked[key[0]])] if key[0] in asked and key[2] != AGGREGATE else [])
        others += [(number, place, state) for place, state in enumerate(states, -len(states))]
    for query, positions in zip(queries, told, strict=True):
        if tells_all:
            asked[query.account] = query.at
        for key, number in numbered.items():
            if key[0] == query.account and key[2] != AGGREGATE and (tells_all or key[:2] in own):
                others.append((number, 2 * query.place, _state_of(query.at, positions.get(key))))
    return others, asked


def _state_of(at: int, held: Holding | None) -> State:
    if held is None:
        return State(at)
    untouched = held.sold_today == 0
    net = None if held.bought_today is None or held.sold_today is None else held.bought_today - held.sold_today
    return State(at, held.quantity, held.cost if held.quantity else 0, 0 if untouched else None, net, held.price or 0)
