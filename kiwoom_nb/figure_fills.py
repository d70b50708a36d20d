"""The figure of the fills: a panel for each symbol, all on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from .figure_labels import reason, say
from .figure_style import SMALL, Colors, Theme, Trace, axis, figure, layout, nothing, plain, signed_won, theme, won
from .figure_time import MOST_POINTS, day_lines, gap_shapes, local, thinned, time_axis
from .fills import fills
from .holdings import CASH
from .keyed import moments
from .schema import symbol as issue_code

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MOST_PANELS: Final = 12
_FEWEST: Final = 500  # so many fills a panel can show: a marker is wider than a pixel
_PANEL: Final = 118  # pixels, of which the name of the symbol takes some
_ONE_PANEL: Final = 280
_NAME: Final = 24
_SMALLEST, _LARGEST = 7.0, 20.0  # pixels of a marker
_SEEN_HOLLOW: Final = 11.0
_KINDS: Final = ("buy", "sell", "uncertain")
_SYMBOLS: Final = {"buy": "triangle-up", "sell": "triangle-down"}


def plot_fills(
    frame: pd.DataFrame,
    symbol: str | Sequence[str] | None = None,
    *,
    colors: Colors = "korea",
    dark: bool | None = None,
) -> go.Figure:
    """Return the fills on a time axis, a panel for each symbol: price against time, larger the more won it was.

    A triangle up is a buy, down a sell. Hollow ones are not ``exact`` (see :func:`kiwoom_nb.fills.fills`): pointing at
    them tells why. Times in which the line was down are shaded.

    Parameters
    ----------
    frame
        Balance events in order of arrival.
    symbol
        One symbol, or several; default: all, or the twelve most traded of more.
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
        ``colors`` is not known.
    """
    look = theme(colors, dark)
    title = say("fills")
    traded, wanted = fills(frame), _wanted(symbol)
    if wanted:
        traded = traded[traded["symbol"].isin(wanted).to_numpy(bool)]
    if not len(traded):
        return nothing(look, title, say("no_fills_of", symbol=plain(", ".join(wanted))) if wanted else say("no_fills"))
    chosen = wanted or _most_traded(traded)
    panels = [traded[(traded["symbol"] == code).to_numpy(bool)] for code in chosen]
    panels = [panel for panel in panels if len(panel)]
    drawn = [_drawn(panel, max(MOST_POINTS // len(panels), _FEWEST)) for panel in panels]
    together = pd.concat(drawn)
    drawn = _cut(together.assign(hover=_hovers(together)), [len(panel) for panel in drawn])
    notes = _notes(traded, panels, drawn)
    largest = float(max(panel["amount"].max() if panel["amount"].notna().any() else 1 for panel in drawn))
    shown: set[str] = set()
    traces = [trace for number, panel in enumerate(drawn, 1) for trace in _traces(look, panel, number, largest, shown)]
    return figure([*traces, *_legend(look, shown)], _layout(look, title, frame, panels, notes))


def _wanted(symbol: str | Sequence[str] | None) -> list[str]:
    """Return the symbols asked for, as a frame has them."""
    asked = [symbol] if isinstance(symbol, str) else list(symbol or [])
    return list(dict.fromkeys(issue_code(one) or one for one in asked))


def _most_traded(traded: pd.DataFrame) -> list[str]:
    """Return the symbols with the largest amounts, in order of first sight."""
    amounts = traded["amount"].fillna(0).groupby(traded["symbol"].astype("object")).sum()
    kept = set(amounts.sort_values(ascending=False, kind="stable").index[:_MOST_PANELS])
    return [code for code in traded["symbol"].dropna().unique() if code in kept]


def _drawn(panel: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the fills that are drawn: where there are too many, the extremes of each short time."""
    prices = panel["price"].to_numpy(np.int64, na_value=0)
    return panel.iloc[thinned(moments(panel["time"]), prices, most)]


