"""Status: what a live frame's source is doing, as values and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from .labels import WORDS, ago, say

_DOTS = {"live": "●", "reconnecting": "◐", "connecting": "◌", "replaying": "▶", "paused": "‖"}
_ENDED_DOT = "■"
READ: Final = "read"
"""What :attr:`Status.holdings` is once they were read."""


@dataclass(frozen=True, slots=True)
class Status:
    """What a stream is doing, at one moment.

    Attributes
    ----------
    state
        ``connecting``, ``live``, ``reconnecting``, ``kicked``, ``failed`` or ``stopped``; of a replay ``replaying``,
        ``paused``, ``finished`` or ``stopped``.
    server
        ``real``, ``demo``, or host and port of another server; of a replay the recording.
    background
        Whether the session runs on a thread of its own.
    events
        Rows received so far, shown or not.
    waiting
        Of them, not shown yet.
    as_of
        When this was asked (KST); of a replay the virtual time.
    last_event_at
        When the last row arrived (KST); None: none yet.
    attempt
        The number of the attempt to connect.
    reason
        Why the last one ended.
    error
        The exception that ended the stream, None if none did.
    gaps
        How many there are so far.
    rejected
        How many there are so far.
    journal
        Where the session is recorded; None: nowhere.
    journal_error
        Why that fails just now; None: it does not.
    paused
        Whether ``df.kn.pause()`` holds the frame still.
    stalled_for
        Seconds for which the notebook's loop stood still at the longest, 0 if it never did for long.
    holdings
        ``"read"`` once what the account held is known, or why it is not (yet, or any more: it is asked again after each
        drop); None as long as nobody asked or the answer is not there.
    fast_error
        Why events are not decoded by machine code though the extra ``fast`` is installed; None: nothing is wrong.
    total
        Of a replay: how many rows the recording has.
    speed
        Of a replay: how much faster than its clock it plays.
    """

    server: str
    background: bool
    state: str = "connecting"
    events: int = 0
    waiting: int = 0
    as_of: datetime | None = None
    last_event_at: datetime | None = None
    attempt: int = 0
    reason: str = ""
    error: BaseException | None = None
    gaps: int = 0
    rejected: int = 0
    journal: Path | None = None
    journal_error: str | None = None
    paused: bool = False
    stalled_for: float = 0.0
    holdings: str | None = None
    fast_error: str | None = None
    total: int | None = None
    speed: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will arrive any more."""
        return self.state in {"kicked", "failed", "stopped", "finished"}

    def __str__(self) -> str:
        """Return a line for a person, in the language of :func:`kiwoom_nb.set_language`."""
        parts = [f"{_DOTS.get(self.state, _ENDED_DOT)} {self._state()}"]
        parts += self._of_a_stream() if self.total is None else self._of_a_replay(self.total)
        return " · ".join([*parts, *self._troubles()])

    def _of_a_stream(self) -> list[str]:
        return [
            say(self.server) if self.server in WORDS else self.server,
            say("events", count=self.events) if self.events else say("no_events"),
            *self._last_event(),
            *self._waiting(),
            *self._told(),
            *self._holdings(),
            self._recording(),
        ]

    def _of_a_replay(self, total: int) -> list[str]:
        """Name the recording and call the time virtual: nothing recorded ever looks live."""
        return [
            say("recording_of", name=self.server),
            say("of_events", count=self.events, total=total),
            *([say("virtual_time", time=f"{self.as_of:%Y-%m-%d %H:%M:%S}")] if self.as_of else []),
            *self._waiting(),
            *self._told(),
        ]

    def _told(self) -> list[str]:
        gaps = [say("gaps", count=self.gaps)] if self.gaps else []
        return gaps + ([say("rejected", count=self.rejected)] if self.rejected else [])

    def _holdings(self) -> list[str]:
        """Say that what was held before is not known, where it was asked for and is not to be had."""
        return [] if self.holdings in {None, READ} else [say("only_filled", reason=self.holdings)]

    def _state(self) -> str:
        words = say(self.state)
        if self.paused and self.state == "live":
            words = f"{words}, {say('paused')}"
        if self.attempt and self.state in {"connecting", "reconnecting"}:
            words = f"{words} {say('attempt', count=self.attempt)}"
        if self.speed and self.state == "replaying":
            words = f"{words} ×{self.speed:g}"
        return words

    def _last_event(self) -> list[str]:
        if self.last_event_at is None or self.as_of is None:
            return []
        return [say("last_event", ago=ago((self.as_of - self.last_event_at).total_seconds()))]

    def _waiting(self) -> list[str]:
        if self.waiting:
            return [f"{say('waiting', count=self.waiting)} ({say('hint_sync')})"]
        return [] if self.events or self.ended or self.total is not None else [say("hint_wait")]

    def _recording(self) -> str:
        if self.journal_error:
            return say("recording_failed", reason=self.journal_error)
        if self.journal is None:
            return say("not_recording")
        return say("recorded" if self.ended else "recording", path=_short(self.journal))

    def _troubles(self) -> list[str]:
        if self.error is not None:
            return [_error_words(self.error)]
        reason = (
            [say("last_attempt", reason=self.reason)]
            if self.reason and self.state in {"connecting", "reconnecting"}
            else []
        )
        stalled = self.stalled_for and not self.background  # a thread stands still with the machine: no advice helps
        slow = [say("not_fast", reason=self.fast_error)] if self.fast_error else []
        return reason + ([say("stalled", seconds=self.stalled_for)] if stalled else []) + slow


def _error_words(error: BaseException) -> str:
    """Return what ended the stream in the user's language; the exception itself says it in full."""
    word = f"error_{type(error).__name__}"
    parts = {"code": getattr(error, "code", ""), "message": getattr(error, "message", "")}
    return say(word, **parts) if word in WORDS else str(error)


def _short(path: Path) -> str:
    """Return ``path`` without the name of the user where it is in the home folder: notebooks are shared."""
    try:
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        return str(path)
