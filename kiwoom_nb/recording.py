"""The Recorder: writes a journal so that nothing that was shown is ever lost.

Each line reaches the operating system before its event is visible (so it survives ``kill -9``); a thread makes it
reach the disk at most a second later (power loss). While the disk is full the lines wait in memory and the stream
goes on; its state line says so.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from . import journal
from .errors import JournalError
from .paths import PRIVATE_FILE, home, make_private_folder

KST: Final = timezone(timedelta(hours=9), "KST")
SYNC_AFTER: Final = 0.5
"""Seconds from a line to the ``fsync`` behind it."""

_BACKLOG: Final = 64 * 2**20  # bytes that wait in memory while the disk is full
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
_sync = getattr(os, "fdatasync", os.fsync)


def kst_date(at: int) -> str:
    """Return the KST trading day (``YYYY-MM-DD``) of a moment in microseconds since the epoch."""
    return datetime.fromtimestamp(at // 1_000_000, KST).date().isoformat()


def journal_folder(server: str) -> Path:
    """Return the folder of the journals of ``server``: recordings of different servers never share one."""
    return home() / "journals" / server


class Recorder:
    """Writes the journal of one connection owner, one file a KST day.

    Parameters
    ----------
    folder
        Where the files go; made if it is missing.
    server, owner
        Name them: ``2026-11-20-demo-5f0c9a8b7c6d.jsonl``. A second recorder of the same owner writes ``...-2.jsonl``.
    at
        Now, in microseconds since the epoch: the day to begin with.

    Raises
    ------
    JournalError
        The folder or the file cannot be written.
    """

    def __init__(self, folder: Path, *, server: str, owner: str, at: int) -> None:
        self.folder = folder
        self.server = server
        self.owner = owner
        self.lost = 0
        self._lost_told = 0
        self._last_at = at
        self._write_error: str | None = None
        self._sync_error: str | None = None
        self._pending = bytearray()
        self._line_is_up = False
        self._swap = threading.Lock()
        self._dirty = threading.Event()
        self._closing = threading.Event()
        self._syncer: threading.Thread | None = None
        self._open(at)

    def __repr__(self) -> str:
        """Name the file."""
        return f"Recorder({str(self.path)!r})"

    @property
    def error(self) -> str | None:
        """Why the journal is not being written just now, None if all is well."""
        return self._write_error or self._sync_error

    # --- in ---------------------------------------------------------------------------------------------------

    def frame(self, received_at: int, raw: bytes) -> None:
        """Write one received frame."""
        self._last_at = received_at
        if received_at >= self._day_ends:
            self._next_day(received_at)
        self._write(journal.frame_line(received_at, raw))

    def event(self, at: int, event: str, **details: str | int) -> None:
        """Write that the line went up or down, or that the user stopped it."""
        if at >= self._day_ends:
            self._next_day(at)
        self._line_is_up = event in {journal.CONNECTED, journal.CONTINUED}
        self._write(journal.event_line(at, event=event, **details))

    def close(self) -> None:
        """Write what waits, make it reach the disk, and release the file. Safe to call twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._dirty.set()
        self._write(b"")
        if self._syncer is not None:
            self._syncer.join()
        self._close_file()

    # --- lines ------------------------------------------------------------------------------------------------

    def _write(self, line: bytes) -> None:
        """Hand ``line`` to the operating system; what it does not take waits for the next call."""
        if self._pending:
            line = self._wait_behind_others(line)
        try:
            written = os.write(self._file, line)
            self._write_error = None if written == len(line) else "the disk is full"
        except OSError as exc:
            written = 0
            self._write_error = exc.strerror or str(exc)
        if written < len(line):
            self._pending = bytearray(line[written:])
        elif self._pending:
            self._pending.clear()
            self._tell_lost()
        self._sync_soon()

    def _wait_behind_others(self, line: bytes) -> bytes:
        if len(self._pending) + len(line) <= _BACKLOG:
            self._pending += line
        elif line:
            self.lost += 1
        return bytes(self._pending)

    def _tell_lost(self) -> None:
        if self.lost > self._lost_told:
            count, self._lost_told = self.lost - self._lost_told, self.lost
            self._write(journal.event_line(self._last_at, event=journal.LOST, count=count))

    # --- files ------------------------------------------------------------------------------------------------

    def _open(self, at: int) -> None:
        day = kst_date(at)
        header = journal.Header(journal.VERSION, self.server, self.owner, day, at)
        try:
            make_private_folder(self.folder)
            self.path, self._lock = self._take_file(day)
            self._file = os.open(self.path, _FLAGS, PRIVATE_FILE)
            torn = _cut_torn_end(self._file)
            if os.fstat(self._file).st_size == 0:
                os.write(self._file, journal.header_line(header))
        except OSError as exc:
            raise JournalError(
                str(getattr(self, "path", self.folder)),
                f"cannot be written: {exc.strerror or exc}",
                "Free or choose another place with record=folder or KIWOOM_NB_HOME, or stream with record=False.",
            ) from exc
        self._inode = os.fstat(self._file).st_ino
        self._day_ends = _next_midnight(day)
        if torn:
            self._write(journal.event_line(at, event=journal.REPAIRED, text=torn.decode("utf-8", "replace")))

    def _take_file(self, day: str) -> tuple[Path, contextlib.AbstractContextManager[object]]:
        """Return the first journal of the day that no other recorder holds, and the lock on it."""
        import filelock

        for name in _names(f"{day}-{self.server}-{self.owner}"):
            path = self.folder / name
            lock = filelock.FileLock(self.folder / f".{name}.lock", timeout=0, mode=PRIVATE_FILE, thread_local=False)
            try:
                lock.acquire()
            except filelock.Timeout:
                continue
            if _can_be_continued(path):
                return path, lock
            lock.release()
        raise AssertionError  # the names do not end

    def _close_file(self) -> None:
        with contextlib.suppress(OSError):
            _sync(self._file)
        os.close(self._file)
        self._lock.__exit__(None, None, None)

    def _next_day(self, at: int) -> None:
        with self._swap:
            self._close_file()
            self._open(at)
        if self._line_is_up:
            self._write(journal.event_line(at, event=journal.CONTINUED))

    # --- the thread that makes lines reach the disk -------------------------------------------------------------

    def _sync_soon(self) -> None:
        self._dirty.set()
        if self._syncer is None:
            self._syncer = threading.Thread(target=self._sync_forever, name="kiwoom_nb-journal", daemon=True)
            self._syncer.start()

    def _sync_forever(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._closing.wait(SYNC_AFTER)
            self._dirty.clear()
            self._sync_now()

    def _sync_now(self) -> None:
        """Sync a duplicate of the file's handle, so that a writer never waits for the disk."""
        with self._swap:
            file = os.dup(self._file)
        try:
            _sync(file)
            self._sync_error = None if self.path.stat().st_ino == self._inode else "the file was replaced"
        except FileNotFoundError:
            self._sync_error = "the file was removed"
        except OSError as exc:
            self._sync_error = exc.strerror or str(exc)
        finally:
            os.close(file)


def _names(stem: str) -> Iterator[str]:
    yield f"{stem}{journal.SUFFIX}"
    number = 2
    while True:
        yield f"{stem}-{number}{journal.SUFFIX}"
        number += 1


def _next_midnight(day: str) -> int:
    midnight = datetime.fromisoformat(day).replace(tzinfo=KST) + timedelta(days=1)
    return int(midnight.astimezone(UTC).timestamp()) * 1_000_000


def _can_be_continued(path: Path) -> bool:
    """Tell whether ``path`` is new, empty, torn in its first line, or a journal of this version."""
    try:
        with path.open("rb") as file:
            first = file.readline()
    except FileNotFoundError:
        return True
    if not first.endswith(b"\n"):
        return True
    header = journal.read_header(first)
    return header is not None and header.version == journal.VERSION


def _cut_torn_end(file: int) -> bytes:
    """Cut off an unterminated last line and return what stood there: it was never shown to anyone."""
    size = os.lseek(file, 0, os.SEEK_END)
    end = size
    tail = b""
    while end > 0 and b"\n" not in tail:
        start = max(0, end - 65536)
        os.lseek(file, start, os.SEEK_SET)
        tail = os.read(file, end - start) + tail
        end = start
    torn = tail[tail.rfind(b"\n") + 1 :]
    if torn:
        os.ftruncate(file, size - len(torn))
    return torn
