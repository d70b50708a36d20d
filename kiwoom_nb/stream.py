"""Stream: what stands behind a live frame. It joins a session, a journal and a table, and shows what arrives.

Two event loops may be involved. The *session's* loop receives, and writes the journal; it is the notebook's own, or
that of a thread (``background=True``, and always without a notebook). The *frame's* loop is the notebook's; only
there, and only between two of its steps, are rows shown. A script has no such loop: its rows appear when it asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from . import fast
from .aside import aside
from .asking import ReadHoldings
from .errors import KickedOut
from .frame import LiveFrame
from .intake import Intake
from .labels import say
from .latest import LatestRows
from .line import STOPPED
from .observers import Failed, Observers, Seen
from .recording import KST, Recorder
from .session import Session, Tokens, Transport
from .status import Status
from .storage import read_journal
from .table import BalanceTable
from .waiting import Block, Waits, runs_in

REFRESH: Final = 0.1
"""Seconds between two refreshes of the frame at the least."""
_ENDS_WITHIN: Final = 5.0
_SHOWN_WITHIN: Final = 1.0


def microseconds_now() -> int:
    """Return the clock of this machine in microseconds since the epoch (UTC)."""
    return time.time_ns() // 1000


class Stream:
    """One live stream and its frame.

    Parameters
    ----------
    connect, tokens
        Open a socket; give the token.
    server, owner
        Name the server and the connection owner, for texts and for the journal.
    folder
        Where the journal goes; None: no journal.
    mask_accounts
        Show only the last digits of account numbers.
    loop
        The frame's loop; None where there is no notebook.
    background
        Run the session on a thread of its own (always so without a loop).
    block
        Runs a coroutine to its end inside the running ``loop``, for :meth:`wait` in a cell.
    read_holdings
        Asks what the account holds, after each REG; None: nobody asks.

    Raises
    ------
    JournalError
        The journal cannot be written.
    """

    def __init__(
        self,
        *,
        connect: Callable[[str], Awaitable[Transport]],
        tokens: Tokens,
        server: str,
        owner: str,
        folder: Path | None = None,
        mask_accounts: bool = True,
        loop: asyncio.AbstractEventLoop | None = None,
        background: bool = False,
        block: Block | None = None,
        read_holdings: ReadHoldings | None = None,
        now: Callable[[], int] = microseconds_now,
    ) -> None:
        self._now = now
        self._loop = loop
        self._home = None if loop is None else threading.get_ident()
        self._block = block
        self._table = BalanceTable(mask_accounts=mask_accounts)
        self._recorder = None if folder is None else Recorder(folder, server=server, owner=owner, at=now())
        self._load_the_day()
        self._intake = Intake(self._table, self._recorder, self._ring)
        self._session = Session(connect, tokens, self._intake, now=now, server=server, read_holdings=read_holdings)
        self._about = Status(server=server, background=background or loop is None)
        self._decoding = threading.RLock()  # callbacks of widgets may come on another thread than cells do
        self._waits = Waits(lambda: len(self.frame), self._settle)
        self._observers = Observers(loop)
        self._refresh_is_planned = False
        self._refreshed_at = float("-inf")
        self._paused = False
        self.frame = LiveFrame(self._table.frame(), self)
        self._host = _ThreadHost(self._run) if self._about.background else _LoopHost(self._run, loop)

    def __repr__(self) -> str:
        """Name the server and the state."""
        return f"<Stream {self._about.server} {self._intake.state}>"

    def _load_the_day(self) -> None:
        """Begin with what was received today before; a journal that cannot be read is let go of again."""
        if self._recorder is None:
            return
        try:
            read_journal(self._recorder.path, self._table)
        except BaseException:
            self._recorder.close()
            raise

    async def _run(self) -> None:
        """Run the session to its end. Never raises: nobody awaits it, so what it dies of is told by the status."""
        state = STOPPED
        error: Exception | None = None
        try:
            await self._session.run()
        except asyncio.CancelledError:
            pass
        except KickedOut as exc:
            state, error = "kicked", exc
        except Exception as exc:  # noqa: BLE001 - ours or a bug: either way the user is told, in one place
            state, error = "failed", exc
        with contextlib.suppress(Exception):  # the journal cannot be ended properly: the status says what came first
            self._intake.end(self._now(), state, error)

    # --- what arrived is decoded and shown ------------------------------------------------------------------------

    def _ring(self) -> None:
        """Note on the session's loop that something arrived: the frame's side looks when it may."""
        if self._loop is None:
            self._waits.ring()
            return
        self._waits.ring_threads()
        if not self._refresh_is_planned:
            self._refresh_is_planned = True
            with contextlib.suppress(RuntimeError):  # the notebook's loop is closed: the kernel is going
                self._loop.call_soon_threadsafe(self._plan_refresh, context=contextvars.Context())

    def _plan_refresh(self) -> None:
        assert self._loop is not None  # noqa: S101 - it has called this
        pause = max(0.0, self._refreshed_at + REFRESH - self._loop.time())
        self._loop.call_later(pause, self._refresh, context=contextvars.Context())

    def _refresh(self) -> None:
        assert self._loop is not None  # noqa: S101 - it has called this
        self._refresh_is_planned = False
        self._refreshed_at = self._loop.time()
        try:
            self._decode()
            if not self._paused:
                self._show()
        finally:  # who waits looks for itself, and is told in its own cell what goes wrong
            self._waits.ring()
        self._tell()

    def _decode(self) -> None:
        """Hand what arrived to the table, which decodes in batches. An interrupt loses nothing and doubles nothing."""
        arrived, table = self._intake.arrived, self._table
        with self._decoding:
            while arrived:
                received, first = table.received, arrived[0]
                try:
                    first()
                    arrived.popleft()
                except BaseException:
                    if table.received != received and arrived and arrived[0] is first:
                        arrived.popleft()
                    raise

    def _show(self) -> None:
        if self._home is None or threading.get_ident() == self._home:
            self._show_here()
        else:
            self._show_at_home()

    def _show_here(self) -> None:
        with self._decoding:
            view = self._table.frame()
            self.frame._show(view)  # noqa: SLF001 - the frame's door for its source
            self._table.latest(len(view))  # a little at a time, so that asking for it costs the same at any length
            self._table.reserve()

    def _show_at_home(self) -> None:
        """Let the notebook's thread show the rows, for a caller on another one (the callback of a widget).

        It may be inside an expression just now, where the frame must not move; it is waited for a little.
        """
        assert self._loop is not None  # noqa: S101 - a frame without a loop is at home everywhere
        shown = threading.Event()

        def show() -> None:
            self._show_here()
            shown.set()

        with contextlib.suppress(RuntimeError):  # the notebook's loop is closed: the kernel is going
            self._loop.call_soon_threadsafe(show, context=contextvars.Context())
            shown.wait(_SHOWN_WITHIN)

    # --- who looks --------------------------------------------------------------------------------------------------

    def observe(self, seen: Seen, failed: Failed | None = None, *, only_end: bool = False) -> Callable[[], None]:
        """Call ``seen`` after the frame was shown anew or the status changed; return what ends it.

        It is called on the frame's loop (in a script when somebody syncs or waits), at most 10 times a second, and
        not at all while nothing happens. What it raises is given to ``failed`` and harms nobody else. Bound methods
        are held weakly. ``only_end``: not before the stream has ended, and until then at no cost.
        """
        return self._observers.add(seen, failed, self._version(), only_end=only_end)

    def _tell(self, *, is_hurried: bool = True) -> None:
        is_over = self._intake.ended
        if self._observers.hear(is_over=is_over):
            self._observers.tell(self._version(), is_hurried=is_hurried, is_over=is_over)

    def _version(self) -> object:
        """Return what differs once there is something new to see: a PING is nothing new."""
        with self._decoding:
            return dataclasses.replace(self.status, as_of=None), self._table.attrs()

    # --- for the user -----------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether nothing will arrive any more."""
        return self._intake.ended

    @property
    def status(self) -> Status:
        """What the stream is doing now; what arrived is counted, but not shown."""
        with self._decoding:  # counting decodes
            self._decode()
            intake, table = self._intake, self._table
            return dataclasses.replace(
                self._about,
                state=intake.state,
                events=table.rows,
                waiting=table.rows - len(self.frame),
                as_of=_moment(self._now()),
                last_event_at=_moment(table.last_row_at) if table.rows else None,
                attempt=intake.attempt,
                reason=intake.reason,
                error=intake.error,
                gaps=len(table.line.gaps()),
                rejected=len(table.rejects),
                journal=None if self._recorder is None else self._recorder.path,
                journal_error=None if self._recorder is None else self._recorder.error,
                paused=self._paused,
                stalled_for=intake.stalled_for,
                holdings=intake.held,
                fast_error=fast.trouble() or None,
            )

    def latest_rows(self) -> LatestRows:
        """Return the latest row of each position among those shown, at a cost that does not depend on their number."""
        with self._decoding:
            return self._table.latest_rows(len(self.frame))

    def state_line(self) -> str:
        """Return the status as a sentence, and when that was true: saved outputs are read later."""
        status = self.status
        return f"{status} · {say('as_of', time=f'{status.as_of:%H:%M:%S}')}"

    def sync(self) -> None:
        """Show what has arrived, also while paused."""
        self._decode()
        self._show()
        self._tell()

    def start_cell(self) -> None:
        """Show what has arrived before a cell runs, unless the user holds the frame still.

        A cell of a subshell runs beside one of the notebook's own, in which the frame must not move.
        """
        if not self._paused and threading.get_ident() == self._home:
            self.sync()

    def pause(self) -> None:
        """Hold the frame still; receiving and recording go on."""
        self._paused = True
        self._tell()

    def resume(self) -> None:
        """Let the frame grow again, with what arrived meanwhile."""
        self._paused = False
        self.sync()

    def stop(self) -> None:
        """End the stream and close its journal; the frame stays as it is. Safe to call twice."""
        self._host.stop(lambda: self._intake.end(self._now(), STOPPED, None))
        self.sync()

    def wait(self, n: int | None = None, timeout: float | None = None) -> bool:
        """Block until ``n`` rows are there (default: one more than now); see :meth:`changed`."""
        if self._block is not None and not self._about.background and runs_in(self._loop):
            return self._block(self.changed(n, timeout))
        return self._waits.block(n, timeout)

    async def changed(self, n: int | None = None, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as in the API contract
        """Wait until ``n`` rows are there (default: one more than now) and return whether they are.

        On an ended stream it returns at once; after a kick or a failure it raises what ended the stream.
        """
        return await self._waits.changed(n, timeout)

    def _settle(self, wanted: int) -> bool | None:
        """Return True (and show them) once ``wanted`` rows are there, False if they never will be, else None."""
        settled = self._look(wanted)
        self._tell(is_hurried=settled is not None)
        if settled is False and self._intake.error is not None:
            raise self._intake.error.with_traceback(None)  # else it would grow with each raise
        return settled

    def _look(self, wanted: int) -> bool | None:
        ended = self._intake.ended  # looked at first: what arrived before the end is decoded below
        self._decode()
        with self._decoding:
            are_there = self._table.rows >= wanted
        if are_there:
            self._show()
            return True
        if not ended:
            return None
        self._show()
        return False


class _LoopHost:
    """Runs the session as a task of the notebook's own loop."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]], loop: asyncio.AbstractEventLoop | None) -> None:
        assert loop is not None  # noqa: S101 - without a loop the session runs on a thread
        self._loop = loop
        # A fresh context: what a library prints or logs in the task must not land in the cell that made it.
        self._task = loop.create_task(run(), name="kiwoom_nb stream", context=contextvars.Context())

    def stop(self, end: Callable[[], None]) -> None:
        end()  # at once, since the loop may be going away with the kernel
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._task.cancel)


class _ThreadHost:
    """Runs the session on a loop of its own, on a thread."""

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._run = run
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="kiwoom_nb-stream", daemon=True)
        self._thread.start()
        self._ready.wait()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        _resolve_aside(self._loop)
        self._task = asyncio.ensure_future(self._run())
        self._ready.set()
        await self._task

    def stop(self, end: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended by itself
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(_ENDS_WITHIN)
        end()  # if it hangs in a library, the journal is closed all the same


def _resolve_aside(loop: asyncio.AbstractEventLoop) -> None:
    """Let ``loop`` look names up on threads that nobody waits for: without a network a name may take a minute."""

    async def getaddrinfo(host: str, port: int, **options: int) -> Any:
        return await aside(partial(socket.getaddrinfo, host, port, **options))

    loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1_000_000, UTC).astimezone(KST)
