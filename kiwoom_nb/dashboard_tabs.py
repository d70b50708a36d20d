"""The tabs of the dashboard: realized P&L in five ways, positions, allocation, and the tape of fills.

The line of realized P&L and the tape are kept up at the cost of what is new. All other charts are drawn as wholes:
only the one that is looked at, at most once a second, and seldom enough that the kernel has time for everything else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import pandas as pd

from . import figures
from .dashboard_labels import say
from .figure_labels import say as figure_say
from .figure_style import signed_won, theme, tinted
from .fills_tape import FillsTape
from .pnl_tail import PnlTail
from .streaming_chart import StreamingChart
from .told import told_by

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from .latest import LatestRows

_PNL, _POSITIONS, _ALLOCATION, _FILLS = range(4)
_TABS: Final = ("tab_pnl", "tab_positions", "tab_allocation", "tab_fills")
TOTAL: Final = "view_total"
VIEWS: Final[dict[str, Callable[..., go.Figure]]] = {
    "view_symbol": partial(figures.plot_realized_pnl, by="symbol"),
    "view_credit": partial(figures.plot_realized_pnl, by="credit"),
    "view_drawdown": figures.plot_drawdown,
    "view_day": figures.plot_day,
}
"""Realized P&L in other ways than the line of :data:`TOTAL`, which grows."""
_DRAW_EVERY: Final = 1.0
_REST: Final = 10  # times as long as it took to draw

Shown = Callable[[], "tuple[pd.DataFrame, LatestRows | None]"]


class DashboardTabs(ipywidgets.Tab):  # type: ignore[misc]  # ipywidgets has no types
    """The tabs of one dashboard.

    Parameters
    ----------
    colors
        As of the dashboard.
    shown
        Gives the frame as it stands, and its latest rows where the source keeps them.
    failed
        Is told what went wrong when nobody else would see it.

    Attributes
    ----------
    is_asleep
        Set where nobody sees the dashboard: nothing is drawn then.
    """

    def __init__(self, colors: str, shown: Shown, failed: Callable[[Exception], None]) -> None:
        self.is_asleep = False
        self._colors = colors
        self._shown = shown
        self._failed = failed
        self._is_planned = self._has_line = self._is_taped = False
        self._pause = _DRAW_EVERY
        self.tail, self.tape = PnlTail(), FillsTape()
        nothing = shown()[0].head(0)
        self.pnl = StreamingChart(*self._looks(figures.plot_realized_pnl, nothing))
        self.others = {name: StreamingChart(*self._looks(plot, nothing)) for name, plot in VIEWS.items()}
        self.bars = StreamingChart(*self._looks(figures.plot_positions, nothing))
        self.map = StreamingChart(*self._looks(figures.plot_allocation, nothing))
        self.fills = ipywidgets.HTML()
        self.view = ipywidgets.Dropdown(
            options=[(say(name), name) for name in (TOTAL, *VIEWS)],
            description=say("view"),
            style={"description_width": "initial"},
            layout={"width": "max-content"},
        )
        for chart in self.others.values():
            chart.layout.display = "none"
        together = ipywidgets.VBox([self.view, self.pnl, *self.others.values()])
        super().__init__([together, self.bars, self.map, self.fills])
        self.titles = [say(name) for name in _TABS]
        self.observe(self._chosen, "selected_index")
        self.view.observe(self._turned, "value")

    def advance(self, frame: pd.DataFrame) -> None:
        """Bring everything up to date, each at the cost of what is new, or of what is looked at."""
        points = self.tail.take(frame)
        if points.is_anew or not self._has_line:  # the first rows, or a seek back
            self.pnl.replace(*self._looks(figures.plot_realized_pnl, frame))
            self._has_line = len(frame) > 0
        elif len(points.times):
            self.pnl.extend(points.lines(), title=self._heading(int(points.won[-1])))
        self.pnl.mark_gaps([(gap.start, gap.end) for gap in told_by(frame).gaps])
        if self.tape.advance(frame):
            self._is_taped = False
        self._write_tape()
        self._draw_later()

    def _write_tape(self) -> None:
        """Write the tape where it is looked at: it goes to the page as a whole."""
        if self.selected_index == _FILLS and not self._is_taped:
            self.fills.value = self.tape.html()
            self._is_taped = True

    def _heading(self, last: int) -> str:
        """Return the title of the line, in colours that are legible on a light page and on a dark one."""
        return f"{figure_say('realized_pnl')}  {tinted(signed_won(last), last, theme(self._colors, None))}"

    # --- drawn as wholes ----------------------------------------------------------------------------------------------

    def _chosen(self, _: object) -> None:
        self._write_tape()
        self._try_to_draw()

    def _turned(self, _: object) -> None:
        """Show realized P&L in another way."""
        self._try_to_draw()
        for name, chart in {TOTAL: self.pnl, **self.others}.items():
            chart.layout.display = None if name == self.view.value else "none"

    def _draw_later(self) -> None:
        if self._whole() is None or self._is_planned:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a script: it is drawn when it is looked at
            return
        self._is_planned = True
        loop.call_later(self._pause, self._draw_now)

    def _draw_now(self) -> None:
        self._is_planned = False
        if not self.is_asleep:
            begun = time.perf_counter()
            self._try_to_draw()
            self._pause = max(_DRAW_EVERY, _REST * (time.perf_counter() - begun))

    def _try_to_draw(self) -> None:
        try:
            self._draw()
        except Exception as exc:  # noqa: BLE001 - from the page or a timer: nobody else would see it
            self._failed(exc)

    def _draw(self) -> None:
        whole = self._whole()
        if whole is None:
            return
        frame, latest = self._shown()
        chart, plot = whole
        options = {"latest": latest} if chart in {self.bars, self.map} else {}
        chart.replace(*self._looks(plot, frame, **options))

    def _whole(self) -> tuple[StreamingChart, Callable[..., go.Figure]] | None:
        """Return the chart that is looked at and what draws it, None where it is kept up with anyway."""
        if self.selected_index == _POSITIONS:
            return self.bars, figures.plot_positions
        if self.selected_index == _ALLOCATION:
            return self.map, figures.plot_allocation
        if self.selected_index == _PNL and self.view.value != TOTAL:
            return self.others[self.view.value], VIEWS[self.view.value]
        return None

    def _looks(
        self, plot: Callable[..., go.Figure], frame: pd.DataFrame, **options: Any
    ) -> tuple[go.Figure, go.Figure]:
        """Return a figure in the colours of a light page and of a dark one."""
        options["colors"] = self._colors
        return plot(frame, dark=False, **options), plot(frame, dark=True, **options)

    def close(self) -> None:
        """Let go of everything in it."""
        for widget in (self.view, self.pnl, *self.others.values(), *self.children):
            widget.close()
        super().close()
