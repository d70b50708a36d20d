"""Replay: a recorded session behind a live frame, along a virtual clock.

The whole recording is decoded once; playing is showing more of its rows. In a notebook a timer of its loop shows
them; a script has no such loop, so its rows appear when it asks, as many as have come by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import operator
import re
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from . import samples
from .decode import Reject
from .errors import SourceError
from .frame import LiveFrame
from .holdings import Holdings
from .line import Gap
from .observers import Failed, Observers, Seen
from .playhead import Playhead
from .recording import KST
from .schema import RECEIVED_AT, TIMEZONE
from .status import Status
from .told import ATTRS_KEY, Told, told_by
from .trading_day import TradingDay
from .views import read_only
from .waiting import LOOK_AGAIN, Block, Waits, runs_in

REFRESH: Final = 0.1
"""Seconds between two refreshes of the frame at the least."""

Moment = int | str | datetime | time_of_day | np.datetime64 | pd.Timestamp

_DONE_WITHIN: Final = 1.0
_TIME_ONLY: Final = re.compile(r"\s*T?\d{1,2}:\d")
_EPOCH: Final = pd.Timestamp(0, tz="UTC")


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
        The recording has no rows, or they have no time.
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
        if RECEIVED_AT not in recording:
            raise SourceError(
                name, f"has no column {RECEIVED_AT}, along which it would be played", "Load it with kn.load() instead."
            )
        self._recording = read_only(_column_by_column(recording))
        self._head = Playhead(recording[RECEIVED_AT].to_numpy("M8[us]").astype(np.int64), speed, max_silence)
        self._known = _Known(recording)
        self._about = Status(server=name, background=False, state="replaying", total=len(recording))
        self._loop = loop
        self._home = None if loop is None else threading.get_ident()
        self._moving = threading.RLock()
        self._block = block
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._shown: object = None
        self._moves = 0
        self._observers = Observers(loop)
        self._waits = Waits(lambda: len(self.frame), self._settle, self._pause_of_waits)
        first = self._recording.iloc[:0]
        first.attrs = {key: value for key, value in self._recording.attrs.items() if key != ATTRS_KEY}
        self.frame = LiveFrame(first, self)
        self._show()

    def __repr__(self) -> str:
        """Name the recording and the position."""
        return f"<Playback {self._about.server} {self._head.row}/{self._head.rows}>"

    @property
    def recording(self) -> pd.DataFrame:
        """All of the recording, whatever is shown of it; not to be written."""
        return self._recording

    # --- shown ----------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Show the rows up to the position, and of gaps and rejects what was known by then."""
        row, until = self._position()
        version = row, self._known.version(row, until)
        if version != self._shown:
            self._shown = version
            view = self._recording.iloc[:row]
            told = self._known.until(row, until)
            view.attrs = {ATTRS_KEY: told} if told else {}  # all other attrs are the user's: they stay as they are
            self.frame._show(view)  # noqa: SLF001 - the frame's door for its source

    def _position(self) -> tuple[int, int | None]:
        """Return how many rows there are and the virtual time, None at the end: then everything is known."""
        return self._head.row, None if self._head.row == self._head.rows else self._head.time

    def _do(self, action: Callable[[], None], *, is_hurried: bool = True) -> None:
        """Do ``action`` where the frame may move: on the notebook's thread.

        A caller on another one (the callback of a widget, a subshell) waits a little for it; the notebook's may be
        inside an expression just now.
        """
        if self._home is None or threading.get_ident() == self._home:
            with self._moving:
                action()
            self._tell(is_hurried=is_hurried)
            return
        done: Future[None] = Future()

        def act() -> None:
            try:
                with self._moving:
                    action()
            except Exception as exc:  # noqa: BLE001 - it belongs to the caller
                done.set_exception(exc)
            else:
                done.set_result(None)
                self._tell()

        assert self._loop is not None  # noqa: S101 - a frame without a loop is at home everywhere
        try:
            self._loop.call_soon_threadsafe(act, context=contextvars.Context())
        except RuntimeError:  # the notebook's loop is closed: the kernel is going
            return
        with contextlib.suppress(TimeoutError):
            done.result(_DONE_WITHIN)

    def sync(self) -> None:
        """Show what has come by now."""
        self._do(self._advance)

    def _advance(self) -> None:
        self._head.advance(self._clock())
        self._show()

    def start_cell(self) -> None:
        """Show what has come by now before a cell runs.

        A cell of a subshell runs beside one of the notebook's own, in which the frame must not move.
        """
        if threading.get_ident() == self._home:
            self.sync()

    def _move(self) -> None:
        """Show a new position, let who waits look, and plan the next row."""
        self._moves += 1
        self._follow()

    def _follow(self) -> None:
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
            tick = weakref.WeakMethod(self._tick)  # a replay whose frame nobody holds any more ends by itself
            self._timer = self._loop.call_later(max(due_in, REFRESH), _call, tick, context=contextvars.Context())

    def _tick(self) -> None:
        self._timer = None
        self._head.advance(self._clock())
        self._follow()
        self._tell()

    # --- who looks ------------------------------------------------------------------------------------------------

    def observe(self, seen: Seen, failed: Failed | None = None, *, only_end: bool = False) -> Callable[[], None]:
        """Call ``seen`` after the frame was shown anew or the replay was moved; see ``Stream.observe``.

        ``only_end``: only where it has been played to its end, or was stopped.
        """
        return self._observers.add(seen, failed, (self._shown, self._moves), only_end=only_end)

    def _tell(self, *, is_hurried: bool = True) -> None:
        is_over = self._state() in {"finished", "stopped"}
        self._observers.tell((self._shown, self._moves), is_hurried=is_hurried, is_over=is_over)

    # --- for the user ---------------------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """Where the replay stands; ``as_of`` is the virtual time."""
        with self._moving:
            self._head.advance(self._clock())
            row, until = self._position()
            time, state = self._head.time, self._state()
        gaps, rejected = self._known.counts(row, until)
        return dataclasses.replace(
            self._about,
            state=state,
            events=row,
            waiting=max(0, row - len(self.frame)),
            as_of=_moment(time),
            last_event_at=_moment(int(self._head.times[row - 1])) if row else None,
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
        self._do(self._play)

    def _play(self) -> None:
        if not self._head.playing:
            self._head.play(self._clock())
        self._head.advance(self._clock())
        self._move()

    resume = play

    def pause(self) -> None:
        """Stand still."""
        self._do(self._pause)

    def _pause(self) -> None:
        self._head.pause(self._clock())
        self._move()

    def step(self, n: int = 1) -> None:
        """Move by ``n`` rows, back where negative, at most to either end, and stand still there."""
        self._refuse_if_stopped("step()")
        rows = operator.index(n)
        self._do(lambda: self._step(rows))

    def _step(self, rows: int) -> None:
        self._head.advance(self._clock())
        self._head.step(rows)
        self._move()

    def seek(self, to: Moment) -> None:
        """Move to where ``to`` rows are there, or to a time of the recording (``"10:30"``, a Timestamp; KST).

        Raises
        ------
        ValueError
            It is outside of the recording, or no time.
        """
        self._refuse_if_stopped("seek()")
        self._do(lambda: self._seek(to))

    def _seek(self, to: Moment) -> None:
        self._head.advance(self._clock())
        if isinstance(to, int | np.integer):
            self._head.seek_row(int(to))
        else:
            self._seek_time(to)
        self._move()

    def _seek_time(self, to: Any) -> None:
        first, last = _moment(int(self._head.times[0])), _moment(int(self._head.times[-1]))
        stamp = _parse(to, first.date())
        try:
            self._head.seek_time((stamp - _EPOCH) // pd.Timedelta(1, "us"))
        except ValueError:
            # The span is told to the microsecond: "09:00:00" may be a moment before the first event.
            raise ValueError(
                f"{stamp:%Y-%m-%d %H:%M:%S.%f} is outside of the recording, "
                f"which goes from {first:%Y-%m-%d %H:%M:%S.%f} to {last:%Y-%m-%d %H:%M:%S.%f} KST."
            ) from None

    @property
    def speed(self) -> float:
        """How much faster than the recorded clock."""
        return self._head.speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._do(lambda: self._set_speed(speed))

    def _set_speed(self, speed: float) -> None:
        self._head.set_speed(speed, self._clock())
        self._move()

    def stop(self) -> None:
        """End the replay; the frame stays as it is."""
        self._do(self._stop)

    def _stop(self) -> None:
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
        self._do(self._advance, is_hurried=False)
        settled = self._look(wanted)
        if settled is not None:
            self._tell()
        return settled

    def _look(self, wanted: int) -> bool | None:
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


def _column_by_column(recording: pd.DataFrame) -> pd.DataFrame:
    """Return a copy whose columns lie each in one piece: those of frames put together or sorted may not."""
    columns = {name: recording[name].copy() for name in recording}
    copy = pd.DataFrame(columns, index=recording.index, copy=False)
    copy.attrs = recording.attrs
    return copy


class _Known:
    """The gaps, rejects and holdings of a recording, as far as they were known at a row and a virtual time."""

    def __init__(self, recording: pd.DataFrame) -> None:
        self._told = told_by(recording)
        self._places = _places(recording, self._told.rejected)
        self._befores = [int(np.searchsorted(recording.index, held.row)) for held in self._told.holdings]

    def counts(self, row: int, until: int | None) -> tuple[int, int]:
        """Return how many gaps had begun, and how many rejects there were; at the end ``until`` is None."""
        if until is None:
            return len(self._told.gaps), len(self._told.rejected)
        return sum(gap.start <= until for gap in self._told.gaps), len(self._rejected_by(row, until))

    def version(self, row: int, until: int | None) -> tuple[int, ...]:
        """Return what changes whenever that which was known changes."""
        if until is None:
            return (-1,)
        ended = sum(gap.end is not None and gap.end <= until for gap in self._told.gaps)
        return (*self.counts(row, until), ended, len(self._holdings_by(row, until)))

    def until(self, row: int, until: int | None) -> str:
        """Return them as JSON; a gap that lasts at the moment has no end yet."""
        if until is None:
            return self._told.to_json()
        holdings = self._holdings_by(row, until)
        read_at = max((held.at for held in holdings), default=0)
        gaps = [_as_of(gap, until, read_at) for gap in self._told.gaps if gap.start <= until]
        return Told(gaps, self._rejected_by(row, until), holdings).to_json()

    def _rejected_by(self, row: int, until: int) -> list[Reject]:
        """Return the rejects so far. One of a row is known with its row: rows may share a moment."""
        return [
            reject
            for reject, place in zip(self._told.rejected, self._places, strict=True)
            if (reject.received_at <= until if place is None else place < row)
        ]

    def _holdings_by(self, row: int, until: int) -> list[Holdings]:
        told = zip(self._told.holdings, self._befores, strict=True)
        return [held for held, before in told if before <= row and held.at <= until]


def _as_of(gap: Gap, until: int, read_at: int) -> Gap:
    """Return ``gap`` as it was known: its end once it had ended, what was missed once the account was asked again."""
    if gap.end is None or gap.end > until:
        return gap._replace(end=None, missed=None)
    return gap if gap.end <= read_at else gap._replace(missed=None)


def _places(recording: pd.DataFrame, rejected: list[Reject]) -> list[int | None]:
    """Return at which place the row of each reject is (its label is told), None where there is no such row."""
    labels = [reject.row for reject in rejected]
    wanted = {label for label in labels if label is not None}
    places = {label: place for place, label in enumerate(recording.index) if label in wanted} if wanted else {}
    return [places.get(label) for label in labels]


def name_of(source: object) -> str:
    """Return a short name of what is replayed: the sample, the synthetic day, or the name of the file or folder."""
    if samples.is_sample(source):
        return source
    if isinstance(source, TradingDay):
        return f"simulate(seed={source.seed}, date={source.date})"
    return Path(str(source)).expanduser().absolute().name or str(source)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    alive = method()
    if alive is not None:
        alive()


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1_000_000, UTC).replace(microsecond=at % 1_000_000).astimezone(KST)


def _parse(to: Any, day: date) -> pd.Timestamp:
    """Read a time; one without a date is of the recording's first day, one without a zone is KST."""
    try:
        stamp = _read(to, day)
    except (TypeError, ValueError) as exc:
        raise ValueError(f'{to!r} is no time: give a row, "10:30", or a date and time.') from exc
    return stamp.tz_localize(TIMEZONE) if stamp.tz is None else stamp.tz_convert(TIMEZONE)


def _read(to: Any, day: date) -> pd.Timestamp:
    if isinstance(to, time_of_day):
        return pd.Timestamp(datetime.combine(day, to))
    if isinstance(to, str) and _TIME_ONLY.match(to):
        return pd.Timestamp(f"{day} {to}")
    if not isinstance(to, str | date | np.datetime64):
        raise TypeError("a number of nothing in particular is no time")
    stamp = pd.Timestamp(to)
    if pd.isna(stamp):
        raise ValueError("blank is no time")
    return stamp
