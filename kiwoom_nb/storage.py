"""Recorded sessions: load journals and Parquet files into frames that equal the live ones, and export frames."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np
import pandas as pd

from . import journal
from .errors import JournalError, MissingExtra, SourceError
from .paths import PRIVATE_FILE, make_private_folder
from .privacy import mask_accounts
from .protocol import parse
from .schema import COLUMNS, FIELDS, RECEIVED_AT, TIMEZONE
from .table import ATTRS_KEY, RESERVED_ROWS, BalanceTable

PARQUET: Final = ".parquet"
JOURNALS: Final = {".jsonl": None, ".jsonl.gz": "gzip", ".jsonl.zst": "zstd"}
_METADATA: Final = b"kiwoom_nb"
_METADATA_VERSION: Final = 1
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
        folder of either (searched recursively; a Parquet file beside its journal of the same name is passed over).
    dates
        Keep only rows of these KST days (``"2026-11-20"`` or a ``date``, one or several).
    accounts, symbols
        Keep only rows of these (accounts as the frame shows them).
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
    path = Path(source).expanduser()
    frames = [read(mask_accounts=mask_accounts) for read in _readers(path)]
    frame = frames[0] if len(frames) == 1 else _merge(frames)
    return _select(frame, dates, accounts, symbols)


def _readers(path: Path) -> list[Callable[..., pd.DataFrame]]:
    if not path.exists():
        raise SourceError(str(path), "does not exist", "Give a journal, a Parquet file or a folder of them.")
    files = sorted(_files(path)) if path.is_dir() else [path]
    if not files:
        raise SourceError(str(path), "holds no journal and no Parquet file", "Check the folder's name.")
    groups = _group_journals([file for file in files if _kind(file) != PARQUET])
    return [
        *(partial(load_journals, group) for group in groups),
        *(partial(read_parquet, file) for file in files if _kind(file) == PARQUET),
    ]


def _files(folder: Path) -> Iterator[Path]:
    found = [path for path in folder.rglob("*") if _is_ours(path)]
    journals = {_stem(path) for path in found if _kind(path) != PARQUET}
    for path in found:
        is_copy = _kind(path) == PARQUET and _stem(path) in journals
        if not is_copy and path.stat().st_size > 0:  # an empty file is a journal whose writer was killed at birth
            yield path


def _is_ours(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.name.endswith((*JOURNALS, PARQUET))


def _kind(path: Path) -> str:
    for suffix in (*JOURNALS, PARQUET):
        if path.name.endswith(suffix):
            return suffix
    raise SourceError(
        str(path), "is of no kind that kiwoom_nb reads", f"It reads {', '.join((*JOURNALS, PARQUET))} and folders."
    )


def _stem(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(_kind(path)))


def _group_journals(files: Sequence[Path]) -> list[list[Path]]:
    """Group the journals of one recorder over the days, since a gap may begin in one file and end in the next."""
    groups: dict[tuple[Path, str], list[Path]] = {}
    for file in files:
        groups.setdefault((file.parent, file.name[len("2026-11-20") :]), []).append(file)
    return list(groups.values())


def load_journals(paths: Sequence[Path], *, mask_accounts: bool = True) -> pd.DataFrame:
    """Load the journals of one recorder, in order, as one frame."""
    capacity = sum(path.stat().st_size for path in paths) // _BYTES_PER_ROW + 1
    table = BalanceTable(mask_accounts=mask_accounts, capacity=min(capacity, RESERVED_ROWS))
    for path in paths:
        read_journal(path, table)
    return table.frame().copy()


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
            lines = _lines(file)
            header = _check_header(path, next(lines, b""))
            for line in lines:
                _read_line(line, table)
    except OSError as exc:
        raise JournalError(str(path), f"cannot be read: {exc.strerror or exc}", "Check the file.") from exc
    return header


def _open(path: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    compression = JOURNALS[_kind(path)]
    if compression is None:
        return path.open("rb", buffering=1 << 20)
    import pyarrow as pa

    return contextlib.closing(pa.input_stream(str(path), compression=compression))


def _lines(file: Any) -> Iterator[bytes]:
    """Yield the lines with their line breaks, cut at LF bytes only: text has other separators inside."""
    rest = b""
    while chunk := file.read(1 << 20):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest


def _check_header(path: Path, line: bytes) -> journal.Header:
    header = journal.read_header(line)
    if not line:
        raise JournalError(str(path), "is empty", "Nothing was recorded in it; it can be deleted.")
    if header is None:
        raise JournalError(str(path), "does not begin with a header of kiwoom_nb", "Check that it is a journal.")
    if header.version > journal.VERSION:
        raise JournalError(
            str(path),
            f"is of version {header.version}, newer than this kiwoom_nb reads ({journal.VERSION})",
            "Update with: python -m pip install --upgrade kiwoom-nb",
        )
    return header


def _read_line(line: bytes, table: BalanceTable) -> None:
    if not line.endswith(b"\n"):
        table.reject(table.line.last_heard, _text(line), "torn_line")
        return
    entry = journal.read_line(line[:-1])
    if isinstance(entry, tuple):
        received_at, raw = entry
        table.receive(parse(raw), received_at)
    elif entry is None:
        table.reject(table.line.last_heard, _text(line), "unreadable_line")
    else:
        _apply(entry, table)


def _apply(entry: journal.Entry, table: BalanceTable) -> None:
    if entry.event == journal.CONNECTED:
        table.line.connected(entry.received_at)
    elif entry.event == journal.CONTINUED:
        table.line.continued(entry.received_at)
    elif entry.event in {journal.DISCONNECTED, journal.STOPPED}:
        table.line.disconnected(entry.since or entry.received_at, entry.reason or entry.event)
    elif entry.event == journal.REPAIRED:
        table.reject(entry.received_at, entry.text or "", "torn_line")
    elif entry.event == journal.LOST:
        table.reject(entry.received_at, f"{entry.count} lines", "not_recorded")


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


# --- many as one ------------------------------------------------------------------------------------------------


def _merge(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put frames together in order of time; the row numbers of rejects follow."""
    categories = {name: _union(frames, name) for name, dtype in COLUMNS.items() if dtype == "category"}
    merged = pd.concat(
        [frame.astype({name: pd.CategoricalDtype(names) for name, names in categories.items()}) for frame in frames],
        ignore_index=True,
    )
    order = np.argsort(merged[RECEIVED_AT].to_numpy("M8[us]"), kind="stable")
    starts = np.cumsum([0, *map(len, frames)])
    places = np.empty(len(merged), np.int64)
    places[order] = np.arange(len(merged))
    told = [_told(frame) for frame in frames]
    rejected = [_moved(row, places, int(start)) for part, start in zip(told, starts, strict=False) for row in part[1]]
    gaps = [gap for part in told for gap in part[0]]
    return _with_told(merged.take(order).reset_index(drop=True), sorted(gaps, key=_first), sorted(rejected, key=_first))


