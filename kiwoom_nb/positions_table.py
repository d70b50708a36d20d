"""The positions table: a widget that is told only what changed, and draws it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import anywidget
import pandas as pd
import traitlets

from .schema import TIMEZONE
from .table_html import page_of, text_of
from .table_labels import COLUMNS, SHOWN, page_words, say
from .table_rows import FIELDS, TableRows, plain

_STATIC: Final = Path(__file__).with_name("static")
_COLUMNS: Final = (*FIELDS, "day_change", "day_change_pct", "unrealized_pnl_pct", "weight")
_AGE_STEP: Final = 10_000  # ms of a virtual clock that ages are told by
COLORS: Final = ("korea", "colorblind", "us")


class PositionsTable(anywidget.AnyWidget):
    """A table of positions that changes in place.

    Parameters
    ----------
    colors
        ``"korea"`` (red up, blue down), ``"colorblind"`` (orange, blue) or ``"us"`` (green, red); signs and arrows
        say the same.
    note
        A line under the table, such as that only what filled in this session is known.
    together
        Add up the cash and credit lots of one symbol of an account; all loans as one (``99``) are never added to
        the lots that they sum up.
    closed
        Also those of which nothing is held any more, as far as :meth:`show` was given them.
    columns
        Names of the columns to show; default: all but those that the column chooser adds.

    Notes
    -----
    All of them are traits: they can be set later, and tell what was chosen in the page. So is ``sort``: ``[column,
    "ascending" or "descending"]``, or empty for the order of ``positions()``. No trait holds a position: rows travel
    as numbered messages, and the page asks for everything again when it opens or a number is missing.
    """

    _esm = _STATIC / "positions_table.js"
    _css = _STATIC / "positions_table.css"

    colors = traitlets.Enum(COLORS, "korea").tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    together = traitlets.Bool(False).tag(sync=True)
    closed = traitlets.Bool(False).tag(sync=True)
    columns = traitlets.List(traitlets.Enum([column.name for column in COLUMNS]), list(SHOWN)).tag(sync=True)
    sort = traitlets.List(traitlets.Unicode(), []).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        *,
        colors: str = "korea",
        note: str = "",
        together: bool = False,
        closed: bool = False,
        columns: Sequence[str] = SHOWN,
    ) -> None:
        self._lock = threading.Lock()  # ipykernel may call back on another thread
        self._rows = TableRows()
        self._sent = 0
        self._now: int | None = None
        self._positions: pd.DataFrame | None = None
        super().__init__(
            colors=colors, note=note, together=together, closed=closed, columns=list(columns), words=page_words()
        )
        self.on_msg(self._hear)

    def show(self, positions: pd.DataFrame, now: pd.Timestamp | None = None) -> None:
        """Show ``positions``, the result of :func:`kiwoom_nb.positions.positions`; only what changed is sent.

        Parameters
        ----------
        positions
            With the closed ones in it (``closed=True``) the page can show them on request.
        now
            The moment that ages of prices are counted to, of a replay its virtual time; default: the clock.

        Notes
        -----
        What goes wrong is said under the table, so that a stream goes on whatever is drawn of it.
        """
        try:
            self._show(positions, now)
        except Exception as exc:  # noqa: BLE001 - shown to the user, where they look; see the docstring
            self.error = say("not_drawn", reason=f"{type(exc).__name__}: {exc}")
        else:
            self.error = ""

    def html(self) -> str:
        """Return the table as it stands as HTML without script, each lot in a row, sorted as in the page."""
        return page_of(self._shown(), self._told(), self.columns, note=self.note, colors=self.colors)

    def text(self) -> str:
        """Return the table as it stands as plain text."""
        return text_of(self._shown(), self.columns)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the live view and beside it what is readable without a kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None:
            bundle[0].update({"text/html": self.html(), "text/plain": self.text()})
        return bundle

    def _show(self, positions: pd.DataFrame, now: pd.Timestamp | None) -> None:
        words = page_words()
        if words != self.words:
            self.words = words
        virtual = None if now is None else int(now.timestamp() * 1000)
        with self._lock:
            change = self._rows.change(positions)
            self._positions = positions.copy(deep=False)  # whoever gave it may go on writing into it
            if change or _is_later(self._now, virtual):
                self._now = virtual
                self._sent += 1
                self.send({"kind": "change", **self._stamp(), **change})

    def _hear(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """Answer a page that opens, or that misses a number."""
        if isinstance(content, dict) and content.get("kind") == "resend":
            with self._lock:
                self.send({**self._rows.all(), **self._stamp()})

    def _stamp(self) -> dict[str, Any]:
        """Return which message this is, and what time it is; a clock of its own goes on in the page."""
        now = int(pd.Timestamp.now(TIMEZONE).timestamp() * 1000) if self._now is None else self._now
        return {"number": self._sent, "now": now, "ticks": self._now is None}

    def _told(self) -> pd.DataFrame:
        return pd.DataFrame({name: [] for name in _COLUMNS}) if self._positions is None else self._positions

    def _shown(self) -> pd.DataFrame:
        """Return the positions that the page shows, in its order."""
        shown = self._told()
        if not self.closed:
            shown = shown[shown["quantity"].fillna(1) != 0]
        return _sorted(shown, *self.sort) if self.sort else shown


def _is_later(before: int | None, now: int | None) -> bool:
    """Tell whether ages have changed that the page cannot know of."""
    if before is None or now is None:
        return before is not now
    return before // _AGE_STEP != now // _AGE_STEP


def _sorted(positions: pd.DataFrame, name: str, way: str) -> pd.DataFrame:
    """Return ``positions`` in the order of one column, those that have no value last."""
    values = plain(positions[name])
    known = [row for row, value in enumerate(values) if value is not None]
    known.sort(key=lambda row: values[row], reverse=way == "descending")
    return positions.take(known + [row for row, value in enumerate(values) if value is None])
