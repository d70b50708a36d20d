"""Account queries (kt00018) as analysis uses them: after which row of a frame they come, and about which positions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from .holdings import AGGREGATE, CASH, Holding, Holdings
from .keyed import Key, moments
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

    A query that came before the first row of a later part says nothing about that part, unless what came before it is
    known up to the row ``since``; nor does one that came after the row ``until``. ``accounts`` are the known ones.
    """
    held, index = told_by(frame).holdings, frame.index
    if not held or not is_numbered(frame):
        return []
    if isinstance(index, pd.RangeIndex) and index.step == 1:
        held = [query for query in held if (index.start if since is None else since) <= query.row <= index.stop]
    elif since is not None:
        held = [query for query in held if since <= query.row]
    if until is not None:
        held = [query for query in held if query.row <= until]
    times = moments(frame[RECEIVED_AT])
    queries = [_query(query, int(np.searchsorted(index, query.row)), accounts) for query in held]
    # The row before a query is older; where it is not, the rows were numbered anew, and it stands somewhere else.
    found = [query for query in queries if query and (not query.place or times[query.place - 1] <= query.at)]
    return sorted(found, key=lambda query: query.place)


def is_numbered(frame: pd.DataFrame) -> bool:
    """Tell whether the rows bear numbers in order, so that it can be told what came between them."""
    index = frame.index
    return bool(pd.api.types.is_integer_dtype(index.dtype) and index.is_monotonic_increasing)


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
    """Tell whether a frame holds all rows from the first one on: it is about positions without a row too."""
    return is_part(frame, 0)


def _query(held: Holdings, place: int, accounts: Collection[str]) -> Query | None:
    """Return the query, None where it names no account and may be of any of several."""
    if held.account is None and len(accounts) > 1:
        return None
    account = next(iter(accounts), None) if held.account is None else held.account
    return Query(place, held.at, account, held.holdings)


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
