"""Account queries (kt00018) as analysis uses them: after which row of a frame they come, and about which positions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from .holdings import AGGREGATE, CASH, STEPS, Holding, Holdings, together
from .keyed import Ints, Key, moments
from .schema import RECEIVED_AT
from .told import told_by

Lots = Mapping[tuple[str | None, str | None, int | None], Key]


class Query(NamedTuple):
    """An account query: after how many rows of the frame it comes, whose it is, and what it told."""

    place: int
    at: int
    account: str | None
    holdings: list[Holding]


def queries_of(
    frame: pd.DataFrame, accounts: Collection[str], since: int | None = None, until: int | None = None
) -> list[Query]:
    """Return the account queries that a frame may rely on.

    A query that came before the first row of a later part (or of a selection whose rows stand together) says nothing
    about it, unless what came before that row is known from the row ``since`` on; nor does one that came after the row
    ``until``. Where the rows were numbered anew nobody knows what came before them, and there is none. ``accounts`` are
    the known ones.
    """
    held, index = told_by(frame).holdings, frame.index
    if not held or not is_numbered(frame) or is_renumbered(frame):
        return []
    if isinstance(index, pd.RangeIndex) and index.step == 1:
        held = [query for query in held if (index.start if since is None else since) <= query.row <= index.stop]
    elif since is not None:
        held = [query for query in held if since <= query.row]
    if until is not None:
        held = [query for query in held if query.row <= until]
    queries = [_query(query, int(np.searchsorted(index, query.row)), accounts) for query in held]
    # The row before a query is older; where it is not, the rows were numbered anew, and it stands somewhere else.
    places = sorted({query.place for query in queries if query and query.place})
    times = dict(zip(places, _times_at(frame, np.array(places, np.int64) - 1).tolist(), strict=True))
    found = [query for query in queries if query and times.get(query.place, query.at) <= query.at]
    return sorted(found, key=lambda query: query.place)


def _times_at(frame: pd.DataFrame, places: Ints) -> Ints:
    """Return when the rows at ``places`` arrived, without a look at the others."""
    return moments(pd.Series(frame[RECEIVED_AT].array[places], copy=False))


def is_numbered(frame: pd.DataFrame) -> bool:
    """Tell whether the rows bear numbers in order, so that it can be told what came between them."""
    index = frame.index
    return bool(pd.api.types.is_integer_dtype(index.dtype) and index.is_monotonic_increasing)


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in order of arrival: by their numbers, or by received_at where they have none of their own.

    Rows that stand in order by either are left as they are: a clock may have been set back, and days put together may
    bear the same numbers.
    """
    if is_numbered(frame) or frame[RECEIVED_AT].is_monotonic_increasing:
        return frame
    if not pd.api.types.is_integer_dtype(frame.index.dtype) or not frame.index.is_unique:
        return frame.sort_values(RECEIVED_AT, kind="stable")
    ordered = frame.sort_index()
    first, stop = int(ordered.index[0]), int(ordered.index[-1]) + 1
    if stop - first == len(ordered):  # no row is missing, which only such an index says
        ordered.index = pd.RangeIndex(first, stop, name=ordered.index.name)
    return ordered


def stop_of(frame: pd.DataFrame) -> int | None:
    """Return the number after that of the last row, None where there is none."""
    return int(frame.index[-1]) + 1 if len(frame) and is_numbered(frame) else None


def comes_after(frame: pd.DataFrame, stop: int | None) -> bool:
    """Tell whether the rows of a frame are numbered on from ``stop``, be it with some left out."""
    return stop is not None and len(frame) > 0 and is_numbered(frame) and int(frame.index[0]) >= stop


def is_part(frame: pd.DataFrame, start: int | None = None) -> bool:
    """Tell whether no row is missing between the first (of the number ``start``) and the last one: no selection."""
    index = frame.index
    return isinstance(index, pd.RangeIndex) and index.step == 1 and start in (None, index.start)


def is_whole(frame: pd.DataFrame) -> bool:
    """Tell whether a frame holds all rows from the first one on: it is about positions without a row too.

    So it seems of a selection that leaves the first rows alone, or no row at all: pandas numbers it as ``head()`` does.
    """
    return is_part(frame, 0) and not is_renumbered(frame)


def is_renumbered(frame: pd.DataFrame) -> bool:
    """Tell whether rows bear numbers that others had when the account was asked, as after ``reset_index``."""
    held = told_by(frame).holdings
    if not any(query.since for query in held) or not is_numbered(frame):
        return False
    labels, times = np.array(
        [(query.row + step, at) for query in held for step, at in zip(STEPS, query.since, strict=False)]
    ).T
    places = np.searchsorted(frame.index, labels)
    places, labels, times = (part[places < len(frame)] for part in (places, labels, times))
    return bool(((frame.index[places] == labels) & (_times_at(frame, places) != times)).any())


def _query(held: Holdings, place: int, accounts: Collection[str]) -> Query | None:
    """Return the query, None where it names no account and may be of any of several."""
    if held.account is None and len(accounts) > 1:
        return None
    account = next(iter(accounts), None) if held.account is None else held.account
    return Query(place, held.at, account, held.holdings)


def told_positions(query: Query, lots: Lots) -> dict[Key, Holding]:
    """Return what ``query`` told of each position, in its order; loans that events do not tell apart are added up."""
    told: dict[Key, Holding] = {}
    for held in query.holdings:
        key = key_of(query.account, held, lots)
        told[key] = together(told[key], held) if key in told else held
    return told


def key_of(account: str | None, holding: Holding, lots: Lots) -> Key:
    """Return the position that ``holding`` is about; a loan is that of the events with its loan date.

    Account queries and events class loans apart (``crd_tp`` 33, 01, ... against ``917`` 03): only cash is sure.
    """
    if holding.credit_type == CASH:
        return account, holding.symbol, CASH, holding.loan_date
    key = account, holding.symbol, holding.credit_type, holding.loan_date
    return lots.get((account, holding.symbol, holding.loan_date), key)


def lots_of(keys: Iterable[Key]) -> Lots:
    """Return the loan lots among ``keys`` by account, symbol and loan date."""
    return {(key[0], key[1], key[3]): key for key in keys if is_lot(key)}


def is_lot(key: Key) -> bool:
    """Tell whether a position is a loan lot of its own."""
    return key[2] not in {CASH, AGGREGATE, None}
