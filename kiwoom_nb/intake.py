"""Intake: the sinks of a live session. The journal first, then the queue of what the frame's side decodes."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from . import journal
from .errors import KiwoomError
from .protocol import Message, Unparsed
from .recording import Recorder
from .status import READ
from .table import BalanceTable


class Intake:
    """The sinks of a session, on its loop: the journal first, then the queue of what the frame's side decodes."""

    def __init__(self, table: BalanceTable, recorder: Recorder | None, ring: Callable[[], None]) -> None:
        self.arrived: deque[Callable[[], object]] = deque()
        self.state = "connecting"
        self.attempt = 0
        self.reason = ""
        self.error: BaseException | None = None
        self.stalled_for = 0.0
        self.held: str | None = None
        self.ended = False
        self._table = table
        self._recorder = recorder
        self._ring = ring
        self._heard_at = 0

    def frame(self, received_at: int, raw: bytes, message: Message | Unparsed) -> None:
        """Record a received frame, then queue it."""
        if self.ended:
            return
        if self._recorder is not None:
            self._recorder.frame(received_at, raw, is_json=isinstance(message, Message) and raw.startswith(b"{"))
        self._heard_at = received_at
        self.arrived.append(partial(self._table.receive, message, received_at))
        self._ring()

    def connected(self, at: int) -> None:
        """Record that balance events are pushed from now on."""
        self._note(at, journal.CONNECTED)
        self.state = "live"
        self.reason = ""
        self._heard_at = at
        self.arrived.append(partial(self._table.line.connected, at))
        self._ring()

    def disconnected(self, at: int, since: int, reason: str) -> None:
        """Record that the line is down."""
        if self.ended:
            return
        self._note(at, journal.DISCONNECTED, since=since, reason=reason)
        self.state = "reconnecting"
        self.reason = reason
        self.arrived.append(partial(self._table.line.disconnected, since, reason))
        self._ring()

    def holdings(self, at: int, asked_at: int, account: str | None, pages: Sequence[bytes]) -> None:
        """Record what the account held when it was asked, then queue it."""
        if self.ended:
            return
        if self._recorder is not None:
            self._recorder.holdings(at, asked_at, account, pages)
        self.held = READ
        self.arrived.append(partial(self._table.hold, asked_at, account, pages))
        self._ring()

    def no_holdings(self, reason: str) -> None:
        """Keep why it is not known what the account holds."""
        self.held = reason
        self._ring()

    def connecting(self, attempt: int, reason: str) -> None:
        """Keep which attempt this is, and why the last one ended."""
        self.attempt = attempt
        self.reason = reason
        self._ring()

    def stalled(self, seconds: float) -> None:
        """Keep for how long the loop stood still."""
        self.stalled_for = max(self.stalled_for, seconds)

    def end(self, at: int, state: str, error: BaseException | None) -> None:
        """Record the end; whatever comes after it is not ours any more."""
        if self.ended:
            return
        try:
            if self.state == "live":
                self.disconnected(at, self._heard_at, state)
            self._note(at, journal.STOPPED, reason=state)
        finally:  # whatever happens to the journal, nobody may go on waiting for a stream that has ended
            self.state = state
            self.error = None if error is None else _without_frames(error)
            self.ended = True
            self._ring()
            if self._recorder is not None:
                self._recorder.close()

    def _note(self, at: int, event: str, **details: str | int) -> None:
        if self._recorder is not None:
            self._recorder.event(at, event, **details)


def _without_frames(error: BaseException) -> BaseException:
    """Return ``error`` without the frames it came through: their variables hold the token, and some tools show them.

    Of a bug the lines are kept as a note, for the report.
    """
    if not isinstance(error, KiwoomError):
        error.add_note("".join(traceback.format_tb(error.__traceback__)))
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
