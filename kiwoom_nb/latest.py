"""Which row is the latest of each position, kept as rows arrive, so that asking costs the same at any length."""

from __future__ import annotations

from collections.abc import Callable
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

Rows = npt.NDArray[np.int64]


class LatestRows(NamedTuple):
    """The latest row of each position in order of first sight.

    ``columns`` holds the values by column (:data:`LATEST_COLUMNS`): days and moments as numbers since the epoch, None
    where blank. ``rows`` are their places, ``firsts`` those of the first rows, ``counts`` how many there are.
    """

    columns: dict[str, list[Any]]
    rows: Rows
    firsts: Rows
    counts: Rows


_CHUNK: Final = 1 << 14


class Latest:
    """The latest row of each position and how many it has, in order of first sight."""

    def __init__(self) -> None:
        self._known = 0
        self._rows: dict[tuple[int, ...], int] = {}
        self._counts: dict[tuple[int, ...], int] = {}
        self._firsts: dict[tuple[int, ...], int] = {}

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
                self._rows.clear()
                self._counts.clear()
                self._firsts.clear()
                raise

    def rows(self) -> Rows:
        """Return the latest row of each position (so is the order of all that is returned here)."""
        return np.fromiter(self._rows.values(), np.int64, len(self._rows))

    def counts(self) -> Rows:
        """Return how many rows each position has."""
        return np.fromiter(self._counts.values(), np.int64, len(self._counts))

    def firsts(self) -> Rows:
        """Return the first row of each position."""
        return np.fromiter(self._firsts.values(), np.int64, len(self._firsts))

    def items(self) -> list[tuple[tuple[int, ...], int]]:
        """Return each position (the values read) with its latest row."""
        return list(self._rows.items())

    def _take(self, keys: list[tuple[int, ...]], stop: int) -> None:
        counts = self._counts
        for key in keys:
            counts[key] = counts.get(key, 0) + 1
        if len(counts) > len(self._firsts):
            for row, key in enumerate(keys, self._known):
                self._firsts.setdefault(key, row)
        self._rows.update(zip(keys, range(self._known, stop), strict=True))
        self._known = stop
