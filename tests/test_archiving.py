"""kn.archive: recorded sessions as a folder of Parquet that others read as it is. All data is synthetic."""

from __future__ import annotations

import gzip
import json
import shutil
from datetime import date, datetime
from pathlib import Path

import duckdb
import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from frames import OFFICIAL, balance_frames, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import kiwoom_nb as kn
from kiwoom_nb import export, journal, paths, samples, shelf
from kiwoom_nb.errors import JournalError, MissingExtra, SourceError
from kiwoom_nb.latest import KEY
from kiwoom_nb.merging import selected
from kiwoom_nb.recording import KST
from kiwoom_nb.told import ATTRS_KEY, told_by

SECOND = 1_000_000
DAYS = ("2026-11-18", "2026-11-19", "2026-11-20")


def at(day, hour=10, second=0.0):
    return int(datetime(2026, 11, day, hour, tzinfo=KST).timestamp()) * SECOND + int(second * SECOND)


def write(path, *lines, owner="5f0c9a8b7c6d", server="demo"):
    """Write a journal of (time, frame) and (time, event, details)."""
    begun = lines[0][0]
    day = datetime.fromtimestamp(begun / SECOND, KST).date().isoformat()
    content = [journal.header_line(journal.Header(journal.VERSION, server, owner, day, begun))]
    for moment, what, *details in lines:
        if isinstance(what, bytes):
            content.append(journal.frame_line(moment, what))
        else:
            content.append(journal.event_line(moment, event=what, **dict(*details)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(content))
    return path


def held(asked_at, account):
    """Return the details of a line that tells what an account holds."""
    row = {"stk_cd": "A005930", "stk_nm": "삼성전자", "rmnd_qty": "5", "pur_amt": "300000", "crd_tp": "00"}
    return {"asked_at": asked_at, "account": account, "pages": [{"acnt_evlt_remn_indv_tot": [row]}]}


@pytest.fixture
def source(tmp_path):
    """Two recorders; one goes on past midnight and stops on the second day."""
    write(
        tmp_path / "from" / "2026-11-18-demo-5f0c9a8b7c6d.jsonl",
        (at(18), "connected"),
        (at(18, second=1), event(f930="1", f9201="1234561111")),
        (at(18, second=2), event(f930="many")),
        (at(18, second=3), b"noise 1234561111"),
        (at(18, second=4), "holdings", held(at(18, second=3), "5012341111")),
        (at(19, 0, second=1), event(f930="2", f9201="1234561111")),
        (at(19, 9), "disconnected", {"since": at(19, 9), "reason": "closed"}),
        (at(19, 10), "connected"),
        (at(19, 10, second=1), event(f930="worse")),
    )
    write(
        tmp_path / "from" / "sub" / "2026-11-20-real-000000000001.jsonl",
        (at(20), "connected"),
        (at(20, second=1), event(f930="3", f9201="6543211111")),
        owner="000000000001",
        server="real",
    )
    return tmp_path / "from"


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# --- what is written ----------------------------------------------------------------------------------------------


def test_sessions_are_filed_by_the_day_of_their_rows(source, tmp_path):
    """A session past midnight fills two files; the report names each file and counts its rows."""
    report = kn.archive(tmp_path / "archive", source)
    assert tree(tmp_path / "archive") == [
        "date=2026-11-18/owner=demo-5f0c9a8b7c6d/2026-11-18-demo-5f0c9a8b7c6d.parquet",
        "date=2026-11-19/owner=demo-5f0c9a8b7c6d/2026-11-18-demo-5f0c9a8b7c6d.parquet",
        "date=2026-11-20/owner=real-000000000001/2026-11-20-real-000000000001.parquet",
    ]
    assert report["file"].tolist() == tree(tmp_path / "archive")
    assert report["date"].tolist() == [pd.Timestamp(day) for day in DAYS]
    assert report["owner"].tolist() == ["demo-5f0c9a8b7c6d"] * 2 + ["real-000000000001"]
    assert report["rows"].tolist() == [2, 2, 1]
    assert report["status"].tolist() == ["added"] * 3
    assert [str(dtype) for dtype in report.dtypes] == ["datetime64[ms]", "str", "str", "int64", "str"]


def test_an_archive_holds_what_the_journals_told(source, tmp_path):
    """Rows, gaps, rejects and the rows that these name; each file those of its day."""
    kn.archive(tmp_path / "archive", source, mask_accounts=False)
    whole, archived = (kn.load(folder, mask_accounts=False) for folder in (source, tmp_path / "archive"))
    assert_frame_equal(archived, whole)
    assert archived.attrs == whole.attrs
    assert len(told_by(whole).rejected) == 3
    assert len(told_by(whole).holdings) == 1
    for day in DAYS:
        assert kn.load(tmp_path / "archive", dates=day).kn.gaps.equals(kn.load(source, dates=day).kn.gaps)
    assert [len(kn.load(tmp_path / "archive", dates=day).kn.gaps) for day in DAYS] == [0, 1, 0]


def test_a_pause_between_two_days_is_told_on_the_day_it_ended(tmp_path):
    """Though the two journals are added one after the other, and the first is not read into the file of the second."""
    day = tmp_path / "from" / "2026-11-{}-demo-5f0c9a8b7c6d.jsonl"
    write(Path(str(day).format(18)), (at(18), "connected"), (at(18, second=1), OFFICIAL))
    kn.archive(tmp_path / "archive", tmp_path / "from")
    write(Path(str(day).format(19)), (at(19), "connected"), (at(19, second=1), OFFICIAL))
    assert kn.archive(tmp_path / "archive", tmp_path / "from")["status"].tolist() == ["same", "added"]
    gaps = kn.load(tmp_path / "archive").kn.gaps
    assert gaps["reason"].tolist() == ["interrupted"]
    assert gaps.equals(kn.load(tmp_path / "from").kn.gaps)
    assert kn.load(tmp_path / "archive", dates="2026-11-18").kn.gaps.empty


def test_a_gap_that_lasted_at_midnight_is_one_gap(tmp_path):
    """Told by the first day's file as lasting, by the second's with its end; together it is told once."""
    day = tmp_path / "from" / "2026-11-{}-demo-5f0c9a8b7c6d.jsonl"
    down = (at(18, 20), "disconnected", {"since": at(18, 20), "reason": "closed"})
    write(Path(str(day).format(18)), (at(18), "connected"), (at(18, second=1), OFFICIAL), down)
    kn.archive(tmp_path / "archive", tmp_path / "from")
    write(Path(str(day).format(19)), (at(19), "connected"), (at(19, second=1), OFFICIAL))
    kn.archive(tmp_path / "archive", tmp_path / "from")
    assert kn.load(tmp_path / "archive", dates="2026-11-18").kn.gaps["end"].isna().tolist() == [True]
    assert kn.load(tmp_path / "archive").kn.gaps.equals(kn.load(tmp_path / "from").kn.gaps)


def test_the_same_session_adds_nothing(source, tmp_path):
    """By content: a copy in another folder, compressed, is the same session; no file is touched, no journal either."""
    kn.archive(tmp_path / "archive", source)
    before = {name: (tmp_path / "archive" / name).stat().st_mtime_ns for name in tree(tmp_path / "archive")}
    journals = {path: path.read_bytes() for path in source.rglob("*.jsonl")}
    shutil.copytree(source, tmp_path / "copy")
    for path in list((tmp_path / "copy").rglob("*.jsonl")):
        packed = path.with_name(f"{path.name}.zst")
        packed.write_bytes(pa.compress(path.read_bytes(), codec="zstd", asbytes=True))
        path.unlink()
    for again in (source, tmp_path / "copy", tmp_path / "archive"):
        report = kn.archive(tmp_path / "archive", again)
        assert report["status"].tolist() == ["same"] * 3
        assert report["rows"].tolist() == [2, 2, 1]
    assert before == {name: (tmp_path / "archive" / name).stat().st_mtime_ns for name in tree(tmp_path / "archive")}
    assert journals == {path: path.read_bytes() for path in source.rglob("*.jsonl")}


def test_a_session_that_has_grown_is_rewritten_and_an_older_copy_is_not(tmp_path):
    """A journal that is still being written is archived as far as it is: its torn end is not counted as content."""
    path = write(tmp_path / "a.jsonl", (at(20), "connected"), (at(20, second=1), event(f930="1")))
    shutil.copy(path, tmp_path / "older.jsonl")
    with path.open("ab") as file:
        file.write(b'{"received_at":17')
    kn.archive(tmp_path / "archive", path)
    content = path.read_bytes().removesuffix(b'{"received_at":17')
    path.write_bytes(content + journal.frame_line(at(20, second=2), event(f930="2")))
    report = kn.archive(tmp_path / "archive", path)
    assert (report["status"].tolist(), report["rows"].tolist()) == (["replaced"], [2])
    assert kn.load(tmp_path / "archive")["quantity"].tolist() == [1, 2]
    assert kn.load(tmp_path / "archive").kn.rejected.empty
    (tmp_path / "older.jsonl").replace(path)
    assert kn.archive(tmp_path / "archive", path)["status"].tolist() == ["same"]
    assert kn.load(tmp_path / "archive")["quantity"].tolist() == [1, 2]


def test_a_gap_that_moves_to_the_day_it_ended_leaves_the_day_before(tmp_path):
    """The file of the first day is written again without it, and then it is the same for good."""
    path = write(tmp_path / "a.jsonl", (at(18), "connected"), (at(18, second=1), "disconnected", {"reason": "closed"}))
    assert kn.archive(tmp_path / "archive", path)["rows"].tolist() == [0]
    with path.open("ab") as file:
        file.write(journal.event_line(at(19), event="connected") + journal.frame_line(at(19, second=1), OFFICIAL))
    assert kn.archive(tmp_path / "archive", path)["status"].tolist() == ["replaced", "added"]
    assert kn.archive(tmp_path / "archive", path)["status"].tolist() == ["same", "same"]
    assert kn.load(tmp_path / "archive", dates="2026-11-18").kn.gaps.empty
    assert kn.load(tmp_path / "archive").kn.gaps.equals(kn.load(path).kn.gaps)


def test_sessions_of_one_name_are_told_apart(tmp_path):
    """Two folders may hold journals of one name; each is archived, and again each is found."""
    write(tmp_path / "from" / "a" / "day.jsonl", (at(20), event(f930="1")))
    write(tmp_path / "from" / "b" / "day.jsonl", (at(20, second=9), event(f930="2")))
    for status in ("added", "same"):
        report = kn.archive(tmp_path / "archive", tmp_path / "from")
        assert report["status"].tolist() == [status] * 2
        assert [Path(file).name for file in report["file"]] == ["day.2.parquet", "day.parquet"]
    assert kn.load(tmp_path / "archive")["quantity"].tolist() == [1, 2]


def test_exported_files_can_be_archived_too(source, tmp_path):
    """A Parquet file says whose it is by its name, where it does; once its journal is gone it is all there is."""
    kn.load(source, dates="2026-11-20").kn.to_parquet(tmp_path / "parquet" / "2026-11-20-real-000000000001.parquet")
    kn.load(source, dates="2026-11-18").kn.to_parquet(tmp_path / "parquet" / "lesson.parquet")
    for status in ("added", "same"):
        report = kn.archive(tmp_path / "archive", tmp_path / "parquet")
        assert report["status"].tolist() == [status] * 2
        assert report["owner"].tolist() == ["unknown", "real-000000000001"]
    assert kn.load(tmp_path / "archive")["quantity"].dropna().tolist() == [1, 3]


def total(folder, **options):
    """Return the rows of an archive as DuckDB counts them, and what ``kn.load`` tells beside its rows."""
    [(rows,)] = duckdb.sql(f"SELECT count(*) FROM read_parquet('{folder}/**/*.parquet')").fetchall()  # noqa: S608
    told = told_by(kn.load(folder, **options))
    return rows, len(told.gaps), len(told.rejected), len(told.holdings)


def copies(source, folder):
    """Return the first journal under other names, as a download or a packer writes them, and its exports."""
    journal_ = source / "2026-11-18-demo-5f0c9a8b7c6d.jsonl"
    folder.mkdir()
    content = journal_.read_bytes()
    paths = {name: folder / name for name in ("2026-11-18 (1).jsonl", "mine.jsonl.gz", "other.jsonl.zst")}
    paths["2026-11-18 (1).jsonl"].write_bytes(content)
    paths["mine.jsonl.gz"].write_bytes(gzip.compress(content))
    paths["other.jsonl.zst"].write_bytes(pa.compress(content, codec="zstd", asbytes=True))
    for name, options in {"export": {}, "full": {"mask_accounts": False}}.items():
        paths[name] = kn.load(journal_, **options).kn.to_parquet(folder / f"{name}.parquet")
    again = kn.load(paths["export"]).assign(mine=1).iloc[::-1]
    paths["export of an export"] = again.kn.to_parquet(folder / "again.parquet")
    paths["anonymized"] = kn.load(journal_).kn.to_parquet(folder / "anonymized.parquet", anonymize=True)
    paths["one symbol"] = kn.load(journal_, symbols="005930").kn.to_parquet(folder / "symbol.parquet")
    paths["journal"] = journal_
    return paths


def test_a_session_is_added_once_whatever_its_file_is_called(source, tmp_path):
    """A renamed copy, a packed one, an export, an export of an export, a part of it: each adds nothing."""
    paths = copies(source, tmp_path / "copies")
    kn.archive(tmp_path / "archive", source)
    before = total(tmp_path / "archive")
    written = {name: (tmp_path / "archive" / name).stat().st_mtime_ns for name in tree(tmp_path / "archive")}
    for name, path in paths.items():
        report = kn.archive(tmp_path / "archive", path)
        assert (name, set(report["status"])) == (name, {"same"})
        assert set(report["file"]) <= set(tree(source.parent / "archive"))
    assert total(tmp_path / "archive") == before == (5, 1, 3, 1)
    assert written == {name: (tmp_path / "archive" / name).stat().st_mtime_ns for name in tree(tmp_path / "archive")}


@pytest.mark.parametrize("accounts", [{}, {"mask_accounts": False}, {"anonymize": True}])
@pytest.mark.parametrize("first", ["one symbol", "anonymized", "export of an export"])
def test_the_order_in_which_copies_are_added_does_not_matter(source, tmp_path, accounts, first):
    """An export first, then the journal, then all others: the rows of the journal, and what it told, once."""
    paths = copies(source, tmp_path / "copies")
    for path in (paths[first], paths["journal"]):
        kn.archive(tmp_path / "archive", path, **accounts)
    assert total(tmp_path / "archive")[:3] == (4, 1, 3)
    for path in paths.values():
        assert set(kn.archive(tmp_path / "archive", path, **accounts)["status"]) == {"same"}


def test_a_folder_with_copies_in_it_is_added_once(source, tmp_path):
    """Two archives of the same sessions among them; the report names each file once."""
    copies(source, tmp_path / "copies")
    for number in (1, 2):
        kn.archive(tmp_path / "copies" / f"archive{number}", source)
        kn.archive(tmp_path / "copies" / f"exports{number}", tmp_path / "copies" / "export.parquet")
    for folder in (tmp_path / "copies", source):
        kn.archive(tmp_path / "archive", folder)
    assert total(tmp_path / "archive") == (5, 1, 3, 1)
    report = kn.archive(tmp_path / "archive", tmp_path / "copies")
    assert report["file"].is_unique
    assert set(report["status"]) == {"same"}


def test_what_a_session_has_more_than_its_copies_is_added(tmp_path):
    """A journal that went on after it was exported, and an export of a journal that went on after it was archived."""
    path = write(tmp_path / "a.jsonl", (at(20), "connected"), (at(20, second=1), event(f930="1")))
    early = kn.load(path).kn.to_parquet(tmp_path / "early.parquet")
    with path.open("ab") as file:
        file.write(journal.frame_line(at(20, second=2), event(f930="2")))
        file.write(journal.event_line(at(20, second=3), event="disconnected", reason="closed"))
    late = kn.load(path).kn.to_parquet(tmp_path / "late.parquet")
    whole = kn.load(path)
    for number, order in enumerate([(early, path), (early, late), (early, late, path), (path, early), (late, path)]):
        archive = tmp_path / f"archive{number}"
        statuses = [set(kn.archive(archive, one)["status"]) for one in (*order, *order)]
        assert statuses[len(order) :] == [{"same"}] * len(order)
        assert statuses[0] == {"added"}
        assert_frame_equal(kn.load(archive), whole)
        assert kn.load(archive).kn.gaps.equals(whole.kn.gaps)


def test_what_was_left_out_is_added_once_the_other_copy_is_gone(tmp_path):
    """A file of the archive never passes for more of a session than it holds."""
    path = write(tmp_path / "a.jsonl", (at(20), "connected"), (at(20, second=1), event(f930="1")))
    early = kn.load(path).kn.to_parquet(tmp_path / "early.parquet")
    with path.open("ab") as file:
        file.write(journal.frame_line(at(20, second=2), event(f930="2")))
    late = kn.load(path).kn.to_parquet(tmp_path / "late.parquet")
    for number, longer in enumerate((path, late)):
        archive = tmp_path / f"archive{number}"
        [first] = kn.archive(archive, early)["file"]
        kn.archive(archive, longer)
        (archive / first).unlink()
        kn.archive(tmp_path / f"second{number}", archive)
        for folder in (archive, tmp_path / f"second{number}"):
            kn.archive(folder, longer)
            assert kn.load(folder)["quantity"].tolist() == [1, 2]


def test_parts_of_a_session_come_together(source, tmp_path):
    """The days of an archive one by one, each twice: none takes the place of another."""
    kn.archive(tmp_path / "archive", source)
    for folder in sorted((tmp_path / "archive").iterdir()):
        assert kn.archive(tmp_path / "second", folder)["status"].tolist() == ["added"]
        assert kn.archive(tmp_path / "second", folder)["status"].tolist() == ["same"]
    assert_frame_equal(kn.load(tmp_path / "second"), kn.load(tmp_path / "archive"))
    kn.archive(tmp_path / "second", source)
    assert_frame_equal(kn.load(tmp_path / "second"), kn.load(tmp_path / "archive"))
    assert kn.load(tmp_path / "second").attrs == kn.load(tmp_path / "archive").attrs


def test_a_grown_copy_replaces_the_session_under_its_first_name(tmp_path):
    """Whatever it is called, and an older one called otherwise is the same."""
    path = write(tmp_path / "a.jsonl", (at(20), "connected"), (at(20, second=1), event(f930="1")))
    shutil.copy(path, tmp_path / "older.jsonl")
    [first] = kn.archive(tmp_path / "archive", path)["file"]
    with path.open("ab") as file:
        file.write(journal.frame_line(at(21, second=2), event(f930="2")))
    report = kn.archive(tmp_path / "archive", path.rename(tmp_path / "longer.jsonl"))
    assert report["status"].tolist() == ["replaced", "added"]
    assert report["file"][0] == first
    assert set(kn.archive(tmp_path / "archive", tmp_path / "older.jsonl")["status"]) == {"same"}
    assert kn.load(tmp_path / "archive")["quantity"].tolist() == [1, 2]


def test_recordings_of_two_journals_are_two(tmp_path):
    """Though each row of one has its like in the other: a recorder begins no two journals in one microsecond."""
    lines = [(at(20), "connected"), (at(20, second=1), event(f930="1"))]
    for owner in ("000000000001", "000000000002"):
        kn.archive(tmp_path / "archive", write(tmp_path / f"{owner}.jsonl", *lines, owner=owner))
    assert len(kn.load(tmp_path / "archive")) == 2


def test_only_files_that_may_hold_the_session_are_looked_at(source, tmp_path, monkeypatch):
    """To add a day to a long archive does not read the ends of all its files, and to add it again one."""
    for day in range(1, 15):
        kn.archive(tmp_path / "archive", write(tmp_path / f"{day}.jsonl", (at(day), event())))
    new = write(tmp_path / "new.jsonl", (at(20), event()))
    read = []
    monkeypatch.setattr(
        shelf, "read_session", lambda path, file: (read.append(path), export.read_session(path, file))[1]
    )
    assert kn.archive(tmp_path / "archive", new)["status"].tolist() == ["added"]
    assert len(read) == 1  # which tells how the archive shows accounts
    assert kn.archive(tmp_path / "archive", new)["status"].tolist() == ["same"]
    assert len(read) == 3


def test_an_archive_can_be_added_to_another(source, tmp_path):
    """Its files of two days are one session; where one of them was missing, the journal brings it later."""
    report = kn.archive(tmp_path / "archive", source)
    kn.archive(tmp_path / "second", tmp_path / "archive")
    assert tree(tmp_path / "second") == report["file"].tolist()
    assert kn.archive(tmp_path / "second", source)["status"].tolist() == ["same"] * 3
    assert_frame_equal(kn.load(tmp_path / "second"), kn.load(tmp_path / "archive"))
    part = tmp_path / "archive" / "date=2026-11-19"
    assert kn.archive(tmp_path / "third", part)["rows"].tolist() == [2]
    assert kn.archive(tmp_path / "archive", part)["status"].tolist() == ["same", "same"]
    assert kn.archive(tmp_path / "third", source)["status"].tolist() == ["added", "replaced", "added"]
    assert_frame_equal(kn.load(tmp_path / "third"), kn.load(tmp_path / "archive"))


def test_names_are_such_as_windows_takes(tmp_path):
    """Whatever the journal is called, and whatever its header says."""
    write(tmp_path / "what: *odd?.jsonl", (at(20), OFFICIAL), server="::1|x", owner="a=b")
    [file] = kn.archive(tmp_path / "archive", tmp_path / "what: *odd?.jsonl")["file"]
    assert file == "date=2026-11-20/owner=__1_x-a_b/what_ _odd_.parquet"


def test_without_a_source_all_that_was_recorded_is_archived(tmp_path):
    """Of all servers; the journals stay where they are."""
    for server in ("demo", "real"):
        name = f"2026-11-20-{server}-5f0c9a8b7c6d.jsonl"
        write(paths.home() / "journals" / server / name, (at(20), OFFICIAL), server=server)
    assert kn.archive(tmp_path / "archive")["owner"].tolist() == ["demo-5f0c9a8b7c6d", "real-5f0c9a8b7c6d"]
    assert len(tree(paths.home() / "journals")) == 2


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [(b"hello\nworld\n", JournalError, "does not begin with a header"), (None, SourceError, "does not exist")],
)
def test_what_cannot_be_archived_is_said(tmp_path, content, error, says):
    """A sentence, and no archive."""
    if content:
        (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(error, match=says):
        kn.archive(tmp_path / "archive", tmp_path / "a.jsonl")
    assert not (tmp_path / "archive").exists()


def test_rows_that_are_lost_on_the_way_leave_no_file(source, tmp_path, monkeypatch):
    """The rows in the file written are counted before it gets its name."""
    groups = export._row_groups
    monkeypatch.setattr(export, "_row_groups", lambda frame, schema: groups(frame.iloc[1:], schema))
    with pytest.raises(ValueError, match="1 of 2 rows were in the file"):
        kn.archive(tmp_path / "archive", source)
    assert tree(tmp_path / "archive") == []


def test_rows_that_are_lost_on_the_way_to_their_day_are_missed(source, tmp_path, monkeypatch):
    """What is filed under a day is counted against what was received on it."""
    monkeypatch.setattr(shelf, "selected", lambda *args, **more: selected(*args, **more).iloc[1:])
    with pytest.raises(ValueError, match="1 of 2 rows of 2026-11-18 would be archived"):
        kn.archive(tmp_path / "archive", source)
    assert not (tmp_path / "archive").exists()


# --- accounts -----------------------------------------------------------------------------------------------------


def content(folder):
    """Return all that an archive says: names, metadata and cells."""
    texts = tree(folder)
    for name in tree(folder):
        file = pq.ParquetFile(folder / name)
        texts += [str(file.schema_arrow.metadata), file.read().to_pandas().to_csv()]
        texts.append((folder / name).read_bytes().decode("latin-1"))
    return "\n".join(texts)


@pytest.mark.parametrize("options", [{}, {"anonymize": True}, {"anonymize": True, "mask_accounts": False}])
def test_no_account_is_in_an_archive_unless_asked_for(source, tmp_path, options):
    """Not in a cell, a category, a reject or the metadata; only mask_accounts=False writes them."""
    kn.archive(tmp_path / "archive", source, **options)
    found = content(tmp_path / "archive")
    assert [account for account in ("1234561111", "6543211111", "1111111111", "5012341111") if account in found] == []
    kn.archive(tmp_path / "full", source, mask_accounts=False)
    assert "noise 1234561111" in content(tmp_path / "full")


def test_a_label_stands_for_one_account_in_all_files(tmp_path):
    """Accounts that look alike when masked may never meet in one file: later ones show more digits, for good."""
    for number, account in enumerate(("1234561111", "6543211111", "1234561111", "6543211111")):
        write(tmp_path / "from" / f"{number}.jsonl", (at(17 + number), event(f9201=account)))
    for number in range(4):
        kn.archive(tmp_path / "archive", tmp_path / "from" / f"{number}.jsonl")
    kn.archive(tmp_path / "other", tmp_path / "from" / "3.jsonl")
    assert kn.load(tmp_path / "archive")["account"].tolist() == ["xxxxxx1111", "xxxxx11111"] * 2
    assert kn.load(tmp_path / "other")["account"].tolist() == ["xxxxx11111"]
    known = (paths.home() / "archived_accounts.json").read_text()
    assert "123456" not in known
    assert "654321" not in known


def test_an_anonymized_archive_names_no_server_of_ones_own(tmp_path):
    """A server may be a machine at home, and a journal may be called anything."""
    write(tmp_path / "kims lesson.jsonl", (at(20), OFFICIAL), server="kims-pc-8765")
    [file] = kn.archive(tmp_path / "archive", tmp_path / "kims lesson.jsonl", anonymize=True)["file"]
    assert file.startswith("date=2026-11-20/owner=server-5f0c9a8b7c6d/session-")
    assert "kim" not in content(tmp_path / "archive")
    assert kn.archive(tmp_path / "archive", tmp_path / "kims lesson.jsonl", anonymize=True)["status"].tolist() == [
        "same"
    ]


def test_pseudonyms_are_the_same_in_an_archive_and_in_an_export(source, tmp_path):
    """Of accounts in full; they come back as they are, masked or not."""
    kn.archive(tmp_path / "archive", source, anonymize=True)
    kn.load(source, mask_accounts=False).kn.to_parquet(tmp_path / "a.parquet", anonymize=True)
    archived, exported = kn.load(tmp_path / "archive"), kn.load(tmp_path / "a.parquet", mask_accounts=False)
    assert archived["account"].tolist() == exported["account"].tolist()
    assert archived["account"].str.fullmatch("account-[0-9a-f]{8}").all()
    assert archived["account"].nunique() == 3


def test_an_archive_of_the_first_version_is_read_and_added_to(source, tmp_path):
    """What a file told stood in the metadata of pandas too; its sessions are found by content as they were."""
    kn.archive(tmp_path / "archive", source)
    whole = kn.load(tmp_path / "archive")
    for name in tree(tmp_path / "archive"):
        table = pq.read_table(tmp_path / "archive" / name, partitioning=None)
        ours = json.loads(table.schema.metadata[b"kiwoom_nb"])
        pandas = json.loads(table.schema.metadata[b"pandas"])
        pandas["attributes"] = {ATTRS_KEY: ours.get("attrs", "")}
        metadata = {**table.schema.metadata, b"pandas": json.dumps(pandas).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "archive" / name)
    assert_frame_equal(kn.load(tmp_path / "archive"), whole)
    assert kn.load(tmp_path / "archive").attrs == whole.attrs
    for path in copies(source, tmp_path / "copies").values():
        assert set(kn.archive(tmp_path / "archive", path)["status"]) == {"same"}


def test_an_archive_shows_accounts_in_one_way(source, tmp_path):
    """The same session, once masked and once in full, would be two."""
    kn.archive(tmp_path / "archive", source)
    with pytest.raises(ValueError, match="shows accounts masked, and what is to be added would show them in full"):
        kn.archive(tmp_path / "archive", source, mask_accounts=False)


# --- load ---------------------------------------------------------------------------------------------------------


def test_files_of_other_days_are_not_opened(source, tmp_path):
    """A file that nobody can read does not matter where its day is not asked for."""
    report = kn.archive(tmp_path / "archive", source)
    (tmp_path / "archive" / report["file"][2]).write_bytes(b"PAR1 not really")
    assert len(kn.load(tmp_path / "archive", dates=["2026-11-18", date(2026, 11, 19)])) == 4
    nothing = kn.load(tmp_path / "archive", dates="2026-11-21")
    assert nothing.empty
    assert nothing.dtypes.astype(str).equals(kn.load(source).dtypes.astype(str))
    with pytest.raises(SourceError, match="is no readable Parquet file"):
        kn.load(tmp_path / "archive")


def test_row_groups_without_the_symbol_are_not_read(tmp_path, monkeypatch):
    """Their statistics say so; the rows of the others keep what rejects say of them."""
    monkeypatch.setattr(export, "ROWS_A_GROUP", 2)
    symbols = ["000660", "000660", "005930", "005930", "000660", "035420"]
    lines = [(at(20, second=n), event(f9001=symbol, item=symbol, f930="x")) for n, symbol in enumerate(symbols)]
    [file] = kn.archive(tmp_path / "archive", write(tmp_path / "a.jsonl", *lines))["file"]
    read = []
    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", _noting(read, pq.ParquetFile.read_row_groups))
    frame = kn.load(tmp_path / "archive", symbols="A005930")
    assert read == [[1, 2]]
    assert frame["symbol"].tolist() == ["005930"] * 2
    assert [reject.row for reject in told_by(frame).rejected] == [0, 1]
    assert kn.load(tmp_path / "archive" / file, accounts="nobody").empty
    assert read[1:] == [[]]


def _noting(calls, method):
    def note(self, groups, *args, **more):
        calls.append(list(groups))
        return method(self, groups, *args, **more)

    return note


def test_masked_names_find_accounts_that_are_in_a_file_in_full(source, tmp_path):
    """The statistics of such a file say nothing of the labels that are shown."""
    kn.archive(tmp_path / "archive", source, mask_accounts=False)
    for label in kn.load(tmp_path / "archive")["account"].unique():
        assert len(kn.load(tmp_path / "archive", accounts=label)) > 0


MOMENTS = st.integers(0, 3 * 24 * 3600 - 1).map(lambda second: at(18, 0, second))
TOLD = st.sampled_from([event(f930="x"), b"noise 5012345678"])
HOLDINGS = MOMENTS.map(lambda moment: (moment, "holdings", held(moment - SECOND // 2, "5012345678")))
LINES = st.lists(st.tuples(MOMENTS, balance_frames(2) | TOLD) | HOLDINGS, min_size=1, max_size=8).map(
    lambda lines: sorted(lines, key=lambda line: line[0])
)
CHOSEN = st.fixed_dictionaries(
    {},
    optional={
        "dates": st.lists(st.sampled_from(DAYS), max_size=2),
        "symbols": st.lists(st.sampled_from(["005930", "A000660", "035420"]), max_size=2),
        "accounts": st.lists(st.integers(0, 2), max_size=2),
    },
)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES, min_size=1, max_size=3), CHOSEN, st.booleans())
def test_choosing_while_loading_is_choosing_afterwards(tmp_path_factory, sessions, chosen, mask):
    """Whatever is passed over unread had nothing of what was asked for: rows, gaps, rejects."""
    folder = tmp_path_factory.mktemp("archive")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export, "ROWS_A_GROUP", 1)
        for number, lines in enumerate(sessions):
            write(folder / "from" / f"{number}.jsonl", *lines, owner=f"{number:012x}")
        kn.archive(folder / "archive", folder / "from", mask_accounts=mask)
    whole = kn.load(folder / "archive", mask_accounts=mask)
    if "accounts" in chosen:
        labels = list(whole["account"].cat.categories)
        chosen = {**chosen, "accounts": [labels[number] for number in chosen["accounts"] if number < len(labels)]}
    expected = selected("whole", whole, **chosen)
    found = kn.load(folder / "archive", mask_accounts=mask, **chosen)
    assert_frame_equal(found, expected, check_categorical=False)
    assert (found.dtypes.astype(str) == expected.dtypes.astype(str)).all()
    assert told_by(found) == told_by(expected)
    journals = kn.load(folder / "from", mask_accounts=False)
    assert len(whole) == len(journals)


def test_an_archive_beside_its_journals_is_not_counted_twice(source):
    """Wherever it is in the folder, and whatever its files are called; without its journal a file is read."""
    for number, options in enumerate(({}, {"anonymize": True})):
        kn.archive(source / f"archive{number}", source, **options)
    assert len(kn.load(source)) == 5
    shutil.rmtree(source / "archive1")
    (source / "sub" / "2026-11-20-real-000000000001.jsonl").unlink()
    assert len(kn.load(source)) == 5
    assert len(kn.load(source, dates="2026-11-20")) == 1


# --- elsewhere ----------------------------------------------------------------------------------------------------


@pytest.fixture
def memory():
    """A place that only fsspec reaches, emptied afterwards."""
    yield "memory://kiwoom/archive"
    fsspec.filesystem("memory").rm("/kiwoom", recursive=True)


def test_an_archive_may_be_at_a_url(source, tmp_path, memory):
    """Added once, chosen by day and loaded back; nothing else is left there."""
    report = kn.archive(memory, source)
    assert report["status"].tolist() == ["added"] * 3
    assert kn.archive(f"{memory}/", source)["status"].tolist() == ["same"] * 3
    kn.archive(tmp_path / "archive", source)
    assert_frame_equal(kn.load(memory), kn.load(tmp_path / "archive"))
    there = fsspec.filesystem("memory").find("/kiwoom/archive")
    assert [path.removeprefix("/kiwoom/archive/") for path in there] == report["file"].tolist()
    fsspec.filesystem("memory").pipe(there[2], b"PAR1 not really")
    assert len(kn.load(memory, dates=list(DAYS[:2]))) == 4
    assert kn.load(memory, dates="2026-11-21").empty
    with pytest.raises(SourceError, match=f"Cannot load {memory}/date=2026-11-20"):
        kn.load(memory)


def test_a_file_may_be_at_a_url(source, memory):
    """A journal and a Parquet file are loaded from where they are."""
    path = source / "sub" / "2026-11-20-real-000000000001.jsonl"
    fsspec.filesystem("memory").pipe("/kiwoom/archive/a.jsonl", path.read_bytes())
    frame = kn.load(f"{memory}/a.jsonl")
    assert_frame_equal(frame, kn.load(path))
    assert frame.kn.to_parquet(f"{memory}/a.parquet") == f"{memory}/a.parquet"
    assert_frame_equal(kn.load(f"{memory}/a.parquet"), frame)
    for name in ("nowhere", "nowhere.parquet"):
        with pytest.raises(SourceError, match=name):
            kn.load(f"memory://kiwoom/{name}")


def test_a_write_to_a_url_that_fails_leaves_what_was_there(source, memory, monkeypatch):
    """And no temporary file; a folder is no file there either."""
    frame = kn.load(source)
    frame.kn.to_csv(f"{memory}/a.csv")
    system = fsspec.filesystem("memory")
    before = system.cat("/kiwoom/archive/a.csv")
    monkeypatch.setattr(type(system), "mv", _refuse)
    with pytest.raises(OSError, match="no space"):
        frame.head(1).kn.to_csv(f"{memory}/a.csv")
    assert system.cat("/kiwoom/archive/a.csv") == before
    assert system.find("/kiwoom") == ["/kiwoom/archive/a.csv"]
    with pytest.raises(ValueError, match="memory://kiwoom/archive is a folder"):
        frame.kn.to_parquet(memory)


def _refuse(*_):
    raise OSError("no space")


def test_a_url_without_fsspec_says_how_to_get_it(source, monkeypatch):
    """MissingExtra names the extra; a kind of URL that needs more names that."""
    with pytest.raises(MissingExtra, match=r"s3fs.*kiwoom-nb\[cloud\]"):
        kn.load("s3://bucket/archive")
    monkeypatch.setattr(paths, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"needs fsspec.*kiwoom-nb\[cloud\]"):
        kn.archive("memory://archive", source)


# --- read by others -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """An archive of three synthetic days of two accounts, and the realized P&L that the generator knows of."""
    folder = tmp_path_factory.mktemp("days")
    simulated = [kn.simulate(seed=number, date=day, events=120, accounts=2) for number, day in enumerate(DAYS)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KIWOOM_NB_HOME", str(folder / "home"))
        for day in simulated:
            path = folder / f"{day.date}-synthetic-000000000000.jsonl"
            path.write_bytes(samples.journal_of(day))
            kn.archive(folder / "archive", path)
    truth = {}
    for day in simulated:
        for account, pnl in day.truth.fills.groupby("account", observed=True)["realized_pnl"].sum().items():
            truth[f"{day.date}", f"xxxxxx{account[-4:]}"] = int(pnl)
    assert len(truth) == 6
    assert len(set(truth.values())) == 6
    return folder / "archive", truth


def by_day(frame):
    """Return {(date, account): won} of a pandas frame that has a partition ``date``."""
    lots = frame[frame["credit_type"] != "99"].sort_values("received_at", kind="stable")
    keys = ["date", *KEY]
    last = lots.groupby(keys, observed=True, dropna=False)[["realized_pnl", "credit_realized_pnl"]].last()
    sums = last.sum(axis=1).groupby(["date", "account"], observed=True).sum()
    return {(str(day)[:10], str(account)): int(won) for (day, account), won in sums.items()}


def test_pandas_reads_the_archive(days):
    """As one table, its account column as it was written and no code taken for a number."""
    folder, truth = days
    frame = pd.read_parquet(folder)
    assert by_day(frame) == truth
    assert frame["symbol"].str.len().eq(6).all()
    assert list(frame.columns[-2:]) == ["date", "owner"]
    assert frame.attrs == {}  # of one file, they would pass for all of them


def test_duckdb_reads_the_archive(days):
    """In SQL alone."""
    folder, truth = days
    rows = duckdb.sql(f"""
        SELECT date::VARCHAR, account, sum(won)::BIGINT FROM (
            SELECT date, account,
                   arg_max(realized_pnl + credit_realized_pnl, (received_at, file_row_number)) AS won
            FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true, file_row_number = true)
            WHERE credit_type <> '99' GROUP BY date, account, symbol, credit_type, loan_date
        ) GROUP BY date, account
    """).fetchall()  # noqa: S608 - our own folder
    assert {(day, account): won for day, account, won in rows} == truth


def test_polars_reads_the_archive(days):
    """Lazily."""
    folder, truth = days
    won = (pl.col("realized_pnl") + pl.col("credit_realized_pnl")).last().alias("won")
    rows = (
        pl.scan_parquet(folder, hive_partitioning=True)
        .filter(pl.col("credit_type").cast(pl.String) != "99")
        .sort("received_at", maintain_order=True)
        .group_by("date", *KEY)
        .agg(won)
        .group_by("date", "account")
        .agg(pl.col("won").sum())
        .collect()
    )
    assert {(str(day), str(account)): won for day, account, won in rows.rows()} == truth


def test_dask_reads_the_archive_on_a_cluster(days, tmp_path):
    """Two worker processes of this machine read a file each at a time; the last row of a position is theirs to find."""
    import dask
    import dask.dataframe as dd
    from dask.distributed import Client, LocalCluster

    folder, truth = days
    with (
        dask.config.set({"temporary-directory": str(tmp_path), "distributed.worker.daemon": True}),
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        assert len(client.scheduler_info()["workers"]) == 2
        frame = dd.read_parquet(folder)
        assert frame.npartitions == 3
        lots = frame[frame["credit_type"] != "99"]
        grouped = lots.groupby(["date", *KEY], observed=True, dropna=False)
        last = grouped[["realized_pnl", "credit_realized_pnl"]].last().compute()
    sums = last.sum(axis=1).groupby(["date", "account"], observed=True).sum()
    assert {(str(day), str(account)): int(won) for (day, account), won in sums.items()} == truth
