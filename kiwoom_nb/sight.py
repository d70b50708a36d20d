"""Sight: whether anybody sees a widget. Its pages say when they look at it and when they look away.

A page that is gone without a word (it crashed, the network is down) cannot say so, and a kernel is not told that a
page has left. So a page that looks also answers, within ten seconds, that it got a change; one that leaves a change
without an answer for a minute is taken to be gone, and is back with its next word. While nothing changes nobody asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

SILENT: Final = 60.0
"""Seconds after which a page that has not answered is taken to be gone."""


class Sight:
    """Who looks; ``changed`` is called whenever the first page looks or the last one looks away.

    Until a page has said anything it counts as seen: there may be none that could (a script, nbclient).
    """

    def __init__(self, changed: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.is_seen = True
        self._changed = changed
        self._clock = clock
        self._waiting: dict[str, float | None] = {}  # since when each page owes an answer
        self._counting = threading.Lock()  # what a page says may come on another thread

    def hear(self, message: object) -> None:
        """Take what a page says: it looks (and has what was sent to it), or it has looked away."""
        if not isinstance(message, dict) or message.get("kind") not in {"look", "away"}:
            return
        page = str(message.get("page"))
        with self._counting:
            if message["kind"] == "look":
                self._waiting[page] = None
            else:
                self._waiting.pop(page, None)
        self._settle()

    def sent(self) -> None:
        """Note that a change was sent to the pages, and let go of those that never answered one."""
        now = self._clock()
        with self._counting:
            gone = [page for page, since in self._waiting.items() if since is not None and now - since > SILENT]
            for page in gone:
                del self._waiting[page]
            self._waiting = {page: now if since is None else since for page, since in self._waiting.items()}
        if gone:
            self._settle()

    def _settle(self) -> None:
        with self._counting:
            is_seen = bool(self._waiting)
            is_other = is_seen != self.is_seen
            self.is_seen = is_seen
        if is_other:
            self._changed()
