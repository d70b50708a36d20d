"""Exports: a frame to Parquet, against pyarrow, pandas, Polars and DuckDB; what it needs of memory is a test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from kiwoom_nb.storage import write_parquet

from .material import standing_table
from .measure import Row, Side, Size, in_turn, is_installed


def to_parquet(size: Size) -> Iterator[Row]:
    """Write a frame to Parquet (zstd), against bare writes of the same rows with the same compression."""
    frame = standing_table(size.of(1_000_000, 100_000, 300)).frame()
    with tempfile.TemporaryDirectory() as folder:
        path, bare = Path(folder) / "ours.parquet", Path(folder) / "bare.parquet"

        def ours(_: int) -> int:
            write_parquet(frame, path)
            return len(frame)

        cost = in_turn(size.of(5, 3, 1), ours=ours, **_writers(frame, bare))
        sides = {"pq.write_table": "<= 1.3"}
        mine = cost.pop("ours")
        for other, each in cost.items():
            yield Row(f"export of {len(frame):,} rows", mine, other, each, sides.get(other, ""))
        for package in ("polars", "duckdb"):
            if not is_installed(package):
                yield Row(f"export of {len(frame):,} rows", mine, package, note="not installed")
        pq.write_table(pa.Table.from_pandas(frame), bare, compression="zstd")
        assert pq.read_metadata(path).num_rows == pq.read_metadata(bare).num_rows == len(frame)
        yield Row("size of the file, a row", _each(path, frame), "pq.write_table", _each(bare, frame), unit="B")


def _each(path: Path, frame: pd.DataFrame) -> float:
    return path.stat().st_size / len(frame)


def _writers(frame: pd.DataFrame, path: Path) -> dict[str, Side]:
    def arrow(_: int) -> int:
        pq.write_table(pa.Table.from_pandas(frame), path, compression="zstd")
        return len(frame)

    def pandas(_: int) -> int:
        frame.to_parquet(path, compression="zstd")
        return len(frame)

    sides: dict[str, Side] = {"pq.write_table": arrow, "df.to_parquet": pandas}
    if is_installed("polars"):
        import polars as pl

        def polars(_: int) -> int:
            pl.from_pandas(frame).write_parquet(path)
            return len(frame)

        sides["Polars write_parquet"] = polars
    if is_installed("duckdb"):
        import duckdb

        def duck(_: int) -> int:
            duckdb.sql(f"COPY frame TO '{path}' (COMPRESSION zstd)")
            return len(frame)

        sides["DuckDB COPY"] = duck
    return sides
