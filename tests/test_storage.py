import json
import shutil
import zipfile
from datetime import UTC, date, datetime
from xml.etree import ElementTree as ET

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from frames import OFFICIAL, event
from pandas.testing import assert_frame_equal

from kiwoom_nb import export, journal, samples
from kiwoom_nb.errors import JournalError, MissingExtra, SourceError
from kiwoom_nb.recording import KST
from kiwoom_nb.schema import COLUMNS, FIELDS
from kiwoom_nb.storage import frames, load, read_journal, recordings, write_csv, write_excel, write_parquet
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.told import ATTRS_KEY, gaps_frame, rejected_frame
from kiwoom_nb.trading_day import simulate

SECOND = 1_000_000


def at(day, second=0):
    return int(datetime(2026, 11, day, 10, tzinfo=KST).timestamp()) * SECOND + second * SECOND


def write(path, *lines, day=20, version=journal.VERSION):
    """Write a journal: bytes are frames (a second apart), tuples are events."""
    header = journal.Header(version, "demo", "x", f"2026-11-{day}", at(day))
    content = [journal.header_line(header)]
    for second, line in enumerate(lines):
        if isinstance(line, bytes):
            content.append(journal.frame_line(at(day, second), line))
        else:
            content.append(journal.event_line(at(day, second), event=line[0], **dict(line[1:])))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(content))
    return path


@pytest.fixture
def path(tmp_path):
    return write(
        tmp_path / "2026-11-20-demo-x.jsonl",
        ("connected",),
        event(f930="1", f9201="1234561111", f27=""),
        event(f930="many", f9001="000660"),
        event(f930="3", f9201="6543211111", f916="20261120"),
        b"noise 1234561111",
        ("disconnected", ("since", at(20, 4)), ("reason", "closed")),
    )


def rejected(frame):
    return rejected_frame(frame.attrs.get(ATTRS_KEY, ""))


def gaps(frame):
    return gaps_frame(frame.attrs.get(ATTRS_KEY, ""))


# --- one journal -------------------------------------------------------------------------------------------------


def test_a_journal_is_loaded_as_a_plain_frame_that_can_be_written(path):
    """Rows, gaps and rejects; nothing behind it, and the journal untouched."""
    before = path.read_bytes()
    frame = load(path)
    assert type(frame) is pd.DataFrame
    assert frame["quantity"].tolist() == [1, pd.NA, 3]
    assert rejected(frame)["reason"].tolist() == ["unreadable", "not_json"]
    assert gaps(frame)["reason"].tolist() == ["closed"]
    frame.loc[0, "quantity"] = 9
    frame["price"].array[0] = 9
    assert path.read_bytes() == before
    assert load(str(path)).equals(load(path))


def test_accounts_are_masked_unless_asked_otherwise(path):
    """Accounts that would look alike are told apart, in rejected texts too."""
    shown = load(path)
    assert shown["account"].nunique() == 3
    assert "1234561111" not in shown.to_csv() + shown.attrs[ATTRS_KEY]
    whole = load(path, mask_accounts=False)
    assert list(whole["account"].cat.categories) == ["1234561111", "1111111111", "6543211111"]
    assert rejected(whole)["text"].tolist() == ["many", "noise 1234561111"]


def test_damaged_lines_are_told_and_the_rest_is_read(tmp_path):
    """One bad line in the middle costs that line only."""
    path = write(tmp_path / "a.jsonl", ("connected",), OFFICIAL, OFFICIAL)
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2][:40]
    lines.insert(3, b'{"received_at":99999999999999999999,"frame":{"trnm":"REAL","data":[]}}')
    path.write_bytes(b"\n".join(lines))
    frame = load(path)
    assert len(frame) == 1
    assert rejected(frame)["reason"].tolist() == ["unreadable_line"] * 2
    assert rejected(frame)["received_at"].tolist() == [pd.Timestamp(at(20), unit="us", tz="Asia/Seoul")] * 2


