"""Exports: a frame to Parquet, against pyarrow alone; what it needs of memory is a test."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kiwoom_nb.storage import write_parquet

from .material import filled_table
from .measure import Row, in_turn


def to_parquet(*, quick: bool) -> list[Row]:
    """Write a frame to Parquet (zstd), against a bare pyarrow write with the same compression."""
    frame = filled_table(300_000 if quick else 1_000_000).frame()
    with tempfile.TemporaryDirectory() as folder:
        path, other_path = Path(folder) / "ours.parquet", Path(folder) / "bare.parquet"

        def ours(_: int) -> int:
            write_parquet(frame, path)
            return len(frame)

        def bare(_: int) -> int:
            pq.write_table(pa.Table.from_pandas(frame), other_path, compression="zstd")
            return len(frame)

        cost = in_turn(7, ours=ours, other=bare)
        assert pq.read_metadata(path).num_rows == pq.read_metadata(other_path).num_rows == len(frame)
        size = path.stat().st_size / other_path.stat().st_size
        note = f"file x{size:.2f} of the bare one"
        return [Row(f"export of {len(frame):,} rows", cost["ours"], "pq.write_table", cost["other"], "<= 1.3", note)]
