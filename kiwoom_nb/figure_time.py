"""Time axes: lines thinned to what pixels can show, days set apart, and the times in which the line was down."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from .figure_labels import say
from .figure_style import SMALL, Theme, axis, faded
from .keyed import DAY, Ints, days_of, moments
from .schema import RECEIVED_AT
from .told import told_by

MOST_POINTS: Final = 4000
"""So many points a line has at the most: more than a wide screen has pixels."""

_KST: Final = 9 * 3_600_000_000
_MINUTE: Final = 60_000_000
_HOUR: Final = 60 * _MINUTE
_LONG_PAUSE: Final = 3 * _HOUR  # between the events of two days: left out of the axis
_MOST_BREAKS: Final = 40  # plotly.js looks through all of them for each point
_OF_SPAN: Final = 25  # a gap that lasts is drawn to a 25th of the axis beyond what is known
_LABEL: Final = 0.45  # of the axis: so wide the label of a gap can be at 375 px
_FORMATS: Final = (
    (None, 1000, "%H:%M:%S.%L"),
    (1000, 60_000, "%H:%M:%S"),
    (60_000, 86_400_000, "%H:%M\n%m-%d"),
    (86_400_000, "M1", "%m-%d\n%Y"),
    ("M1", None, "%Y-%m"),
)


def local(at: Ints) -> npt.NDArray[np.datetime64]:
    """Return moments as naive Korean time: plotly.js has no time zones."""
    return (at + _KST).view("M8[us]")


def thinned(at: Ints, values: npt.NDArray[Any], most: int = MOST_POINTS) -> Ints:
    """Return which points to draw: where there are too many, the first, last, lowest and highest of each short time.

    A line through these is the same to the pixel as one through all of them. Nights take none of the points.
    """
    days = days_of(at)
    breaks = int(np.count_nonzero(np.diff(days)))  # each is drawn as a point, too
    if len(at) + breaks <= most:
        return np.arange(len(at))
    pause = np.diff(at, prepend=at[:1])
    pause[np.diff(days, prepend=days[:1]) != 0] = 0
    clock = np.cumsum(np.maximum(pause, 0))
    times = max((most - 3 * breaks) // 4, 1)
    short_time = clock * times // (clock[-1] + 1)
    begins = np.flatnonzero(np.diff(short_time, prepend=-1))
    order = np.lexsort((values, short_time))
    ends = np.append(begins[1:], len(at)) - 1
    of_days = np.flatnonzero(np.diff(days))
    kept: Ints = np.unique(np.concatenate([begins, ends, order[begins], order[ends], of_days, of_days + 1]))
    return kept


def split_days(at: Ints, values: npt.NDArray[Any], between: int | None = None) -> tuple[Any, Any]:
    """Return times and values with ``between`` (a blank: no line) after the last one of each day but the last."""
    ends = np.flatnonzero(np.diff(days_of(at))) + 1
    if not len(ends):
        return local(at), values
    filling: Any = between
    return np.insert(local(at), ends, local(at[ends - 1])), np.insert(values.astype("object"), ends, filling)


def time_axis(look: Theme, at: Ints, **more: Any) -> dict[str, Any]:
    """Return the axis for these moments: short labels in the order of Korea, nights left out."""
    stops = [{"dtickrange": [low, high], "value": text} for low, high, text in _FORMATS]
    breaks = [{"bounds": [_text(start), _text(end)]} for start, end in _nights(at)]
    is_long = len(at) > 0 and days_of(at[:1])[0] != days_of(at[-1:])[0]
    shown: dict[str, Any] = {
        "type": "date",
        "tickformatstops": stops,
        "nticks": 5 if is_long else 7,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "hoverformat": "%Y-%m-%d %H:%M:%S" if is_long else "%H:%M:%S",
        "tickangle": 0,
    }
    return axis(look, **{**shown, "rangebreaks": breaks, **more})


def _nights(at: Ints) -> list[tuple[int, int]]:
    """Return the long pauses between days in whole hours, to be left out of an axis."""
    ends = np.flatnonzero((np.diff(days_of(at)) != 0) & (np.diff(at) > _LONG_PAUSE))
    if len(ends) > _MOST_BREAKS:
        return []
    starts = -(-at[ends] // _HOUR) * _HOUR
    return list(zip(starts.tolist(), (at[ends + 1] // _HOUR * _HOUR).tolist(), strict=True))


def day_lines(look: Theme, at: Ints) -> list[dict[str, Any]]:
    """Return a dotted line where each further day begins, with its date."""
    firsts = at[np.flatnonzero(np.diff(days_of(at))) + 1]
    if len(firsts) > _MOST_BREAKS:
        return []
    return [
        {
            "type": "line",
            "x0": str(first),
            "x1": str(first),
            "xref": "x",
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": look.axis, "width": 1, "dash": "dot"},
            "layer": "below",
        }
        for first in local(firsts)
    ]


def gap_shapes(look: Theme, frame: pd.DataFrame) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a shade and a label for each time in which the line was down while the events came, and since.

    Where there is no room for the label of one, the label before it counts it.
    """
    gaps = told_by(frame).gaps
    if not gaps or not len(frame):
        return [], []
    at = moments(frame[RECEIVED_AT])
    first, last, nights = int(at[0]), int(at[-1]), _nights(at)
    whole = max(_without(nights, last) - _without(nights, first), _MINUTE)
    room = whole // _OF_SPAN
    shades: list[dict[str, Any]] = []
    labels = _Labels(look)
    for gap in gaps:
        start, end = max(gap.start, first - room), max(last, gap.start) + room if gap.end is None else gap.end
        if end < first or (start > last and gap.end is not None):
            continue
        shades.append(_shade(look, start, end))
        place = [(_without(nights, moment) - _without(nights, first)) / whole for moment in (start, end)]
        labels.add(start, end, place, _span(gap.start, gap.end))
    return shades, labels.told