def test_lines_of_another_writer_and_of_a_later_version_are_read(tmp_path):
    """Spaces, other key orders and unknown events."""
    path = write(tmp_path / "a.jsonl", ("weather", ("rows", [1])))
    foreign = json.dumps({"frame": json.loads(OFFICIAL), "received_at": at(20)}, indent=None)
    with path.open("a") as file:
        file.write(foreign + "\n")
    assert load(path)["symbol"].tolist() == ["005930"]
    assert load(path).attrs == {}


def test_read_journal_fills_a_table_and_gives_the_header(path):
    """The stream of today begins with what was recorded today."""
    table = BalanceTable(capacity=1)
    header = read_journal(path, table)
    assert (header.server, header.owner, header.date) == ("demo", "x", "2026-11-20")
    assert_frame_equal(table.frame(), load(path))


def test_long_journals_are_read_in_pieces(tmp_path):
    """A line may lie across two pieces."""
    path = write(tmp_path / "a.jsonl", *(event(f930=str(number), f302="가" * 400) for number in range(2000)))
    assert path.stat().st_size > 2 << 20
    assert load(path)["quantity"].tolist() == list(range(2000))


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        (b"", JournalError, "is empty"),
        (b'{"kiwoom_nb":"jour', JournalError, "torn in its first line"),
        (b"hello\nworld\n", JournalError, "does not begin with a header"),
        (b'{"kiwoom_nb":"journal","version":2,"x":1}\n', JournalError, "newer than this kiwoom_nb"),
    ],
)
def test_what_is_no_journal_is_said(tmp_path, content, error, says):
    """A sentence with the path and what to do."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(error, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_damaged_compressed_journals_are_said(tmp_path, suffix):
    """They were cut or are something else."""
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"something else, not compressed at all")
    with pytest.raises(JournalError, match="cannot be read"):
        load(path)


@pytest.mark.parametrize(
    ("name", "says"), [("missing.jsonl", "does not exist"), ("a.txt", "is of no kind"), ("empty", "holds no journal")]
)
def test_what_is_no_source_is_said(tmp_path, name, says):
    """SourceError names the path."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(SourceError, match=says):
        load(tmp_path / name)


# --- folders -----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """Two owners, two days, a second recorder, copies, and what is none of ours."""
    write(tmp_path / "2026-11-20-demo-x.jsonl", ("connected",), event(f930="1", f9201="1234561111"), event(f930="bad"))
    write(tmp_path / "2026-11-20-demo-x-2.jsonl", event(f930="10"), event(f930="11"), event(f930="12"))
    write(tmp_path / "2026-11-21-demo-x.jsonl", ("connected",), event(f930="2"), event(f930="bad2"), day=21)
    write(tmp_path / "sub" / "2026-11-20-demo-y.jsonl", event(f930="3", f9201="6543211111"), b"noise")
    write_parquet(load(tmp_path / "2026-11-21-demo-x.jsonl"), tmp_path / "2026-11-21-demo-x.parquet")
    write_parquet(load(tmp_path / "2026-11-21-demo-x.jsonl"), tmp_path / ".ipynb_checkpoints" / "copy.parquet")
    (tmp_path / "2026-11-22-demo-x.jsonl").write_bytes(b"")
    (tmp_path / "2026-11-23-demo-x.jsonl").write_bytes(b'{"kiwoom')
    (tmp_path / "notes.txt").write_text("mine")
    return tmp_path


def test_a_folder_is_one_frame_in_order_of_time(folder):
    """All days and owners, copies once, hidden, empty and foreign files not at all."""
    frame = load(folder)
    assert frame["received_at"].is_monotonic_increasing
    assert sorted(frame["quantity"].dropna()) == [1, 2, 3, 10, 11, 12]
    assert len(frame) == 8
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == COLUMNS
    assert list(frame.index) == list(range(8))


