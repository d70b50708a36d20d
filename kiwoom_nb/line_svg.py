"""Lines along a time axis as an SVG: what is left of a chart where neither kernel nor script runs."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .figure_style import FONTS, won
from .figure_time import local, thinned
from .keyed import DAY, Ints, days_of
from .schema import TIMEZONE

_WIDTH: Final = 480
_HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 12, 34, 22
_MOST: Final = 480  # points of a line: as many as it is wide
_SMALL: Final = 11
_ROW: Final = 17
_MARGIN: Final = 8.0
_HANGUL: Final = 0x1100  # from here on characters are wide


class DrawnLine(NamedTuple):
    """A line: microseconds since the epoch (UTC), values, and how they are drawn."""

    name: str
    times: Ints
    levels: npt.NDArray[np.float64]
    color: str = "currentColor"
    width: float = 2
    fill: str | None = None
    is_step: bool = True
    in_legend: bool = True


class _Scale(NamedTuple):
    """Where a moment and a value are drawn."""

    first: float
    last: float
    low: float
    high: float

    def x(self, at: npt.NDArray[Any] | float) -> npt.NDArray[np.float64]:
        share = (np.asarray(at, np.float64) - self.first) / max(self.last - self.first, 1)
        return np.round(_LEFT + np.clip(share, 0, 1) * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: npt.NDArray[Any] | float) -> npt.NDArray[np.float64]:
        share = (np.asarray(value, np.float64) - self.low) / (self.high - self.low)
        return np.round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP), 1)


def line_svg(title: str, lines: Sequence[DrawnLine], gaps: Iterable[tuple[str, str]] = ()) -> str:
    """Return the lines as one SVG in the colours of the page it is put into.

    ``gaps`` are shaded: (start, end) as texts of Korean time.
    """
    shown = [line for line in lines if len(line.times)]
    scale = _scale(shown)
    legend = [line for line in shown if line.in_legend and line.width]
    rows, legend_text = _legend(legend)
    height = _HEIGHT + (rows * _ROW + 4 if rows else 0)
    plain = html.escape(html.unescape(re.sub(r"<[^>]*>", "", title)))
    parts = [
        f'<text x="8" y="18" font-size="14" font-weight="600">{plain}</text>',
        *(_gap(scale, *gap) for gap in gaps if shown),
        *_axes(scale),
        *(_path(scale, line) for line in shown),
        legend_text,
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{plain}" '
        f'width="100%" style="max-width:680px;font-family:{html.escape(FONTS)}" fill="currentColor">'
        f"{''.join(parts)}</svg>"
    )


def _scale(lines: Sequence[DrawnLine]) -> _Scale:
    if not lines:
        return _Scale(0, 1, 0, 1)
    low = min(0.0, *(float(line.levels.min()) for line in lines))
    high = max(0.0, *(float(line.levels.max()) for line in lines))
    room = (high - low) * 0.06 or 1.0
    firsts, lasts = [int(line.times[0]) for line in lines], [int(line.times[-1]) for line in lines]
    return _Scale(min(firsts), max(lasts), low - room * (low < 0), high + room)


def _path(scale: _Scale, line: DrawnLine) -> str:
    """Return a line, set apart by day, and the ground between it and zero where it has a colour."""
    kept = thinned(line.times, line.levels, _MOST)
    at, values = line.times[kept], line.levels[kept]
    begins = [0, *(np.flatnonzero(np.diff(days_of(at))) + 1), len(at)]
    drawn = []
    for start, stop in itertools.pairwise(begins):
        x, y = scale.x(at[start:stop]), scale.y(values[start:stop])
        way = _way(x, y, is_step=line.is_step)
        if line.fill:
            zero = float(scale.y(0.0))
            ground = f"M{x[0]:g} {zero:g}V{y[0]:g}{way[way.index(' ') :]}V{zero:g}Z"
            drawn.append(f'<path d="{ground}" fill="{html.escape(line.fill)}" stroke="none"/>')
        if line.width:
            drawn.append(f'<path d="{way}" fill="none" stroke="{html.escape(line.color)}" stroke-width="1.6"/>')
    return "".join(drawn)


def _way(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], *, is_step: bool) -> str:
    steps = zip(x[1:].tolist(), y[1:].tolist(), strict=True)
    rest = "".join(f"H{at:g}V{value:g}" if is_step else f"L{at:g} {value:g}" for at, value in steps)
    return f"M{x[0]:g},{y[0]:g} {rest}"


def _gap(scale: _Scale, start: str, end: str) -> str:
    left, right = (float(scale.x(float(_moment(text)))) for text in (start, end))
    place = f'x="{left:g}" width="{max(right - left, 0.8):g}" y="{_TOP}" height="{_HEIGHT - _TOP - _BOTTOM}"'
    return f'<rect {place} fill="#8a929a" fill-opacity="0.28"/>'


def _moment(text: str) -> int:
    """Return a Korean time as microseconds since the epoch."""
    return int(pd.Timestamp(text).tz_localize(TIMEZONE).as_unit("us").asm8.astype(np.int64))


def _axes(scale: _Scale) -> list[str]:
    """Return horizontal lines with their values and the times below."""
    drawn = []
    for value in _round_values(scale.low, scale.high):
        y = float(scale.y(value))
        opacity = 0.55 if value == 0 else 0.16
        drawn.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:g}" y2="{y:g}" '
            f'stroke="currentColor" stroke-opacity="{opacity}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:g}" font-size="{_SMALL}" text-anchor="end" '
            f'fill-opacity="0.75">{won(value)}</text>'
        )
    if scale.last <= 1:
        return drawn
    several = scale.last - scale.first > DAY
    for share, anchor in ((0, "start"), (1 / 3, "middle"), (2 / 3, "middle"), (1, "end")):
        at = scale.first + share * (scale.last - scale.first)
        moment = pd.Timestamp(local(np.array([at], np.int64))[0])
        drawn.append(
            f'<text x="{float(scale.x(at)):g}" y="{_HEIGHT - 6}" font-size="{_SMALL}" text-anchor="{anchor}" '
            f'fill-opacity="0.75">{moment:{"%m-%d %H:%M" if several else "%H:%M"}}</text>'
        )
    return drawn


def _round_values(low: float, high: float) -> list[int]:
    """Return three to six round numbers of won from ``low`` to ``high``."""
    rough = max((high - low) / 5, 1)
    power = 10.0 ** np.floor(np.log10(rough))
    step = int(max(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough), 1))
    return [int(value) for value in range(int(-(-low // step)) * step, int(high) + 1, step)]


def _legend(lines: Sequence[DrawnLine]) -> tuple[int, str]:
    """Return the names of several lines below the plot, and in how many rows."""
    if len(lines) < 2:  # noqa: PLR2004 - one line is named by the title
        return 0, ""
    drawn, x, row = [], _MARGIN, 0
    for line in lines:
        wide = 26 + sum(11 if ord(character) >= _HANGUL else 6.4 for character in line.name)
        if x + wide > _WIDTH and x > _MARGIN:
            x, row = _MARGIN, row + 1
        y = _HEIGHT + 12 + row * _ROW
        drawn.append(
            f'<line x1="{x:g}" x2="{x + 14:g}" y1="{y - 4}" y2="{y - 4}" '
            f'stroke="{html.escape(line.color)}" stroke-width="3"/>'
            f'<text x="{x + 18:g}" y="{y}" font-size="{_SMALL}">{html.escape(line.name)}</text>'
        )
        x += wide
    return row + 1, "".join(drawn)
