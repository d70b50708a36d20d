"""Frames as files: Parquet that comes back as an equal frame, CSV and Excel for other programs."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import pandas as pd

from .errors import MissingExtra, SourceError
from .paths import PRIVATE_FILE, make_private_folder
from .schema import COLUMNS, FIELDS, TIMEZONE
from .told import ATTRS_KEY

_METADATA: Final = b"kiwoom_nb"
_METADATA_VERSION: Final = 1
_FIELDS: Final = {field.column: field for field in FIELDS}


class _Metadata(msgspec.Struct):
    """What only we know of a frame in a Parquet file."""

    version: int
    attrs: str = ""
    categories: dict[str, list[str]] = {}


def write_parquet(frame: pd.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write ``frame`` to a Parquet file (zstd) from which ``kn.load`` gives back an equal frame; return its path.

    Written under a temporary name, synced, then renamed: a half-written file never has the name. The labels and
    units of the columns (FID, Korean, English) are in the metadata of its schema.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    plain = pd.DataFrame(frame)
    plain.attrs = {key: value for key, value in frame.attrs.items() if _is_json(value)}
    table = pa.Table.from_pandas(plain)
    ours = _Metadata(_METADATA_VERSION, frame.attrs.get(ATTRS_KEY, ""), _categories(plain))
    schema = pa.schema(
        [_labelled(field) for field in table.schema],
        metadata={**(table.schema.metadata or {}), _METADATA: msgspec.json.encode(ours)},
    )
    target = Path(path).expanduser()
    with _replacing(target) as file:
        pq.write_table(pa.table(table.columns, schema=schema), file, compression="zstd")
    return target


def _is_json(value: Any) -> bool:
    try:
        return bool(json.dumps(value))  # as pyarrow does
    except (TypeError, ValueError):
        return False


def _categories(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Return the categories of our columns: Parquet keeps neither the unused ones nor always their order."""
    ours = [name for name, dtype in COLUMNS.items() if dtype == "category" and name in frame]
    return {
        name: list(frame[name].cat.categories)
        for name in ours
        if isinstance(frame[name].dtype, pd.CategoricalDtype) and frame[name].cat.categories.dtype == "str"
    }


def _labelled(field: Any) -> Any:
    known = _FIELDS.get(field.name)
    if known is None:
        return field
    return field.with_metadata({"fid": known.fid, "ko": known.ko, "en": known.en, "unit": known.unit})


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    make_private_folder(target.parent)
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), PRIVATE_FILE)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file that :func:`write_parquet` wrote; raise SourceError for any other file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowException, OSError) as exc:
        raise SourceError(str(path), "is no readable Parquet file", "Check the file; export it again.") from exc
    ours = _check_metadata(path, (table.schema.metadata or {}).get(_METADATA))
    frame: pd.DataFrame = table.to_pandas()
    for name, categories in ours.categories.items():
        if name in frame:
            frame[name] = frame[name].astype(pd.CategoricalDtype(pd.Index(categories, dtype="str")))
    if ours.attrs:
        frame.attrs[ATTRS_KEY] = ours.attrs
    return frame


def _check_metadata(path: Path, metadata: bytes | None) -> _Metadata:
    todo = "Load journals, and Parquet files that df.kn.to_parquet(path) wrote; read others with pandas.read_parquet."
    try:
        ours = msgspec.json.decode(metadata or b"", type=_Metadata)
    except msgspec.DecodeError as exc:
        raise SourceError(str(path), "was not written by kiwoom_nb", todo) from exc
    if ours.version > _METADATA_VERSION:
        raise SourceError(
            str(path), "was written by a newer kiwoom_nb", "Update with: python -m pip install --upgrade kiwoom-nb"
        )
    return ours


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
    plain = pd.DataFrame(frame)
    for name in plain:
        if isinstance(plain[name].dtype, pd.DatetimeTZDtype):
            plain[name] = plain[name].dt.tz_convert(TIMEZONE).dt.tz_localize(None)
    options = {"strings_to_formulas": False, "strings_to_urls": False}  # what a server sent is text, whatever it says
    target = Path(path).expanduser()
    with (
        _replacing(target) as file,
        pd.ExcelWriter(file, engine="xlsxwriter", engine_kwargs={"options": options}) as writer,
    ):
        plain.to_excel(writer, index=False)
    return target