def test_rejects_of_a_folder_name_the_rows_of_the_frame(folder):
    """Row numbers follow when files are put together."""
    frame = load(folder)
    told = rejected(frame)
    assert told["text"].tolist() == ["noise", "bad", "bad2"]
    for reject in told.dropna(subset="row").itertuples():
        assert pd.isna(frame["quantity"][reject.row])
        assert frame["received_at"][reject.row] == reject.received_at


def test_a_gap_reaches_from_one_day_into_the_next(folder):
    """The recorder was killed on the first day and connected again on the second."""
    assert gaps(load(folder))["reason"].tolist() == ["interrupted"]


def test_accounts_of_different_files_are_told_apart(folder):
    """Two owners whose accounts end alike are two accounts."""
    assert load(folder)["account"].nunique() == 3


def test_a_compressed_copy_beside_its_journal_is_not_counted_twice(tmp_path):
    """Nor a Parquet file; without the journal the copy is read."""
    path = write(tmp_path / "2026-11-20-demo-x.jsonl", OFFICIAL)
    packed = tmp_path / "2026-11-20-demo-x.jsonl.zst"
    packed.write_bytes(pa.compress(path.read_bytes(), codec="zstd", asbytes=True))
    write_parquet(load(path), tmp_path / "2026-11-20-demo-x.parquet")
    assert recordings(tmp_path) == [path]
    path.unlink()
    assert recordings(tmp_path) == [packed]
    assert len(load(tmp_path)) == 1
    assert recordings(packed) == [packed]


def test_journals_of_unlike_names_are_not_taken_for_one_recorder(tmp_path):
    """Only names that begin with a day belong together: no gap comes up between lessons."""
    for name in ("lesson-one-a.jsonl", "lesson-two-a.jsonl"):
        write(tmp_path / name, ("connected",), OFFICIAL)
    assert gaps(load(tmp_path)).empty
    assert len(load(tmp_path)) == 2


def test_one_bad_journal_in_a_folder_is_named(folder):
    """Nothing is passed over silently."""
    (folder / "other.jsonl").write_text("not ours\n")
    with pytest.raises(JournalError, match=r"other\.jsonl"):
        load(folder)


# --- choosing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "days",
    ["2026-11-20", date(2026, 11, 20), datetime(2026, 11, 20, 5, tzinfo=KST), ["2026-11-20"], {date(2026, 11, 20)}],
)
def test_days_are_chosen_as_koreans_count_them(folder, days):
    """A text, a date, one or several."""
    frame = load(folder, dates=days)
    assert len(frame) == 6
    assert rejected(frame)["text"].tolist() == ["noise", "bad"]


def test_accounts_and_symbols_are_chosen_as_shown(path):
    """Rows of others go, with their rejects; row numbers follow."""
    frame = load(path, symbols="000660")
    assert frame["symbol"].tolist() == ["000660"]
    assert rejected(frame)["row"].tolist() == [0, pd.NA]
    label = load(path)["account"].cat.categories[2]
    frame = load(path, accounts=[label])
    assert frame["quantity"].tolist() == [3]
    assert rejected(frame)["row"].tolist() == [pd.NA]
    assert len(load(path, accounts="1234561111", mask_accounts=False)) == 1
    assert load(path, symbols=[], dates="2026-11-20").empty
    assert load(path, dates=["2026-11-20"], symbols={"005930", "000660"}).equals(load(path))


@pytest.mark.parametrize(
    "dates",
    [
        20261119,
        [20261119],
        "garbage",
        "",
        "2026-11",
        "2026",
        "2026-13-01",
        [None],
        pd.NaT,
        1.5,
        slice("2026-11-19"),
        {1: 2},
    ],
)
def test_what_is_no_day_is_said(path, dates):
    """Before anything is read: a number would be taken for nanoseconds, a month for its first day."""
    with pytest.raises(ValueError, match=r"names no days\. Give a day as text, dates=\"2026-11-20\""):
        load(path, dates=dates)