def _union(frames: Sequence[pd.DataFrame], name: str) -> Any:
    seen = dict.fromkeys(category for frame in frames for category in frame[name].cat.categories)
    return pd.Index(list(seen), dtype="str")


def _first(row: Sequence[Any]) -> Any:
    return row[0]


def _told(frame: pd.DataFrame) -> tuple[list[list[Any]], list[list[Any]]]:
    text = frame.attrs.get(ATTRS_KEY)
    told = msgspec.json.decode(text) if text else {"gaps": [], "rejected": []}
    return told["gaps"], told["rejected"]


def _with_told(frame: pd.DataFrame, gaps: list[list[Any]], rejected: list[list[Any]]) -> pd.DataFrame:
    if gaps or rejected:
        frame.attrs[ATTRS_KEY] = msgspec.json.encode({"gaps": gaps, "rejected": rejected}).decode()
    else:
        frame.attrs.pop(ATTRS_KEY, None)
    return frame


def _moved(reject: list[Any], places: np.ndarray[Any, Any], start: int) -> list[Any]:
    received_at, row, *rest = reject
    return [received_at, None if row is None else int(places[start + row]), *rest]


def _select(
    frame: pd.DataFrame, dates: Days, accounts: str | Collection[str] | None, symbols: str | Collection[str] | None
) -> pd.DataFrame:
    """Keep the rows asked for, and of the rejects those of the rows kept and those of no row."""
    keep = np.ones(len(frame), bool)
    if dates is not None:
        days = [pd.Timestamp(day).date() for day in _listed(dates, str | date)]
        keep &= np.asarray(frame[RECEIVED_AT].dt.date.isin(days))
    for name, wanted in (("account", accounts), ("symbol", symbols)):
        if wanted is not None:
            keep &= np.asarray(frame[name].isin(_listed(wanted, str)))
    if keep.all():
        return frame
    gaps, rejected = _told(frame)
    places = np.cumsum(keep) - 1
    kept = [_moved(reject, places, 0) for reject in rejected if reject[1] is None or keep[reject[1]]]
    return _with_told(frame[keep].reset_index(drop=True), gaps, kept)


