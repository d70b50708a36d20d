"""Figures: functions of balance events that return a plotly ``Figure``; no kernel is needed to make or test one.

All share two options. ``colors``: ``"korea"`` (red up, blue down, as a Korean HTS), ``"colorblind"`` or ``"us"`` (green
up, red down); arrows and signs say the same. ``dark``: True, False, or None for a transparent ground on which either
kind of page shows through. Words are in the language of :func:`kiwoom_nb.set_language`, amounts in won, times in KST.
A frame without anything to show gives a figure that says so. Accounts appear as they stand in the frame.
"""

from __future__ import annotations

from .figure_fills import plot_fills
from .figure_pnl import plot_day, plot_drawdown, plot_realized_pnl
from .figure_positions import plot_allocation, plot_positions

__all__ = [
    "plot_allocation",
    "plot_day",
    "plot_drawdown",
    "plot_fills",
    "plot_positions",
    "plot_realized_pnl",
]
