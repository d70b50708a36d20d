"""Positions, fills and realized P&L, against what pandas itself takes for the like over the same rows."""

from __future__ import annotations

import pandas as pd

from kiwoom_nb.fills import fills
from kiwoom_nb.pnl import realized_pnl
from kiwoom_nb.positions import positions

from .material import filled_table
from .measure import Row, in_turn

_KEY = ["account", "symbol", "credit_type", "loan_date"]


def positions_fills_pnl(*, quick: bool) -> list[Row]:
    """Positions of a live frame at growing lengths, then fills and realized P&L over all of its rows."""
    rows: list[Row] = []
    few: float | None = None
    for length in (1_000, 30_000) if quick else (1_000, 100_000, 1_000_000):
        row = _positions_at(length)
        few = few or row.ours
        rows += [row, Row(f"the same, against {1_000:,} rows", row.ours, "at 1,000 rows", few, "<= 1.3")]
    return rows + _over_all(100_000 if quick else 1_000_000)


def _positions_at(length: int) -> Row:
    table = filled_table(length)
    frame = table.frame()
    table.latest(len(frame))  # what a stream has done as the rows arrived
    plain = frame.copy()

    def ours(_: int) -> int:
        assert len(positions(frame, latest=table.latest_rows(len(frame))))
        return 1

    def last(_: int) -> int:
        _grouped(plain).last()
        return 1

    cost = {"ours": in_turn(60, ours=ours)["ours"], "last": in_turn(3, last=last)["last"]}
    target = "<= 1/100" if length >= 1_000_000 else ""  # noqa: PLR2004 - where the target is set
    return Row(f"positions of a live frame, {length:,} rows", cost["ours"], "groupby(...).last()", cost["last"], target)


def _over_all(length: int) -> list[Row]:
    frame = filled_table(length).frame().copy()

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
