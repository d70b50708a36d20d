"""Recorded sessions: load journals and Parquet files into frames that equal the live ones."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from . import samples
from .decode import Reject
from .errors import SourceError
from .export import read_parquet, write_csv, write_excel, write_parquet
from .holdings import Holdings
from .latest import Rows
from .privacy import mask_accounts as mask
from .reading import JOURNALS, NothingRecorded, read_frames, read_journal
from .schema import COLUMNS, RECEIVED_AT, TIMEZONE, symbol
from .table import RESERVED_ROWS, BalanceTable, mask_reject
from .told import Told, told_by

__all__ = [
    "JOURNALS",
    "PARQUET",
    "frames",
    "load",
    "read_journal",
    "recordings",
    "write_csv",
    "write_excel",
    "write_parquet",
]

PARQUET: Final = ".parquet"
_KINDS: Final = (*JOURNALS, PARQUET)  # of several files of one name the first is read: the others are copies
_DATED: Final = re.compile(r"\A\d{4}-\d{2}-\d{2}-")
_BYTES_PER_ROW: Final = 250  # fewer than any frame has, so that the room reserved is enough

Days = str | date | Collection[str | date] | None


# --- load -------------------------------------------------------------------------------------------------------


def load(
    source: str | os.PathLike[str],
    *,
    dates: Days = None,
    accounts: str | Collection[str] | None = None,
    symbols: str | Collection[str] | None = None,
    mask_accounts: bool = True,
) -> pd.DataFrame:
    """Load a recorded session, or many, as a plain DataFrame of the 30 columns.

    Parameters
    ----------
    source
        A journal (``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst``), a Parquet file written by ``df.kn.to_parquet``, or a
        folder of either (searched recursively; a Parquet file beside its journal of the same name is passed over),
        or ``"sample"``, ``"sample:calm"``, ``"sample:busy"``, ``"sample:oddities"``: the synthetic days shipped.
    dates
        Keep only rows of these KST days (``"2026-11-20"`` or a ``date``, one or several).
    accounts, symbols
        Keep only rows of these (accounts as the frame shows them; ``A005930`` is ``005930``).
    mask_accounts
        Show only the last digits of account numbers.

    Returns
    -------
    pandas.DataFrame
        Equal, cell for cell and dtype for dtype, to the live frame that wrote the journal; one row a balance event
        in order of ``received_at`` where several files are read. ``df.kn.gaps`` and ``df.kn.rejected`` come along.

    Raises
    ------
    SourceError
        Nothing is there, it is of no known kind, or not ours.
    JournalError
        A journal is empty, damaged in its first line, or of a newer version.
    """
    path = samples.path_of(source) if samples.is_sample(source) else Path(source).expanduser()
    frames = _load_folder(path) if path.is_dir() else [_load_file(path)]
    frame = frames[0] if len(frames) == 1 else _merge(path, frames)
    if mask_accounts:  # only now: the labels tell apart all accounts of the frame
        frame = _mask(frame)
    return _select(path, frame, dates, accounts, symbols)


def _load_file(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise SourceError(str(path), "does not exist", "Give a journal, a Parquet file or a folder of them.")
    return read_parquet(path) if _kind(path) == PARQUET else _load_journals([path], read_journal)


def _load_folder(folder: Path) -> list[pd.DataFrame]:
    files = recordings(folder)
    groups = _group_journals([file for file in files if _kind(file) != PARQUET])
    return [
        *(_load_journals(group, _read_if_begun) for group in groups),
        *(read_parquet(file) for file in files if _kind(file) == PARQUET),
    ]


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
    journals = [file for file in recordings(path) if _kind(file) != PARQUET]
    found = sorted((frame for file in journals for frame in read_frames(file)), key=itemgetter(0))
    if not found:
        raise SourceError(str(path), "holds no frames to play", "Give a journal (.jsonl) with balance events in it.")
    return found


def recordings(folder: Path) -> list[Path]:
    """Return what :func:`load` reads of ``folder``: one file of each name, and none that is hidden or empty.

    A path to a file stands for that file.

    Raises
    ------
    SourceError
        There is none.
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
    return sorted(chosen.values())


def _is_ours(path: Path, folder: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)  # such as .ipynb_checkpoints
    return not is_hidden and path.name.endswith(_KINDS) and path.is_file() and path.stat().st_size > 0


def _kind(path: Path) -> str:
    for suffix in _KINDS:
        if path.name.endswith(suffix):
            return suffix
    raise SourceError(
        str(path), "is of no kind that kiwoom_nb reads", f"It reads {', '.join(_KINDS)} and folders of them."
    )


def _stem(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(_kind(path)))


def _group_journals(files: Sequence[Path]) -> list[list[Path]]:
    """Group the journals of one recorder over the days, since a gap may begin in one file and end in the next."""
    groups: dict[Path, list[Path]] = {}
    for file in files:
        stem = _stem(file)
        recorder = stem.with_name(_DATED.sub("*", stem.name))
        groups.setdefault(recorder, []).append(file)
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


# --- gaps and rejects -------------------------------------------------------------------------------------------


