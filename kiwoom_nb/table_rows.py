"""What the page of the positions table is told: all rows at first, then only what changed."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

FIELDS: Final = (
    "account",
    "symbol",
    "name",
    "credit_type",
    "loan_date",
    "quantity",
    "orderable_quantity",
    "average_price",
    "cost",
    "price",
    "price_source",
    "price_at",
    "base_price",
    "break_even_price",
    "market_value",
    "unrealized_pnl",
    "realized_pnl_today",
    "updated_at",
    "stale",
)
"""The columns of ``positions()`` that travel; what is a ratio of them, the page divides (a weight changes with every
fill of any position)."""

_KEY: Final = tuple(FIELDS.index(name) for name in ("account", "symbol", "credit_type", "loan_date"))

_NAT: Final = np.iinfo(np.int64).min

Row = tuple[Any, ...]
Message = dict[str, Any]


def plain(column: pd.Series[Any]) -> list[Any]:
    """Return ``column`` as values that JSON has: None where blank, times as milliseconds since the epoch."""
    values = column.array
    if isinstance(values, pd.Categorical):
        names = [*values.categories.tolist(), None]  # the code of a blank is -1
        return [names[code] for code in values.codes.tolist()]
    if str(values.dtype).startswith("datetime64"):
        times = column.to_numpy("M8[ms]").astype(np.int64).tolist()
        return [None if time == _NAT else time for time in times]
    if isinstance(values, pd.arrays.IntegerArray):
        numbers = zip(values.to_numpy(np.int64, na_value=0).tolist(), values.isna().tolist(), strict=True)
        return [None if is_blank else number for number, is_blank in numbers]
    return [None if value != value else value for value in column.to_numpy().tolist()]  # noqa: PLR0124 - NaN is not itself


def rows_of(positions: pd.DataFrame) -> list[Row]:
    """Return each row of ``positions`` as plain values in the order of :data:`FIELDS`."""
    return list(zip(*(plain(positions[name]) for name in FIELDS), strict=True))


class TableRows:
    """The rows as the page has them, and what it must be told to have others.

    A row goes by a number that stays its own as long as the table lives, so that no key travels with a change.
    """

    def __init__(self) -> None:
        self._numbers: dict[Row, int] = {}
        self._rows: dict[int, Row] = {}

    def all(self) -> Message:
        """Return all rows, to begin with or to begin anew."""
        return {"kind": "all", "fields": list(FIELDS), "rows": [[number, *row] for number, row in self._rows.items()]}

    def change(self, positions: pd.DataFrame) -> Message:
        """Take the rows of ``positions`` and return what is added, changed, removed or put in another order."""
        rows = {self._number(row): row for row in rows_of(positions)}
        before, self._rows = self._rows, rows
        kept = [number for number in before if number in rows]
        added = [number for number in rows if number not in before]
        told: Message = {
            "removed": [number for number in before if number not in rows],
            "added": [[number, *rows[number]] for number in added],
            "changed": [[number, cells] for number in kept if (cells := _changed(before[number], rows[number]))],
            "order": [] if kept + added == list(rows) else list(rows),
        }
        return {part: what for part, what in told.items() if what}

    def _number(self, row: Row) -> int:
        return self._numbers.setdefault(tuple(row[place] for place in _KEY), len(self._numbers))


def _changed(before: Row, after: Row) -> dict[str, Any]:
    """Return the cells that differ, by the names of their columns."""
    if before == after:
        return {}
    return {name: new for name, old, new in zip(FIELDS, before, after, strict=True) if old != new}