def _cut(together: pd.DataFrame, lengths: list[int]) -> list[pd.DataFrame]:
    """Return the parts of these lengths."""
    ends = np.cumsum(lengths).tolist()
    return [together.iloc[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _notes(traded: pd.DataFrame, panels: list[pd.DataFrame], drawn: list[pd.DataFrame]) -> list[str]:
    total, all_of_panels = traded["symbol"].nunique(), sum(map(len, panels))
    notes = [say("some_symbols", shown=len(panels), total=total)] if total > len(panels) else []
    few = sum(map(len, drawn))
    return [*notes, say("thinned", shown=few, total=all_of_panels)] if few < all_of_panels else notes


# --- traces -------------------------------------------------------------------------------------------------------


def _traces(look: Theme, panel: pd.DataFrame, number: int, largest: float, shown: set[str]) -> list[Trace]:
    """Return the fills of one symbol: a thin line of its prices, and markers by kind."""
    is_exact = (panel["confidence"] == "exact").to_numpy(bool)
    side = panel["side"].astype("object")
    kinds = np.where(is_exact, side.where(side.notna(), "uncertain"), "uncertain")
    place = {"xaxis": "x", "yaxis": "y" if number == 1 else f"y{number}", "showlegend": False, "type": "scatter"}
    prices = panel["price"].astype("object").where(panel["price"].notna(), None).to_list()
    line = {"mode": "lines", "line": {"color": look.grid, "width": 1.5}, "hoverinfo": "skip", "connectgaps": True}
    path = {**place, **line, "x": local(moments(panel["time"])), "y": prices, "name": "path", "meta": "path"}
    traces = [path]
    for kind in _KINDS:
        own = panel[kinds == kind]
        if len(own):
            shown.add(kind)
            traces.append({**place, **_markers(look, own, kind, largest)})
    return traces


def _markers(look: Theme, own: pd.DataFrame, kind: str, largest: float) -> Trace:
    sides = [kind] * len(own) if kind != "uncertain" else own["side"].astype("object").to_list()
    colors = {"buy": look.up, "sell": look.down}
    marker: dict[str, Any] = {
        "size": _sizes(own["amount"], largest),
        "color": [colors.get(side, look.muted) for side in sides],
        "symbol": [_SYMBOLS.get(side, "circle") + ("-open" if kind == "uncertain" else "") for side in sides],
        "opacity": 0.85,
        "line": {"width": 0},
    }
    if kind == "uncertain":
        marker |= {"opacity": 1, "line": {"width": 2}, "size": [max(size, _SEEN_HOLLOW) for size in marker["size"]]}
    return {
        "mode": "markers",
        "x": local(moments(own["time"])),
        "marker": marker,
        "name": say(kind),
        "meta": kind,
        "y": own["price"].astype("object").where(own["price"].notna(), None).to_list(),
        "legendgroup": kind,
        "customdata": own["hover"].to_list(),
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _sizes(amounts: pd.Series[Any], largest: float) -> list[float]:
    """Return sizes whose areas go by ``amounts``; the smallest where one is not known."""
    known = amounts.to_numpy(np.float64, na_value=0)
    return np.round(_SMALLEST + (_LARGEST - _SMALLEST) * np.sqrt(known / max(largest, 1)), 1).tolist()  # type: ignore[no-any-return]


def _legend(look: Theme, shown: set[str]) -> list[Trace]:
    """Return one entry for each kind that is shown, of one size, whatever the markers are."""
    symbols = {**_SYMBOLS, "uncertain": "triangle-up-open"}
    colors = {"buy": look.up, "sell": look.down, "uncertain": look.muted}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [None],
            "y": [None],
            "name": say(kind),
            "meta": "legend",
            "legendgroup": kind,
            "marker": {"symbol": symbols[kind], "color": colors[kind], "size": 11},
        }
        for kind in _KINDS
        if kind in shown
    ]


def _hovers(own: pd.DataFrame) -> list[str]:
    """Return what pointing at each fill tells."""
    is_one = len(own["account"].dropna().unique()) <= 1
    told = own.astype("object").where(own.notna(), None)
    return ["<br>".join(_facts(row, is_one)) for row in told.itertuples(index=False)]


def _facts(row: Any, is_one_account: bool) -> list[str]:
    side = "" if row.side is None else f"<b>{say(row.side)}</b>"
    credit = "" if row.credit_type in {CASH, None} else say("credit")
    account = "" if is_one_account else plain(row.account)
    facts = [" ".join(filter(None, [side, credit, f"{row.time:%Y-%m-%d %H:%M:%S}", account]))]
    if row.amount is None:
        shares = [] if not row.net_quantity else [say("shares", count=abs(row.net_quantity))]
        facts.append(" ".join([won(row.price), f"({say('last_price')})", *shares]))
    else:
        facts.append(f"{won(row.price)} × {say('shares', count=row.quantity)} = {won(row.amount)}")
    if row.side == "sell" and row.realized_pnl is not None:
        facts.append(f"{say('realized')}: {signed_won(row.realized_pnl)}")
    if row.confidence != "exact":
        facts.append(f"{_confidence(row.confidence)}: {reason(row.reason)}")
    return facts


def _confidence(confidence: str) -> str:
    return say("gap", span="").strip() if confidence == "gap" else say(confidence)


# --- layout -------------------------------------------------------------------------------------------------------


def _layout(
    look: Theme, title: str, frame: pd.DataFrame, panels: list[pd.DataFrame], notes: list[str]
) -> dict[str, Any]:
    count, each = len(panels), _ONE_PANEL if len(panels) == 1 else _PANEL
    at = np.sort(np.concatenate([moments(panel["time"]) for panel in panels]))
    bottom = "y" if count == 1 else f"y{count}"
    shades, labels = gap_shapes(look, frame)
    shown = layout(
        look,
        title,
        height=100 + 16 * len(notes) + each * count,
        notes=notes,
        hovermode="closest",
        xaxis=time_axis(look, at, anchor=bottom),
        shapes=[*day_lines(look, at), *shades],
        annotations=[*labels, *(_name(look, panel, number, each * count, each) for number, panel in enumerate(panels))],
    )
    for number in range(count):
        top = 1 - (number * each + _NAME) / (each * count)
        domain = [max(1 - (number + 1) * each / (each * count), 0), top]
        shown["yaxis" if number == 0 else f"yaxis{number + 1}"] = axis(
            look, domain=domain, tickformat=",.0f", tickprefix="₩", nticks=4, zeroline=False, ticks="", anchor="x"
        )
    return shown


def _name(look: Theme, panel: pd.DataFrame, number: int, height: int, each: int) -> dict[str, Any]:
    """Return the name of the symbol above its panel."""
    name, code = panel["name"].iloc[-1], panel["symbol"].iloc[-1]
    text = f'<b>{plain(code if pd.isna(name) else name)}</b> <span style="color:{look.muted}">{plain(code)}</span>'
    return {
        "text": text,
        "showarrow": False,
        "font": {"size": SMALL + 1, "color": look.ink},
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": 1 - (number * each + _NAME - 2) / height,
        "yref": "paper",
        "yanchor": "bottom",
    }
