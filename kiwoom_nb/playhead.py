"""Playhead: where a replay stands, on a virtual clock. No I/O, and it never reads a clock: it is told the time.

A recording has a *timeline* in seconds of playing: the times of its rows without what of a long silence is left out.
Playing is moving along it; seeking, stepping back and scrubbing cost the same as a step forward.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

SLOWEST: Final = 0.25


class Playhead:
    """Position, speed and direction of a replay.

    Parameters
    ----------
    times
        When each row arrived, microseconds since the epoch (``int64``). Where the recorded clock ran backwards the
        virtual one stands still: rows keep their order.
    speed
        How much faster than the recorded clock, from 0.25 to infinity (all at once).
    max_silence
        Longest silence to sit through, in recorded seconds; None: all of it.

    Raises
    ------
    ValueError
        A speed below 0.25, or a silence of zero or less.
    """

    def __init__(self, times: npt.NDArray[np.int64], speed: float = 1.0, max_silence: float | None = None) -> None:
        if max_silence is not None and not max_silence > 0:
            raise ValueError(f"max_silence must be more than 0 seconds, not {max_silence!r}.")
        self.times = np.maximum.accumulate(times)
        silences = np.diff(self.times, prepend=self.times[:1]) / 1e6
        self._timeline = np.cumsum(silences if max_silence is None else np.minimum(silences, max_silence))
        self.row = 0
        self.playing = False
        self._seconds = 0.0  # on the timeline, at the moment that _since names
        self._since = 0.0
        self._speed = _checked(speed)

    @property
    def rows(self) -> int:
        """How many rows there are to play."""
        return len(self.times)

    @property
    def speed(self) -> float:
        """How much faster than the recorded clock."""
        return self._speed

    def play(self, now: float) -> None:
        """Move from here on; from the beginning again where the end was reached."""
        if self.row == self.rows:
            self._stand(0, 0.0)
        self._since = now
        self.playing = True

    def pause(self, now: float) -> None:
        """Stand still."""
        self.advance(now)
        self.playing = False

    def set_speed(self, speed: float, now: float) -> None:
        """Go on at another speed."""
        checked = _checked(speed)
        self.advance(now)
        self._speed = checked

    def advance(self, now: float) -> bool:
        """Move to where the replay stands at ``now`` (seconds of a clock that never runs back); tell if rows came."""
        if not self.playing:
            return False
        before = self.row
        elapsed = now - self._since
        self._seconds = math.inf if math.isinf(self._speed) else self._seconds + elapsed * self._speed
        self._since = now
        reached = int(np.searchsorted(self._timeline, self._seconds, side="right"))
        self.row = max(before, reached)  # never back by a rounding error of a seek
        if self.row == self.rows:
            self._stand(self.rows, self._end)
            self.playing = False
        return self.row != before

    def due_in(self) -> float | None:
        """Return in how many seconds the next row comes, None if none will."""
        if not self.playing or self.row == self.rows:
            return None
        ahead = float(self._timeline[self.row]) - self._seconds
        return 0.0 if math.isinf(self._speed) else max(0.0, ahead / self._speed)

    def step(self, rows: int) -> None:
        """Move by so many rows, back where negative, at most to either end; then stand still."""
        self.playing = False
        self.seek_row(min(max(self.row + rows, 0), self.rows))

    def seek_row(self, row: int) -> None:
        """Move to where ``row`` rows are there; raise ValueError outside of the recording."""
        if not 0 <= row <= self.rows:
            raise ValueError(f"There are {self.rows} rows: seek to a row from 0 to {self.rows}, not {row}.")
        self._stand(row, float(self._timeline[row - 1]) if row else 0.0)

    def seek_time(self, time: int) -> None:
        """Move to a moment (microseconds since the epoch); raise ValueError outside of the recording."""
        if not self.rows or not self.times[0] <= time <= self.times[-1]:
            raise ValueError("That is outside of the recording.")
        row = int(np.searchsorted(self.times, time, side="right"))
        self._stand(row, _between(time, self.times, self._timeline))

    @property
    def time(self) -> int:
        """The virtual time, microseconds since the epoch."""
        if not self.rows:
            return 0
        return (
            round(_between(min(self._seconds, self._end), self._timeline, self.times))
            if self.row
            else int(self.times[0])
        )

    @property
    def _end(self) -> float:
        return float(self._timeline[-1]) if self.rows else 0.0

    def _stand(self, row: int, seconds: float) -> None:
        self.row = row
        self._seconds = seconds


def _between(at: float, known: npt.NDArray[Any], values: npt.NDArray[Any]) -> float:
    """Return the value at ``at`` by the two known points around it, whatever the number of points."""
    right = int(np.searchsorted(known, at, side="right"))
    if right == 0 or right == len(known):
        return float(values[max(right - 1, 0)])
    left = right - 1
    share = (at - known[left]) / (known[right] - known[left])
    return float(values[left]) + float(share) * float(values[right] - values[left])


def _checked(speed: float) -> float:
    if math.isnan(speed) or speed < SLOWEST:
        raise ValueError(f"speed must be {SLOWEST} or more (infinity: all at once), not {speed!r}.")
    return float(speed)
