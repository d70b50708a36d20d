"""What two events may hide between them: times in which the line was down, and events that could not be read.

A fill that the latter told is told together with the next one. Sent again they hide nothing more, as little as any
other event; so the latest of them are remembered.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from .history import History
from .keyed import Bools, Ints, Key
from .latest import KEY
from .states import REMEMBERED
from .told import told_by

_STATE: Final = ("side", "price", "quantity", "cost", "realized_pnl", "credit_realized_pnl", "net_bought_today")
_READ: Final = [*KEY, *_STATE]


class Gaps:
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


class Unread(NamedTuple):
    """The events so far that had a blank, the latest of each position; ``waiting`` were not told of anew since."""

    rows: pd.DataFrame | None = None
    waiting: frozenset[Key] = frozenset()


def hidden(frame: pd.DataFrame, history: History, before: Unread) -> tuple[Bools | None, Unread]:
    """Return which states come after an event that could not be read (None: none does), and what to go on from."""
    is_state = history.states.is_state
    if not before.waiting and is_state[: history.rows].all():
        return None, before
    has_blank = ~history.states.has_money[: history.rows] | frame["quantity"].isna().to_numpy()
    blank = np.flatnonzero(has_blank)
    if not (len(blank) or before.waiting):
        return None, before
    rows = frame[_READ].take(blank)
    known = rows if before.rows is None else pd.concat([before.rows, rows], ignore_index=True)
    lost = blank[~_again(known)[len(known) - len(rows) :] & ~is_state[blank]]
    numbered = {key: number for number, key in enumerate(history.keys)}
    waiting = np.array([numbered[key] for key in before.waiting], np.int64)
    after, left = _following(history, waiting, lost)
    latest = known.groupby(list(KEY), dropna=False, observed=True).tail(REMEMBERED)
    return after, Unread(latest, frozenset(history.keys[key] for key in left.tolist()))


def _again(rows: pd.DataFrame) -> Bools:
    """Tell which rows were sent before; of those with neither quantity nor cost nobody knows."""
    told = rows["quantity"].notna() | rows["cost"].notna()
    again: Bools = (rows.duplicated() & told).to_numpy()
    return again


def _following(history: History, waiting: Ints, lost: Ints) -> tuple[Bools, Ints]:
    """Return the states that come next after the rows ``lost``, and the positions that have none.

    The positions ``waiting`` have lost one before the first row.
    """
    states = history.states
    key = np.concatenate([waiting, states.key[lost]])
    own = np.flatnonzero(states.is_state & np.isin(states.key, key))
    span = 4 * (history.rows + REMEMBERED) + 4
    rank = states.key[own] * span + 2 * (states.place[own] + REMEMBERED)
    own, rank = own[np.argsort(rank)], np.sort(rank)
    place = np.concatenate([np.full(len(waiting), -1), 2 * states.place[lost]])
    following = np.searchsorted(rank, key * span + place + 2 * REMEMBERED)
    has_one = following < np.searchsorted(rank, (key + 1) * span)
    after = np.zeros(len(states.key), np.bool_)
    after[own[following[has_one]]] = True
    return after, np.unique(key[~has_one])
