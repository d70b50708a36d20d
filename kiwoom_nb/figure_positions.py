"""Figures of what is held: unrealized P&L as bars, market values as a treemap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from .figure_labels import column, say
from .figure_style import (
    SMALL,
    Colors,
    Theme,
    Trace,
    figure,
    layout,
    nothing,
    percent,
    plain,
    row_axis,
    rows_layout,
    signed_won,
    theme,
    tinted,
    won,
)
from .holdings import CASH
from .latest import LatestRows
from .positions import positions
from .queries import is_whole
from .told import told_by

if TYPE_CHECKING:
    import plotly.graph_objects as go

_ROW: Final = 36  # pixels of a bar
_FULL_COLOR: Final = 10.0  # percent: a return of this size has the full colour


def plot_positions(
    frame: pd.DataFrame,
    prices: Mapping[str, int] | pd.Series[Any] | None = None,
    *,
    latest: LatestRows | None = None,
    colors: Colors = "korea",
    dark: bool | None = None,
) -> go.Figure:
    """Return the unrealized P&L of each position as a bar, the highest at the top, won and percent beside it.

    Parameters
    ----------
    frame
        Balance events in order of arrival.
    prices
        Prices to mark to, by symbol (whole won); those not in it keep the price last seen.
    latest
        The latest rows of ``frame``, where somebody kept them: then the cost does not depend on its length.
    colors
        ``"korea"`` (red up, blue down, as a Korean HTS), ``"colorblind"`` or ``"us"`` (green up, red down).
    dark
        True, False, or None for a transparent ground on which either kind of page shows through.

    Returns
    -------
    plotly.graph_objects.Figure
        One without anything to show says so.

    Raises
    ------
    ValueError
        A price is not a whole number of won; ``colors`` is not known.
    """
    look, title = theme(colors, dark), say("positions")
    held = positions(frame, prices=prices, latest=latest)
    held = held.sort_values("unrealized_pnl", kind="stable", na_position="first")
    notes = _notes(frame, held)
    if not len(held):
        return nothing(look, title, say("no_positions" if len(frame) else "no_fills"), notes)
    values, rates = held["unrealized_pnl"], held["unrealized_pnl_pct"]
    texts = [f"{signed_won(pnl)}<br>{percent(rate)}" for pnl, rate in zip(values, rates, strict=True)]
    names = [_in_two_lines(look, *parts) for parts in _position_names(held)]
    heading = f"{title}  {tinted(signed_won(values.sum()), values.sum(), look)}"
    axis = row_axis(look, names)
    shown = rows_layout(look, heading, names, texts, list(values), row=_ROW, notes=notes, yaxis=axis, bargap=0.35)
    return figure([_bars(look, held, texts)], shown)


def _bars(look: Theme, held: pd.DataFrame, texts: list[str]) -> Trace:
    values = held["unrealized_pnl"].astype("object").where(held["unrealized_pnl"].notna(), None).to_list()
    colors = [look.down if value is not None and value < 0 else look.up for value in values]
    return {
        "type": "bar",
        "orientation": "h",
        "x": values,
        "y": list(range(len(held))),
        "text": texts,
        "textposition": "none",
        "marker": {"color": colors},
        "showlegend": False,
        "name": "positions",
        "meta": "positions",
        "customdata": _position_hovers(held),
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _position_names(held: pd.DataFrame) -> list[tuple[str, str]]:
    """Return what tells the positions apart: the name, and loan and account where there are several."""
    many = len(held["account"].dropna().unique()) > 1
    columns = ("name", "symbol", "credit_type", "loan_date", "account", "stale")
    names = []
    for name, code, credit_type, loan_date, account, stale in zip(*(held[one] for one in columns), strict=True):
        parts = [
            "" if credit_type == CASH or pd.isna(credit_type) else say("credit"),
            "" if pd.isna(loan_date) else f"{loan_date:%m-%d}",
            f"·{plain(account).lstrip('x')}" if many else "",
        ]
        names.append(
            (f"{'⚠ ' if stale else ''}{plain(code if pd.isna(name) else name)}", " ".join(filter(None, parts)))
        )
    return names


def _in_two_lines(look: Theme, name: str, detail: str) -> str:
    return f'{name}<br><span style="color:{look.muted};font-size:{SMALL}px">{detail}</span>' if detail else name


def _position_hovers(held: pd.DataFrame) -> list[str]:
    """Return what pointing at a position tells."""
    return [
        "<br>".join([f"<b>{name}</b> {detail} {plain(row['symbol'])}", *_position_facts(row)])
        for (name, detail), (_, row) in zip(_position_names(held), held.iterrows(), strict=True)
    ]


def _position_facts(row: pd.Series[Any]) -> list[str]:
    seen = "" if pd.isna(row["price_at"]) else f" {row['price_at']:%m-%d %H:%M:%S}"
    facts = [
        f"{column('quantity')}: {'–' if pd.isna(row['quantity']) else say('shares', count=row['quantity'])}",
        f"{column('average_price')}: {won(row['average_price'])}",
        f"{column('price')}: {won(row['price'])} ({say('price_' + row['price_source'])}{seen})",
        f"{say('market_value')}: {won(row['market_value'])}",
        f"{say('unrealized_pnl')}: {signed_won(row['unrealized_pnl'])} ({percent(row['unrealized_pnl_pct'])})",
        f"{say('weight')}: {_share(row['weight'])}",
    ]
    return [*facts, say("stale")] if row["stale"] else facts


def _share(weight: Any) -> str:
    return "–" if pd.isna(weight) else f"{100 * weight:.2f}%"


def _notes(frame: pd.DataFrame, held: pd.DataFrame) -> list[str]:
    """Return what limits a picture of what is held."""
    notes = [] if told_by(frame).holdings and is_whole(frame) else [say("only_filled")]
    return [*notes, say("some_stale")] if held["stale"].any() else notes


def plot_allocation(
    frame: pd.DataFrame,
    prices: Mapping[str, int] | pd.Series[Any] | None = None,
    *,
    latest: LatestRows | None = None,
    colors: Colors = "korea",
    dark: bool | None = None,
) -> go.Figure:
    """Return a treemap of what is held: areas by market value, colours by return, names and weights.

    Parameters
    ----------
    frame
        Balance events in order of arrival.
    prices
        Prices to mark to, by symbol (whole won); those not in it keep the price last seen.
    latest
        The latest rows of ``frame``, where somebody kept them: then the cost does not depend on its length.
    colors
        ``"korea"`` (red up, blue down, as a Korean HTS), ``"colorblind"`` or ``"us"`` (green up, red down).
    dark
        True, False, or None for a transparent ground on which either kind of page shows through.

    Returns
    -------
    plotly.graph_objects.Figure
        One without anything to show says so.

    Raises
    ------
    ValueError
        A price is not a whole number of won; ``colors`` is not known.
    """
    look, title = theme(colors, dark), say("allocation")
    held = positions(frame, prices=prices, latest=latest)
    notes = _notes(frame, held)
    shown = held[(held["market_value"] > 0).fillna(False).to_numpy(bool)]
    if len(held) > len(shown):
        notes.append(say("unpriced", count=len(held) - len(shown)))
    if not len(shown):
        return nothing(look, title, say("no_positions" if len(frame) else "no_fills"), notes)
    total = shown["market_value"].sum()
    heading = layout(look, f"{title}  {won(total)}", height=420, notes=notes)
    return figure([_treemap(look, shown)], heading)


def _treemap(look: Theme, held: pd.DataFrame) -> Trace:
    rates = held["unrealized_pnl_pct"]
    rows = zip(held["weight"], rates, _position_hovers(held), strict=True)
    facts = [[_share(weight), _with_arrow(percent(rate)), hover] for weight, rate, hover in rows]
    return {
        "type": "treemap",
        "labels": ["<br>".join(filter(None, parts)) for parts in _position_names(held)],
        "values": held["market_value"].to_list(),
        "ids": [str(number) for number in range(len(held))],
        "parents": [""] * len(held),
        "marker": {
            "colors": rates.fillna(0.0).to_list(),
            "colorscale": [[place / 2, color] for place, color in enumerate(look.tiles)],
            "cmin": -_FULL_COLOR,
            "cmid": 0,
            "cmax": _FULL_COLOR,
            "pad": {"t": 0, "l": 0, "r": 0, "b": 0},
            "line": {"width": 0},
        },
        "customdata": facts,
        "textfont": {"size": 13, "color": "#ffffff"},
        "pathbar": {"visible": False},
        "tiling": {"pad": 2},
        "root": {"color": "rgba(0,0,0,0)"},
        "texttemplate": "<b>%{label}</b><br>%{customdata[0]}<br>%{customdata[1]}",
        "hovertemplate": "%{customdata[2]}<extra></extra>",
        "name": "allocation",
        "meta": "allocation",
    }


def _with_arrow(signed: str) -> str:
    return {"+": "▲ ", "-": "▼ "}.get(signed[0], "") + signed
