"""``df.kn``: what can be done with a frame, in one place. Each name here is one line; the work is below."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from . import storage
from .books import reconcile
from .errors import ColumnsMissing, NotLive, NotReplayed
from .fills import fills
from .frame import LiveFrame
from .latest import LatestRows
from .metrics import metrics
from .playback import Moment, Playback
from .pnl import By, Scope, realized_pnl, summary
from .positions import positions
from .schema import COLUMNS
from .status import Status
from .stream import Stream
from .told import ATTRS_KEY, gaps_frame, holdings_frame, rejected_frame

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from .costs import Costs
    from .dashboard import Dashboard
    from .figure_pnl import Split

READ: Final = tuple(name for name in COLUMNS if not name.startswith("extra_") and not name.endswith("_pct"))
"""The columns that an analysis may read."""


@pd.api.extensions.register_dataframe_accessor("kn")
class Accessor:
    """The ``df.kn`` of a DataFrame; it keeps nothing but the frame (pandas makes a new one at each access)."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        """List what there is to do."""
        names = [name for name in dir(type(self)) if not name.startswith("_")]
        return f"df.kn: {', '.join(names)}"

    # --- on any frame -------------------------------------------------------------------------------------------

    @property
    def gaps(self) -> pd.DataFrame:
        """When the line was down: ``start``, ``end`` (KST; NaT while it lasts) and ``reason``, one row a gap.

        Fills in a gap are in no row: Kiwoom does not send them again.
        """
        return gaps_frame(self._told())

    @property
    def rejected(self) -> pd.DataFrame:
        """What could not be read: ``received_at``, ``row`` (Int64; NA: in no row), ``fid``, ``text``, ``reason``.

        The reasons are ``unreadable`` (a value; its cell is NA), ``unknown_fid``, ``unknown_type``, ``unknown_trnm``,
        ``unknown_system_code`` (told once each), ``not_a_balance_event``, ``no_data``, ``not_json``, ``not_utf8``,
        ``not_an_object`` (a frame or an entry as a whole), ``not_decoded`` (a bug of ours: please report it), and of
        a journal ``torn_line``, ``unreadable_line``, ``not_recorded``. Account numbers in ``text`` are masked like the
        rest; the journal has it all.
        """
        return rejected_frame(self._told())

    @property
    def holdings(self) -> pd.DataFrame:
        """What the account told when it was asked (kt00018): one row for each position of each query.

        ``asked_at`` (KST), ``account``, ``symbol``, ``name``, ``credit_type``, ``loan_date``, ``quantity``,
        ``orderable_quantity``, ``average_price``, ``cost``, ``price``, ``base_price``, ``bought_today``,
        ``sold_today`` (Int64: shares, won). Empty where it was not asked or did not answer.
        """
        return holdings_frame(self._told())

    # --- what it means --------------------------------------------------------------------------------------------

    def positions(
        self,
        closed: bool = False,
        prices: Mapping[str, int] | pd.Series[Any] | None = None,
        costs: Costs | None = None,
    ) -> pd.DataFrame:
        """Return what is held: one row for each (account, symbol, credit_type, loan_date), its latest state.

        See :func:`kiwoom_nb.positions.positions` for the columns. ``closed``: also what is held no more. ``prices``:
        your own, by symbol; else the price is that of the last fill. ``costs``: for the break-even price.
        """
        return positions(self._events("positions()"), closed, prices, costs=costs, latest=self._latest())

    def fills(self, previous: pd.DataFrame | None = None, costs: Costs | None = None) -> pd.DataFrame:
        """Return the fills between the events: time, symbol, side, quantity, price, amount, realized_pnl, confidence.

        See :func:`kiwoom_nb.fills.fills`. ``previous``: the events before these. ``costs`` (:class:`kiwoom_nb.Costs`)
        adds fee, tax and net amount; without it everything is gross.
        """
        before = None if previous is None else Accessor(previous)._events("fills()")  # noqa: SLF001 - ours
        return fills(self._events("fills()"), before, costs)

    def realized_pnl(self, by: By = None, scope: Scope = "position") -> pd.Series[int] | pd.DataFrame:
        """Return the realized P&L of the day so far over time (won, gross), cash and credit together.

        A Series, or with ``by="symbol"`` or ``"account"`` a DataFrame. See :func:`kiwoom_nb.pnl.realized_pnl` for
        ``scope``: what FIDs 990 and 992 of a row count.
        """
        return realized_pnl(self._events("realized_pnl()"), by, scope)

    def summary(self, scope: Scope = "position") -> pd.DataFrame:
        """Return one row for each account and day: P&L, amounts, fills, win rate, best and worst symbol, drawdown."""
        return summary(self._events("summary()"), scope)

    def reconcile(self) -> pd.DataFrame:
        """Return our own moving-average books beside the broker's, for each position and day: the difference in won."""
        return reconcile(self._events("reconcile()"))

    def metrics(self, capital: int, scope: Scope = "position") -> pd.Series[float]:
        """Return measures of return and risk of the daily realized P&L over ``capital`` won (extra ``analytics``).

        They are empyrical's, see :func:`kiwoom_nb.metrics.metrics`; days without an event count as nothing realized
        only where the frame has them.
        """
        by_day = summary(self._events("metrics()"), scope).groupby("date")["realized_pnl"].sum()
        return metrics(by_day.astype("int64"), capital)

    # --- drawn ----------------------------------------------------------------------------------------------------

    def dashboard(self, colors: str = "korea") -> Dashboard:
        """Show positions, realized P&L and fills in a widget that refreshes as events arrive.

        On a replay with a transport bar. ``colors``: ``"korea"`` (red up, blue down), ``"colorblind"`` or ``"us"``.
        """
        from .dashboard import dashboard_of

        self._events("dashboard()")
        return dashboard_of(self._frame, colors)

    def plot_realized_pnl(self, by: Split = None, scope: Scope = "position", **look: Any) -> go.Figure:
        """Draw realized P&L over time as steps, in all or by ``"symbol"``, ``"account"`` or ``"credit"``.

        ``look``: ``colors`` (``"korea"``, ``"colorblind"``, ``"us"``) and ``dark`` (None fits any background). A plain
        plotly figure; see :mod:`kiwoom_nb.figures`.
        """
        from . import figures

        return figures.plot_realized_pnl(self._events("plot_realized_pnl()"), by, scope, **look)

    def plot_drawdown(self, scope: Scope = "position", **look: Any) -> go.Figure:
        """Draw how far realized P&L lay below its highest of the day (won); ``look`` as above."""
        from . import figures

        return figures.plot_drawdown(self._events("plot_drawdown()"), scope, **look)

    def plot_positions(self, prices: Mapping[str, int] | pd.Series[Any] | None = None, **look: Any) -> go.Figure:
        """Draw unrealized P&L by position as bars; ``prices`` as in :meth:`positions`, ``look`` as above."""
        from . import figures

        frame = self._events("plot_positions()")
        return figures.plot_positions(frame, prices, latest=self._latest(), **look)

    def plot_allocation(self, prices: Mapping[str, int] | pd.Series[Any] | None = None, **look: Any) -> go.Figure:
        """Draw what is held as a treemap by market value; ``prices`` as in :meth:`positions`, ``look`` as above."""
        from . import figures

        frame = self._events("plot_allocation()")
        return figures.plot_allocation(frame, prices, latest=self._latest(), **look)

    def plot_fills(self, symbol: str | list[str] | None = None, **look: Any) -> go.Figure:
        """Draw the fills over time, of the symbols traded most or of those named; ``look`` as above."""
        from . import figures

        return figures.plot_fills(self._events("plot_fills()"), symbol, **look)

    def plot_day(self, costs: Costs | None = None, date: str | None = None, **look: Any) -> go.Figure:
        """Draw a day as a waterfall: realized, unrealized, fees, tax, net; ``look`` as above."""
        from . import figures

        return figures.plot_day(self._events("plot_day()"), costs, date, **look)

    # --- to files -------------------------------------------------------------------------------------------------

    def to_parquet(self, path: str | os.PathLike[str], *, anonymize: bool = False) -> Path | str:
        """Write a Parquet file (zstd) from which ``kn.load`` gives back an equal frame; return its path.

        ``path`` may be a URL that fsspec knows (extra ``cloud``). With ``anonymize`` accounts become pseudonyms that
        are the same in all your exports, names of this machine go, and nothing else changes.
        """
        return storage.write_parquet(self._frame, path, anonymize=anonymize)

    def to_csv(self, path: str | os.PathLike[str], *, anonymize: bool = False) -> Path | str:
        """Write a CSV file that Excel opens with Hangul intact; ``anonymize`` as in :meth:`to_parquet`."""
        return storage.write_csv(self._frame, path, anonymize=anonymize)

    def to_excel(self, path: str | os.PathLike[str], *, anonymize: bool = False) -> Path | str:
        """Write an Excel workbook (extra ``excel``), times in KST; ``anonymize`` as in :meth:`to_parquet`."""
        return storage.write_excel(self._frame, path, anonymize=anonymize)

    # --- on a live or a replayed frame ------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """What the source is doing, current without a sync; its text is readable, ``.state`` and ``.error`` too."""
        return self._source("status").status

    def wait(self, n: int | None = None, timeout: float | None = None) -> bool:
        """Block until ``n`` rows are there (default: one more than now); return whether they are.

        Works in a cell as in a script. On a stream that has ended it returns False at once; after a kick or a failure
        it raises that error. An interrupt ends the wait, never the stream. ``timeout`` is in seconds.
        """
        return self._source("wait()").wait(n, timeout)

    async def changed(self, n: int | None = None, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as wait()
        """Do what :meth:`wait` does without blocking: ``await df.kn.changed()``."""
        return await self._source("changed()").changed(n, timeout)

    def sync(self) -> None:
        """Show what has arrived; in a notebook that happens by itself."""
        self._source("sync()").sync()

    def pause(self) -> None:
        """Hold the frame still. A stream goes on receiving and recording; a replay stands still itself."""
        self._source("pause()").pause()

    def resume(self) -> None:
        """Let the frame grow again, with what arrived meanwhile."""
        self._source("resume()").resume()

    def stop(self) -> None:
        """End the stream and close its journal, or end the replay; the frame stays as it is."""
        self._source("stop()").stop()

    # --- on a replayed frame ----------------------------------------------------------------------------------------

    def play(self) -> None:
        """Go on from here; from the beginning once the end was reached."""
        self._playback("play()").play()

    def step(self, n: int = 1) -> None:
        """Move by ``n`` rows, back where negative, at most to either end, and stand still there."""
        self._playback("step()").step(n)

    def seek(self, to: Moment) -> None:
        """Move to where ``to`` rows are there, or to a time of the recording (``"10:30"``, a Timestamp; KST).

        Raises ValueError outside of the recording.
        """
        self._playback("seek()").seek(to)

    @property
    def speed(self) -> float:
        """How much faster than the recorded clock, from 0.25 to infinity; set it to change it."""
        return self._playback("speed").speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._playback("speed").speed = speed

    def _plain(self) -> pd.DataFrame:
        """Return the rows of this moment as a plain frame."""
        return self._frame._plain() if isinstance(self._frame, LiveFrame) else self._frame  # noqa: SLF001 - ours

    def _events(self, call: str) -> pd.DataFrame:
        """Return the rows of this moment, which have what an analysis reads."""
        frame = self._plain()
        missing = [name for name in READ if name not in frame]
        if missing:
            raise ColumnsMissing(call, missing)
        return frame

    def _latest(self) -> LatestRows | None:
        """Return the latest row of each position where a stream keeps them."""
        source = self._behind()
        return source.latest_rows() if isinstance(source, Stream) else None

    def _behind(self) -> object:
        return self._frame._source if isinstance(self._frame, LiveFrame) else None  # noqa: SLF001 - ours

    def _source(self, call: str) -> Stream | Playback:
        source = self._behind()
        if isinstance(source, Stream | Playback):
            return source
        raise NotLive(call)

    def _playback(self, call: str) -> Playback:
        source = self._source(call)
        if isinstance(source, Playback):
            return source
        raise NotReplayed(call)

    def _told(self) -> str:
        text = self._frame.attrs.get(ATTRS_KEY, "")
        return text if isinstance(text, str) else ""
