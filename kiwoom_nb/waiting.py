"""Waiting for rows: in a cell, in a coroutine of any loop, or on a thread. Streams and replays share it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

LOOK_AGAIN: Final = 1.0
"""Seconds after which a wait looks by itself: some platforms deliver an interrupt to a thread only then."""

_GATHER: Final = 0.01  # seconds before looking again: what comes in a burst is decoded together

Block = Callable[[Coroutine[Any, Any, bool]], bool]
"""Runs a coroutine to its end inside the running loop of a notebook."""


class Waits:
    """Who waits for rows of one source.

    Parameters
    ----------
    rows
        Return how many rows the frame shows.
    settle
        Return True once so many rows are there (and show them), False if they never will be, None while they may
        come; raise what ended the source. Called on the thread that waits.
    pause
        Return for how many seconds at most to sleep before looking again.
    """

    def __init__(
        self,
        rows: Callable[[], int],
        settle: Callable[[int], bool | None],
        pause: Callable[[], float] = lambda: LOOK_AGAIN,
    ) -> None:
        self._rows = rows
        self._settle = settle
        self._pause = pause
        self._bells: set[threading.Event] = set()  # one each: who clears a shared one may take another's ring away
        self._waiters: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Let all who wait look again; from any thread."""
        self.ring_threads()
        for waiter in tuple(self._waiters):
            try:
                waiter.get_loop().call_soon_threadsafe(_set, waiter)
            except RuntimeError:  # its loop is closed: nobody waits there any more
                self._waiters.discard(waiter)

    def ring_threads(self) -> None:
        """Let those look again who block a thread; the others are woken when the frame is refreshed."""
        for bell in tuple(self._bells):
            if not bell.is_set():  # asked for each frame, and setting it takes a lock
                bell.set()

    def block(self, n: int | None, timeout: float | None) -> bool:
        """Wait on this thread until ``n`` rows are there (default: one more than now); return whether they are."""
        wanted = self._rows() + 1 if n is None else n
        ends_at = float("inf") if timeout is None else time.monotonic() + timeout
        bell = threading.Event()
        self._bells.add(bell)
        try:
            while True:
                bell.clear()  # before it looks: what comes meanwhile rings
                settled = self._settle(wanted)
                remaining = ends_at - time.monotonic()
                if settled is not None or remaining <= 0:
                    return bool(settled)
                bell.wait(max(0.0, min(remaining, self._pause(), LOOK_AGAIN)))
                time.sleep(min(_GATHER, remaining))
        finally:
            self._bells.discard(bell)

    async def changed(self, n: int | None, timeout: float | None) -> bool:  # noqa: ASYNC109 - as in the API contract
        """Wait in a coroutine; see :meth:`block`."""
        wanted = self._rows() + 1 if n is None else n
        ends_at = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)  # before it looks: what comes meanwhile rings for it
            try:
                settled = self._settle(wanted)
                remaining = ends_at - time.monotonic()
                if settled is not None or remaining <= 0:
                    return bool(settled)
                await asyncio.wait([waiter], timeout=max(0.0, min(remaining, self._pause())))
                await asyncio.sleep(min(_GATHER, remaining))
            finally:
                self._waiters.discard(waiter)
                waiter.cancel()


def runs_in(loop: asyncio.AbstractEventLoop | None) -> bool:
    """Tell whether the caller runs in ``loop`` (in a step of it), so that blocking needs nesting."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _set(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