@pytest.mark.parametrize("name", ["accounts", "symbols"])
@pytest.mark.parametrize("asked", [5930, [5930], ["005930", None], 1.5])
def test_what_is_no_text_is_said(path, name, asked):
    """A number has lost its leading zeros and would find nothing; an account is not repeated."""
    with pytest.raises(ValueError, match=f"{name} are texts: a number loses its leading zeros") as told:
        load(path, **{name: asked})
    assert "5930," not in str(told.value)


@pytest.mark.parametrize(
    "dates",
    [
        "20261120",
        "2026/11/20",
        date(2026, 11, 20),
        datetime(2026, 11, 20, 9, tzinfo=KST),
        pd.Timestamp("2026-11-20 09:00"),
        pd.Timestamp("2026-11-19 23:00", tz="UTC"),
        np.datetime64("2026-11-20"),
        pd.date_range("2026-11-20", periods=2),
        pd.Series(["2026-11-20"]),
        {"2026-11-20": 1}.keys(),
    ],
)
def test_days_may_be_given_in_many_ways(path, dates):
    """One or several, as text or of any kind of date."""
    assert len(load(path, dates=dates)) == 3


# --- Parquet -----------------------------------------------------------------------------------------------------


def test_parquet_says_what_its_columns_are(path, tmp_path):
    """FID, labels and unit in the schema; private; pandas, DuckDB and Polars read it as it is."""
    written = write_parquet(load(path), tmp_path / "new" / "day.parquet")
    schema = pq.read_schema(written)
    for field in FIELDS:
        about = {key.decode(): value.decode() for key, value in schema.field(field.column).metadata.items()}
        assert about["fid"] == field.fid
        assert about["ko"] == field.ko
    assert written.stat().st_mode & 0o777 == 0o600
    assert pd.read_parquet(written)["quantity"].tolist() == [1, pd.NA, 3]


@pytest.mark.parametrize("read", [pd.read_parquet, lambda path: pq.read_table(path).to_pandas()])
def test_others_read_the_rows_of_parquet_alone(path, tmp_path, read):
    """What one file told would pass for all that are read with it, and for rows that were numbered anew."""
    frame = load(path).assign(mine=1)
    frame.attrs["note"] = "mine"
    written = write_parquet(frame, tmp_path / "a.parquet")
    assert ATTRS_KEY not in read(written).attrs
    assert read(written).attrs == {"note": "mine"}
    assert load(written).attrs == frame.attrs
    assert len(rejected(load(written))) == 2
    assert read(written).equals(frame)


DERIVED = {
    "none": lambda frame: frame.iloc[:0],
    "head": lambda frame: frame.head(1),
    "mask": lambda frame: frame[frame["quantity"] == 3],
    "columns": lambda frame: frame[["symbol", "price"]],
    "extra": lambda frame: frame.assign(
        mine=[1.5, 2.5, 3.5], text=["a", None, "c"], size=pd.Categorical(["s", "m", "s"], ["l", "m", "s"], ordered=True)
    ),
    "sorted": lambda frame: frame.sort_values("received_at", ascending=False),
    "indexed": lambda frame: frame.set_index("symbol"),
}


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_what_is_derived_from_a_frame_exports_and_comes_back(path, tmp_path, derive):
    """Filtered, sliced, extended: the same cells, dtypes, index, gaps and rejects."""
    frame = derive(load(path))
    back = load(write_parquet(frame, tmp_path / "a.parquet"))
    assert_frame_equal(back, frame)
    assert back.attrs == frame.attrs


@pytest.mark.parametrize("derive", [DERIVED[name] for name in ("none", "head", "mask", "sorted", "extra")])
def test_filtered_exports_can_be_put_together_and_chosen_from(path, tmp_path, derive):
    """Rejects whose rows were filtered away go; those of rows that are there name their place."""
    frame = derive(load(path))
    write_parquet(frame, tmp_path / "p" / "a.parquet")
    write(tmp_path / "p" / "b.jsonl", event(f930="worse"), day=21)
    both = load(tmp_path / "p")
    assert len(both) == len(frame) + 1
    told = rejected(both).dropna(subset="row")
    assert both["quantity"].isna()[told["row"].astype(int)].all()
    assert "worse" in told["text"].tolist()
    chosen = load(tmp_path / "p", dates="2026-11-21")
    assert rejected(chosen)["text"].tolist() == ["worse"]
    assert rejected(chosen)["row"].tolist() == [0]


