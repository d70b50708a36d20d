"""Journals and Parquet files: writing a line, loading a session, seeking in a replay."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from kiwoom_nb.recording import Recorder
from kiwoom_nb.storage import load, write_parquet

from .accelerated import plainly, quickly
from .material import frames, write_journal
from .measure import Row, Side, Size, in_turn, is_installed

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


def journal_line(size: Size) -> list[Row]:
    """Append a frame to a journal, against a bare os.write of the same bytes and a row of SQLite's."""
    portion = size.of(500, 500, 100)
    day = frames(size.of(20_000, 5_000, 1_000))
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

        with contextlib.closing(_database(Path(folder) / "frames.db")) as database:

            def sqlite(number: int) -> int:
                for received_at, raw in day[number * portion : (number + 1) * portion]:
                    with database:  # a transaction each: what was received is kept whatever happens next
                        database.execute("INSERT INTO frames VALUES (?, ?)", (received_at, raw))
                return portion

            cost = in_turn(len(day) // portion, ours=ours, other=other, sqlite=sqlite)
        recorder.close()
        os.close(bare)
    name = "append a frame to the journal"
    return [
        Row(name, cost["ours"], "bare os.write", cost["other"], "<= 3"),
        Row(name, cost["ours"], "INSERT into SQLite (WAL)", cost["sqlite"]),
    ]


def _database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")  # as safe as ours: a power loss may take the last ones
    database.execute("CREATE TABLE frames (received_at INTEGER, frame TEXT)")
    return database


def load_and_seek(size: Size) -> Iterator[Row]:
    """Load a journal and its Parquet copy, and seek in it."""
    with tempfile.TemporaryDirectory() as folder:
        journal, parquet = Path(folder) / "day.jsonl", Path(folder) / "copy" / "day.parquet"
        rows = write_journal(journal, size.of(300_000, 15_000, 500))
        name, sides = (
            f"load a journal of {rows:,} events",
            {"ours": plainly(_loading(journal, rows)), **quickly("fast", _loading(journal, rows))},
        )
        cost = in_turn(size.of(3, 2, 1), **sides, **_journal_readers(journal))
        ours = cost.pop("ours")
        if "fast" in cost:
            yield Row(f"{name}, extra fast", cost.pop("fast"), "the plain way", ours, "<= 1.6 us")
        targets = {_DUCKDB_READ: "<= 5 us"}
        for other, each in cost.items():
            yield Row(name, ours, other, each, targets.get(other, ""))
        frame = load(journal)
        write_parquet(frame, parquet)
        cost = in_turn(size.of(5, 3, 1), ours=_loading(parquet, rows), **_parquet_readers(parquet))
        ours = cost.pop("ours")
        for other, each in cost.items():
            yield Row("load its Parquet copy", ours, other, each, "<= 1.2" if other == "pd.read_parquet" else "")
        for package in ("polars", "duckdb"):
            if not is_installed(package):
                yield Row("load its Parquet copy", ours, package, note="not installed")
        yield _seek(frame)


def _loading(path: Path, rows: int) -> Side:
    def side(_: int) -> int:
        assert len(load(path)) == rows
        return rows

    return side


_DUCKDB_READ = "DuckDB read_json with casts"


def _journal_readers(path: Path) -> dict[str, Side]:
    """Return what else reads a journal: typed columns by DuckDB, texts by the standard library and pandas."""
    sides: dict[str, Side] = {"json.loads, DataFrame of texts": lambda _: len(_load_by_json(path))}
    if is_installed("duckdb"):
        sides[_DUCKDB_READ] = lambda _: len(_load_by_duckdb(path))
    return sides


def _load_by_json(path: Path) -> pd.DataFrame:
    with path.open("rb") as file:
        lines = [json.loads(line) for line in file]
    events = [
        {"received_at": line["received_at"], **entry["values"]}
        for line in lines
        if "frame" in line
        for entry in line["frame"]["data"]
    ]
    return pd.DataFrame(events)


def _load_by_duckdb(path: Path) -> pd.DataFrame:
    import duckdb

    query = _CASTS.format(
        path=path,
        integers=", ".join(f"CAST(e.\"values\"->>'{fid}' AS BIGINT)" for fid in _INTEGERS),
        decimals=", ".join(f"CAST(e.\"values\"->>'{fid}' AS DOUBLE)" for fid in _DECIMALS),
    )
    return duckdb.sql(query).df()


def _parquet_readers(path: Path) -> dict[str, Side]:
    sides: dict[str, Side] = {"pd.read_parquet": lambda _: len(pd.read_parquet(path))}
    if is_installed("polars"):
        import polars as pl

        sides["pl.read_parquet"] = lambda _: len(pl.read_parquet(path))
        sides["pl.read_parquet to pandas"] = lambda _: len(pl.read_parquet(path).to_pandas())
    if is_installed("duckdb"):
        import duckdb

        query = f"SELECT * FROM '{path}'"  # noqa: S608 - our own file
        sides["DuckDB to pandas"] = lambda _: len(duckdb.sql(query).to_arrow_table().to_pandas())
    return sides


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
