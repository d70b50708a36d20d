"""Frames as files: Parquet that comes back as an equal frame, CSV and Excel for other programs."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeGuard

import msgspec
import numpy as np
import pandas as pd

from .errors import MissingExtra, SourceError
from .paths import PRIVATE_FILE, filesystem, is_url, make_private_folder
from .privacy import is_masked
from .pseudonyms import anonymized
from .schema import COLUMNS, FIELDS, TIMEZONE
from .told import ATTRS_KEY

ROWS_A_GROUP: Final = 1 << 18
"""Rows that are converted and written at a time: what writing needs beside the frame."""

Target = str | os.PathLike[str]
"""A path or, where it is a text with ``://``, a URL that fsspec knows."""

_COMPRESSION: Final = "zstd"
_METADATA: Final = b"kiwoom_nb"
_METADATA_VERSION: Final = 1
_FIELDS: Final = {field.column: field for field in FIELDS}
_TODO: Final = (
    "Load journals, and Parquet files that df.kn.to_parquet(path) wrote; read others with pandas.read_parquet."
)


class Session(msgspec.Struct, frozen=True):
    """Which recorded session a Parquet file of an archive holds, and how much of it; it names nobody."""

    session: str  # digest of what tells the session from all others
    digest: str  # of its content, as far as it is in the archive
    size: int  # bytes of that content
    dates: tuple[str, ...]  # of all files that hold it
    accounts: str  # "masked", "anonymized" or "full"


class _Labels(msgspec.Struct, frozen=True):
    """The categories of a level of column labels, which Parquet does not keep."""

    categories: list[str]
    ordered: bool


class _Metadata(msgspec.Struct, omit_defaults=True):
    """What only we know of a frame in a Parquet file."""

    version: int
    attrs: str = ""
    categories: dict[str, list[str]] = {}
    session: Session | None = None
    labels: list[_Labels | None] = []


# --- Parquet, written ----------------------------------------------------------------------------------------------


def write_parquet(
    frame: pd.DataFrame, path: Target, *, anonymize: bool = False, session: Session | None = None
) -> Path | str:
    """Write ``frame`` to a Parquet file (zstd) from which ``kn.load`` gives back an equal frame; return its path.

    It is written in row groups of :data:`ROWS_A_GROUP` rows, each converted by itself, so that no second copy of the
    frame is held. The labels and units of the columns (FID, Korean, English) are in the metadata of its schema. Gaps,
    rejects and holdings are where only ``kn.load`` looks for them: others put rows of many files together, choose some
    and number them anew, and what one file told would pass for all of them. What is written, and by which name, see
    :func:`replacing`.

    Parameters
    ----------
    frame
        Any frame; ``attrs`` that JSON can hold come along, for pandas too.
    path
        Of a file, or a URL that fsspec knows (extra ``cloud``).
    anonymize
        Replace accounts by salted pseudonyms, see :func:`kiwoom_nb.pseudonyms.anonymized`.
    session
        Of a file of an archive.

    Raises
    ------
    ValueError
        ``path`` is a folder, columns have labels that a Parquet file does not keep, or the file written lacks rows;
        what had the name before is untouched. Or an account number stands as a number, see
        :func:`kiwoom_nb.pseudonyms.anonymized`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole = anonymized(frame) if anonymize else frame
    plain = pd.DataFrame(whole).set_axis(_without_categories(whole.columns), axis=1)
    plain.attrs = {key: value for key, value in whole.attrs.items() if key != ATTRS_KEY and _is_json(value)}
    _check_labels(path, plain.columns, lambda: pa.Schema.from_pandas(plain.iloc[:0]))
    schema = pa.Schema.from_pandas(plain)
    told = whole.attrs.get(ATTRS_KEY, "")
    ours = _Metadata(_METADATA_VERSION, told, _categories(plain), session, _labels(whole.columns))
    labelled = pa.schema(
        [_labelled(field) for field in schema],
        metadata={**(schema.metadata or {}), _METADATA: msgspec.json.encode(ours)},
    )
    with (
        replacing(path, lambda file: _check_rows(path, file, len(plain) if len(schema) else 0)) as file,
        pq.ParquetWriter(file, labelled, compression=_COMPRESSION) as writer,
    ):
        for group in _row_groups(plain, schema):
            writer.write_table(group)
    return _path(path)


def _row_groups(frame: pd.DataFrame, schema: Any) -> Iterator[Any]:
    """Yield ``frame`` as tables of ``schema``, one at a time; an empty frame is one."""
    import pyarrow as pa

    columns = frame.reset_index(drop=True)
    if not isinstance(frame.index, pd.RangeIndex):
        columns = pd.concat([columns, frame.index.to_frame(index=False)], axis=1)
    columns = columns.set_axis(schema.names, axis=1)
    columns.attrs = {}  # they are in the schema; pyarrow would write them into each table anew
    bare = schema.remove_metadata()
    for start in range(0, max(len(frame), 1), ROWS_A_GROUP):
        yield pa.Table.from_pandas(columns.iloc[start : start + ROWS_A_GROUP], schema=bare, preserve_index=False)


def _check_rows(path: Target, file: BinaryIO, rows: int) -> None:
    import pyarrow.parquet as pq

    found = pq.read_metadata(file).num_rows
    if found != rows:
        raise ValueError(
            f"{path} was not written: {found:,} of {rows:,} rows were in the file. Write it again; "
            "a file that was there before is untouched."
        )


def _is_json(value: Any) -> bool:
    try:
        return bool(json.dumps(value))  # as pyarrow does
    except (TypeError, ValueError):
        return False


def _categories(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the categories of our columns: Parquet keeps neither the unused ones nor always their order."""
    if frame.columns.nlevels > 1:
        return {}
    ours = [name for name, dtype in COLUMNS.items() if dtype == "category" and name in frame]
    return {
        name: list(frame[name].cat.categories)
        for name in ours
        if isinstance(frame[name].dtype, pd.CategoricalDtype) and frame[name].cat.categories.dtype == "str"
    }


