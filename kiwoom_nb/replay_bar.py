"""The transport bar of a replay: play, step, scrub, speed, and jumps to the next fill and to the largest drawdown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anywidget
import numpy as np
import pandas as pd
import traitlets

from .dashboard_labels import say
from .fills import fills
from .keyed import moments
from .playback import Playback
from .pnl import realized_pnl
from .told import told_by

_STATIC: Final = Path(__file__).parent / "static"
_SPEEDS: Final = (1.0, 5.0, 20.0, 60.0, 300.0, 1_000.0, float("inf"))
_MARKS: Final = 200  # ticks for events: more than pixels can tell apart help nobody


class ReplayBar(anywidget.AnyWidget):
    """Drives ``playback``.

    Attributes
    ----------
    is_held
        Whether somebody moves it by hand: what was pressed last was a step, a jump or the slider.
    """

    _esm = _STATIC / "replay_bar.js"
    _css = _STATIC / "replay_bar.css"
    state = traitlets.Dict().tag(sync=True)
    marks = traitlets.List(traitlets.Dict()).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)
    speeds = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)

    def __init__(self, playback: Playback, failed: Callable[[Exception], None]) -> None:
        self._playback = playback
        self._failed = failed
        self.is_held = False
        recording = playback.recording
        self._times = moments(recording["received_at"])
        self._deepest = _deepest_row(recording)
        self._fills = fills(recording)["row"].dropna().to_numpy(np.int64) + 1  # after so many rows there is one more
        words = {word: say(word) for word in _WORDS} | {"pause": say("hold")}
        speeds = _choices(self._speed())
        super().__init__(state=self._now(), marks=self._make_marks(recording), words=words, speeds=speeds)
        self.on_msg(self._take)

    def refresh(self) -> None:
        """Show where the replay stands."""
        speeds = _choices(self._speed())
        if speeds != self.speeds:
            self.speeds = speeds  # before the state, which names one of them
        state = self._now()
        if state != self.state:
            self.state = state

    def _speed(self) -> float:
        return float(self._playback.speed)

    def _now(self) -> dict[str, Any]:
        status = self._playback.status
        return {
            "row": status.events,
            "total": status.total,
            "playing": status.state == "replaying",
            "ended": status.state == "stopped",
            "speed": _speed_key(self._speed()),
            "clock": "" if status.as_of is None else f"{status.as_of:%H:%M:%S}",
        }

    def _take(self, _: object, message: dict[str, Any], __: object) -> None:
        """Do what a button asks; what goes wrong is shown under the dashboard, not printed into a cell."""
        try:
            self._do(message)
        except Exception as exc:  # noqa: BLE001 - from the page: nobody else would see it
            self._failed(exc)
        self.refresh()

    def _do(self, message: dict[str, Any]) -> None:
        playback = self._playback
        action = message.get("do")
        self.is_held = action not in {"toggle", "speed"}
        if action == "toggle":
            playback.pause() if playback.status.state == "replaying" else playback.play()
        elif action == "step":
            playback.step(int(message["n"]))
        elif action == "seek":
            playback.seek(int(message["row"]))
        elif action == "speed":
            playback.speed = float(message["speed"])
        elif action == "next_fill":
            later = self._fills[self._fills > playback.status.events]
            playback.pause()
            playback.seek(int(later[0]) if len(later) else len(self._times))
        elif action == "drawdown":
            playback.pause()
            playback.seek(self._deepest)

    def _make_marks(self, recording: pd.DataFrame) -> list[dict[str, Any]]:
        rows = len(recording)
        marks: list[dict[str, Any]] = [
            {"kind": "fill", "at": place / rows, "text": ""}
            for place in self._fills[:: max(1, len(self._fills) // _MARKS)].tolist()
        ]
        for gap in told_by(recording).gaps:
            place = int(np.searchsorted(self._times, gap.start))
            marks.append({"kind": "gap", "at": place / rows, "text": say("gaps", count=1)})
        marks.append({"kind": "drawdown", "at": self._deepest / rows, "text": say("drawdown_short")})
        return marks


_WORDS: Final = (
    "bar",
    "play",
    "begin",
    "back",
    "forward",
    "scrub",
    "speed",
    "next_fill",
    "next_fill_short",
    "drawdown",
    "drawdown_short",
)


def _deepest_row(recording: pd.DataFrame) -> int:
    """Return after how many rows realized P&L is deepest below its highest."""
    so_far = realized_pnl(recording)
    values = so_far.to_numpy()
    fall = values - np.maximum.accumulate(np.maximum(values, 0))
    at = so_far.index[int(np.argmin(fall))]
    return int((recording["received_at"] <= at).sum())


def _choices(speed: float) -> list[list[str]]:
    """Return the speeds to choose from, the present one among them."""
    return [[_speed_key(choice), _speed_text(choice)] for choice in sorted({*_SPEEDS, speed})]


def _speed_key(speed: float) -> str:
    return "inf" if speed == float("inf") else f"{speed:g}"


def _speed_text(speed: float) -> str:
    return say("all_at_once") if speed == float("inf") else f"{speed:g}×"
