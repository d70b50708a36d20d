"""Whether the line was up, and the gaps in which it was not. No I/O, no clock: it is told what a journal also notes."""

from __future__ import annotations

from typing import Final, NamedTuple

STOPPED: Final = "stopped"
INTERRUPTED: Final = "interrupted"


class Gap(NamedTuple):
    """A time in which the line was down: microseconds since the epoch; ``end`` is None while it lasts.

    ``missed`` counts the positions that had changed after it, None where nobody knows (yet).
    """

    start: int
    end: int | None
    reason: str
    missed: int | None = None


class Line:
    """Whether the line was up, and the gaps in which it was not; fed with what a journal also notes."""

    def __init__(self) -> None:
        self._gaps: list[Gap] = []
        self._up = False
        self.last_heard = 0

    def gaps(self) -> list[Gap]:
        """Return the gaps so far in order; of a stream that was stopped the pause shows once it goes on."""
        return [gap for gap in self._gaps if gap.end is not None or gap.reason != STOPPED]

    def missed(self, positions: int) -> None:
        """Note of the last gap, which has ended, that so many (more) positions had changed after it."""
        if self._gaps and self._gaps[-1].end is not None:
            self._gaps[-1] = self._gaps[-1]._replace(missed=positions + (self._gaps[-1].missed or 0))

    def heard(self, at: int) -> None:
        """Note that something was received."""
        if self._up:
            self.last_heard = at

    def connected(self, at: int) -> None:
        """Note that balance events are pushed from now on: a gap that lasted ends."""
        if not self._end_gap(at) and self._up:  # nobody noted the end: the process was killed
            self._begin_gap(self.last_heard, INTERRUPTED)
            self._end_gap(at)
        self._up = True
        self.last_heard = at

    def continued(self, at: int) -> None:
        """Note that the line was up when a new journal began (at midnight), with nothing missing before it."""
        self._end_gap(at)
        self._up = True
        self.last_heard = at

    def disconnected(self, since: int, reason: str) -> None:
        """Note that the line is down, and since when nothing was heard."""
        if self._up:
            self._begin_gap(since, reason)
        self._up = False

    # The machine's clock may be set back: a gap never begins before the last one ended, nor ends before it began.

    def _begin_gap(self, start: int, reason: str) -> None:
        earliest = self._gaps[-1].end if self._gaps else None
        self._gaps.append(Gap(start if earliest is None else max(start, earliest), None, reason))

    def _end_gap(self, at: int) -> bool:
        lasts = bool(self._gaps) and self._gaps[-1].end is None
        if lasts:
            self._gaps[-1] = self._gaps[-1]._replace(end=max(at, self._gaps[-1].start))
        return lasts
