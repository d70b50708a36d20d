"""``df.kn``: what can be done with a frame, in one place. Each name here is one line; the work is below."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from . import storage
from .errors import NotLive, NotReplayed
from .frame import LiveFrame
from .playback import Moment, Playback
from .status import Status
from .stream import Stream
from .table import gaps_frame, rejected_frame
from .told import ATTRS_KEY


@pd.api.extensions.register_dataframe_accessor("kn")
class Accessor:
    """The ``df.kn`` of a DataFrame; it keeps nothing but the frame (pandas makes a new one at each access)."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        """List what there is to do."""
        names = [name for name in dir(type(self)) if not name.startswith("_")]
        return f"df.kn: {', '.join(names)}"

    # --- on any frame -------------------------------------------------------------------------------------------

    @property
    def gaps(self) -> pd.DataFrame:
        """When the line was down: ``start``, ``end`` (KST; NaT while it lasts) and ``reason``, one row a gap.

        Fills in a gap are in no row: Kiwoom does not send them again.
        """
        return gaps_frame(self._told())

    @property
    def rejected(self) -> pd.DataFrame:
        """What could not be read: ``received_at``, ``row`` (Int64; NA: in no row), ``fid``, ``text``, ``reason``.

        The reasons are ``unreadable`` (a value; its cell is NA), ``unknown_fid``, ``unknown_type``, ``unknown_trnm``,
        ``unknown_system_code`` (told once each), ``not_a_balance_event``, ``no_data``, ``not_json``, ``not_utf8``,
        ``not_an_object`` (a frame or an entry as a whole), ``not_decoded`` (a bug of ours: please report it), and of
        a journal ``torn_line``, ``unreadable_line``, ``not_recorded``. Account numbers in ``text`` are masked like the
        rest; the journal has it all.
        """
        return rejected_frame(self._told())

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write a Parquet file (zstd) from which ``kn.load`` gives back an equal frame; return its path."""
        return storage.write_parquet(self._frame, path)

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write a CSV file that Excel opens with Hangul intact; return its path."""
        return storage.write_csv(self._frame, path)

    def to_excel(self, path: str | os.PathLike[str]) -> Path:
        """Write an Excel workbook (extra ``excel``), times in KST; return its path."""
        return storage.write_excel(self._frame, path)

    # --- on a live or a replayed frame ------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """What the source is doing, current without a sync; its text is readable, ``.state`` and ``.error`` too."""
        return self._source("status").status

    def wait(self, n: int | None = None, timeout: float | None = None) -> bool:
        """Block until ``n`` rows are there (default: one more than now); return whether they are.

        Works in a cell as in a script. On a stream that has ended it returns False at once; after a kick or a failure
        it raises that error. An interrupt ends the wait, never the stream. ``timeout`` is in seconds.
        """
        return self._source("wait()").wait(n, timeout)

    async def changed(self, n: int | None = None, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as wait()
        """Do what :meth:`wait` does without blocking: ``await df.kn.changed()``."""
        return await self._source("changed()").changed(n, timeout)

    def sync(self) -> None:
        """Show what has arrived; in a notebook that happens by itself."""
        self._source("sync()").sync()

    def pause(self) -> None:
        """Hold the frame still. A stream goes on receiving and recording; a replay stands still itself."""
        self._source("pause()").pause()

    def resume(self) -> None:
        """Let the frame grow again, with what arrived meanwhile."""
        self._source("resume()").resume()

    def stop(self) -> None:
        """End the stream and close its journal, or end the replay; the frame stays as it is."""
        self._source("stop()").stop()

    # --- on a replayed frame ----------------------------------------------------------------------------------------

    def play(self) -> None:
        """Go on from here; from the beginning once the end was reached."""
        self._playback("play()").play()

    def step(self, n: int = 1) -> None:
        """Move by ``n`` rows, back where negative, at most to either end, and stand still there."""
        self._playback("step()").step(n)

    def seek(self, to: Moment) -> None:
        """Move to where ``to`` rows are there, or to a time of the recording (``"10:30"``, a Timestamp; KST).

        Raises ValueError outside of the recording.
        """
        self._playback("seek()").seek(to)

    @property
    def speed(self) -> float:
        """How much faster than the recorded clock, from 0.25 to infinity; set it to change it."""
        return self._playback("speed").speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._playback("speed").speed = speed

    def _source(self, call: str) -> Stream | Playback:
        source = self._frame._source if isinstance(self._frame, LiveFrame) else None  # noqa: SLF001 - ours
        if isinstance(source, Stream | Playback):
            return source
        raise NotLive(call)

    def _playback(self, call: str) -> Playback:
        source = self._source(call)
        if isinstance(source, Playback):
            return source
        raise NotReplayed(call)

    def _told(self) -> str:
        text = self._frame.attrs.get(ATTRS_KEY, "")
        return text if isinstance(text, str) else ""