def _levels(columns: pd.Index[Any]) -> list[pd.Index[Any]]:
    """Return the labels of each level: one, of columns as they mostly are."""
    return [columns.get_level_values(level) for level in range(columns.nlevels)]


def _from_levels(levels: Sequence[pd.Index[Any]]) -> pd.Index[Any]:
    return levels[0] if len(levels) == 1 else pd.MultiIndex.from_arrays(levels)


def _is_categorical(level: pd.Index[Any]) -> TypeGuard[pd.CategoricalIndex]:
    return isinstance(level, pd.CategoricalIndex) and level.categories.dtype == "str"


def _labels(columns: pd.Index[Any]) -> list[_Labels | None]:
    """Return the categories of the labels of pivoted columns, for each level; nothing where no level has any."""
    found = [
        _Labels(list(one.categories), bool(one.ordered)) if _is_categorical(one) else None for one in _levels(columns)
    ]
    return found if any(found) else []


def _without_categories(columns: pd.Index[Any]) -> pd.Index[Any]:
    levels = _levels(columns)
    if not any(map(_is_categorical, levels)):
        return columns
    return _from_levels([level.astype("str") if _is_categorical(level) else level for level in levels])


def _with_categories(columns: pd.Index[Any], labels: Sequence[_Labels | None]) -> pd.Index[Any]:
    """Return the column labels of a file with the categories that they had."""
    levels = zip(_levels(columns), labels, strict=True)
    return _from_levels([level if one is None else level.astype(_dtype_of(one)) for level, one in levels])


def _dtype_of(labels: _Labels) -> pd.CategoricalDtype[Any]:
    return pd.CategoricalDtype(pd.Index(labels.categories, dtype="str"), labels.ordered)


def _check_labels(path: Target, columns: pd.Index[Any], schema: Callable[[], Any]) -> None:
    """Raise ValueError where these column labels would not come back from a Parquet file, or come back as others."""
    if columns.nlevels == 1 and columns.dtype == "str":
        return
    found = None
    if columns.nlevels > 1 or not columns.inferred_type.startswith("mixed"):  # Arrow warns, and makes them text
        with contextlib.suppress(LookupError, TypeError, ValueError):
            found = schema().empty_table().to_pandas().columns
    if found is None or not columns.equals(found):
        raise ValueError(
            f"{path} was not written: a Parquet file does not keep column labels of this kind "
            f"({columns.inferred_type}). Make them text: frame.columns = frame.columns.astype(str)."
        )