def _listed(wanted: Any, one: Any) -> list[Any]:
    return [wanted] if isinstance(wanted, one) else list(wanted)


# --- export -----------------------------------------------------------------------------------------------------


def write_parquet(frame: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write ``frame`` to a Parquet file (zstd) from which :func:`load` gives back an equal frame; return its path.

    Written under a temporary name, synced, then renamed: a half-written file never has the name. The labels and
    units of the columns (FID, Korean, English) are in the metadata of its schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame)
    categories = {
        name: list(frame[name].cat.categories) for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)
    }
    ours = {"version": _METADATA_VERSION, "attrs": frame.attrs.get(ATTRS_KEY, ""), "categories": categories}
    schema = pa.schema(
        [_labelled(field) for field in table.schema],
        metadata={**(table.schema.metadata or {}), _METADATA: msgspec.json.encode(ours)},
    )
    target = Path(path).expanduser()
    with _replacing(target) as file:
        pq.write_table(table.cast(schema), file, compression="zstd")
    return target


def _labelled(field: Any) -> Any:
    described = {known.column: known for known in FIELDS}.get(field.name)
    if described is None:
        return field
    labels = {"fid": described.fid, "ko": described.ko, "en": described.en, "unit": described.unit}
    return field.with_metadata(labels)


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    make_private_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), PRIVATE_FILE)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_parquet(path: Path, *, mask_accounts: bool = True) -> pd.DataFrame:
    """Read a Parquet file that :func:`write_parquet` wrote; raise SourceError for any other file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as exc:
        raise SourceError(str(path), "is no readable Parquet file", "Check the file; export it again.") from exc
    ours = _check_metadata(path, (table.schema.metadata or {}).get(_METADATA))
    frame = table.to_pandas()
    for name, categories in ours["categories"].items():
        if name in frame:
            frame[name] = frame[name].astype(pd.CategoricalDtype(pd.Index(categories, dtype="str")))
    frame.attrs.clear()
    if ours["attrs"]:
        frame.attrs[ATTRS_KEY] = ours["attrs"]
    return _masked(frame) if mask_accounts else frame


def _check_metadata(path: Path, metadata: bytes | None) -> dict[str, Any]:
    todo = "Load journals, and Parquet files that df.kn.to_parquet(path) wrote; read others with pandas.read_parquet."
    if metadata is None:
        raise SourceError(str(path), "was not written by kiwoom_nb", todo)
    ours: dict[str, Any] = msgspec.json.decode(metadata)
    if ours["version"] > _METADATA_VERSION:
        raise SourceError(str(path), "was written by a newer kiwoom_nb", "Update with: pip install -U kiwoom-nb")
    return ours


def _masked(frame: pd.DataFrame) -> pd.DataFrame:
    if "account" in frame:
        categories = list(frame["account"].cat.categories)
        frame["account"] = frame["account"].cat.rename_categories(mask_accounts(categories))
    return frame


def write_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write ``frame`` to a CSV file (UTF-8 with a byte-order mark, so that Excel shows Hangul); return its path."""
    target = Path(path).expanduser()
    with _replacing(target) as file:
        frame.to_csv(file, index=False, encoding="utf-8-sig", mode="wb")
    return target


def write_excel(frame: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write ``frame`` to an Excel workbook (times in KST without their zone, which Excel has not); return its path.

    Raises
    ------
    MissingExtra
        xlsxwriter is not installed (extra ``excel``).
    """
    if find_spec("xlsxwriter") is None:
        raise MissingExtra("Writing Excel files", "xlsxwriter", "excel")
    naive = {
        name: frame[name].dt.tz_localize(None)
        for name in frame
        if isinstance(frame[name].dtype, pd.DatetimeTZDtype) and str(frame[name].dt.tz) == TIMEZONE
    }
    target = Path(path).expanduser()
    with _replacing(target) as file:
        frame.assign(**naive).to_excel(file, index=False, engine="xlsxwriter")  # type: ignore[arg-type]
    return target
