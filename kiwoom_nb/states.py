"""States of positions as arrays: quantity, cost and realized P&L, of many rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .keyed import NONE, Bools, Ints, moments, numbers, order_of, sides
from .schema import RECEIVED_AT

REMEMBERED: Final = 16
"""Among so many states of a position a repetition is looked for; an auction tells of as many within a second."""


class State(NamedTuple):
    """One state of a position; ``realized`` and ``net`` (bought today) are None where they are not known."""

    at: int
    quantity: int = 0
    cost: int = 0
    realized: int | None = None
    net: int | None = None
    price: int = 0
    side: int = NONE
    is_event: bool = False


class States(NamedTuple):
    """States as arrays: which position each is of, where it stands (even: between two rows), and what it holds."""

    key: Ints
    place: Ints
    time: Ints
    quantity: Ints
    cost: Ints
    price: Ints
    realized: Ints
    net: Ints
    side: npt.NDArray[np.int8]
    no_realized: Bools
    no_net: Bools
    has_money: Bools
    is_state: Bools
    is_event: Bools


Placed = tuple[int, int, State]  # which position, which place, what it held


def states_of_rows(frame: pd.DataFrame, key: Ints) -> States:
    """Return what each row of ``frame`` tells; ``key`` says which position each is about."""
    rows = len(frame)
    quantity, no_quantity = numbers(frame["quantity"])
    cost, no_cost = numbers(frame["cost"])
    cash, no_cash = numbers(frame["realized_pnl"])
    credit, no_credit = numbers(frame["credit_realized_pnl"])
    net, no_net = numbers(frame["net_bought_today"])
    price, _ = numbers(frame["price"])
    has_money = ~_either(rows, no_cost, no_cash, no_credit)
    return States(
        key=key,
        place=2 * np.arange(rows) + 1,
        time=moments(frame[RECEIVED_AT]),
        quantity=quantity,
        cost=cost,
        price=price,
        realized=cash + credit,
        net=net,
        side=sides(frame["side"]),
        no_realized=np.zeros(rows, np.bool_),
        no_net=_either(rows, no_net),
        has_money=has_money,
        is_state=has_money & ~_either(rows, no_quantity),
        is_event=np.ones(rows, np.bool_),
    )


def _either(rows: int, *blanks: Bools | None) -> Bools:
    """Return where any of them is blank."""
    found = np.zeros(rows, np.bool_)
    for blank in blanks:
        if blank is not None:
            found |= blank
    return found


def joined(rows: States, others: Sequence[Placed]) -> States:
    """Return ``rows`` and ``others`` as one."""
    keys, places, states = zip(*others, strict=True)
    at, quantity, cost, realized, net, price, side, is_event = zip(*states, strict=True)
    count = len(others)
    more = States(
        key=np.array(keys, np.int64),
        place=np.array(places, np.int64),
        time=np.array(at, np.int64),
        quantity=np.array(quantity, np.int64),
        cost=np.array(cost, np.int64),
        price=np.array(price, np.int64),
        realized=np.array([value or 0 for value in realized], np.int64),
        net=np.array([value or 0 for value in net], np.int64),
        side=np.array(side, np.int8),
        no_realized=np.array([value is None for value in realized]),
        no_net=np.array([value is None for value in net]),
        has_money=np.ones(count, np.bool_),
        is_state=np.ones(count, np.bool_),
        is_event=np.array(is_event, np.bool_),
    )
    return States(*(np.concatenate([of_rows, of_others]) for of_rows, of_others in zip(rows, more, strict=True)))


def by_key(states: States, rows: int) -> Ints:
    """Return the order of the states by position and place; that of the rows among themselves is known."""
    order = order_of(states.key[:rows])
    if len(states.key) == rows:
        return order
    span = 2 * (rows + REMEMBERED) + 2
    rank = states.key * span + states.place + REMEMBERED
    others = rows + np.argsort(rank[rows:], kind="stable")
    return np.insert(order, np.searchsorted(rank[order], rank[others]), others)