def _labelled(field: Any) -> Any:
    known = _FIELDS.get(field.name)
    if known is None:
        return field
    return field.with_metadata({"fid": known.fid, "ko": known.ko, "en": known.en, "unit": known.unit})


# --- Parquet, read ------------------------------------------------------------------------------------------------


def read_parquet(
    path: Path | str, wanted: Mapping[str, Collection[str]] | None = None, file: BinaryIO | None = None
) -> pd.DataFrame:
    """Read a Parquet file that :func:`write_parquet` wrote, opened as ``file`` where it is at no path.

    SourceError is raised for any other file. Row groups in which no row can have one of the ``wanted`` values of a
    column are passed over; other rows may come along. The index says which rows of the file they are.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file or path) as opened:
            ours = _check_metadata(path, (opened.schema_arrow.metadata or {}).get(_METADATA))
            groups = _groups_with(opened.metadata, _comparable(wanted or {}, ours.categories))
            table = opened.read() if len(groups) == opened.num_row_groups else opened.read_row_groups(groups)
            rows = _rows_of(opened.metadata, groups)
    except (pa.ArrowException, OSError) as exc:
        raise SourceError(str(path), "is no readable Parquet file", "Check the file; export it again.") from exc
    frame: pd.DataFrame = table.to_pandas()
    [level, *_] = table.schema.pandas_metadata["index_columns"]
    if rows is not None and isinstance(level, dict):
        frame.index = pd.RangeIndex(level["start"], level["stop"], level["step"], name=level["name"])[rows]
    for name, categories in ours.categories.items():
        dtype = pd.CategoricalDtype(pd.Index(categories, dtype="str"))
        if name in frame and not _is_same(frame[name].dtype, dtype):
            frame[name] = frame[name].astype(dtype)
    if ours.labels:
        frame.columns = _with_categories(frame.columns, ours.labels)
    if ours.attrs:
        frame.attrs[ATTRS_KEY] = ours.attrs
    return frame


def _is_same(one: Any, other: pd.CategoricalDtype) -> bool:
    """Tell whether both have the same categories in the same order, which ``==`` asks of ordered ones only."""
    if not isinstance(one, pd.CategoricalDtype) or one.ordered != other.ordered:
        return False
    return one.categories.identical(other.categories)


def _comparable(
    wanted: Mapping[str, Collection[str]], categories: Mapping[str, list[str]]
) -> Mapping[str, Collection[str]]:
    """Return ``wanted`` without masked accounts where the file does not hold masked ones."""
    if any(map(is_masked, wanted.get("account", ()))) and not all(map(is_masked, categories.get("account", [""]))):
        return {name: values for name, values in wanted.items() if name != "account"}
    return wanted


def _groups_with(metadata: Any, wanted: Mapping[str, Collection[str]]) -> list[int]:
    """Return the row groups that may hold a wanted value of each column, as far as their statistics tell."""
    names = {metadata.schema.column(number).path: number for number in range(metadata.num_columns)}
    columns = [(names[name], values) for name, values in wanted.items() if name in names]
    return [
        number
        for number in range(metadata.num_row_groups)
        if all(_may_hold(metadata.row_group(number).column(column).statistics, values) for column, values in columns)
    ]


def _may_hold(statistics: Any, values: Collection[str]) -> bool:
    if statistics is None or not statistics.has_min_max:
        return True
    return any(statistics.min <= value <= statistics.max for value in values)


def _rows_of(metadata: Any, groups: list[int]) -> np.ndarray[Any, Any] | None:
    """Return the places of the rows of these row groups in the file, None where they are all of it."""
    if len(groups) == metadata.num_row_groups:
        return None
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    return np.flatnonzero(np.repeat(np.isin(np.arange(len(sizes)), groups), sizes))


def read_session(path: str, file: BinaryIO | Path) -> tuple[int, Session | None]:
    """Return the number of rows of a Parquet file, and which session it holds, None where it is of no archive.

    Raises
    ------
    SourceError
        It is no readable Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError) as exc:
        raise SourceError(path, "is no readable Parquet file", "Remove it; it can be archived again.") from exc
    ours = (metadata.metadata or {}).get(_METADATA)
    return metadata.num_rows, None if ours is None else _check_metadata(path, ours).session


