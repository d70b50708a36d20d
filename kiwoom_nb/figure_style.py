"""How the figures look: colours, fonts, won and percent, and what all layouts have in common.

A figure is plain data (dicts) until :func:`figure` makes a ``go.Figure`` of it: only that needs plotly.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import pandas as pd

if TYPE_CHECKING:
    import plotly.graph_objects as go

Colors = Literal["korea", "colorblind", "us"]
Trace = dict[str, Any]

FONTS: Final = "Pretendard, 'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans KR', 'Noto Sans CJK KR', sans-serif"
SIZE: Final = 12
SMALL: Final = 11
_NOTE_WIDTH: Final = 60  # half-width characters that fit beside each other at 375 px
_TOP_LEFT: Final = {
    "x": 0,
    "xref": "container",
    "xanchor": "left",
    "y": 1,
    "yref": "container",
    "yanchor": "top",
    "pad": {"l": 12, "t": 12},
}
_BOTTOM_LEFT: Final = {
    "orientation": "h",
    "x": 0.02,
    "xref": "container",
    "xanchor": "left",
    "y": 0.01,
    "yref": "container",
    "yanchor": "bottom",
}
_UNUSED: Final = ["select2d", "lasso2d", "autoScale2d"]  # buttons that do nothing here


class Theme(NamedTuple):
    """The colours of a figure; ``lines`` tell several lines apart."""

    background: str
    label: str  # behind the text of a hover
    label_ink: str
    ink: str
    muted: str
    grid: str
    axis: str
    shade: str
    lines: tuple[str, ...]
    up: str = ""
    down: str = ""
    tiles: tuple[str, ...] = ()  # down, neither, up: dark enough for white text


# Of Okabe and Ito's palette, which colour-blind people can tell apart, as far as it stands out from the ground.
_LIGHT_LINES = ("#0072B2", "#D55E00", "#009E73", "#B0569A", "#8A6D00", "#3A9BD1", "#6B6B6B", "#7A3B00")
_DARK_LINES = ("#56B4E9", "#F28E3C", "#2CC79A", "#E2A0CB", "#E8D44D", "#8FB8FF", "#BDBDBD", "#D9A066")
_BOTH_LINES = ("#2A86C8", "#E0701A", "#12A47C", "#C06AA6", "#A68A10", "#5C93E6", "#8A8A8A", "#A8703A")
_GROUNDS: Final = {
    False: Theme("#ffffff", "#ffffff", "#1f2328", "#1f2328", "#5f6770", "#e8eaed", "#9aa1a9", "#8a929a", _LIGHT_LINES),
    True: Theme("#111111", "#1e1e1e", "#e8eaed", "#e8eaed", "#a3abb3", "#2c2f33", "#6a7178", "#9aa1a9", _DARK_LINES),
    # transparent, and legible on a white page as on a black one
    None: Theme(
        *("rgba(0,0,0,0)", "#2b2f33", "#f2f3f4", "#7b7f84", "#7b7f84", "rgba(128,128,128,0.22)", "#85898e", "#85898e"),
        _BOTH_LINES,
    ),
}
_UP_AND_DOWN: Final[dict[str, dict[bool | None, tuple[str, str]]]] = {
    "korea": {False: ("#d6293e", "#1f5fd0"), True: ("#ff7070", "#78abff"), None: ("#e5484d", "#3f82f0")},
    "colorblind": {False: ("#c05000", "#0067a8"), True: ("#f59b4c", "#6cb8f0"), None: ("#d5690f", "#2a86c8")},
    "us": {False: ("#0b8043", "#c5221f"), True: ("#4ccb7f", "#ff7070"), None: ("#1c9c57", "#e5484d")},
}


def theme(colors: str, dark: bool | None) -> Theme:
    """Return the colours of a figure; ``dark`` None: transparent, for both kinds of page."""
    if colors not in _UP_AND_DOWN:
        raise ValueError(f'colors={colors!r} is not known: give "korea", "colorblind" or "us".')
    dark = None if dark is None else bool(dark)
    up, down = _UP_AND_DOWN[colors][dark]
    dark_up, dark_down = _UP_AND_DOWN[colors][False]
    return _GROUNDS[dark]._replace(up=up, down=down, tiles=(dark_down, "#6f757c", dark_up))


def faded(color: str, opacity: float) -> str:
    """Return ``#rrggbb`` as a transparent colour."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


# --- numbers ------------------------------------------------------------------------------------------------------


def won(value: Any) -> str:
    """Return whole won: ``₩1,234``, ``-₩1,234``."""
    return "–" if pd.isna(value) else f"{'-' if value < 0 else ''}₩{abs(int(value)):,}"


def signed_won(value: Any) -> str:
    """Return won with an arrow and a sign: colour is never the only cue."""
    if pd.isna(value) or value == 0:
        return won(value)
    return f"▲ +{won(value)}" if value > 0 else f"▼ {won(value)}"


def percent(value: Any) -> str:
    """Return a signed percentage with two decimals."""
    if pd.isna(value):
        return "–"
    text = f"{value:+.2f}%"
    return text if text.strip("+-") != "0.00%" else "0.00%"


def plain(text: Any) -> str:
    """Return ``text`` so that plotly shows it as it is: names come from outside, and plotly reads some HTML."""
    return html.escape(str(text), quote=False)


def tinted(text: str, value: Any, look: Theme) -> str:
    """Return ``text`` in the colour of the sign of ``value``."""
    if pd.isna(value) or value == 0:
        return text
    return f'<span style="color:{look.up if value > 0 else look.down}">{text}</span>'


