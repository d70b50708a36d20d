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
from .pnl import By, realized_pnl, summary
from .positions import positions
from .queries import in_order
from .schema import COLUMNS
from .scopes import Scope
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
    """The ``df.kn`` of a DataFrame; it keeps nothing but the frame (pandas makes a new one at each access).

    What is computed of a frame follows its rows in order of arrival. Of one that was sorted or reversed they are put
    back in order first, by their numbers (the index), by ``received_at`` where it has none; one that was numbered anew
    since (``reset_index``) is taken as it stands. ``pandas.concat`` of several days loses their gaps and holdings, so
    that only events tell: load them together, with ``kn.load(folder)``, which keeps both.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        """List what there is to do."""
        names = [name for name in dir(type(self)) if not name.startswith("_")]
        return f"df.kn: {', '.join(names)}"

    # --- on any frame -------------------------------------------------------------------------------------------

    @property
    def gaps(self) -> pd.DataFrame:
        """When the line was down, one row a gap; what was filled then is in no row, Kiwoom does not send it again.

        ``start``, ``end`` (datetime64[us, Asia/Seoul]; NaT while it lasts), ``reason`` (str) and ``missed`` (Int64:
        positions that had changed when the account was asked after it; NA where it was not asked).
        """
        return gaps_frame(self._told())

    @property
    def rejected(self) -> pd.DataFrame:
        """What could not be read, one row for each; the value is NA in its cell, or the frame is in no row at all.

        ``received_at`` (datetime64[us, Asia/Seoul]), ``row`` (Int64; NA: in no row), ``fid``, ``text`` and ``reason``
        (str). The reasons are ``unreadable`` (a value; its cell is NA), ``unknown_fid``, ``unknown_type``,
        ``unknown_trnm``, ``unknown_system_code`` (told once each), ``not_a_balance_event``, ``no_data``, ``not_json``,
        ``not_utf8``, ``not_an_object`` (a frame or an entry as a whole), ``not_decoded`` (a bug of ours: please report
        it), and of a journal ``torn_line``, ``unreadable_line``, ``not_recorded``. Account numbers in ``text`` are
        masked like the rest; the journal has it all.
        """
        return rejected_frame(self._told())

    @property
    def holdings(self) -> pd.DataFrame:
        """What the account told when it was asked (kt00018), one row for each position of each query.

        ``asked_at`` (datetime64[us, Asia/Seoul]), ``account``, ``symbol``, ``name``, ``credit_type`` (str),
        ``loan_date`` (datetime64[ms]), ``quantity``, ``orderable_quantity``, ``average_price``, ``cost``, ``price``,
        ``base_price``, ``bought_today``, ``sold_today`` (Int64: shares, won). Empty where it was not asked or did not
        answer.
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

        Parameters
        ----------
        closed
            Also those of which nothing is held any more.
        prices
            Prices to mark to, by symbol (whole won; a dict or a Series, such as of a whole market); those not in it, or
            blank, keep the price last seen.
        costs
            For the break-even price; default: Kiwoom's online fee and the tax of the day.

        Returns
        -------
        pandas.DataFrame
            28 columns in order of first sight, among them ``quantity``, ``cost``, ``price`` with ``price_source`` and
            ``price_at``, ``market_value``, ``unrealized_pnl`` (Int64: shares, won, before fee and tax),
            ``unrealized_pnl_pct``, ``day_change_pct`` (float64, percent), ``weight`` (float64, 0 to 1),
            ``realized_pnl_today`` (FIDs 990 + 992 as told: where they count the account, see ``scope`` of
            :meth:`summary`, not to be added up), ``updated_at`` (KST) and ``stale`` (bool: a gap came after). All of
            them are described at :func:`kiwoom_nb.positions.positions`.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            A price is not a whole number of won; the keys of ``prices`` are no symbols; a symbol has two prices.
        """
        return positions(self._events("positions()"), closed, prices, costs=costs, latest=self._latest())

    def fills(
        self, previous: pd.DataFrame | None = None, costs: Costs | None = None, scope: Scope = "position"
    ) -> pd.DataFrame:
        """Return the fills, inferred from the states between which they lie: type ``04`` tells no fill itself.

        Parameters
        ----------
        previous
            The events before these; without them it is not known what each position was before its first event
            (``first``).
        costs
            Adds ``fee``, ``tax``, ``net_amount`` (Int64, won) and ``assumed`` (bool); without it everything is gross.
        scope
            What FIDs 990 and 992 of a row count, which Kiwoom documents nowhere: ``"position"`` or ``"account"``.

        Returns
        -------
        pandas.DataFrame
            One row a fill, in the order in which they were told: ``time`` (KST), ``symbol``, ``side``, ``quantity``,
            ``price``, ``amount``, ``realized_pnl`` (Int64: shares, won), ``confidence`` (``exact``, ``merged``,
            ``gap``, ``first``, ``contradictory``), ``reason`` and more: see :func:`kiwoom_nb.fills.fills`.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        TypeError
            ``previous`` is no DataFrame, or ``costs`` no :class:`kiwoom_nb.Costs`.
        ValueError
            ``previous`` does not end before these events; ``scope`` is not known; with ``costs``: a sale is older than
            its table of taxes.
        """
        if isinstance(previous, pd.DataFrame):
            previous = Accessor(previous)._events("fills()")  # noqa: SLF001 - ours
        return fills(self._events("fills()"), previous, costs, scope)

    def realized_pnl(self, by: By = None, scope: Scope = "position") -> pd.Series[int] | pd.DataFrame:
        """Return the realized P&L of the day so far over time, cash and credit together (FIDs 990 + 992).

        Parameters
        ----------
        by
            None: the total. ``"symbol"`` or ``"account"``: one column for each.
        scope
            What FIDs 990 and 992 of a row count, which Kiwoom documents nowhere: ``"position"`` or ``"account"``.

        Returns
        -------
        pandas.Series or pandas.DataFrame
            int64, won, before fee and tax; the index is ``received_at`` (KST), a value is good until the next. It
            begins anew with each KST day. See :func:`kiwoom_nb.pnl.realized_pnl`.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            ``by`` or ``scope`` is none of these.

        Warns
        -----
        ScopeWarning
            The data contradict ``scope``.
        """
        return realized_pnl(self._events("realized_pnl()"), by, scope)

    def summary(self, scope: Scope = "position") -> pd.DataFrame:
        """Return one row for each account and KST day: P&L, amounts, fills, win rate, best and worst, drawdown.

        Parameters
        ----------
        scope
            What FIDs 990 and 992 of a row count, which Kiwoom documents nowhere: ``"position"`` or ``"account"``.

        Returns
        -------
        pandas.DataFrame
            ``date`` (datetime64[ms]), ``account``; ``realized_pnl``, ``unrealized_pnl``, ``bought``, ``sold``,
            ``max_drawdown`` (Int64, won, before fee and tax); ``fills``, ``uncertain``, ``events`` (int64);
            ``win_rate`` (float64, 0 to 1); ``best_symbol``, ``best_pnl``, ``worst_symbol``, ``worst_pnl``. See
            :func:`kiwoom_nb.pnl.summary`.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            ``scope`` is not known.

        Warns
        -----
        ScopeWarning
            The data contradict ``scope``.
        """
        return summary(self._events("summary()"), scope)

    def reconcile(self, scope: Scope = "position") -> pd.DataFrame:
        """Return our own moving-average books beside the broker's, for each position and KST day.

        Parameters
        ----------
        scope
            What FIDs 990 and 992 of a row count, which Kiwoom documents nowhere: ``"position"`` or ``"account"``.

        Returns
        -------
        pandas.DataFrame
            ``date``, ``account``, ``symbol``, ``credit_type``, ``loan_date``; ``ours``, ``theirs`` (FIDs 990 + 992),
            their ``difference`` and ``at_price`` (ours at the prices shown: what a broker books into 990 besides the
            price, such as fees, is ``at_price`` less ``theirs``), all Int64, won; ``complete`` (bool: every fill of the
            day is known); ``fills`` (int64). See :func:`kiwoom_nb.books.reconcile`.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            ``scope`` is not known.
        """
        return reconcile(self._events("reconcile()"), scope)

    def metrics(self, capital: int, scope: Scope = "position") -> pd.Series[float]:
        """Return measures of return and risk of the daily realized P&L over ``capital``, by empyrical.

        Days without an event count as nothing realized only where the frame has them.

        Parameters
        ----------
        capital
            What the account began with, in won; more than 0.
        scope
            What FIDs 990 and 992 of a row count, which Kiwoom documents nowhere: ``"position"`` or ``"account"``.

        Returns
        -------
        pandas.Series
            float64, ratios (not percent), indexed by :data:`kiwoom_nb.metrics.METRICS`; see
            :func:`kiwoom_nb.metrics.metrics`.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            ``capital`` is not positive or was lost; ``scope`` is not known.
        MissingExtra
            empyrical-reloaded is not installed (extra ``analytics``).

        Warns
        -----
        ScopeWarning
            The data contradict ``scope``.
        """
        by_day = summary(self._events("metrics()"), scope).groupby("date")["realized_pnl"].sum()
        return metrics(by_day.astype("int64"), capital)

    # --- drawn ----------------------------------------------------------------------------------------------------

    def dashboard(self, colors: str = "korea") -> Dashboard:
        """Show positions, realized P&L and fills in a widget that refreshes as events arrive.

        On a replay it has a transport bar; on a plain frame it stands still.

        Parameters
        ----------
        colors
            ``"korea"`` (red up, blue down), ``"colorblind"`` or ``"us"``.

        Returns
        -------
        Dashboard
            An ipywidget; ``snapshot(path)`` writes it as one HTML file, ``close()`` lets go of the frame.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            ``colors`` is none of these.
        """
        from .dashboard import dashboard_of

        frame = self._events("dashboard()")
        return dashboard_of(self._frame if isinstance(self._frame, LiveFrame) else frame, colors)

    def plot_realized_pnl(self, by: Split = None, scope: Scope = "position", **look: Any) -> go.Figure:
        """Draw realized P&L over time as steps (won, before fee and tax), from 0 anew with each KST day.

        Parameters
        ----------
        by
            None: the total. ``"symbol"``, ``"account"``: a line for each. ``"credit"``: cash (FID 990) and credit (FID
            992) apart.
        scope
            What FIDs 990 and 992 of a row count, which Kiwoom documents nowhere: ``"position"`` or ``"account"``.
        **look
            ``colors``: ``"korea"`` (red up, blue down), ``"colorblind"`` or ``"us"``; ``dark``: True, False, or None
            for a transparent ground that fits any page.

        Returns
        -------
        plotly.graph_objects.Figure
            A plain figure that needs no kernel; one without anything to show says so.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            An option has none of these values.

        Warns
        -----
        ScopeWarning
            The data contradict ``scope``.
        """
        from . import figures

        return figures.plot_realized_pnl(self._events("plot_realized_pnl()"), by, scope, **look)

    def plot_drawdown(self, scope: Scope = "position", **look: Any) -> go.Figure:
        """Draw how far realized P&L lay below its highest of the day, or below 0 (won, 0 or less).

        Parameters
        ----------
        scope
            What FIDs 990 and 992 of a row count, which Kiwoom documents nowhere: ``"position"`` or ``"account"``.
        **look
            ``colors``: ``"korea"`` (red up, blue down), ``"colorblind"`` or ``"us"``; ``dark``: True, False, or None
            for a transparent ground that fits any page.

        Returns
        -------
        plotly.graph_objects.Figure
            A plain figure that needs no kernel; one without anything to show says so.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            An option has none of these values.

        Warns
        -----
        ScopeWarning
            The data contradict ``scope``.
        """
        from . import figures

        return figures.plot_drawdown(self._events("plot_drawdown()"), scope, **look)

    def plot_positions(self, prices: Mapping[str, int] | pd.Series[Any] | None = None, **look: Any) -> go.Figure:
        """Draw unrealized P&L by position as bars, won and percent beside them.

        Parameters
        ----------
        prices
            Prices to mark to, by symbol (whole won); those not in it keep the price last seen.
        **look
            ``colors``: ``"korea"`` (red up, blue down), ``"colorblind"`` or ``"us"``; ``dark``: True, False, or None
            for a transparent ground that fits any page.

        Returns
        -------
        plotly.graph_objects.Figure
            A plain figure that needs no kernel; one without anything to show says so.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            A price is not a whole number of won; ``colors`` is not known.
        """
        from . import figures

        frame = self._events("plot_positions()")
        return figures.plot_positions(frame, prices, latest=self._latest(), **look)

    def plot_allocation(self, prices: Mapping[str, int] | pd.Series[Any] | None = None, **look: Any) -> go.Figure:
        """Draw what is held as a treemap: areas by market value, colours by return.

        Parameters
        ----------
        prices
            Prices to mark to, by symbol (whole won); those not in it keep the price last seen.
        **look
            ``colors``: ``"korea"`` (red up, blue down), ``"colorblind"`` or ``"us"``; ``dark``: True, False, or None
            for a transparent ground that fits any page.

        Returns
        -------
        plotly.graph_objects.Figure
            A plain figure that needs no kernel; one without anything to show says so.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            A price is not a whole number of won; ``colors`` is not known.
        """
        from . import figures

        frame = self._events("plot_allocation()")
        return figures.plot_allocation(frame, prices, latest=self._latest(), **look)

    def plot_fills(self, symbol: str | list[str] | None = None, **look: Any) -> go.Figure:
        """Draw the fills over time, a panel for each symbol; hollow marks are not ``exact``.

        Parameters
        ----------
        symbol
            One symbol or several; None: all, or the twelve most traded of more.
        **look
            ``colors``: ``"korea"`` (red up, blue down), ``"colorblind"`` or ``"us"``; ``dark``: True, False, or None
            for a transparent ground that fits any page.

        Returns
        -------
        plotly.graph_objects.Figure
            A plain figure that needs no kernel; one without anything to show says so.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            ``colors`` is not known.
        """
        from . import figures

        return figures.plot_fills(self._events("plot_fills()"), symbol, **look)

    def plot_day(self, costs: Costs | None = None, date: str | None = None, **look: Any) -> go.Figure:
        """Draw a day as a waterfall in won: realized, unrealized, fees, tax, what is left.

        Parameters
        ----------
        costs
            Fee and tax; default: Kiwoom's online fee and the tax of the day.
        date
            A day in Korea (``"2026-11-20"``); default: that of the last event.
        **look
            ``colors``: ``"korea"`` (red up, blue down), ``"colorblind"`` or ``"us"``; ``dark``: True, False, or None
            for a transparent ground that fits any page. ``scope`` as in :meth:`summary`.

        Returns
        -------
        plotly.graph_objects.Figure
            A plain figure that needs no kernel; one without anything to show says so.

        Raises
        ------
        ColumnsMissing
            The frame is not one of balance events: columns that an analysis reads are missing.
        ValueError
            ``date`` cannot be read, a sale is older than the table of taxes, an option has none of its values.

        Warns
        -----
        ScopeWarning
            The data contradict ``scope``.
        """
        from . import figures

        return figures.plot_day(self._events("plot_day()"), costs, date, **look)

    # --- to files -------------------------------------------------------------------------------------------------

    def to_parquet(self, path: str | os.PathLike[str], *, anonymize: bool = False) -> Path | str:
        """Write a Parquet file (zstd) from which ``kn.load`` gives back an equal frame, with gaps and rejects.

        ``pandas.read_parquet``, DuckDB and Polars read the rows alone: only ``kn.load`` brings gaps, rejects and
        opening holdings back, which are true of this frame and not of any that is made of several files.

        Parameters
        ----------
        path
            Of a file, or a URL that fsspec knows (``s3://...``).
        anonymize
            Replace accounts by salted pseudonyms that are the same in all your exports, wherever a number that the
            frame knows stands (cells, labels, texts; in columns of your own any ten digits), and leave out names of
            this machine; nothing else changes.

        Returns
        -------
        pathlib.Path or str
            ``path``, a home folder (``~``) filled in.

        Raises
        ------
        ValueError
            ``path`` is a folder, a Parquet file does not keep the labels of the columns, or rows were lost on the way;
            what had the name before is untouched. With ``anonymize``: a column holds account numbers as numbers.
        MissingExtra
            ``path`` is a URL and fsspec is not installed (extra ``cloud``).
        """
        return storage.write_parquet(self._frame, path, anonymize=anonymize)

    def to_csv(self, path: str | os.PathLike[str], *, anonymize: bool = False) -> Path | str:
        """Write a CSV file that Excel opens with Hangul intact, times in KST; gaps and rejects stay behind.

        Parameters
        ----------
        path
            Of a file, or a URL that fsspec knows (``s3://...``).
        anonymize
            Replace accounts as :meth:`to_parquet` does; nothing else changes.

        Returns
        -------
        pathlib.Path or str
            ``path``, a home folder (``~``) filled in.

        Raises
        ------
        ValueError
            ``path`` is a folder; what had the name before is untouched. With ``anonymize``: a column holds account
            numbers as numbers.
        MissingExtra
            ``path`` is a URL and fsspec is not installed (extra ``cloud``).
        """
        return storage.write_csv(self._frame, path, anonymize=anonymize)

    def to_excel(self, path: str | os.PathLike[str], *, anonymize: bool = False) -> Path | str:
        """Write an Excel workbook, times in KST without a zone; gaps and rejects stay behind.

        Parameters
        ----------
        path
            Of a file, or a URL that fsspec knows (``s3://...``).
        anonymize
            Replace accounts as :meth:`to_parquet` does; nothing else changes.

        Returns
        -------
        pathlib.Path or str
            ``path``, a home folder (``~``) filled in.

        Raises
        ------
        ValueError
            ``path`` is a folder, or there are more rows than a sheet takes (1,048,576); what had the name before is
            untouched. With ``anonymize``: a column holds account numbers as numbers.
        MissingExtra
            xlsxwriter is not installed (extra ``excel``), or ``path`` is a URL and fsspec is not (``cloud``).
        """
        return storage.write_excel(self._frame, path, anonymize=anonymize)

    # --- on a live or a replayed frame ------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """What the source is doing, current without a sync; its text is readable, ``.state`` and ``.error`` too.

        See :class:`kiwoom_nb.status.Status`.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        """
        return self._source("status").status

    def wait(self, n: int | None = None, timeout: float | None = None) -> bool:
        """Block until ``n`` rows are there, in a cell as in a script; an interrupt ends the wait, never the stream.

        Parameters
        ----------
        n
            How many rows; None: one more than now.
        timeout
            Seconds; None: without end.

        Returns
        -------
        bool
            Whether they are there. On a stream that has ended, False at once.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        KiwoomError
            What ended the stream, where it was not :meth:`stop`: ``KickedOut``, ``AuthenticationError``, ...
        """
        return self._source("wait()").wait(n, timeout)

    async def changed(self, n: int | None = None, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as wait()
        """Do what :meth:`wait` does without blocking: ``await df.kn.changed()``.

        Parameters
        ----------
        n
            How many rows; None: one more than now.
        timeout
            Seconds; None: without end.

        Returns
        -------
        bool
            Whether they are there. On a stream that has ended, False at once.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        KiwoomError
            What ended the stream, where it was not :meth:`stop`: ``KickedOut``, ``AuthenticationError``, ...
        """
        return await self._source("changed()").changed(n, timeout)

    def sync(self) -> None:
        """Show what has arrived; in a notebook that happens by itself.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        """
        self._source("sync()").sync()

    def pause(self) -> None:
        """Hold the frame still. A stream goes on receiving and recording; a replay stands still itself.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        """
        self._source("pause()").pause()

    def resume(self) -> None:
        """Let the frame grow again, with what arrived meanwhile.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        ValueError
            A replay that was stopped does not go on.
        """
        self._source("resume()").resume()

    def stop(self) -> None:
        """End the stream and close its journal, or end the replay; the frame stays, no token is revoked.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        """
        self._source("stop()").stop()

    # --- on a replayed frame ----------------------------------------------------------------------------------------

    def play(self) -> None:
        """Go on from here; from the beginning once the end was reached.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        NotReplayed
            It is the frame of a live stream, whose future is not known.
        ValueError
            The replay was stopped.
        """
        self._playback("play()").play()

    def step(self, n: int = 1) -> None:
        """Move by ``n`` rows and stand still there.

        Parameters
        ----------
        n
            Rows; back where negative, at most to either end.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        NotReplayed
            It is the frame of a live stream, whose future is not known.
        ValueError
            The replay was stopped.
        """
        self._playback("step()").step(n)

    def seek(self, to: Moment) -> None:
        """Move to a row or a time of the recording.

        Parameters
        ----------
        to
            How many rows are there then, or a time (KST): ``"10:30"``, ``"2026-11-19 10:30"``, a Timestamp, a datetime.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        NotReplayed
            It is the frame of a live stream, whose future is not known.
        ValueError
            ``to`` is outside of the recording or no time, or the replay was stopped.
        """
        self._playback("seek()").seek(to)

    @property
    def speed(self) -> float:
        """How much faster than the recorded clock, from 0.25 to infinity; set it to change it.

        Raises
        ------
        NotLive
            Nothing is behind this frame: it was loaded, copied or derived.
        NotReplayed
            It is the frame of a live stream, whose future is not known.
        ValueError
            It is set to less than 0.25, or to no number.
        """
        return self._playback("speed").speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._playback("speed").speed = speed

    def _plain(self) -> pd.DataFrame:
        """Return the rows of this moment as a plain frame."""
        return self._frame._plain() if isinstance(self._frame, LiveFrame) else self._frame  # noqa: SLF001 - ours

    def _events(self, call: str) -> pd.DataFrame:
        """Return the rows of this moment in order of arrival, which have what an analysis reads."""
        frame = self._plain()
        missing = [name for name in READ if name not in frame]
        if missing:
            raise ColumnsMissing(call, missing)
        return in_order(frame)

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
