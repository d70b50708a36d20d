"""Replay: a recorded session behind a live frame, along a virtual clock.

The whole recording is decoded once; playing is showing more of its rows. In a notebook a timer of its loop shows
them; a script has no such loop, so its rows appear when it asks, as many as have come by then.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pandas as pd

from .errors import SourceError
from .frame import LiveFrame
from .playhead import Playhead
from .recording import KST
from .schema import RECEIVED_AT, TIMEZONE
from .status import Status
from .table import ATTRS_KEY, read_only
from .waiting import LOOK_AGAIN, Block, Waits, runs_in

REFRESH: Final = 0.1
"""Seconds between two refreshes of the frame at the least."""

Moment = int | str | datetime | pd.Timestamp


class Playback:
    """One replay and its frame.

    Parameters
    ----------
    recording
        The rows of the recording, as :func:`kiwoom_nb.load` gives them.
    name
        What is replayed, for texts.
    speed, max_silence
        See :class:`kiwoom_nb.playhead.Playhead`.
    loop, block
        The notebook's loop, and what blocks in it; None where there is no notebook.
    clock
        Seconds, of a clock that never runs back.

    Raises
    ------
    SourceError
        The recording has no rows.
    """

    def __init__(
        self,
        recording: pd.DataFrame,
        *,
        name: str,
        speed: float = 1.0,
        max_silence: float | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        block: Block | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if recording.empty:
            raise SourceError(name, "holds no balance event", "Choose another recording; there is nothing to replay.")
        self._recording = read_only(recording)
        self._head = Playhead(recording[RECEIVED_AT].to_numpy("M8[us]").astype(np.int64), speed, max_silence)
        self._told = _Told(recording.attrs.get(ATTRS_KEY, ""))
        self._about = Status(server=name, background=False, state="replaying", total=len(recording))
        self._loop = loop
        self._block = block
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._shown: object = None
        self._waits = Waits(lambda: len(self.frame), self._settle, self._pause_of_waits)
        self.frame = LiveFrame(self._recording.iloc[:0], self)
        self._show()

    def __repr__(self) -> str:
        """Name the recording and the position."""
        return f"<Playback {self._about.server} {self._head.row}/{self._head.rows}>"

    # --- shown ----------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Show the rows up to the position, and of gaps and rejects what was known by then."""
        until = None if self._head.row == self._head.rows else self._head.time
        version = self._head.row, self._told.version(until)
        if version != self._shown:
            self._shown = version
            view = self._recording.iloc[: self._head.row]
            view.attrs = {key: value for key, value in self._recording.attrs.items() if key != ATTRS_KEY}
            told = self._told.until(until)
            if told:
                view.attrs[ATTRS_KEY] = told
            self.frame._show(view)  # noqa: SLF001 - the frame's door for its source

    def sync(self) -> None:
        """Show what has come by now."""
        self._head.advance(self._clock())
        self._show()

    start_cell = sync

    def _move(self) -> None:
        """Show a new position, let who waits look, and plan the next row."""
        self._show()
        self._waits.ring()
        self._plan()

    def _plan(self) -> None:
        """Ask the notebook's loop to wake us when the next row is due; nothing polls between rows."""
        if self._loop is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_in = self._head.due_in()
        if due_in is not None:
            self._timer = self._loop.call_later(max(due_in, REFRESH), self._tick, context=contextvars.Context())

    def _tick(self) -> None:
        self._timer = None
        self._head.advance(self._clock())
        self._move()

    # --- for the user ---------------------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """Where the replay stands; ``as_of`` is the virtual time."""
        self._head.advance(self._clock())
        row, times = self._head.row, self._head.times
        gaps, rejected = self._told.counts(None if row == self._head.rows else self._head.time)
        return dataclasses.replace(
            self._about,
            state=self._state(),
            events=row,
            waiting=max(0, row - len(self.frame)),
            as_of=_moment(self._head.time),
            last_event_at=_moment(int(times[row - 1])) if row else None,
            gaps=gaps,
            rejected=rejected,
            speed=self._head.speed,
        )

    def _state(self) -> str:
        if self._stopped:
            return "stopped"
        if self._head.playing:
            return "replaying"
        return "finished" if self._head.row == self._head.rows else "paused"

    def state_line(self) -> str:
        """Return the status as a sentence."""
        return str(self.status)

    def play(self) -> None:
        """Go on from here; from the beginning once the end was reached."""
        self._refuse_if_stopped("play()")
        self._head.play(self._clock())
        self._head.advance(self._clock())
        self._move()

    resume = play

    def pause(self) -> None:
        """Stand still."""
        self._head.pause(self._clock())
        self._move()

    def step(self, n: int = 1) -> None:
        """Move by ``n`` rows, back where negative, at most to either end, and stand still there."""
        self._head.advance(self._clock())
        self._head.step(n)
        self._move()

    def seek(self, to: Moment) -> None:
        """Move to where ``to`` rows are there, or to a time of the recording (``"10:30"``, a Timestamp; KST).

        Raises
        ------
        ValueError
            It is outside of the recording, or no time.
        """
        self._head.advance(self._clock())
        if isinstance(to, int | np.integer):
            self._head.seek_row(int(to))
        else:
            self._seek_time(to)
        self._move()

    def _seek_time(self, to: Any) -> None:
        first, last = _moment(int(self._head.times[0])), _moment(int(self._head.times[-1]))
        time_of = _parse(to, first.date())
        try:
            self._head.seek_time(int(time_of.timestamp() * 1_000_000))
        except ValueError:
            raise ValueError(
                f"{time_of:%Y-%m-%d %H:%M:%S} is outside of the recording, "
                f"which goes from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} KST."
            ) from None

    @property
    def speed(self) -> float:
        """How much faster than the recorded clock."""
        return self._head.speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._head.set_speed(speed, self._clock())
        self._move()

    def stop(self) -> None:
        """End the replay; the frame stays as it is."""
        self._head.pause(self._clock())
        self._stopped = True
        self._move()

    def wait(self, n: int | None = None, timeout: float | None = None) -> bool:
        """Block until ``n`` rows are there (default: one more than now); False at once if none will come."""
        if self._block is not None and runs_in(self._loop):
            return self._block(self.changed(n, timeout))
        return self._waits.block(n, timeout)

    async def changed(self, n: int | None = None, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as in the API contract
        """Do what :meth:`wait` does without blocking."""
        return await self._waits.changed(n, timeout)

    def _settle(self, wanted: int) -> bool | None:
        self.sync()
        if len(self.frame) >= wanted:
            return True
        may_come = self._head.playing or (self._loop is not None and self._state() == "paused")
        return None if may_come else False

    def _pause_of_waits(self) -> float:
        due_in = self._head.due_in()
        return LOOK_AGAIN if due_in is None else due_in

    def _refuse_if_stopped(self, call: str) -> None:
        if self._stopped:
            raise ValueError(f"df.kn.{call} after stop(): call kn.replay() again.")


class _Told:
    """The gaps and rejects of a recording, as far as they were known at a moment."""

    def __init__(self, text: str) -> None:
        told: dict[str, list[Any]] = msgspec.json.decode(text) if text else {"gaps": [], "rejected": []}
        self._all = text
        self._gaps = told["gaps"]
        self._rejected = told["rejected"]

    def counts(self, until: int | None) -> tuple[int, int]:
        """Return how many gaps had begun, and how many rejects there were."""
        if until is None:
            return len(self._gaps), len(self._rejected)
        return sum(gap[0] <= until for gap in self._gaps), sum(reject[0] <= until for reject in self._rejected)

    def version(self, until: int | None) -> tuple[int, ...]:
        """Return what changes whenever that which was known changes."""
        if until is None:
            return (-1,)
        return (*self.counts(until), sum(gap[1] is not None and gap[1] <= until for gap in self._gaps))

    def until(self, until: int | None) -> str:
        """Return them as JSON; a gap that lasts at the moment has no end yet."""
        if until is None:
            return self._all
        gaps = [self._as_of(gap, until) for gap in self._gaps if gap[0] <= until]
        rejected = [reject for reject in self._rejected if reject[0] <= until]
        return msgspec.json.encode({"gaps": gaps, "rejected": rejected}).decode() if gaps or rejected else ""

    @staticmethod
    def _as_of(gap: list[Any], until: int) -> list[Any]:
        start, end, reason = gap
        return [start, end if end is not None and end <= until else None, reason]


def name_of(source: object) -> str:
    """Return a short name of what is replayed: the sample, or the name of the file or folder."""
    text = str(source)
    return text if text.startswith("sample") else Path(text).name


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1_000_000, UTC).astimezone(KST)


def _parse(to: Any, day: date) -> pd.Timestamp:
    """Read a time; one without a date is of the recording's first day, one without a zone is KST."""
    try:
        stamp = pd.Timestamp(f"{day} {to}") if isinstance(to, str) and _is_time_only(to) else pd.Timestamp(to)
    except ValueError as exc:
        raise ValueError(f'{to!r} is no time: give a row, "10:30", or a date and time.') from exc
    return stamp.tz_localize(TIMEZONE) if stamp.tz is None else stamp


def _is_time_only(text: str) -> bool:
    return ":" in text and "-" not in text and "/" not in text