def test_columns_that_are_missing_are_named_where_they_are_needed(path, tmp_path):
    """A file of some columns loads by itself; putting it together with others says what it lacks."""
    write_parquet(load(path)[["symbol", "price"]], tmp_path / "p" / "a.parquet")
    shutil.copy(path, tmp_path / "p")
    with pytest.raises(SourceError, match="has no column received_at"):
        load(tmp_path / "p")
    with pytest.raises(SourceError, match="has no column received_at"):
        load(tmp_path / "p" / "a.parquet", symbols="005930")


def test_attrs_of_the_user_do_not_stand_in_the_way(path, tmp_path):
    """What JSON can hold comes back, anything else is left out."""
    frame = load(path)
    frame.attrs.update({"note": "mine", "odd": {1, 2}, "object": object()})
    assert load(write_parquet(frame, tmp_path / "a.parquet")).attrs == {**load(path).attrs, "note": "mine"}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: pd.DataFrame({"a": [1]}).to_parquet(path), "was not written by kiwoom_nb"),
        (lambda path: path.write_bytes(b"PAR1 not really"), "is no readable Parquet file"),
        (lambda path: path.write_bytes(b""), "is no readable Parquet file"),
        (lambda path: path.write_bytes(path.with_suffix(".whole").read_bytes()[:-100]), "is no readable Parquet file"),
        (lambda path: with_metadata(path, {"version": 99}), "newer kiwoom_nb"),
        (lambda path: with_metadata(path, "mine"), "was not written by kiwoom_nb"),
    ],
)
def test_parquet_that_is_not_ours_is_said(path, tmp_path, make, says):
    """Foreign, truncated, empty, newer: a sentence, not a traceback of Arrow's."""
    target = tmp_path / "a.parquet"
    write_parquet(load(path), target)
    target.rename(target.with_suffix(".whole"))
    make(target)
    with pytest.raises(SourceError, match=says):
        load(target)


def with_metadata(path, ours):
    table = pa.table({"a": [1]}).replace_schema_metadata({b"kiwoom_nb": msgspec.json.encode(ours)})
    pq.write_table(table, path)


# --- writing -----------------------------------------------------------------------------------------------------

WRITERS = {".parquet": write_parquet, ".csv": write_csv, ".xlsx": write_excel}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_write_that_fails_leaves_no_half_file_and_keeps_the_old_one(path, tmp_path, monkeypatch, suffix):
    """The disk is full at the very end: the name still has what it had."""
    folder = tmp_path / "out"
    target = folder / f"a{suffix}"
    WRITERS[suffix](load(path), target)
    before = target.read_bytes()

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export.os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        WRITERS[suffix](load(path).head(1), target)
    assert target.read_bytes() == before
    assert list(folder.iterdir()) == [target]


def test_csv_reads_back(path, tmp_path):
    """With a byte-order mark, so that Excel shows Hangul; blanks are blank."""
    frame = load(path)
    written = write_csv(frame, tmp_path / "a.csv")
    assert written.read_bytes().startswith(b"\xef\xbb\xbf")
    back = pd.read_csv(written, dtype={"symbol": "str", "credit_type": "str"}, encoding="utf-8-sig")
    assert list(back) == list(COLUMNS)
    assert back["symbol"].tolist() == ["005930", "000660", "005930"]
    assert back["name"].tolist() == ["삼성전자"] * 3
    assert np.isnan(back["ask"][0])


