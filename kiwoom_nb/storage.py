"""Recorded sessions: load journals, Parquet files and archives into frames that equal the live ones."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from . import samples
from .errors import JournalError, SourceError
from .export import read_parquet, read_session, write_csv, write_excel, write_parquet
from .identity import session_of
from .merging import Days, Names, days_of, masked, merged, selected, wanted
from .paths import filesystem, is_url
from .reading import JOURNALS, NothingRecorded, read_frames, read_journal, read_lines
from .schema import TIMEZONE
from .table import RESERVED_ROWS, BalanceTable, empty_frame
from .trading_day import TradingDay

__all__ = [
    "JOURNALS",
    "PARQUET",
    "frames",
    "is_parquet",
    "load",
    "name_of",
    "read_journal",
    "read_source",
    "recorders",
    "recordings",
    "write_csv",
    "write_excel",
    "write_parquet",
]

PARQUET: Final = ".parquet"
_KINDS: Final = (*JOURNALS, PARQUET)  # of several files of one name the first is read: the others are copies
_DATED: Final = re.compile(r"\A\d{4}-\d{2}-\d{2}-")
_DAY: Final = re.compile(r"\s*(\d{8}|\S+[-/. ]\S+[-/. ]\S+)")  # 20261120, 2026-11-20, 20 Nov 2026
_SIX_DIGITS: Final = 100_000
_HIVE: Final = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
_BYTES_PER_ROW: Final = 250  # fewer than any frame has, so that the room reserved is enough


# --- load -------------------------------------------------------------------------------------------------------


def load(
    source: str | os.PathLike[str] | TradingDay,
    *,
    dates: Days = None,
    accounts: Names = None,
    symbols: Names = None,
    mask_accounts: bool = True,
) -> pd.DataFrame:
    """Load a recorded session, or many, as a plain DataFrame of the 30 columns.

    Parameters
    ----------
    source
        A journal (``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst``), a Parquet file written by ``df.kn.to_parquet``, a
        folder of either (searched recursively), an archive (``kn.archive``), or ``"sample"``, ``"sample:calm"``,
        ``"sample:busy"``, ``"sample:oddities"``: the synthetic days shipped. A URL that fsspec knows (``s3://...``,
        extra ``cloud``) stands for such a file or folder; what is needed of it is fetched first. A day made by
        :func:`kiwoom_nb.simulate` is read as a recorder would have written it. In a folder a
        Parquet file beside its journal of the same name is passed over, and so is a file of an archive whose journal
        is anywhere in the folder.
    dates
        Keep only rows of these KST days (``"2026-11-20"`` or a ``date``, one or a list), and the gaps, rejects and
        holdings of these days. Of an archive no file of another day is opened.
    accounts, symbols
        Keep only rows of these (accounts as the frame shows them; ``A005930`` is ``005930``). Parts of a Parquet file
        that cannot hold such a row are passed over.
    mask_accounts
        Show only the last digits of account numbers.

    Returns
    -------
    pandas.DataFrame
        Equal, cell for cell and dtype for dtype, to the live frame that wrote the journal; one row a balance event
        in order of ``received_at`` where several files are read. ``df.kn.gaps`` and ``df.kn.rejected`` come along; a
        gap belongs to the day on which it ended.

    Raises
    ------
    SourceError
        Nothing is there, it is of no known kind, or not ours.
    JournalError
        A journal is empty, damaged in its first line, or of a newer version.
    MissingExtra
        ``source`` is a URL and fsspec is not installed.
    ValueError
        ``dates`` names no days, or ``accounts`` or ``symbols`` no texts; nothing was read.
    """
    _check_texts("accounts", accounts, "xxxxxx1111")
    _check_texts("symbols", symbols, "005930")
    dates = _days(dates)
    if isinstance(source, TradingDay):
        frame = _load_day(source)
        path = Path(f"simulate(seed={source.seed})")
        return selected(path, masked(frame) if mask_accounts else frame, dates, accounts, symbols)
    if is_url(source):
        with _fetched(source, dates) as path:
            return _load(path, dates, accounts, symbols, mask_accounts=mask_accounts)
    path = samples.path_of(source) if samples.is_sample(source) else Path(source).expanduser()
    return _load(path, dates, accounts, symbols, mask_accounts=mask_accounts)


def _days(dates: object) -> list[date] | None:
    """Return the KST days that are asked for; raise ValueError where they are none."""
    if dates is None:
        return None
    days = [_day(day) for day in _several(dates)]
    if None in days:
        raise ValueError(
            f'dates={dates!r} names no days. Give a day as text, dates="2026-11-20", or as datetime.date, or a list '
            "of days."
        )
    return [day for day in days if day is not None]


def _day(day: object) -> date | None:
    """Return what pandas takes for a day, not a month or a number (it would take the first day, and nanoseconds)."""
    if not (isinstance(day, date | np.datetime64) or (isinstance(day, str) and _DAY.match(day))):
        return None
    with contextlib.suppress(ValueError):
        moment = pd.Timestamp(day)
        if not pd.isna(moment):
            return (moment if moment.tz is None else moment.tz_convert(TIMEZONE)).date()
    return None


def _check_texts(name: str, asked: object, example: str) -> None:
    """Raise ValueError where what is asked for would find nothing."""
    if not all(isinstance(one, str) or _is_whole_symbol(one, name) for one in _several(asked)):
        raise ValueError(
            f'{name} are texts: a number loses its leading zeros. Give {name}="{example}", or a list of texts.'
        )


def _several(asked: Any) -> Collection[Any]:
    """Return what is asked for one by one, itself where it is one (or nothing of the kind)."""
    if asked is None:
        return ()
    return asked if isinstance(asked, Collection) and not isinstance(asked, str) else (asked,)


def _is_whole_symbol(one: object, name: str) -> bool:
    return name == "symbols" and isinstance(one, int) and one >= _SIX_DIGITS


def _is_day(day: object) -> bool:
    """Tell a day from a month, a year (of which pandas would take the first day) and from anything else."""
    if isinstance(day, str) and not _DAY.match(day):
        return False
    try:
        return isinstance(day, str | date | np.datetime64) and not pd.isna(pd.Timestamp(day))
    except ValueError:
        return False


def _load_day(day: TradingDay) -> pd.DataFrame:
    table = BalanceTable(mask_accounts=False, capacity=1 << 12)
    read_lines(samples.journal_of(day).splitlines()[1:], table)
    return table.frame()


def _load(path: Path, dates: Days, accounts: Names, symbols: Names, *, mask_accounts: bool) -> pd.DataFrame:
    asked = wanted(accounts, symbols)
    parts = _load_folder(path, days_of(dates), asked) if path.is_dir() else [read_source(path, asked)]
    frame = parts[0] if len(parts) == 1 else merged(path, parts or [empty_frame()])
    if mask_accounts:  # only now: the labels tell apart all accounts of the frame
        frame = masked(frame)
    return selected(path, frame, dates, accounts, symbols)


def _load_folder(
    folder: Path, days: Collection[date] | None, asked: Mapping[str, Collection[str]]
) -> list[pd.DataFrame]:
    files = recordings(folder, days)
    return [
        *(_load_journals(group, _read_if_begun) for group in recorders(files)),
        *(read_parquet(file, asked) for file in files if is_parquet(file)),
    ]


def read_source(path: Path, asked: Mapping[str, Collection[str]] | None = None) -> pd.DataFrame:
    """Read one journal or Parquet file, accounts as they are there; ``asked`` as in ``read_parquet``."""
    if not path.exists():
        raise SourceError(str(path), "does not exist", "Give a journal, a Parquet file or a folder of them.")
    return read_parquet(path, asked) if is_parquet(path) else _load_journals([path], read_journal)


@contextlib.contextmanager
def _fetched(url: str, dates: Days) -> Iterator[Path]:
    """Fetch what may be needed of the file or folder at ``url`` to a private place, and yield that for a moment."""
    system, found = filesystem(url)
    root = found.rstrip("/")
    paths = [root] if system.isfile(root) else list(system.find(root))
    ours = [path for path in paths if path.endswith(_KINDS)]
    if not ours:
        raise SourceError(url, "holds no journal and no Parquet file", "Check the URL.")
    with tempfile.TemporaryDirectory(prefix="kiwoom_nb-") as folder:
        top = Path(folder) / root.rpartition("/")[2]
        # One file at the least, so that a folder without rows of these days is told from an empty one.
        for path in [path for path in ours if _may_be_of(Path(path), days_of(dates))] or ours[:1]:
            local = top.joinpath(*path.removeprefix(root).strip("/").split("/")) if path != root else top
            local.parent.mkdir(parents=True, exist_ok=True)
            system.get_file(path, str(local))
        try:
            yield top
        except SourceError as exc:
            raise SourceError(exc.source.replace(str(top), url), exc.why, exc.todo) from exc
        except JournalError as exc:
            raise JournalError(exc.path.replace(str(top), url), exc.why, exc.todo) from exc


def frames(source: str | os.PathLike[str]) -> list[tuple[int, bytes]]:
    """Return the REAL frames of recorded sessions with their times, in order: what a server can play again.

    ``source`` is a journal, a folder of them, or ``"sample"``. A Parquet file has no frames any more.

    Raises
    ------
    SourceError, JournalError
        Nothing is there, or it holds no frames.
    """
    path = samples.path_of(source) if samples.is_sample(source) else Path(source).expanduser()
    if not path.exists():
        raise SourceError(str(path), "does not exist", "Give a journal or a folder of journals.")
    journals = [file for file in recordings(path) if not is_parquet(file)]
    found = sorted((frame for file in journals for frame in read_frames(file)), key=itemgetter(0))
    if not found:
        raise SourceError(str(path), "holds no frames to play", "Give a journal (.jsonl) with balance events in it.")
    return found


def recordings(folder: Path, days: Collection[date] | None = None) -> list[Path]:
    """Return what :func:`load` reads of ``folder``: one file of each name, and none that is hidden or empty.

    A path to a file stands for that file. Files of an archive are passed over where their journal is there too, and,
    unopened, where they are of none of the ``days``.

    Raises
    ------
    SourceError
        There is none, of whatever day.
    """
    if not folder.is_dir():
        return [folder]
    chosen: dict[Path, Path] = {}
    for path in folder.rglob("*"):
        if _is_ours(path, folder):
            rival = chosen.setdefault(_stem(path), path)
            chosen[_stem(path)] = min(rival, path, key=lambda file: _KINDS.index(_kind(file)))
    if not chosen:
        raise SourceError(str(folder), "holds no journal and no Parquet file", "Check the folder's name.")
    return _without_archived(sorted(path for path in chosen.values() if _may_be_of(path, days)))


def _may_be_of(path: Path, days: Collection[date] | None) -> bool:
    """Tell whether the file may hold rows of these days: one of an archive says its day."""
    day = _day_in_archive(path)
    return days is None or day is None or day in days


def _day_in_archive(path: Path) -> date | None:
    """Return the day that the folders above a Parquet file of an archive say."""
    above = _HIVE.fullmatch(path.parent.parent.name)
    with contextlib.suppress(ValueError):  # a folder of somebody else's, called date=0000-99-99
        return date.fromisoformat(above[1]) if above and path.parent.name.startswith("owner=") else None
    return None


def _without_archived(paths: list[Path]) -> list[Path]:
    """Leave out the files of an archive whose journals are there too: these have it all."""
    archived = [path for path in paths if is_parquet(path) and _day_in_archive(path)]
    journals = [path for path in paths if not is_parquet(path)]
    if not archived or not journals:
        return paths
    sessions = set(map(session_of, journals))
    return [path for path in paths if path not in set(archived) or _session_in(path) not in sessions]


def _session_in(path: Path) -> str | None:
    session = read_session(str(path), path)[1]
    return None if session is None else session.session


def _is_ours(path: Path, folder: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)  # such as .ipynb_checkpoints
    return not is_hidden and path.name.endswith(_KINDS) and path.is_file() and path.stat().st_size > 0


def is_parquet(path: Path) -> bool:
    """Tell a Parquet file from a journal; raise SourceError where it is neither by its name."""
    return _kind(path) == PARQUET


def _kind(path: Path) -> str:
    for suffix in _KINDS:
        if path.name.endswith(suffix):
            return suffix
    raise SourceError(
        str(path), "is of no kind that kiwoom_nb reads", f"It reads {', '.join(_KINDS)} and folders of them."
    )


def name_of(path: Path) -> str:
    """Return the name of a recording without its ending."""
    return _stem(path).name


def _stem(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(_kind(path)))


def recorders(files: Sequence[Path]) -> list[list[Path]]:
    """Group the journals of one recorder over the days, since a gap may begin in one file and end in the next."""
    groups: dict[Path, list[Path]] = {}
    for file in files:
        if not is_parquet(file):
            stem = _stem(file)
            groups.setdefault(stem.with_name(_DATED.sub("*", stem.name)), []).append(file)
    return list(groups.values())


# --- journals ---------------------------------------------------------------------------------------------------


def _load_journals(paths: Sequence[Path], read: Callable[[Path, BalanceTable], object]) -> pd.DataFrame:
    """Load the journals of one recorder, in order, as one frame."""
    capacity = sum(path.stat().st_size for path in paths) // _BYTES_PER_ROW + 1
    table = BalanceTable(mask_accounts=False, capacity=min(capacity, RESERVED_ROWS))
    for path in paths:
        read(path, table)
    return table.frame().copy()


def _read_if_begun(path: Path, table: BalanceTable) -> None:
    with contextlib.suppress(NothingRecorded):
        read_journal(path, table)
