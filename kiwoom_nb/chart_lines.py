"""The lines of a figure as they grow: what a page is sent of them, thinned to what its pixels can show. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from .figure_time import MOST_POINTS, local, split_days, thinned
from .keyed import Ints
from .schema import TIMEZONE

if TYPE_CHECKING:
    import plotly.graph_objects as go

Floats = npt.NDArray[np.float64]
Points = dict[str, list[Any]]
"""Points as a page has them: ``x`` in milliseconds of Korean time, ``y``, and ``customdata`` where there is any."""
Told = Callable[[float], str]

_LINES: Final = ("scatter", "scattergl")
_WHOLE: Final = 3  # so many lines may have all the points; more of them share
_FEWEST: Final = 800


class Line:
    """One line: its points, at most ``most`` of them; the first, last, lowest and highest of each short time are kept.

    Attributes
    ----------
    times, levels
        Microseconds since the epoch (UTC, int64), and the values (float64: whole numbers up to 2**53 are exact).
    """

    def __init__(self, at: Ints, values: Floats, most: int = MOST_POINTS) -> None:
        self.times, self.levels = _blank_free(at, values)
        self._most = most
        self._thin()

    def keep(self, most: int) -> None:
        """Keep so many points from now on."""
        self._most = most
        self._thin()

    def extend(self, at: Ints, values: Floats) -> tuple[Ints, Floats]:
        """Take in new points and return those of them that are worth sending, one before them in front."""
        at, values = _blank_free(at, values)
        before = self.times[-1:], self.levels[-1:]
        self.times = np.concatenate([self.times, at])
        self.levels = np.concatenate([self.levels, values])
        self._thin()
        kept = thinned(at, values, self._most // 2)
        return np.concatenate([before[0], at[kept]]), np.concatenate([before[1], values[kept]])

    def _thin(self) -> None:
        """Thin to half of what is allowed, so that it costs next to nothing for each point."""
        if len(self.times) > self._most:
            kept = thinned(self.times, self.levels, self._most // 2)
            self.times, self.levels = self.times[kept], self.levels[kept]


class ChartLines:
    """The lines of a figure, and all that stays as it is: how they look, other traces, the layout.

    Parameters
    ----------
    figure
        Any figure. Its lines are the scatter traces that are drawn with lines along times (blank ones too); without a
        time zone these are Korean.
    dark
        The same figure in the colours of a dark page; None: ``figure`` itself, plotly's dark template in place of
        another template of its own.
    told
        What pointing at a value says, where the figure has ``customdata`` for it.

    Attributes
    ----------
    most
        So many points each line has at the most.
    """

    def __init__(self, figure: go.Figure, dark: go.Figure | None, told: Told) -> None:
        self._told = told
        self._lines: dict[int, Line] = {}
        self._worded: set[int] = set()
        for number, trace in enumerate(figure.data):
            line = _read(trace)
            if line is not None:
                self._lines[number] = line
                if trace.customdata is not None:
                    self._worded.add(number)
        self.most = max(MOST_POINTS * _WHOLE // max(len(self._lines), _WHOLE), _FEWEST)
        for line in self._lines.values():
            line.keep(self.most)
        self._names = [trace.name for trace in figure.data]
        light = json.loads(figure.to_json())
        self.looks = {"light": self._look(light), "dark": self._look(_darkened(light) if dark is None else _json(dark))}

    def _look(self, figure: dict[str, Any]) -> dict[str, Any]:
        """Return layout and traces without the points of the lines."""
        traces = [
            {key: value for key, value in trace.items() if key not in {"x", "y", "customdata"}}
            if number in self._lines
            else trace
            for number, trace in enumerate(figure["data"])
        ]
        layout = {"uirevision": "kiwoom_nb", **figure["layout"]}
        layout.pop("width", None)  # as wide as the page
        if self._lines:
            layout["xaxis"] = {"type": "date", **layout.get("xaxis", {})}
            layout["xaxis"].pop("autorangeoptions", None)  # what is last now will not be
        return {"layout": layout, "traces": traces}

    def line(self, number: int) -> Line:
        """Return the line of a trace."""
        return self._lines[number]

    def named(self, number: int) -> tuple[dict[str, Any], Line]:
        """Return how a line looks and the line itself."""
        return self.looks["light"]["traces"][number], self._lines[number]

    def numbers(self) -> list[int]:
        """Return which traces are lines."""
        return list(self._lines)

    def points(self) -> dict[str, Points]:
        """Return all points that are kept, by the number of the trace."""
        return {str(number): self._sent(number, line.times, line.levels) for number, line in self._lines.items()}

    def extend(self, added: Mapping[str, tuple[Iterable[int], Iterable[float]]]) -> dict[str, Points]:
        """Take in new points of lines by name, and return what to send of them.

        Raises
        ------
        ValueError
            There is no such line, or times and values are not as many. Nothing is taken in then.
        """
        read = {self._number(name): _arrays(name, *points) for name, points in added.items()}
        sent = {}
        for number, (at, values) in read.items():
            if len(at):
                had = len(self._lines[number].times) > 0
                at, values = self._lines[number].extend(at, values)  # noqa: PLW2901 - thinned
                sent[str(number)] = self._sent(number, at, values, skip=int(had))
        return sent

    def _number(self, name: str) -> int:
        numbers = [number for number in self._lines if self._names[number] == name]
        if len(numbers) != 1:
            known = ", ".join(repr(self._names[number]) for number in self._lines) or "none"
            raise ValueError(
                f"{len(numbers)} lines of the figure are called {name!r} (its lines: {known}): "
                "give replace() a figure with exactly one."
            )
        return numbers[0]

    def _sent(self, number: int, at: Ints, values: Floats, *, skip: int = 0) -> Points:
        """Return points for the page, days set apart, without the first ``skip`` of them."""
        times, split = split_days(at, values)
        sent: Points = {"x": _milliseconds(times)[skip:], "y": [_plain(value) for value in split.tolist()][skip:]}
        if number in self._worded:
            sent["customdata"] = ["" if value is None else self._told(value) for value in sent["y"]]
        return sent


def gap_shapes(gaps: Iterable[tuple[int, int | None]], last: int | None, room: int) -> list[dict[str, Any]]:
    """Return a shade for each (start, end) in microseconds; one that lasts ends ``room`` after ``last``."""
    return [
        {
            "type": "rect",
            "name": "gap",
            "x0": _text(start),
            "x1": _text(max(last or start, start) + room if end is None else end),
            "xref": "x",
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "layer": "below",
            "fillcolor": "rgba(138,146,154,0.25)",
            "line": {"width": 1, "color": "rgba(138,146,154,0.55)"},  # seen even where it is shorter than a pixel
        }
        for start, end in gaps
    ]


def _text(at: int) -> str:
    return str(local(np.array([at]))[0])


def _read(trace: Any) -> Line | None:
    """Return the line that a trace draws, None where it is something else."""
    if trace.type not in _LINES or "lines" not in (trace.mode or "lines"):
        return None
    if trace.x is None or not len(trace.x):
        return Line(np.empty(0, np.int64), np.empty(0))
    times = pd.Index(trace.x)
    if pd.api.types.is_numeric_dtype(times):
        return None
    try:
        moments = pd.DatetimeIndex(times.astype("object") if times.dtype == object else times)
    except (TypeError, ValueError):  # names on the axis
        return None
    moments = moments.tz_localize(TIMEZONE) if moments.tz is None else moments
    at = moments.tz_convert("UTC").tz_localize(None).to_numpy("M8[us]").astype(np.int64)
    return Line(at, np.array([np.nan if value is None else value for value in trace.y], np.float64))


def _arrays(name: str, times: Iterable[int], values: Iterable[float]) -> tuple[Ints, Floats]:
    at = np.asarray(times if isinstance(times, np.ndarray) else list(times), np.int64)
    read = np.asarray(values if isinstance(values, np.ndarray) else list(values), np.float64)
    if len(at) != len(read):
        raise ValueError(f"The line {name!r} got {len(at)} times and {len(read)} values: give one value for each time.")
    return at, read


def _blank_free(at: Ints, values: Floats) -> tuple[Ints, Floats]:
    told = ~np.isnan(values)
    return (at, values) if told.all() else (at[told], values[told])


def _milliseconds(times: npt.NDArray[Any]) -> list[float]:
    return [at // 1000 if at % 1000 == 0 else at / 1000 for at in times.astype(np.int64).tolist()]


def _plain(value: float | None) -> float | None:
    """Return a whole number without its ``.0``: won, and fewer bytes."""
    return int(value) if value is not None and value.is_integer() else value


def _json(figure: go.Figure) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(figure.to_json())
    return read


def _darkened(figure: dict[str, Any]) -> dict[str, Any]:
    """Return a figure with plotly's dark template where it has a template with colours of its own."""
    layout = figure["layout"]
    if "paper_bgcolor" not in layout.get("template", {}).get("layout", {}):
        return figure
    import plotly.graph_objects as go

    dark = json.loads(go.Figure(layout={"template": "plotly_dark"}).to_json())["layout"]["template"]
    return figure | {"layout": layout | {"template": dark}}


def span_of(lines: Iterable[Line]) -> tuple[int | None, int]:
    """Return the last moment of the lines (None: no points) and the time from their first one to it."""
    firsts = [int(line.times[0]) for line in lines if len(line.times)]
    lasts = [int(line.times[-1]) for line in lines if len(line.times)]
    return (max(lasts), max(lasts) - min(firsts)) if lasts else (None, 0)
