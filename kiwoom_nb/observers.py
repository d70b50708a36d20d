"""Observers: who hears that a frame was shown anew or that its status changed. Streams and replays share it.

Where there is a notebook they are called by its loop, in a step of their own; in a script, where rows appear only when
somebody asks, by who asks. Nothing polls: who is never told that something changed calls nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import time
import weakref
from collections.abc import Callable
from types import MethodType
from typing import Final, TypeVar

PAUSE: Final = 0.1
"""Seconds between two calls of an observer at the least."""

Seen = Callable[[], None]
Failed = Callable[[Exception], None]
_Call = TypeVar("_Call", Seen, Failed)


class Observers:
    """Who looks at one source.

    Parameters
    ----------
    loop
        The notebook's loop, on which they are called; None where there is none: then by who calls :meth:`tell`.

    Attributes
    ----------
    error
        The last exception that an observer (or its ``failed``) raised, None if none did.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.error: Exception | None = None
        self._loop = loop
        self._observers: dict[int, _Observer] = {}
        self._numbers = itertools.count()
        self._version: object = None
        self._is_planned = False
        self._is_telling = False
        self._told_at = float("-inf")

    def __bool__(self) -> bool:
        """Tell whether anybody looks; who only waits for the end does not."""
        return self.hear(is_over=False)

    def hear(self, *, is_over: bool) -> bool:
        """Tell whether anybody would hear of a change, the last one if ``is_over``."""
        return any(is_over or not observer.only_end for observer in tuple(self._observers.values()))

    def add(self, seen: Seen, failed: Failed | None, version: object, *, only_end: bool = False) -> Callable[[], None]:
        """Call ``seen`` from now on whenever something changed; return what ends it.

        A bound method is held weakly: its observer ends with its object. ``version`` is what can be seen now. With
        ``only_end`` it is called only of changes after which no other one comes by itself.
        """
        if not self:
            self._version = version
        number = next(self._numbers)
        self._observers[number] = _Observer(seen, failed, version, only_end=only_end)
        return lambda: self._remove(number)

    def _remove(self, number: int) -> None:
        self._observers.pop(number, None)

    def tell(self, version: object, *, is_hurried: bool = True, is_over: bool = False) -> None:
        """Let them look, unless ``version`` says that nothing changed since; from any thread.

        In a script they are called at once, where not ``is_hurried`` only if the last call was a while ago.
        ``is_over``: nothing more comes by itself, so that those hear of it, too, who wait for the end alone.
        """
        is_new = bool(self) and version != self._version
        if not (is_over and self._wake(version)) and not is_new:
            return
        if self._loop is None:
            self._tell_here(version, is_hurried=is_hurried)
            return
        self._version = version
        self._plan(self._loop)

    def _wake(self, version: object) -> bool:
        """Let those look who wait for the end and do not know this one yet; return whether there are any."""
        waiting = [observer for observer in tuple(self._observers.values()) if observer.only_end]
        for observer in waiting:
            observer.is_due |= observer.version != version
            observer.version = version
        return any(observer.is_due for observer in waiting)

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_planned:
            self._is_planned = True
            with contextlib.suppress(RuntimeError):  # the notebook's loop is closed: the kernel is going
                loop.call_soon_threadsafe(self._call_later, loop, context=contextvars.Context())

    def _call_later(self, loop: asyncio.AbstractEventLoop) -> None:
        pause = max(0.0, self._told_at + PAUSE - loop.time())
        loop.call_later(pause, self._call_on, loop, context=contextvars.Context())

    def _call_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_planned = False
        self._told_at = loop.time()
        try:
            self._call()
        except BaseException:  # the user's interrupt: who was not called yet is called in a while
            self._plan(loop)
            raise

    def _tell_here(self, version: object, *, is_hurried: bool) -> None:
        """Call them; what changes meanwhile (an observer may itself ask for rows) is told the next time."""
        now = time.monotonic()
        if self._is_telling or not (is_hurried or now - self._told_at >= PAUSE):
            return
        self._is_telling, self._told_at = True, now
        try:
            self._call()
            self._version = version
        finally:
            self._is_telling = False

    def _call(self) -> None:
        for number, observer in list(self._observers.items()):
            if number not in self._observers or not observer.is_due:  # another one ended it just now, or it waits
                continue
            try:
                is_there = observer.call()
            except Exception as exc:  # noqa: BLE001 - it is the observer's own; the stream and the others go on
                self.error = exc
                is_there = True
            if not is_there:
                self._remove(number)


class _Observer:
    """One observer; bound methods of it are held weakly."""

    def __init__(self, seen: Seen, failed: Failed | None, version: object, *, only_end: bool) -> None:
        self.only_end = only_end
        self.version = version
        self.is_due = not only_end
        self._seen = _held(seen)
        self._failed = None if failed is None else _held(failed)

    def call(self) -> bool:
        """Call it and return True, False where it is not there any more. What it raises goes to ``failed``."""
        self.is_due = not self.only_end
        seen = self._seen()
        if seen is None:
            return False
        try:
            seen()
        except Exception as exc:
            failed = None if self._failed is None else self._failed()
            if failed is not None:
                failed(exc)
            raise
        return True


def _held(call: _Call) -> Callable[[], _Call | None]:
    return weakref.WeakMethod(call) if isinstance(call, MethodType) else lambda: call
