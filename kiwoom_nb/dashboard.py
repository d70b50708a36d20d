"""The dashboard: positions and realized P&L of a live or replayed frame, which refresh as events arrive.

It draws and nothing else: what it shows is what ``df.kn.positions()``, ``fills()`` and ``realized_pnl()`` say. It is
told by the source when something changed, at most ten times a second, and then works on what is new.
"""

from __future__ import annotations

import asyncio
import html
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import pandas as pd

from . import figures
from .dashboard_header import DashboardHeader, header_state
from .dashboard_labels import say
from .export import write_parquet
from .fills_tape import FillsTape
from .frame import LiveFrame
from .playback import Playback
from .pnl_tail import PnlTail
from .positions import positions
from .positions_table import PositionsTable
from .replay_bar import ReplayBar
from .stream import Stream
from .streaming_chart import StreamingChart
from .told import told_by

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from .latest import LatestRows

COLORS: Final = ("korea", "colorblind", "us")
_POSITIONS, _ALLOCATION = 1, 2  # which tabs are drawn as a whole
_DRAW_EVERY: Final = 1.0
_TABS: Final = ("tab_pnl", "tab_positions", "tab_allocation", "tab_fills")


def dashboard_of(frame: pd.DataFrame, colors: str) -> Dashboard:
    """Return the dashboard of ``frame``; raise ValueError where ``colors`` is not known."""
    if colors not in COLORS:  # before there is a widget, which would complain of being half made
        raise ValueError(f"colors={colors!r} is not known: give one of {', '.join(map(repr, COLORS))}.")
    return Dashboard(frame, colors=colors)