def _moved(frame: pd.DataFrame, rejects: Iterable[Reject], places: np.ndarray[Any, Any]) -> Iterator[Reject]:
    """Yield ``rejects`` with the new places of their rows, without those whose rows are in the frame no more (-1).

    A reject names its row by the label that it had when it was received, which a sliced frame still has as its index.
    """
    labels: Any = {label: place for place, label in enumerate(frame.index)} if rejects else {}
    for reject in rejects:
        if reject.row is None:
            yield reject
        elif reject.row in labels and places[labels[reject.row]] >= 0:
            yield reject._replace(row=int(places[labels[reject.row]]))


def _mask(frame: pd.DataFrame) -> pd.DataFrame:
    accounts = list(frame["account"].cat.categories) if "account" in frame else []
    labels = dict(zip(accounts, mask(accounts), strict=True))
    if labels:
        frame["account"] = frame["account"].cat.rename_categories(list(labels.values()))
    told = told_by(frame)
    rejected = [mask_reject(reject, labels) for reject in told.rejected]
    holdings = [held._replace(account=None if held.account is None else labels[held.account]) for held in told.holdings]
    return Told(told.gaps, rejected, holdings).attach(frame)


# --- many as one ------------------------------------------------------------------------------------------------


def _merge(source: Path, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put frames together in order of time; the row numbers of rejects follow."""
    for frame in frames:
        _check_columns(source, frame)
    categories = {
        name: pd.CategoricalDtype(_union(frames, name)) for name, dtype in COLUMNS.items() if dtype == "category"
    }
    merged = pd.concat([frame.astype(categories) for frame in frames], ignore_index=True)
    order = np.argsort(merged[RECEIVED_AT].to_numpy("M8[us]"), kind="stable")
    places = np.empty(len(merged), np.int64)
    places[order] = np.arange(len(merged))
    times = merged[RECEIVED_AT].to_numpy("M8[us]")[order].astype(np.int64)
    told = Told()
    start = 0
    for frame in frames:
        part = told_by(frame)
        own = places[start : start + len(frame)]
        told.gaps += part.gaps
        told.rejected += _moved(frame, part.rejected, own)
        told.holdings += [_placed(frame, held, own, times) for held in part.holdings]
        start += len(frame)
    told.holdings.sort(key=lambda held: held.at)
    told.gaps.sort(key=lambda gap: gap.start)
    told.rejected.sort(key=lambda reject: reject.received_at)
    return told.attach(merged.take(order).reset_index(drop=True))


def _placed(frame: pd.DataFrame, held: Holdings, places: Rows, times: Rows) -> Holdings:
    """Return ``held`` with its place among the rows of all frames; one account needs its name there."""
    before = int(np.searchsorted(frame.index, held.row))
    accounts = list(frame["account"].cat.categories)
    if before:
        row = int(places[before - 1]) + 1
    else:
        row = int(places[0]) if len(places) else int(np.searchsorted(times, held.at))
    return held._replace(row=row, account=accounts[0] if held.account is None and len(accounts) == 1 else held.account)


def _check_columns(source: Path, frame: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise SourceError(
            str(source),
            f"has no column {missing[0]}, which putting frames together or choosing rows needs",
            "Load its files one by one, without dates, accounts and symbols.",
        )


def _union(frames: Sequence[pd.DataFrame], name: str) -> Any:
    seen = dict.fromkeys(category for frame in frames for category in frame[name].cat.categories)
    return pd.Index(list(seen), dtype="str")


def _select(
    source: Path,
    frame: pd.DataFrame,
    dates: Days,
    accounts: str | Collection[str] | None,
    symbols: str | Collection[str] | None,
) -> pd.DataFrame:
    """Keep the rows asked for, and of the rejects those of the rows kept and those of no row."""
    if dates is None and accounts is None and symbols is None:
        return frame
    _check_columns(source, frame)
    keep = np.ones(len(frame), bool)
    days = None if dates is None else {pd.Timestamp(day).date() for day in _listed(dates, str | date)}
    issues = None if symbols is None else {symbol(str(wanted)) for wanted in _listed(symbols, str | int)}
    if days is not None:
        days_of_rows = frame[RECEIVED_AT].dt.tz_localize(None).to_numpy("M8[us]").astype("M8[D]")
        keep &= np.isin(days_of_rows, np.array(list(days), "M8[D]"))
    if accounts is not None:
        keep &= np.asarray(frame["account"].isin(_listed(accounts, str)))
    if issues is not None:
        keep &= np.asarray(frame["symbol"].isin(list(issues)))
    told = told_by(frame)
    rejected = list(_moved(frame, told.rejected, np.where(keep, np.cumsum(keep) - 1, -1)))
    holdings = [
        held._replace(
            row=int(keep[: np.searchsorted(frame.index, held.row)].sum()),
            holdings=[holding for holding in held.holdings if issues is None or holding.symbol in issues],
        )
        for held in told.holdings
        if (accounts is None or held.account in _listed(accounts, str)) and (days is None or _day(held.at) in days)
    ]
    return Told(told.gaps, rejected, holdings).attach(frame[keep].reset_index(drop=True))


def _day(at: int) -> Any:
    return (pd.Timestamp(at, unit="us", tz="UTC").tz_convert(TIMEZONE)).date()


def _listed(wanted: Any, one: Any) -> list[Any]:
    return [wanted] if isinstance(wanted, one) else list(wanted)
