"""The Recorder: writes a journal so that nothing that was shown is ever lost.

Each line reaches the operating system before its event is visible (so it survives ``kill -9``); a thread makes it
reach the disk at most a second later (power loss). While the disk is full the lines wait in memory and the stream
goes on; its state line says so. A file that is removed meanwhile is made anew with all its lines.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final, Self

import filelock

from . import journal
from .errors import JournalError
from .paths import PRIVATE_FILE, home, make_private_folder

KST: Final = timezone(timedelta(hours=9), "KST")
SYNC_AFTER: Final = 0.5
"""Seconds from a line to the ``fsync`` behind it."""

_ROLL_AGAIN_AFTER: Final = 10_000_000  # microseconds
_DAY: Final = 86_400_000_000
_PIECE: Final = 1 << 20  # bytes
_ON_THE_LINE: Final = {
    journal.CONNECTED: True,
    journal.CONTINUED: True,
    journal.DISCONNECTED: False,
    journal.STOPPED: False,
}
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
        self._roll_error: str | None = None
        self._sync_error: str | None = None
        self._pending = bytearray()
        self._line_is_up = False
        self._roll_failed_at = -_ROLL_AGAIN_AFTER
        self._swap = threading.Lock()
        self._dirty = threading.Event()
        self._is_dirty = False  # the same as the event, to be asked for each line
        self._closing = threading.Event()
        self._is_closed = False
        self._syncer: threading.Thread | None = None
        self._book = _Book.open(folder, server, owner, at)
        self._begin(at)

    @property
    def path(self) -> Path:
        """The file that is being written."""
        return self._book.path

    def __repr__(self) -> str:
        """Name the file."""
        return f"Recorder({str(self.path)!r})"

    @property
    def error(self) -> str | None:
        """Why the journal is not being written just now, None if all is well."""
        return self._write_error or self._roll_error or self._sync_error

    # --- in ---------------------------------------------------------------------------------------------------

    def frame(self, received_at: int, raw: bytes, *, is_json: bool = False) -> None:
        """Write one received frame. Never raises, as :meth:`event`: :attr:`error` tells what went wrong.

        ``is_json`` says that it was read as JSON already and need not be checked again.
        """
        book = self._book
        self._last_at = received_at
        if not book.begins <= received_at < book.ends:
            self._turn_to(received_at)
        self._write(journal.frame_line(received_at, raw, is_json=is_json))

    def event(self, at: int, event: str, **details: Any) -> None:
        """Write that the line went up or down, that the user stopped it, or another event of the stream."""
        self._turn_to(at)
        if event in _ON_THE_LINE:
            self._line_is_up = _ON_THE_LINE[event]
        self._write(journal.event_line(at, event=event, **details))

    def holdings(self, at: int, asked_at: int, account: str | None, pages: Sequence[bytes]) -> None:
        """Write what ``account`` held at ``asked_at``: pages that :func:`kiwoom_nb.journal.is_object` takes."""
        self._turn_to(at)
        self._write(journal.holdings_line(at, asked_at, account, pages))

    def close(self) -> None:
        """Write what waits, make it reach the disk, and release the file. Safe to call twice.

        What the disk still does not take is lost: :attr:`lost` counts it.
        """
        if self._is_closed:
            return
        self._flush()
        self.lost += self._pending.count(b"\n")
        self._is_closed = True
        self._closing.set()
        self._dirty.set()
        if self._syncer is not None:
            self._syncer.join()
        self._book.close()

    # --- lines ------------------------------------------------------------------------------------------------

    def _write(self, line: bytes) -> None:
        """Hand ``line`` to the operating system; what it does not take waits for the next call."""
        if self._pending or self._is_closed:
            self._write_later(line)
        else:
            written = self._hand_over(line)
            if written < len(line):
                self._pending += line[written:]
        if not self._is_dirty:
            self._sync_soon()

    def _write_later(self, line: bytes) -> None:
        """Try again what waits, then ``line``; the file of a closed recorder may be another's by now."""
        if not self._is_closed:
            self._flush()
            if not self._pending:
                self._pending += line[self._hand_over(line) :]
                return
            if len(self._pending) + len(line) <= _BACKLOG:
                self._pending += line
                return
        self.lost += 1

    def _flush(self) -> None:
        """Write what waits, then tell what was lost meanwhile."""
        if not self._pending:
            return
        del self._pending[: self._hand_over(self._pending)]
        if not self._pending and self.lost > self._lost_told:
            count, self._lost_told = self.lost - self._lost_told, self.lost
            self._write(journal.event_line(self._last_at, event=journal.LOST, count=count))

    def _hand_over(self, line: bytes | bytearray) -> int:
        """Return how many bytes the operating system took."""
        try:
            written = os.write(self._book.file, line)
            self._write_error = None if written == len(line) else "the disk is full"
        except OSError as exc:
            written = 0
            self._write_error = exc.strerror or str(exc)
        return written

    # --- days -------------------------------------------------------------------------------------------------

    def _turn_to(self, at: int) -> None:
        """Go on in the next day's file where a new KST day has begun, and in a new one where the file was removed.

        Where that cannot be written, or lines still wait for the old one, the old file goes on: its name says when it
        began, the lines say when they came. The same where the clock was set back, unless by more than a day: a clock
        that was years ahead for a moment must not name the file of all days that follow.
        """
        self._last_at = at
        has_just_failed = abs(at - self._roll_failed_at) < _ROLL_AGAIN_AFTER
        if self._book.begins <= at < self._book.ends or has_just_failed or self._pending or self._is_closed:
            return
        if self._book.is_gone:
            self._book.release()  # the name is free for the next one
        try:
            book = _Book.open(self.folder, self.server, self.owner, at)
        except JournalError as exc:
            self._roll_failed_at = at
            self._roll_error = exc.why
            return
        self._roll_error = None
        with self._swap:
            before, self._book = self._book, book
        self._begin(at)
        if before.is_gone and before.day == book.day:
            self._bring_along(before)
        elif self._line_is_up:
            self._write(journal.event_line(at, event=journal.CONTINUED))
        before.close()

    def _bring_along(self, book: _Book) -> None:
        """Write again what is in the file of ``book``, which has no name any more."""
        try:
            for lines in book.lines():
                self._write(lines)
        except OSError as exc:
            self._roll_error = exc.strerror or str(exc)

    def _begin(self, at: int) -> None:
        if self._book.torn:
            text = self._book.torn.decode("utf-8", "replace")
            self._write(journal.event_line(at, event=journal.REPAIRED, text=text))

    # --- the thread that makes lines reach the disk -------------------------------------------------------------

    def _sync_soon(self) -> None:
        self._is_dirty = True
        self._dirty.set()
        if self._syncer is None:
            self._syncer = threading.Thread(target=self._sync_forever, name="kiwoom_nb-journal", daemon=True)
            self._syncer.start()

    def _sync_forever(self) -> None:
        while not self._closing.is_set():
            self._dirty.wait()
            self._closing.wait(SYNC_AFTER)
            self._dirty.clear()
            self._is_dirty = False
            self._sync_now()

    def _sync_now(self) -> None:
        """Sync a duplicate of the file's handle, so that a writer never waits for the disk."""
        try:
            with self._swap:
                book = self._book
                file = os.dup(book.file)
            try:
                _sync(file)
            finally:
                os.close(file)
            self._sync_error = book.missing()
        except OSError as exc:
            self._sync_error = exc.strerror or str(exc)


