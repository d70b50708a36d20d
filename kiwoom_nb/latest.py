"""Which row is the latest of each position, kept as rows arrive, so that asking costs the same at any length."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from .schema import RECEIVED_AT

KEY: Final = ("account", "symbol", "credit_type", "loan_date")
"""The columns that name a position."""

LATEST_COLUMNS: Final = (
    *KEY,
    RECEIVED_AT,
    "name",
    "price",
    "quantity",
    "average_price",
    "cost",
    "orderable_quantity",
    "base_price",
    "realized_pnl",
    "credit_realized_pnl",
    "maturity_date",
    "credit_amount",
    "credit_interest",
)
"""The columns that a table of positions needs of the latest rows."""

RECENT: Final = 32
"""So many of the last rows of each position are kept: among them it shows whether the last one repeats another."""

Rows = npt.NDArray[np.int64]


class LatestRows(NamedTuple):
    """The latest row of each position in order of first sight.

    ``columns`` holds the values by column (:data:`LATEST_COLUMNS`): days and moments as numbers since the epoch, None
    where blank. ``rows`` are their places, ``firsts`` those of the first rows, ``counts`` how many there are.
    ``recent`` are the places of the last :data:`RECENT` rows of each position, one position after the other. ``found``
    remembers what :mod:`kiwoom_nb.repeats` found out about latest rows; of a table that grows it is always the same.
    """

    columns: dict[str, list[Any]]
    rows: Rows
    firsts: Rows
    counts: Rows
    recent: Rows
    found: dict[Any, Any]


_CHUNK: Final = 1 << 14


class Latest:
    """The latest row of each position and how many it has, in order of first sight."""

    def __init__(self) -> None:
        self._known = 0
        self._recent: dict[tuple[int, ...], deque[int]] = {}
        self._counts: dict[tuple[int, ...], int] = {}
        self._firsts: dict[tuple[int, ...], int] = {}
        self.found: dict[Any, Any] = {}

    def advance(self, rows: int, read: Callable[[int, int], list[list[int]]]) -> None:
        """Take in the rows up to ``rows``; an interrupt in the middle of it makes it begin anew.

        ``read(start, stop)`` returns the values of the columns :data:`KEY` in those rows, one list for each column.
        """
        while self._known < rows:
            stop = min(rows, self._known + _CHUNK)
            try:
                self._take(list(zip(*read(self._known, stop), strict=True)), stop)
            except BaseException:
                self._known = 0
                self._recent.clear()
                self._counts.clear()
                self._firsts.clear()
                raise

    def rows(self) -> Rows:
        """Return the latest row of each position (so is the order of all that is returned here)."""
        return np.fromiter((rows[-1] for rows in self._recent.values()), np.int64, len(self._recent))

    def recent(self) -> Rows:
        """Return the last :data:`RECENT` rows of each position, one position after the other."""
        return np.fromiter(chain.from_iterable(self._recent.values()), np.int64)

    def counts(self) -> Rows:
        """Return how many rows each position has."""
        return np.fromiter(self._counts.values(), np.int64, len(self._counts))

    def firsts(self) -> Rows:
        """Return the first row of each position."""
        return np.fromiter(self._firsts.values(), np.int64, len(self._firsts))

    def items(self) -> list[tuple[tuple[int, ...], int]]:
        """Return each position (the values read) with its latest row."""
        return [(key, rows[-1]) for key, rows in self._recent.items()]

    def _take(self, keys: list[tuple[int, ...]], stop: int) -> None:
        recent, counts = self._recent, self._counts
        for row, key in enumerate(keys, self._known):
            if key in counts:
                counts[key] += 1
                recent[key].append(row)
            else:
                counts[key], self._firsts[key], recent[key] = 1, row, deque((row,), RECENT)
        self._known = stop
