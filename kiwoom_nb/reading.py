"""Journals, compressed or not, read line by line into a BalanceTable: what the live stream did, done again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from . import fast, journal
from .errors import JournalError
from .protocol import Message, parse
from .table import BalanceTable

JOURNALS: Final = {".jsonl": None, ".jsonl.gz": "gzip", ".jsonl.zst": "zstd"}
"""How the names of journals end, and how each is compressed."""

_CHUNK: Final = 1 << 20
_HOLDINGS: Final = journal.HOLDINGS.encode()


class NothingRecorded(JournalError):
    """The writer of a journal was killed before its first line was there."""


def read_journal(path: Path, table: BalanceTable) -> journal.Header:
    """Read the journal at ``path`` into ``table`` and return its header. Never writes to the journal.

    A torn end (of a journal whose writer was killed, or is still writing) is passed over and told as a reject.

    Raises
    ------
    JournalError
        It cannot be read, is empty, has no header of ours, or is of a newer version.
    """
    try:
        with _open(path) as file:
            lines = _Lines(file)
            header = _check_header(path, lines)
            fast.warm_up_for(path.stat().st_size)
            at = header.created_at
            for block in lines.blocks():
                at = table.receive_lines(block, at, partial(_read_block, table))
    except OSError as exc:
        raise JournalError(str(path), f"cannot be read: {exc.strerror or exc}", "Check the file.") from exc
    if lines.torn:
        table.reject(at, _text(lines.torn), "torn_line")
    return header


def read_lines(lines: Iterable[bytes], table: BalanceTable) -> None:
    """Read the ``lines`` of a journal behind its header, without their line breaks, into ``table``."""
    _read_lines(lines, table, 0)


def read_holdings(path: Path) -> Iterator[journal.Entry]:
    """Yield the lines of the journal at ``path`` that tell what an account held; lazily.

    Raises
    ------
    JournalError
        As :func:`read_journal`.
    """
    try:
        with _open(path) as file:
            lines = _Lines(file)
            _check_header(path, lines)
            for line in lines:
                entry = journal.read_line(line) if _HOLDINGS in line else None
                if isinstance(entry, journal.Entry) and entry.event == journal.HOLDINGS and entry.asked_at is not None:
                    yield entry
    except OSError as exc:
        raise JournalError(str(path), f"cannot be read: {exc.strerror or exc}", "Check the file.") from exc


def read_frames(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the REAL frames of the journal at ``path`` as they were received, with their times; lazily.

    Raises
    ------
    JournalError
        As :func:`read_journal`.
    """
    try:
        with _open(path) as file:
            lines = _Lines(file)
            _check_header(path, lines)
            for entry in map(journal.read_line, lines):
                if isinstance(entry, tuple) and getattr(parse(entry[1]), "trnm", None) == "REAL":
                    yield entry
    except OSError as exc:
        raise JournalError(str(path), f"cannot be read: {exc.strerror or exc}", "Check the file.") from exc


def _open(path: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    compression = next(kind for suffix, kind in JOURNALS.items() if path.name.endswith(suffix))
    if compression is None:
        return path.open("rb", buffering=0)
    import pyarrow as pa

    return contextlib.closing(pa.input_stream(str(path), compression=compression))


class _Lines:
    """The complete lines of a file without their line breaks; at the end ``torn`` is what stood behind the last.

    They are cut at LF bytes only: text has other separators inside.
    """

    def __init__(self, file: Any) -> None:
        self.torn = b""
        self._blocks = self._cut(file)

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            yield from _split(block)

    def first(self) -> bytes | None:
        """Return the first line, None where there is none; the others are still to come."""
        block = next(self._blocks, None)
        if block is None:
            return None
        line, _, others = block.partition(b"\n")
        if others:
            self._blocks = chain([others], self._blocks)
        return line

    def blocks(self) -> Iterator[bytes]:
        """Return the lines many together, their line breaks in between and behind the last."""
        return self._blocks

    def _cut(self, file: Any) -> Iterator[bytes]:
        while chunk := file.read(_CHUNK):
            end = chunk.rfind(b"\n") + 1
            if end:
                block = b"".join((self.torn, memoryview(chunk)[:end]))
                self.torn = chunk[end:]
                yield block
            else:
                self.torn += chunk


def _split(block: bytes) -> list[bytes]:
    return block[:-1].split(b"\n")


def _check_header(path: Path, lines: _Lines) -> journal.Header:
    line = lines.first()
    if line is None:
        why = "was torn in its first line" if lines.torn else "is empty"
        raise NothingRecorded(str(path), why, "Nothing was recorded in it; it can be deleted.")
    header = journal.read_header(line)
    if header is None:
        raise JournalError(str(path), "does not begin with a header of kiwoom_nb", "Check that it is a journal.")
    if header.version > journal.VERSION:
        raise JournalError(
            str(path),
            f"is of version {header.version}, newer than this kiwoom_nb reads ({journal.VERSION})",
            "Update with: python -m pip install --upgrade kiwoom-nb",
        )
    return header


class _FrameLine(msgspec.Struct, gc=False):
    """The line of a frame that is a JSON object, read together with the frame: half the time of one after the other."""

    received_at: journal.Moment
    frame: Message
    event: None = None


_decode_frame_line = msgspec.json.Decoder(_FrameLine).decode


def _read_lines(lines: Iterable[bytes], table: BalanceTable, at: int) -> int:
    """Read ``lines`` into ``table`` and return when the last of them was received; ``at`` is the moment before."""
    receive = table.receive
    for line in lines:
        try:
            frame_line = _decode_frame_line(line)
        except (ValueError, RecursionError):
            at = _read_other_line(line, table, at)
        else:
            at = frame_line.received_at
            receive(frame_line.frame, at)
    return at


def _read_block(table: BalanceTable, block: bytes, at: int) -> int:
    """Read the lines of a ``block``, which ends with a line break, and return when the last was received."""
    return _read_lines(_split(block), table, at)


def _read_other_line(line: bytes, table: BalanceTable, at: int) -> int:
    entry = journal.read_line(line)
    if entry is None:
        table.reject(at, _text(line), "unreadable_line")
        return at
    if isinstance(entry, journal.Entry):
        _apply(entry, table)
        return entry.received_at
    received_at, raw = entry
    table.receive(parse(raw), received_at)
    return received_at


def _apply(entry: journal.Entry, table: BalanceTable) -> None:
    if entry.event == journal.CONNECTED:
        table.line.connected(entry.received_at)
    elif entry.event == journal.CONTINUED:
        table.line.continued(entry.received_at)
    elif entry.event in {journal.DISCONNECTED, journal.STOPPED}:
        since = entry.received_at if entry.since is None else entry.since
        table.line.disconnected(since, entry.reason or entry.event)
    elif entry.event == journal.HOLDINGS:
        _hold(entry, table)
    elif entry.event == journal.REPAIRED:
        table.reject(entry.received_at, entry.text or "", "torn_line")
    elif entry.event == journal.LOST:
        table.reject(entry.received_at, f"{entry.count} lines", "not_recorded")


def _hold(entry: journal.Entry, table: BalanceTable) -> None:
    if entry.asked_at is None or not entry.pages:  # that would say that nothing is held
        table.reject(entry.received_at, "holdings without asked_at or pages", "unreadable_line")
    else:
        table.hold(entry.asked_at, entry.account, entry.pages)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