class _Book:
    """One journal open for writing, and the lock on it."""

    def __init__(self, path: Path, lock: filelock.BaseFileLock, day: str) -> None:
        self.path = path
        self.day = day
        self.ends = _next_midnight(day)
        # Lines of the day before belong here too, if the clock was set.
        self.begins = self.ends - 2 * _DAY
        self.torn = b""
        self.is_gone = False
        self._lock = lock
        self.file = os.open(path, _FLAGS, PRIVATE_FILE)

    @classmethod
    def open(cls, folder: Path, server: str, owner: str, at: int) -> Self:
        """Open the journal of the day of ``at``, repair its end and begin it where it is new.

        Raises
        ------
        JournalError
            It cannot be written.
        """
        day = kst_date(at)
        try:
            make_private_folder(folder)
            path, lock = _take_file(folder, f"{day}-{server}-{owner}")
            try:
                book = cls(path, lock, day)
            except OSError:
                lock.release()
                raise
            try:
                book._begin(journal.Header(journal.VERSION, server, owner, day, at))
            except OSError:
                book.close()
                raise
        except OSError as exc:
            raise JournalError(
                str(folder),
                f"cannot be written: {exc.strerror or exc}",
                "Free or choose another place with record=folder or KIWOOM_NB_HOME, or stream with record=False.",
            ) from exc
        return book

    def lines(self) -> Iterator[bytes]:
        """Yield what is written behind the header, a piece at a time; also of a file that has no name any more."""
        os.lseek(self.file, 0, os.SEEK_SET)
        piece = os.read(self.file, _PIECE).partition(b"\n")[2]
        while piece:
            yield piece
            piece = os.read(self.file, _PIECE)

    def _begin(self, header: journal.Header) -> None:
        self.torn = _cut_torn_end(self.file)
        state = os.fstat(self.file)
        self._inode = state.st_ino
        line = journal.header_line(header)
        if state.st_size == 0 and os.write(self.file, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Make it reach the disk and release it."""
        with contextlib.suppress(OSError):
            _sync(self.file)
        with contextlib.suppress(OSError):
            os.close(self.file)
        self.release()

    def release(self) -> None:
        """Let go of the file's name; safe to call twice."""
        self._lock.release()

    def missing(self) -> str | None:
        """Return what happened to the file's name, None if all is well: its lines may reach nobody."""
        try:
            return None if self.path.stat().st_ino == self._inode else "the file was replaced"
        except (FileNotFoundError, NotADirectoryError):
            self.is_gone = True
            self.ends = self.begins  # no line belongs here any more
            return "the file was removed"


def _take_file(folder: Path, stem: str) -> tuple[Path, filelock.BaseFileLock]:
    """Return the first journal of the day that no other recorder holds, and the lock on it."""
    for name in _names(stem):
        path = folder / name
        lock = filelock.FileLock(folder / f".{name}.lock", timeout=0, mode=PRIVATE_FILE, thread_local=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            continue
        try:
            if _can_be_continued(path):
                return path, lock
        except OSError:
            lock.release()
            raise
        lock.release()
    raise AssertionError  # the names do not end


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
