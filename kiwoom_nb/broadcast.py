"""Playing a recording to everyone who registers: the pace, the loop, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from .account_book import Book, Day, Told
from .holdings import read_pages
from .schema import Unreadable
from .simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .journal import Entry

TimedFrame: TypeAlias = tuple[int, bytes]

_BURST = 64  # frames that are late go out in bursts of at most this many; the clients' writers run in between
_BREATH = 0.002  # seconds between two looks at clients that are to catch up


class Recording(Protocol):
    """What can be played: each call of ``frames`` starts at the first frame again.

    One that also has ``accounts`` and ``holdings(at)``, as a day of :func:`kiwoom_nb.simulate`, or ``told``, as
    :class:`Journals`, says what the account held before its frames.
    """

    def frames(self) -> Iterable[TimedFrame]:
        """Return (microseconds since the epoch UTC, raw frame) pairs."""


class Journals:
    """Recorded sessions as they are played again: their frames, and what was held as they tell.

    Parameters
    ----------
    frames
        (microseconds since the epoch UTC, raw frame) pairs in order of time.
    entries
        The lines of the journals that tell what an account held. Such as cannot be read are passed over.
    """

    def __init__(self, frames: Sequence[TimedFrame], entries: Iterable[Entry]) -> None:
        self._frames = frames
        self.told: list[Told] = []
        for entry in entries:
            with contextlib.suppress(Unreadable):
                at = entry.received_at if entry.asked_at is None else entry.asked_at
                self.told.append(Told(at, entry.account, read_pages(entry.pages)))
        self.told.sort(key=lambda told: told.at)

    def frames(self) -> Sequence[TimedFrame]:
        """Return the frames with their times."""
        return self._frames


Source: TypeAlias = "Iterable[TimedFrame] | Recording | None"


async def play(
    simulator: Simulator,
    source: Source,
    *,
    speed: float = 1.0,
    loop: bool = False,
    stall_timeout: float = 5.0,
) -> None:
    """Push the frames of ``source`` at the pace of their times, from when enough sessions are registered.

    There is one clock for all: whoever registers later joins in the middle. A frame whose time lies before the one
    ahead of it goes out at once. With ``speed=float("inf")`` the clients set the pace, and one that takes nothing for
    ``stall_timeout`` seconds is closed; at any other speed no client is waited for. The iterable is read on the event
    loop and must not block.

    Raises
    ------
    TypeError, ValueError
        ``source`` or ``speed`` is not of the kind described, or ``loop=True`` asks for an iterator twice.
    """
    await Broadcast(simulator, source, speed=speed, loop=loop, stall_timeout=stall_timeout).play()


class Broadcast:
    """One broadcast, which tells other threads how it ended. The options are those of :func:`play`.

    Attributes
    ----------
    finished
        A ``threading.Event``: the source has been pushed to its end, or failed.
    error
        What the source raised, if it did.
    """

    def __init__(self, simulator: Simulator, source: Source, *, speed: float, loop: bool, stall_timeout: float) -> None:
        self.finished = threading.Event()
        self.error: Exception | None = None
        self._simulator = simulator
        self._frames = _frames_of(source, speed, loop)
        self._is_silent = source is None
        self._speed = speed
        self._loop = loop
        self._stall_timeout = stall_timeout
        if not self._is_silent:
            simulator.book = _book_of(source)
        self._burst = max(1, min(_BURST, simulator.max_queued // 2))

    async def run(self) -> None:
        """Play, and take note of how it ended; only a cancellation comes through."""
        try:
            await self.play()
        except Exception as exc:  # noqa: BLE001 - whatever the source raised: there is nobody to raise it to here
            self.error = exc
        self.finished.set()

    async def play(self) -> None:
        """Push what there is, once or without end."""
        if self._is_silent:
            return
        await self._simulator.enough.wait()
        again = await self._play_once()
        while again and self._loop:
            self._simulator.book.restart()
            again = await self._play_once()

    async def _play_once(self) -> bool:
        """Push all frames; return whether there was any."""
        first = None
        now = asyncio.get_running_loop().time
        start = now()
        await asyncio.sleep(0)  # a recording of one instant, in a loop, must not hold the event loop
        for received_at, raw in self._frames():
            first = received_at if first is None else first
            await self._wait(start + (received_at - first) / 1e6 / self._speed - now())
            self._simulator.push(raw, at=received_at)
        return first is not None

    async def _wait(self, delay: float) -> None:
        if delay > 0:
            await asyncio.sleep(delay)
        elif self._simulator.sent % self._burst == 0:
            await asyncio.sleep(0)
            await self._let_clients_read()

    async def _let_clients_read(self) -> None:
        backlog = self._simulator.max_queued // 2
        while self._speed == float("inf") and self._simulator.close_stalled(self._stall_timeout, backlog):  # noqa: ASYNC110
            await asyncio.sleep(_BREATH)  # one look at all clients is cheaper than an event from each


def _book_of(source: Source) -> Book:
    """Return the account behind ``source``; of frames alone nothing is known before the first."""
    if isinstance(source, Journals):
        return Book(told=source.told, begins=source.frames()[0][0])
    is_day = callable(getattr(source, "holdings", None)) and hasattr(source, "accounts")
    return Book(day=cast("Day", source)) if is_day else Book()


def _frames_of(source: Source, speed: float, loop: bool) -> Callable[[], Iterable[TimedFrame]]:
    """Return what gives the frames from the first one on, or say why ``source`` cannot be played like that."""
    if not speed > 0:
        raise ValueError(f"speed={speed!r} is not above zero: 1.0 is the recorded pace, float('inf') no pause at all.")
    if source is None:
        return tuple
    frames = getattr(source, "frames", None)
    if callable(frames):
        return cast("Callable[[], Iterable[TimedFrame]]", frames)
    if isinstance(source, str | bytes) or not hasattr(source, "__iter__"):
        raise TypeError(
            f"A {type(source).__name__} cannot be played: source is an iterable of (microseconds, raw frame) pairs, "
            "an object whose frames() returns one, or None."
        )
    if loop and isinstance(source, Iterator):
        raise ValueError("loop=True needs a source that starts over, and an iterator does not: pass a list of it.")
    return cast("Iterable[TimedFrame]", source).__iter__
