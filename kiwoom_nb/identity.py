"""Which recorded session a file or a frame holds, and how much of it: known by content, whatever it is called."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import JournalError
from .reading import JOURNALS
from .schema import COLUMNS

_CHUNK: Final = 1 << 20
_CONTENT: Final = [name for name in COLUMNS if name != "account"]  # which a file may show masked, another in full
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)  # spreads counts over all bits
Digests = npt.NDArray[np.uint64]


class Identity(NamedTuple):
    """A session, the digest of what is there of it, and how many bytes that are.

    A session is known by the first line of its journal, which says to the microsecond when which recorder began it;
    what is there are its complete lines, as they are when not compressed. What is of no journal stands for itself.
    """

    session: str
    digest: str
    size: int

    @property
    def is_of_a_journal(self) -> bool:
        """Tell whether a journal says which session it is."""
        return self.session != self.digest

    @classmethod
    def of_no_journal(cls, *content: bytes) -> Identity:
        """Return the identity of content that stands for itself."""
        whole = _hash(b"\n".join(content)).hexdigest()
        return cls(whole, whole, 0)


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


def row_digests(frame: pd.DataFrame) -> Digests:
    """Return a digest for each row of the 30 columns; whatever its account is called, it is the same row."""
    return np.asarray(pd.util.hash_pandas_object(frame[_CONTENT], index=False), np.uint64)


def not_among(rows: Digests, known: Digests) -> npt.NDArray[np.bool_]:
    """Tell which rows are not known; of rows that are alike as many are as are known."""
    return ~np.isin(_counted(rows), _counted(known))


def _counted(rows: Digests) -> Digests:
    """Return other digests of the rows: they tell the first of its kind from the second."""
    counts = pd.Series(rows).groupby(rows).cumcount().to_numpy(np.uint64)
    return rows + counts * _ODD


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
