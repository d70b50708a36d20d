"""The dashboard: positions and realized P&L of a live or replayed frame, which refresh as events arrive.

It draws and nothing else: what it shows is what ``df.kn.positions()``, ``fills()`` and ``realized_pnl()`` say. It is
told by the source when something changed, at most ten times a second, and then works on what is new. While no page
shows it, it is told of the end alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import html
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import pandas as pd

from .dashboard_header import DashboardHeader, header_state
from .dashboard_labels import say
from .dashboard_tabs import DashboardTabs
from .export import write_parquet
from .frame import LiveFrame
from .paths import write_private
from .playback import Playback
from .positions import positions
from .positions_table import PositionsTable
from .replay_bar import ReplayBar
from .stream import Stream

if TYPE_CHECKING:
    from .latest import LatestRows

COLORS: Final = ("korea", "colorblind", "us")
_OVER: Final = {"finished", "kicked", "failed"}  # nothing comes by itself any more, and the live view stays


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

    While no page shows any part of it (another tab is in front, it is scrolled away, its page is closed) nothing is
    computed for it; seen again, it shows the newest state. A page that vanished without a word is missed within about
    a minute of the next change.
    """

    def __init__(self, frame: pd.DataFrame, *, colors: str = "korea") -> None:
        self._frame = frame
        self._colors = colors
        self._source = frame._source if isinstance(frame, LiveFrame) else None  # noqa: SLF001 - ours
        self._loop = _running_loop()
        self._error = ""
        self._display_id = f"kiwoom_nb-{secrets.token_hex(8)}"
        self._is_static = self._is_closed = False
        self._follows: bool | None = None  # every change, the end alone, or nothing yet
        self._unobserve: Callable[[], None] = _nothing
        self._header = DashboardHeader(self._looked)
        self._table = PositionsTable(colors=colors)
        self._tabs = DashboardTabs(colors, lambda: (self._plain(), self._latest()), self._fail)
        self._said = ipywidgets.HTML()
        self._bar = ReplayBar(self._source, self._fail) if isinstance(self._source, Playback) else None
        super().__init__([*self._above(), self._header, self._table, self._tabs, self._buttons(), self._said])
        self.add_class("kn-dashboard")
        self._refresh()
        self._follow()

    def _above(self) -> list[ipywidgets.Widget]:
        return [] if self._bar is None else [self._bar]

    # --- who looks ----------------------------------------------------------------------------------------------------

    def _looked(self) -> None:
        """Take that pages begin or cease to look; on whichever thread they say so."""
        if self._loop is None or self._loop is _running_loop():
            self._try(self._follow)
        else:
            with contextlib.suppress(RuntimeError):  # the notebook's loop is closed: the kernel is going
                self._loop.call_soon_threadsafe(self._try, self._follow, context=contextvars.Context())

    def _follow(self) -> None:
        """Hear of each change while a page looks, and of the end alone while none does."""
        if self._is_static or self._is_closed or not isinstance(self._source, Stream | Playback):
            return
        is_seen = self._header.is_seen
        if is_seen == self._follows:
            return
        is_back = self._follows is False
        self._follows, self._tabs.is_asleep = is_seen, not is_seen
        self._unobserve()
        self._unobserve = self._source.observe(self._refresh, self._fail, only_end=not is_seen)
        if is_back:
            self._refresh()

    # --- what is shown ------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Show what is new; called by the source, on the notebook's thread."""
        if self._is_static:
            return
        frame = self._plain()
        status = self._source.status if isinstance(self._source, Stream | Playback) else None
        held = positions(frame, closed=True, latest=self._latest())
        ended_by = "" if status is None or status.error is None else str(status.error)
        before = self._header.state.get("state")
        self._header.show(header_state(frame, held, status, colors=self._colors, error=ended_by))
        now = pd.Timestamp(status.as_of) if self._bar is not None and status is not None and status.as_of else None
        self._table.show(held, now)
        self._tabs.advance(frame)
        if self._bar is not None:
            self._bar.refresh()
        if status is not None and status.state == "stopped":
            self._end()
        elif (
            status is not None and status.state in _OVER and before not in {None, status.state} and not self._is_held()
        ):
            self._keep()

    def _is_held(self) -> bool:
        """Tell whether somebody scrubs: the page then makes the view anew under their hands, and there is no need."""
        return self._bar is not None and self._bar.is_held

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
        """Return the last state without script: the numbers, the table, realized P&L, the tape.

        Returns
        -------
        str
            HTML.
        """
        state = self._header.state
        numbers = "".join(
            f"<td style='padding:0 2em 0 0;text-align:left'>{html.escape(one['label'])}<br>"
            f"<b>{html.escape(one['text'])}</b> "
            f"{html.escape(one['note'])}</td>"
            for one in state["numbers"]
        )
        said = " · ".join(filter(None, [state["ribbon"], state["said"], state["facts"], *state["notes"]]))
        head = f"<p>{html.escape(said)}</p><table><tr>{numbers}</tr></table>"
        parts = (head, self._table.html(), self._tabs.pnl.html(), self._tabs.tape.html())
        return f'<div class="kn-static" style="font-family:{_FONTS}">{"".join(parts)}</div>'

    def snapshot(self, path: str | Path) -> Path:
        """Write the last state as one HTML file that opens anywhere.

        Parameters
        ----------
        path
            Of the file; one that is there is replaced.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        OSError
            It cannot be written.
        """
        target = Path(path).expanduser()
        page = f'<!doctype html><html><head><meta charset="utf-8"><title>kiwoom_nb</title></head><body>{self.html()}'
        write_private(target, f"{page}</body></html>\n".encode())
        return target

    def _bundle(self) -> dict[str, Any]:
        return {"text/html": self.html(), "text/plain": f"kiwoom_nb dashboard: {self._header.state['ribbon']}"}

    def _live(self) -> dict[str, Any]:
        """Return the live view, and beside it what a saved notebook shows without a kernel."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {**self._bundle(), "application/vnd.jupyter.widget-view+json": view}

    def _ipython_display_(self) -> None:
        """Show the live view; of what was stopped, its last state."""
        from IPython.display import display

        display(self._bundle() if self._is_static else self._live(), raw=True, display_id=self._display_id)

    def _keep(self) -> None:
        """Leave the last state beside the live view, for a notebook that is saved now: nothing comes by itself.

        Not while somebody scrubs to the end and back: the page makes the view anew for it.
        """
        if self._bar is None or not self._bar.is_held:
            self._show_anew(self._live())

    def _end(self) -> None:
        """Leave the last state in the notebook in place of the live view: the stream was stopped."""
        self._is_static = self._tabs.is_asleep = True
        self._unobserve()
        self._show_anew(self._bundle())

    def _show_anew(self, bundle: dict[str, Any]) -> None:
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        if get_ipython() is not None:
            display(bundle, raw=True, display_id=self._display_id, update=True)

    def close(self) -> None:
        """End it: it hears of nothing any more and lets go of its widgets."""
        self._is_closed = True
        self._unobserve()
        for widget in self.children:
            widget.close()
        super().close()


_FONTS: Final = "Pretendard,'Apple SD Gothic Neo','Malgun Gothic','Noto Sans KR','Noto Sans CJK KR',sans-serif"


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:  # a script
        return None


def _nothing() -> None:
    pass