def _check_metadata(path: str | Path, metadata: bytes | None) -> _Metadata:
    try:
        ours = msgspec.json.decode(metadata or b"", type=_Metadata)
    except msgspec.DecodeError as exc:
        raise SourceError(str(path), "was not written by kiwoom_nb", _TODO) from exc
    if ours.version > _METADATA_VERSION:
        raise SourceError(
            str(path), "was written by a newer kiwoom_nb", "Update with: python -m pip install --upgrade kiwoom-nb"
        )
    return ours


# --- CSV and Excel ------------------------------------------------------------------------------------------------


def write_csv(frame: pd.DataFrame, path: Target, *, anonymize: bool = False) -> Path | str:
    """Write ``frame`` to a CSV file (UTF-8 with a byte-order mark, so that Excel shows Hangul); return its path.

    ``anonymize`` replaces accounts by salted pseudonyms.
    """
    shown = anonymized(frame) if anonymize else frame
    with replacing(path) as file:
        shown.to_csv(file, index=False, encoding="utf-8-sig", mode="wb")
    return _path(path)


def write_excel(frame: pd.DataFrame, path: Target, *, anonymize: bool = False) -> Path | str:
    """Write ``frame`` to an Excel workbook (times in KST without their zone, which Excel has not); return its path.

    ``anonymize`` replaces accounts by salted pseudonyms.

    Raises
    ------
    MissingExtra
        xlsxwriter is not installed (extra ``excel``).
    """
    if find_spec("xlsxwriter") is None:
        raise MissingExtra("Writing Excel files", "xlsxwriter", "excel")
    plain = pd.DataFrame(anonymized(frame) if anonymize else frame)
    for name in plain:
        if isinstance(plain[name].dtype, pd.DatetimeTZDtype):
            plain[name] = plain[name].dt.tz_convert(TIMEZONE).dt.tz_localize(None)
    options = {"strings_to_formulas": False, "strings_to_urls": False}  # what a server sent is text, whatever it says
    with (
        replacing(path) as file,
        pd.ExcelWriter(file, engine="xlsxwriter", engine_kwargs={"options": options}) as writer,
    ):
        plain.to_excel(writer, index=False)
    return _path(path)


# --- files --------------------------------------------------------------------------------------------------------


def _path(path: Target) -> Path | str:
    return path if is_url(path) else Path(path).expanduser()


@contextlib.contextmanager
def replacing(path: Target, check: Callable[[BinaryIO], None] = lambda _: None) -> Iterator[BinaryIO]:
    """Yield a file to write; once it is complete, synced and passed ``check`` (to read it), it gets its name.

    It is written under a hidden temporary name, so a half-written file never has the name and what had it before
    stays. On disk (``file://`` too) the file is private, and the renaming is one step. At another URL the file is
    moved as its file system does that: an object store copies it, and there is a moment in which both names are there.

    Raises
    ------
    ValueError
        ``path`` is a folder.
    MissingExtra
        fsspec is not installed (extra ``cloud``).
    """
    with _replacing_at_url(path, check) if is_url(path) else _replacing_local(Path(path).expanduser(), check) as file:
        yield file


def _replacing_at_url(url: str, check: Callable[[BinaryIO], None]) -> contextlib.AbstractContextManager[BinaryIO]:
    system, target = filesystem(url)
    if url.endswith("/") or system.isdir(target):
        raise ValueError(_is_a_folder(url))
    return _replacing_local(Path(target), check) if _is_this_disk(system) else _replacing_remote(system, target, check)


def _is_this_disk(system: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(system, LocalFileSystem)


@contextlib.contextmanager
def _replacing_local(target: Path, check: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    if target.is_dir():
        raise ValueError(_is_a_folder(target))
    make_private_folder(target.parent)
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), PRIVATE_FILE)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with temporary.open("rb") as written:
            check(written)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _replacing_remote(system: Any, target: str, check: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    folder = target.rpartition("/")[0]
    temporary = f"{folder}/.{secrets.token_hex(8)}.part"
    try:
        system.makedirs(folder, exist_ok=True)
        with system.open(temporary, "wb") as file:
            yield file
        with system.open(temporary, "rb") as written:
            check(written)
        system.mv(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            system.rm_file(temporary)
        raise


def _is_a_folder(target: Target) -> str:
    return f"{target} is a folder, so no file can be written under that name; give the name of a file in it."
