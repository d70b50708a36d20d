"""Positions, fills and realized P&L, against what pandas itself takes for the like over the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from kiwoom_nb.fills import fills
from kiwoom_nb.pnl import realized_pnl
from kiwoom_nb.positions import positions

from .material import standing_table
from .measure import Row, Side, Size, in_turn

_KEY = ["account", "symbol", "credit_type", "loan_date"]


def positions_fills_pnl(size: Size) -> Iterator[Row]:
    """Positions of a live frame at growing lengths, then fills and realized P&L over all of its rows."""
    lengths = size.of((1_000, 100_000, 1_000_000), (1_000, 30_000), (100, 300))
    ours = in_turn(size.of(60, 30, 2), **{f"{length}": _positions(length) for length in lengths})
    other = in_turn(size.of(5, 3, 1), **{f"{length}": _last(length) for length in lengths})
    for length in lengths:
        name, cost = f"positions of a live frame, {length:,} rows", ours[f"{length}"]
        target = "<= 1/100" if length >= 1_000_000 else ""  # noqa: PLR2004 - where the target is set
        yield Row(name, cost, "groupby(...).last()", other[f"{length}"], target)
        if length != lengths[0]:
            yield Row(name, cost, f"the same at {lengths[0]:,} rows", ours[f"{lengths[0]}"], "<= 1.3")
    yield from _over_all(size.of(1_000_000, 100_000, 300))


def _positions(length: int) -> Side:
    table = standing_table(length)
    frame = table.frame()
    table.latest(len(frame))  # what a stream has done as the rows arrived

    def side(_: int) -> int:
        assert len(positions(frame, latest=table.latest_rows(len(frame))))
        return 1

    return side


def _last(length: int) -> Side:
    plain = standing_table(length).frame().copy()

    def side(_: int) -> int:
        _grouped(plain).last()
        return 1

    return side


def _over_all(length: int) -> list[Row]:
    frame = standing_table(length).frame().copy()

    def sums(_: int) -> int:
        _grouped(frame)["quantity"].cumsum()
        return len(frame)

    def traded(_: int) -> int:
        assert len(fills(frame))
        return len(frame)

    def realized(_: int) -> int:
        assert len(realized_pnl(frame))
        return len(frame)

    cost = in_turn(5, sums=sums, traded=traded, realized=realized)
    name = "groupby(...).cumsum() of a column"
    return [
        Row(f"fills of {length:,} rows", cost["traded"], name, cost["sums"], "<= 3"),
        Row(f"realized P&L of {length:,} rows", cost["realized"], name, cost["sums"], "<= 3"),
    ]


def _grouped(frame: pd.DataFrame) -> pd.api.typing.DataFrameGroupBy:
    return frame.groupby(_KEY, observed=True, dropna=False)