# --- figures ------------------------------------------------------------------------------------------------------


def figure(traces: Iterable[Trace], layout: dict[str, Any]) -> go.Figure:
    """Return the figure that ``traces`` and ``layout`` describe."""
    import plotly.graph_objects as go

    return go.Figure(data=list(traces), layout=layout)


def layout(look: Theme, title: str, *, height: int, notes: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    """Return what all figures have in common: as wide as the page, and legible on a phone."""
    lines = [line for note in notes for line in wrapped(note)]
    under = {"text": "<br>".join(lines), "font": {"size": SMALL, "color": look.muted}}
    heading = {"text": title, "font": {"size": 15, "color": look.ink}, **_TOP_LEFT}
    pointed = {"font": {"family": FONTS, "size": SIZE, "color": look.label_ink}, "align": "left"}
    return {
        "template": "none",
        "title": {**heading, "subtitle": under} if lines else heading,
        "height": height,
        "margin": {"l": 12, "r": 14, "t": 46 + 16 * len(lines), "b": 12},
        "paper_bgcolor": look.background,
        "plot_bgcolor": look.background,
        "font": {"family": FONTS, "size": SIZE, "color": look.ink},
        "hoverlabel": {"bgcolor": look.label, "bordercolor": look.axis, **pointed},
        "legend": {"font": {"size": SMALL}, "itemsizing": "constant", "bgcolor": "rgba(0,0,0,0)", **_BOTTOM_LEFT},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": look.axis, "activecolor": look.ink, "remove": _UNUSED},
        "separators": ".,",
        **more,
    }


def rows_layout(
    look: Theme, title: str, names: list[str], texts: list[str], values: list[Any], *, row: int, **more: Any
) -> dict[str, Any]:
    """Return the layout of horizontal bars: a name left of each and its text right of it, ``row`` pixels apart."""
    beside, margin = value_column(look, texts, values)
    height = 84 + row * len(names)
    shown = layout(look, title, height=height, xaxis=bare_won_axis(look), annotations=beside, **more)
    shown["margin"]["r"] = margin
    shown["height"] = height + shown["margin"]["t"] - 46  # the notes take no room from the bars
    return shown


def wrapped(text: str, width: int = _NOTE_WIDTH) -> list[str]:
    """Return ``text`` in lines that fit a phone; a Hangul syllable is as wide as two letters."""
    lines, used = [""], 0
    for word in text.split():
        wide = width_of(word)
        if lines[-1] and used + 1 + wide > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
        used = width_of(lines[-1])
    return lines


def width_of(text: str) -> int:
    """Return how many half-width characters wide ``text`` is."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def axis(look: Theme, **more: Any) -> dict[str, Any]:
    """Return what all axes have in common."""
    return {
        "automargin": True,
        "gridcolor": look.grid,
        "linecolor": look.axis,
        "tickcolor": look.axis,
        "tickfont": {"size": SMALL, "color": look.muted},
        "zeroline": False,
        "title": {"text": ""},
        **more,
    }


def won_axis(look: Theme, **more: Any) -> dict[str, Any]:
    """Return an axis in won, its zero marked; a sign of won before the number would stand before its minus."""
    zero = {"zeroline": True, "zerolinecolor": look.axis, "zerolinewidth": 1.5}
    return axis(look, **{"tickformat": ",.0f", "nticks": 6, **zero, **more})


def nothing(look: Theme, title: str, sentence: str, notes: Iterable[str] = ()) -> go.Figure:
    """Return a figure that says in one sentence that there is nothing to show."""
    hidden = {"visible": False, "fixedrange": True}
    said = {
        "text": sentence,
        "showarrow": False,
        "font": {"size": 14, "color": look.muted},
        "x": 0.5,
        "y": 0.5,
        "xref": "paper",
        "yref": "paper",
    }
    return figure([], layout(look, title, height=240, notes=notes, xaxis=hidden, yaxis=hidden, annotations=[said]))


def value_column(look: Theme, texts: list[str], values: Iterable[Any]) -> tuple[list[dict[str, Any]], int]:
    """Return ``texts`` as a column right of the plot, one beside each row, and the margin that it takes."""
    widest = max((width_of(line) for text in texts for line in text.split("<br>")), default=0)
    margin = 24 + round(6.2 * widest)
    place = {"x": 1, "xref": "paper", "xanchor": "right", "xshift": margin - 10, "yref": "y", "yanchor": "middle"}
    kind = {"font": {"size": SMALL}, "showarrow": False, "align": "right"}
    pairs = enumerate(zip(texts, values, strict=True))
    return [{**kind, **place, "y": row, "text": tinted(text, value, look)} for row, (text, value) in pairs], margin


def row_axis(look: Theme, names: list[str], **more: Any) -> dict[str, Any]:
    """Return a vertical axis with a name for each row."""
    ticks = {
        "tickmode": "array",
        "tickvals": list(range(len(names))),
        "ticktext": names,
        "ticks": "",
        "fixedrange": True,
    }
    font = {"size": SIZE, "color": look.ink}
    return axis(look, **ticks, tickfont=font, showgrid=False, showline=False, range=[-0.6, len(names) - 0.4], **more)


def bare_won_axis(look: Theme) -> dict[str, Any]:
    """Return a horizontal axis in won of which only the zero is seen: the numbers stand beside the bars."""
    return won_axis(look, showticklabels=False, showgrid=False, showline=False, ticks="", fixedrange=True)
