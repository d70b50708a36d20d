"""The streaming chart: a Plotly figure in the page whose lines grow by small numbered messages.

plotly.js is that of the installed plotly. A page is sent it once, however many charts it shows. No trait holds a point:
a page that looks is sent what it lacks, one that does not look is sent nothing.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anywidget
import traitlets

from .chart_lines import ChartLines, Told, gap_shapes, span_of
from .figure_style import signed_won
from .labels import LANGUAGES, language
from .line_svg import DrawnLine, line_svg

if TYPE_CHECKING:
    import plotly.graph_objects as go

_STATIC: Final = Path(__file__).with_name("static")
_OF_SPAN: Final = 25  # a gap that lasts is drawn to a 25th of the axis beyond what is known
_MINUTE: Final = 60_000_000
_WORDS: Final = {
    "loading": ("차트를 불러오는 중", "loading the chart"),
    "busy": (
        "커널이 다른 셀을 실행하고 있습니다: 끝나면 그려집니다. (커널을 다시 시작했다면 셀을 다시 실행하세요.)",
        "The kernel is busy with other cells; the chart comes after them. (After a restart, run its cell again.)",
    ),
    "error": ("차트를 그리지 못했습니다: {reason}", "The chart could not be drawn: {reason}"),
}


class StreamingChart(anywidget.AnyWidget):
    """A Plotly figure whose lines grow.

    Parameters
    ----------
    figure
        Its layout and traces to begin with. Lines (scatter traces drawn with lines along times, blank ones too) can be
        extended by their names; everything else stays as it is until :meth:`replace`.
    dark
        The same figure in the colours of a dark page; None: ``figure`` is legible on both.
    told
        What pointing at a value says, for lines that have ``customdata``. Default: won with sign and arrow.

    Notes
    -----
    Of a line 4,000 points are kept at the most (fewer where there are many lines), here and in the page: the first,
    last, lowest and highest of each short time, through which a line is the same to the pixel as through all. A blank
    is set between two days.
    """

    _esm = _STATIC / "streaming_chart.js"
    _css = _STATIC / "streaming_chart.css"

    _plotly = traitlets.Unicode().tag(sync=True)
    _words = traitlets.Dict().tag(sync=True)

    def __init__(self, figure: go.Figure, dark: go.Figure | None = None, told: Told = signed_won) -> None:
        words = {word: texts[LANGUAGES.index(language())] for word, texts in _WORDS.items()}
        self._told = told
        self._lines = ChartLines(figure, dark, told)
        self._title: str | None = None
        self._shades: list[dict[str, Any]] | None = None
        self._number = 1
        self._pages: set[str] = set()
        self._changing = threading.RLock()  # what a page says may come on another thread
        super().__init__(_plotly=_plotly_js()[0], _words=words)
        self.on_msg(self._hear)

    @property
    def is_seen(self) -> bool:
        """Whether a page shows it now: if none does, nothing is sent."""
        return bool(self._pages)

    def extend(
        self, lines: Mapping[str, tuple[Iterable[int], Iterable[float]]] | None = None, *, title: str | None = None
    ) -> None:
        """Add points to lines, by name: times (microseconds since the epoch, UTC) and values; set a new title.

        Raises
        ------
        ValueError
            The figure has no such line, or times and values are not as many.
        """
        with self._changing:
            message: dict[str, Any] = {"lines": self._lines.extend(lines or {})}
            if title is not None and title != self._title:
                self._title = message["title"] = title
            if message["lines"] or "title" in message:
                self._change({"kind": "more", **message})

    def replace(self, figure: go.Figure, dark: go.Figure | None = None) -> None:
        """Show another figure, as after a seek back; zoom and hidden lines stay as they are."""
        lines = ChartLines(figure, dark, self._told)
        with self._changing:
            self._lines, self._title, self._shades = lines, None, None
            self._change(self._all())

    def mark_gaps(self, gaps: Iterable[tuple[Any, ...]]) -> None:
        """Shade these times instead of those before: (start, end, ...) in microseconds, end None while it lasts."""
        with self._changing:
            last, span = span_of(self._lines.line(number) for number in self._lines.numbers())
            room = max(span // _OF_SPAN, _MINUTE)
            shades = gap_shapes([(gap[0], gap[1]) for gap in gaps], last, room)
            if shades != self._shades:
                self._shades = shades
                self._change({"kind": "more", "lines": {}, "gaps": shades})

    def show_error(self, error: Exception) -> None:
        """Say under the chart what went wrong, once; what is drawn stays."""
        self.send({"kind": "error", "text": f"{type(error).__name__}: {error}"})

    # --- to the page ------------------------------------------------------------------------------------------------

    def _change(self, message: dict[str, Any]) -> None:
        """Give a change its number and send it to who looks."""
        self._number += 1
        if self._pages:
            self.send({**message, "number": self._number})

    def _all(self) -> dict[str, Any]:
        changed = {"title": self._title, "gaps": self._shades, "most": self._lines.most}
        return {"kind": "all", "looks": self._lines.looks, "lines": self._lines.points(), **changed}

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        """Answer a page: it looks (and has the changes up to a number), it looks away, or it lacks plotly.js."""
        if not isinstance(content, dict):
            return
        with self._changing:
            page = str(content.get("page"))
            if content.get("kind") == "plotly":
                version, packed = _plotly_js()
                self.send({"kind": "plotly", "version": version}, [packed])
            elif content.get("kind") == "away":
                self._pages.discard(page)
            elif content.get("kind") == "look":
                self._pages.add(page)
                if content.get("number") != self._number:
                    self.send({**self._all(), "number": self._number})

    # --- without a page -----------------------------------------------------------------------------------------------

    def html(self) -> str:
        """Return the chart as an SVG without script."""
        with self._changing:
            layout = self._lines.looks["light"]["layout"]
            title = self._title or (layout.get("title") or {}).get("text") or ""
            lines = [_drawn(*self._lines.named(number)) for number in self._lines.numbers()]
            shades = layout.get("shapes", []) if self._shades is None else self._shades
            return line_svg(title, lines, [(shade["x0"], shade["x1"]) for shade in shades if shade["type"] == "rect"])

    def __repr__(self) -> str:
        """Name the title and how many points are shown."""
        points = sum(len(line.times) for line in map(self._lines.line, self._lines.numbers()))
        return f"<StreamingChart of {len(self._lines.numbers())} lines, {points} points>"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the widget, and beside it what shows where no kernel runs."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/html": self.html(), "text/plain": repr(self)}, metadata


def _drawn(look: dict[str, Any], line: Any) -> DrawnLine:
    """Return a line as the SVG has it; one that is only a coloured ground has no width."""
    style = look.get("line", {})
    return DrawnLine(
        name=look.get("name") or "",
        times=line.times,
        levels=line.levels,
        color=style.get("color", "currentColor"),
        width=style.get("width", 2),
        fill=look.get("fillcolor") if look.get("fill") == "tozeroy" else None,
        is_step=style.get("shape") == "hv",
        in_legend=look.get("showlegend", True),
    )


@functools.cache
def _plotly_js() -> tuple[str, bytes]:
    """Return plotly.js of the installed plotly, packed, and what it is known by in a page."""
    from plotly.offline import get_plotlyjs

    source = get_plotlyjs().encode()
    return hashlib.blake2b(source, digest_size=8).hexdigest(), gzip.compress(source, 6, mtime=0)
