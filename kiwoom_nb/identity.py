"""Which recorded session a file holds, and how much of it: known by content, whatever the file is called."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from .errors import JournalError
from .reading import JOURNALS

_CHUNK: Final = 1 << 20


class Identity(NamedTuple):
    """A session, the digest of what is there of it, and how many bytes that are.

    A session is known by the first line of its journal, which says to the microsecond when which recorder began it;
    what is there are its complete lines, as they are when not compressed.
    """

    session: str
    digest: str
    size: int


def identify(path: Path) -> Identity:
    """Return which session the file at ``path`` holds; any file that is no journal stands for itself.

    Raises
    ------
    JournalError
        It cannot be read.
    """
    first, whole, size, torn = b"", _hash(), 0, b""
    is_journal = path.name.endswith(tuple(JOURNALS))
    with _open(path) as file:
        while chunk := file.read(_CHUNK):
            complete, end, rest = (torn + chunk).rpartition(b"\n") if is_journal else (chunk, b"", b"")
            whole.update(complete + end)
            first = first or complete.partition(b"\n")[0]
            size += len(complete) + len(end)
            torn = rest
    return Identity(_hash(first).hexdigest() if is_journal else whole.hexdigest(), whole.hexdigest(), size)


def session_of(journal: Path) -> str:
    """Return which session the journal is of, from its first line alone."""
    return _hash(first_line(journal)).hexdigest()


def first_line(journal: Path) -> bytes:
    """Return the first line of a journal; empty where it was torn in it.

    Raises
    ------
    JournalError
        It cannot be read.
    """
    content = b""
    with _open(journal) as file:
        while b"\n" not in content and (chunk := file.read(4096)):
            content += chunk
    return content.partition(b"\n")[0] if b"\n" in content else b""


def _hash(content: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(content, digest_size=16)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    import pyarrow as pa

    compression: Any = next((kind for ending, kind in JOURNALS.items() if path.name.endswith(ending)), None)
    try:
        with pa.input_stream(str(path), compression=compression) as file:
            yield file
    except OSError as exc:
        raise JournalError(str(path), f"cannot be read: {exc.strerror or exc}", "Check the file.") from exc