def _without(nights: list[tuple[int, int]], moment: int) -> int:
    """Return ``moment`` less the nights before it: where it stands on an axis without them."""
    return moment - sum(min(moment, end) - start for start, end in nights if start < moment)


class _Labels:
    """The labels of gaps, above the plot, as many as there is room for."""

    def __init__(self, look: Theme) -> None:
        self._look = look
        self._text = ""
        self._more = 0
        self._right = -1.0
        self.told: list[dict[str, Any]] = []

    def add(self, start: int, end: int, place: list[float], text: str) -> None:
        """Label the gap at ``place`` (0 to 1) where there is room, else let the last label count it."""
        is_late = place[0] + _LABEL > 1
        left = max(place[1] - _LABEL, 0) if is_late else place[0]
        if left < self._right:
            self._more += 1
            self.told[-1]["text"] = f"{self._text} +{self._more}"
            return
        self._right, self._text, self._more = left + _LABEL, text, 0
        font = {"size": SMALL, "color": self._look.muted}
        side = {"x": _text(end if is_late else start), "xanchor": "right" if is_late else "left", "xref": "x"}
        above = {"y": 1, "yref": "paper", "yanchor": "bottom"}
        self.told.append({"text": text, "name": "gap", "showarrow": False, "font": font, **side, **above})


def _shade(look: Theme, start: int, end: int) -> dict[str, Any]:
    place = {"x0": _text(start), "x1": _text(end), "xref": "x", "y0": 0, "y1": 1, "yref": "paper"}
    line = {"width": 1, "color": faded(look.shade, 0.55)}  # seen even where it is shorter than a pixel
    return {
        "type": "rect",
        "name": "gap",
        "layer": "below",
        "fillcolor": faded(look.shade, 0.25),
        "line": line,
        **place,
    }


def _text(at: int) -> str:
    return str(local(np.array([at]))[0])


def _span(start: int, end: int | None) -> str:
    """Return when a gap was, in words."""
    shown = "%m-%d %H:%M" if end is not None and end - start >= DAY else "%H:%M"
    told = [f"{pd.Timestamp(at + _KST, unit='us'):{shown}}" for at in (start, start if end is None else end)]
    if end is None:
        return say("gap", span=f"{told[0]}–")
    return say("gap", span="–".join(dict.fromkeys(told)))
