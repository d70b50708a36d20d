"""Status: what a live frame's source is doing, as values and as a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .labels import WORDS, ago, say

_DOTS = {"live": "●", "reconnecting": "◐", "connecting": "◌", "replaying": "▶", "paused": "⏸"}
_ENDED_DOT = "■"


@dataclass(frozen=True, slots=True)
class Status:
    """What a stream is doing, at one moment.

    Attributes
    ----------
    state
        ``connecting``, ``live``, ``reconnecting``, ``kicked``, ``failed`` or ``stopped``.
    server
        ``real``, ``demo``, or host and port of another server.
    background
        Whether the session runs on a thread of its own.
    events
        Rows received so far, shown or not.
    waiting
        Of them, not shown yet.
    as_of, last_event_at
        When this was asked, and when the last row arrived (KST; None: none yet).
    attempt, reason
        The number of the attempt to connect, and why the last one ended.
    error
        The exception that ended the stream, None if none did.
    gaps, rejected
        How many there are so far.
    journal, journal_error
        Where the session is recorded (None: nowhere), and why that fails just now (None: it does not).
    paused
        Whether :meth:`pause` holds the frame still.
    stalled_for
        Seconds for which the notebook's loop stood still at the longest, 0 if it never did for long.
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

    @property
    def ended(self) -> bool:
        """Whether nothing will arrive any more."""
        return self.state in {"kicked", "failed", "stopped", "finished"}

    def __str__(self) -> str:
        """Return a line for a person, in the language of :func:`kiwoom_nb.set_language`."""
        parts = [
            f"{_DOTS.get(self.state, _ENDED_DOT)} {self._state()}",
            say(self.server) if self.server in WORDS else self.server,
            say("events", count=self.events) if self.events else say("no_events"),
            *self._last_event(),
            *self._waiting(),
            *([say("gaps", count=self.gaps)] if self.gaps else []),
            *([say("rejected", count=self.rejected)] if self.rejected else []),
            self._recording(),
            *self._trouble(),
        ]
        return " · ".join(parts)

    def _state(self) -> str:
        words = say(self.state)
        if self.paused and self.state == "live":
            words = f"{words}, {say('paused')}"
        if self.attempt and self.state in {"connecting", "reconnecting"}:
            words = f"{words} {say('attempt', count=self.attempt)}"
        return words

    def _last_event(self) -> list[str]:
        if self.last_event_at is None or self.as_of is None:
            return []
        return [say("last_event", ago=ago((self.as_of - self.last_event_at).total_seconds()))]

    def _waiting(self) -> list[str]:
        if self.waiting:
            return [f"{say('waiting', count=self.waiting)} ({say('hint_sync')})"]
        return [] if self.events or self.ended else [say("hint_wait")]

    def _recording(self) -> str:
        if self.journal_error:
            return say("recording_failed", reason=self.journal_error)
        return say("recording", path=_short(self.journal)) if self.journal else say("not_recording")

    def _trouble(self) -> list[str]:
        if self.error is not None:
            return [str(self.error)]
        reason = [self.reason] if self.reason and self.state in {"connecting", "reconnecting"} else []
        return reason + ([say("stalled", seconds=self.stalled_for)] if self.stalled_for else [])


def _short(path: Path) -> str:
    """Return ``path`` without the name of the user where it is in the home folder: notebooks are shared."""
    try:
        return f"~/{path.relative_to(Path.home()).as_posix()}"
    except (ValueError, RuntimeError):
        return str(path)