def cells(path):
    """Return the cells of a workbook's first sheet, read by hand: {"A1": text}."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as book:
        texts = ["".join(si.itertext()) for si in ET.fromstring(book.read("xl/sharedStrings.xml"))]  # noqa: S314 - ours
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314
    found = {}
    for cell in sheet.iter(f"{space}c"):
        assert cell.find(f"{space}f") is None
        value = cell.find(f"{space}v")
        if value is not None:
            found[cell.get("r")] = texts[int(value.text)] if cell.get("t") == "s" else value.text
    return found


def test_excel_reads_back(path, tmp_path):
    """Codes stay texts, times are Korean, blanks blank, and no text becomes a formula."""
    frame = load(path).assign(utc=pd.Timestamp("2026-11-20", tz="UTC"), note="=1+1")
    frame[7] = 1
    found = cells(write_excel(frame, tmp_path / "a.xlsx"))
    assert [found[f"{letter}1"] for letter in "ABCD"] == ["received_at", "account", "symbol", "venue"]
    assert found["C2"] == "005930"
    days = (datetime(2026, 11, 20, 10, 0, 1, tzinfo=UTC) - datetime(1899, 12, 30, tzinfo=UTC)).total_seconds() / 86400
    assert float(found["A2"]) == pytest.approx(days, abs=1e-8)
    assert "=1+1" in found.values()


def test_excel_without_its_library_says_how_to_get_it(path, tmp_path, monkeypatch):
    """MissingExtra names the extra."""
    monkeypatch.setattr(export, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"kiwoom-nb\[excel\]"):
        write_excel(load(path), tmp_path / "a.xlsx")


def test_an_empty_frame_is_written_and_comes_back(tmp_path):
    """A day without trades."""
    frame = load(write(tmp_path / "a.jsonl", ("connected",)))
    assert frame.empty
    assert_frame_equal(load(write_parquet(frame, tmp_path / "b.parquet")), frame)
    assert pd.read_csv(write_csv(frame, tmp_path / "b.csv")).empty
    assert cells(write_excel(frame, tmp_path / "b.xlsx"))["A1"] == "received_at"


# --- the frames of recordings, for a server to play again -----------------------------------------------------------


def test_the_frames_of_a_journal_come_as_they_were_received():
    """Byte for byte, with their times, in order, and nothing but balance events' frames."""
    day = samples.DAYS["calm"]()
    assert frames("sample:calm") == list(day.frames())


def test_the_frames_of_a_folder_are_in_order_of_time(tmp_path):
    """Several recorded sessions are played one after the other."""
    for name in ("busy", "calm"):
        (tmp_path / f"{name}.jsonl").write_bytes(samples.path_of(f"sample:{name}").read_bytes())
    assert frames(tmp_path) == [*samples.DAYS["calm"]().frames(), *samples.DAYS["busy"]().frames()]


def test_a_recording_without_frames_cannot_be_played(tmp_path):
    """A Parquet file holds rows, a journal may hold nothing: both are told from one that is not there."""
    load("sample:calm").kn.to_parquet(tmp_path / "calm.parquet")
    with pytest.raises(SourceError, match="holds no frames"):
        frames(tmp_path)
    with pytest.raises(SourceError, match="does not exist"):
        frames(tmp_path / "nothing.jsonl")


def test_a_synthetic_day_loads_as_if_it_had_been_recorded(tmp_path):
    """``kn.load(kn.simulate(...))`` equals the load of a journal of that day, its gaps and holdings included."""
    day = simulate(seed=3, events=40, accounts=2, plant="all")
    journal = tmp_path / "day.jsonl"
    journal.write_bytes(samples.journal_of(day))
    recorded, made = load(journal), load(day)
    assert_frame_equal(made, recorded)
    assert made.attrs == recorded.attrs
    assert load(day, mask_accounts=False)["account"].unique().tolist() == ["1111111111", "2222222222"]
    assert set(load(day, symbols=["005930"])["symbol"]) == {"005930"}
    assert len(load(day, dates=["2026-11-19"])) == 0
