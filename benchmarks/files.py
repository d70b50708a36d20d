"""Journals and Parquet files: writing a line, loading a session, seeking in a replay."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pandas as pd

from kiwoom_nb.recording import Recorder
from kiwoom_nb.storage import load, write_parquet

from .material import frames, write_journal
from .measure import Row, in_turn

_CASTS = """
SELECT received_at, e.item, e."values"->>'9201', e."values"->>'9001', e."values"->>'302',
       {integers}, {decimals}
FROM (SELECT received_at, unnest(frame.data) AS e FROM read_json('{path}', format='newline_delimited',
      columns={{received_at: 'BIGINT', frame: 'STRUCT(data STRUCT("values" JSON, "type" VARCHAR, item VARCHAR)[])'}},
      ignore_errors=true) WHERE frame IS NOT NULL)
"""
_INTEGERS = [
    "10",
    "930",
    "931",
    "932",
    "933",
    "945",
    "946",
    "950",
    "27",
    "28",
    "307",
    "957",
    "958",
    "990",
    "992",
    "959",
]
_DECIMALS = ["8019", "991", "993"]


def journal_line(*, quick: bool) -> list[Row]:
    """Append a frame to a journal, against a bare os.write of the same bytes."""
    portion = 500
    day = frames(5_000 if quick else 20_000)
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder), server="benchmark", owner="0" * 12, at=day[0][0])
        bare = os.open(Path(folder) / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        def ours(number: int) -> int:
            for received_at, raw in day[number * portion : (number + 1) * portion]:
                recorder.frame(received_at, raw, is_json=True)  # as a stream does, which has parsed it
            return portion

        def other(number: int) -> int:
            for _, raw in day[number * portion : (number + 1) * portion]:
                os.write(bare, raw)
            return portion

        cost = in_turn(len(day) // portion, ours=ours, other=other)
        recorder.close()
        os.close(bare)
    return [Row("append a frame to the journal", cost["ours"], "bare os.write", cost["other"], "<= 3")]


def load_and_seek(*, quick: bool) -> list[Row]:
    """Load a journal and its Parquet copy, and seek in it."""
    with tempfile.TemporaryDirectory() as folder:
        journal, parquet = Path(folder) / "day.jsonl", Path(folder) / "copy" / "day.parquet"
        rows = write_journal(journal, 50_000 if quick else 1_000_000)
        begin = time.perf_counter()
        frame = load(journal)
        ours = (time.perf_counter() - begin) / rows * 1e6
        assert len(frame) == rows
        duck = _load_by_duckdb(journal, rows)
        write_parquet(frame, parquet)
        cost = in_turn(
            3,
            ours=lambda _: len(load(parquet)),
            other=lambda _: len(pd.read_parquet(parquet)),
        )
        return [
            Row(f"load a journal of {rows:,} events", ours, "DuckDB read_json with casts", duck, "<= 5 us"),
            Row("load its Parquet copy", cost["ours"], "pd.read_parquet", cost["other"], "<= 1.2"),
            _seek(frame),
        ]


def _load_by_duckdb(path: Path, rows: int) -> float:
    import duckdb

    query = _CASTS.format(
        path=path,
        integers=", ".join(f"CAST(e.\"values\"->>'{fid}' AS BIGINT)" for fid in _INTEGERS),
        decimals=", ".join(f"CAST(e.\"values\"->>'{fid}' AS DOUBLE)" for fid in _DECIMALS),
    )
    begin = time.perf_counter()
    frame = duckdb.sql(query).df()
    assert len(frame) == rows, (len(frame), rows)
    return (time.perf_counter() - begin) / rows * 1e6


def _seek(frame: pd.DataFrame) -> Row:
    from kiwoom_nb.playback import Playback

    playback = Playback(frame, name="benchmark")
    rows = len(frame)
    places = [rows * number // 101 for number in range(1, 101)]

    def ours(number: int) -> int:
        playback.seek(places[number])
        return 1

    def other(number: int) -> int:
        frame.iloc[: places[number]]
        return 1

    cost = in_turn(100, ours=ours, other=other)
    return Row(f"seek in a replay of {rows:,} events", cost["ours"], "df.iloc[:n]", cost["other"], "<= 1,000 us")
