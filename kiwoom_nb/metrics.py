"""Risk and return of daily P&L, by empyrical-reloaded."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from .errors import MissingExtra

METRICS: Final = (
    "cum_returns_final",
    "annual_return",
    "annual_volatility",
    "sharpe_ratio",
    "sortino_ratio",
    "calmar_ratio",
    "omega_ratio",
    "max_drawdown",
    "downside_risk",
    "stability_of_timeseries",
    "tail_ratio",
    "value_at_risk",
    "conditional_value_at_risk",
)
"""Names of empyrical's functions of one series of daily returns, in the order in which they are shown."""


def metrics(daily_pnl: pd.Series[Any], capital: int) -> pd.Series[float]:
    """Return empyrical's metrics of an account that began with ``capital`` and made ``daily_pnl``.

    The return of a day is its P&L over what the account held that morning: ``capital`` and all P&L before. So
    ``cum_returns_final`` is the sum of ``daily_pnl`` over ``capital``, and a won more one day and a won less the next
    leave nothing.

    Parameters
    ----------
    daily_pnl : pandas.Series
        P&L in won (such as the realized one), indexed by day, each day once. Only the days given count: to have days
        without a trade count, put zeros there first. Empyrical takes a year for 252 of them.
    capital : int
        What the account began with, in won.

    Returns
    -------
    pandas.Series
        float64, indexed by ``METRICS``: ratios, not percent. Whatever empyrical does not tell (a volatility of one day,
        a ratio over zero) is NaN or infinite, as it gives it.

    Raises
    ------
    ValueError
        ``capital`` is not positive or was lost, a day comes twice or has no P&L.
    MissingExtra
        empyrical-reloaded is not installed.
    """
    equity = _equity(daily_pnl, capital)
    empyrical = _empyrical()
    # a ratio over zero is told by its value; numpy would warn about it too
    with np.errstate(all="ignore"):
        returns = empyrical.simple_returns(equity)
        values = [getattr(empyrical, name)(returns) for name in METRICS]
    return pd.Series(values, index=list(METRICS), dtype="float64", name="metrics")


def _equity(daily_pnl: pd.Series[Any], capital: int) -> pd.Series[float]:
    """Return what the account held before the first day and in the evening of each."""
    if not capital > 0:
        raise ValueError(f"capital={capital!r} won cannot bear a return: give what the account began with.")
    if daily_pnl.index.has_duplicates or daily_pnl.hasnans:
        raise ValueError("daily_pnl needs one P&L for each day: a day comes twice, or its P&L is missing.")
    pnl = daily_pnl.sort_index().to_numpy("float64")
    equity = pd.Series(capital + np.cumsum([0.0, *pnl]))
    if not equity.gt(0).all():
        raise ValueError(
            f"capital={capital!r} won was lost: the P&L falls by {capital - equity.min():,.0f} won. "
            "Give what the account really began with."
        )
    return equity


def _empyrical() -> Any:
    try:
        import empyrical
    except ImportError as exc:
        raise MissingExtra("df.kn.metrics()", "empyrical-reloaded", "analytics") from exc
    return empyrical