class Dashboard(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The dashboard of one frame; made by ``df.kn.dashboard()``.

    Parameters
    ----------
    frame
        A live or replayed frame, or a plain one: that one stands still.
    colors
        ``"korea"`` (red up, blue down), ``"colorblind"`` or ``"us"``.

    Notes
    -----
    ``close()`` ends it and lets go of the frame; ``snapshot(path)`` writes it as one HTML file.
    """

    def __init__(self, frame: pd.DataFrame, *, colors: str = "korea") -> None:
        self._frame = frame
        self._colors = colors
        self._source = frame._source if isinstance(frame, LiveFrame) else None  # noqa: SLF001 - ours
        self._error = ""
        self._display_id = f"kiwoom_nb-{secrets.token_hex(8)}"
        self._is_static = self._is_planned = self._has_line = False
        self._tail, self._tape = PnlTail(), FillsTape()
        self._header = DashboardHeader()
        self._table = PositionsTable(colors=colors)
        self._pnl = StreamingChart(*self._looks(figures.plot_realized_pnl, frame.head(0)))
        self._bars = StreamingChart(*self._looks(figures.plot_positions, frame.head(0)))
        self._map = StreamingChart(*self._looks(figures.plot_allocation, frame.head(0)))
        self._fills = ipywidgets.HTML()
        self._said = ipywidgets.HTML()
        self._tabs = ipywidgets.Tab([self._pnl, self._bars, self._map, self._fills])
        self._tabs.titles = [say(name) for name in _TABS]
        self._tabs.observe(self._selected, "selected_index")
        self._bar = ReplayBar(self._source, self._fail) if isinstance(self._source, Playback) else None
        super().__init__([*self._above(), self._header, self._table, self._tabs, self._buttons(), self._said])
        self.add_class("kn-dashboard")
        self._unobserve: Callable[[], None] = _nothing
        self._refresh()
        if isinstance(self._source, Stream | Playback) and not self._is_static:
            self._unobserve = self._source.observe(self._refresh, self._fail)

    def _above(self) -> list[ipywidgets.Widget]:
        return [] if self._bar is None else [self._bar]

    # --- what is shown ------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Show what is new; called by the source, on the notebook's thread."""
        if self._is_static:
            return
        frame = self._plain()
        status = self._source.status if isinstance(self._source, Stream | Playback) else None
        held = positions(frame, closed=True, latest=self._latest())
        ended_by = "" if status is None or status.error is None else str(status.error)
        state = header_state(frame, held, status, colors=self._colors, error=ended_by)
        if state != self._header.state:
            self._header.state = state
        now = pd.Timestamp(status.as_of) if self._bar is not None and status is not None and status.as_of else None
        self._table.show(held, now)
        self._extend(frame)
        if self._bar is not None:
            self._bar.refresh()
        if status is not None and status.state == "stopped":
            self._end()

    def _extend(self, frame: pd.DataFrame) -> None:
        """Bring the charts and the tape up to date, each at the cost of what is new, or of what is looked at."""
        points = self._tail.take(frame)
        if points.is_anew or not self._has_line:  # the first rows, or a seek back
            self._pnl.replace(*self._looks(figures.plot_realized_pnl, frame))
            self._has_line = len(frame) > 0
        elif len(points.times):
            self._pnl.extend(points.lines())
        self._pnl.mark_gaps([(gap.start, gap.end) for gap in told_by(frame).gaps])
        if self._tape.advance(frame) or not self._fills.value:
            self._fills.value = self._tape.html()
        self._draw_later()

    def _draw_later(self) -> None:
        """Draw the tab that is looked at, at most once a second: it is drawn as a whole."""
        if self._tabs.selected_index not in {_POSITIONS, _ALLOCATION} or self._is_planned:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a script: it is drawn when it is looked at
            return
        self._is_planned = True
        loop.call_later(_DRAW_EVERY, self._draw_now)

    def _draw_now(self) -> None:
        self._is_planned = False
        if not self._is_static:
            self._try(lambda: self._draw_selected(self._plain()))

    def _draw_selected(self, frame: pd.DataFrame) -> None:
        chosen = self._tabs.selected_index
        if chosen == _POSITIONS:
            self._bars.replace(*self._looks(figures.plot_positions, frame, latest=self._latest()))
        elif chosen == _ALLOCATION:
            self._map.replace(*self._looks(figures.plot_allocation, frame, latest=self._latest()))

    def _selected(self, _: object) -> None:
        self._try(lambda: self._draw_selected(self._plain()))

    def _looks(
        self, plot: Callable[..., go.Figure], frame: pd.DataFrame, **options: Any
    ) -> tuple[go.Figure, go.Figure]:
        """Return a figure in the colours of a light page and of a dark one."""
        options["colors"] = self._colors
        return plot(frame, dark=False, **options), plot(frame, dark=True, **options)

    def _plain(self) -> pd.DataFrame:
        return self._frame._plain() if isinstance(self._frame, LiveFrame) else self._frame  # noqa: SLF001 - ours

    def _latest(self) -> LatestRows | None:
        return self._source.latest_rows() if isinstance(self._source, Stream) else None

    # --- what is pressed ----------------------------------------------------------------------------------------------

    def _buttons(self) -> ipywidgets.HBox:
        buttons = [self._button("export", self._export)]
        if isinstance(self._source, Stream):
            hold = ipywidgets.Button(description=say("pause"), icon="pause")
            hold.on_click(lambda _: self._try(lambda: self._hold(hold)))
            buttons = [hold, self._button("stop", self._source.stop), *buttons]
        elif isinstance(self._source, Playback):
            buttons = [self._button("end", self._source.stop), *buttons]
        return ipywidgets.HBox(buttons, layout={"flex_flow": "row wrap"})

    def _button(self, word: str, action: Callable[[], None]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=say(word), icon="download" if word == "export" else "stop")
        button.on_click(lambda _: self._try(action))
        return button

    def _hold(self, button: ipywidgets.Button) -> None:
        """Hold the display still, or let it go on; recording goes on all the time."""
        assert isinstance(self._source, Stream)  # noqa: S101 - only a stream has this button
        is_held = self._source.status.paused
        self._source.resume() if is_held else self._source.pause()
        button.description, button.icon = (say("pause"), "pause") if is_held else (say("resume"), "play")

    def _export(self) -> None:
        """Write what is shown to a Parquet file beside the notebook."""
        path = write_parquet(self._plain(), Path.cwd() / f"balances-{pd.Timestamp.now():%Y%m%d-%H%M%S}.parquet")
        self._said.value = html.escape(say("exported", path=Path(path).name))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as exc:  # noqa: BLE001 - from the page: it is shown under the dashboard, nobody else would see it
            self._fail(exc)

    def _fail(self, error: Exception) -> None:
        """Say what went wrong, once; the stream goes on."""
        said = say("refused", reason=f"{type(error).__name__}: {error}")
        if said != self._error:
            self._error = said
            self._said.value = f'<span role="alert" style="color:#d32f2f">{html.escape(said)}</span>'

    # --- without a kernel ---------------------------------------------------------------------------------------------

    def html(self) -> str:
        """Return the last state as HTML without script: the numbers, the table, realized P&L, the tape."""
        state = self._header.state
        numbers = "".join(
            f"<td style='padding:0 2em 0 0;text-align:left'>{html.escape(one['label'])}<br>"
            f"<b>{html.escape(one['text'])}</b> "
            f"{html.escape(one['note'])}</td>"
            for one in state["numbers"]
        )
        said = " · ".join(filter(None, [state["ribbon"], state["said"], state["facts"], *state["notes"]]))
        head = f"<p>{html.escape(said)}</p><table><tr>{numbers}</tr></table>"
        parts = (head, self._table.html(), self._pnl.html(), self._tape.html())
        return f'<div class="kn-static" style="font-family:{_FONTS}">{"".join(parts)}</div>'

    def snapshot(self, path: str | Path) -> Path:
        """Write the last state as one HTML file that opens anywhere, and return its path."""
        target = Path(path).expanduser()
        page = f'<!doctype html><html><head><meta charset="utf-8"><title>kiwoom_nb</title></head><body>{self.html()}'
        target.write_text(f"{page}</body></html>\n", "utf-8")
        return target

    def _bundle(self) -> dict[str, Any]:
        return {"text/html": self.html(), "text/plain": f"kiwoom_nb dashboard: {self._header.state['ribbon']}"}

    def _ipython_display_(self) -> None:
        """Show the live view, and beside it what a saved notebook shows without a kernel."""
        from IPython.display import display

        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        bundle = (
            self._bundle() if self._is_static else {**self._bundle(), "application/vnd.jupyter.widget-view+json": view}
        )
        display(bundle, raw=True, display_id=self._display_id)

    def _end(self) -> None:
        """Leave the last state in the notebook in place of the live view: the stream was stopped."""
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        self._is_static = True
        self._unobserve()
        if get_ipython() is not None:
            display(self._bundle(), raw=True, display_id=self._display_id, update=True)

    def close(self) -> None:
        """End it: it hears of nothing any more and lets go of its widgets."""
        self._unobserve()
        for widget in (*self.children, *self._tabs.children):
            widget.close()
        super().close()


_FONTS: Final = "Pretendard,'Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR','Noto Sans CJK KR',sans-serif"


def _nothing() -> None:
    pass
