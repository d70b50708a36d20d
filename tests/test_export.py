"""Frames as files: row groups, memory, and what of an account is in the bytes. All data is synthetic."""

from __future__ import annotations

import tracemalloc
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from frames import event
from pandas.testing import assert_frame_equal

import kiwoom_nb as kn
from kiwoom_nb import export
from kiwoom_nb.errors import SourceError
from kiwoom_nb.export import read_parquet, read_session, write_csv, write_excel, write_parquet
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.told import told_by

WRITERS = {".parquet": write_parquet, ".csv": write_csv, ".xlsx": write_excel}
ACCOUNTS = ("1234561111", "6543211111", "5012345678")


def made(*, masked):
    """Return a frame of three accounts; two would look alike, and one is in a reject's text only."""
    table = BalanceTable(mask_accounts=masked, capacity=4)
    for number, account in enumerate(ACCOUNTS[:2]):
        table.receive(parse(event(f9201=account, f930=str(number))), number + 1)
    table.receive(parse(event(f9201=ACCOUNTS[0], f930="many")), 3)
    table.reject(4, f"noise {ACCOUNTS[2]}", "not_json")
    return table.frame()


# --- row groups ---------------------------------------------------------------------------------------------------

DERIVED = {
    "whole": lambda frame: frame,
    "slice": lambda frame: frame.iloc[7:40:3],
    "reversed": lambda frame: frame.iloc[::-1],
    "indexed": lambda frame: frame.set_index("symbol"),
    "levels": lambda frame: frame.set_index(["account", "symbol"]),
    "numbers": lambda frame: frame[["price", "quantity"]].set_axis([7, 8], axis=1),
    "mixed": lambda frame: frame.assign(
        note=[None, *(["a"] * (len(frame) - 1))],
        size=pd.Categorical(["s", "l"] * (len(frame) // 2), ["l", "m", "s"], ordered=True),
        levels=[[1, 2]] * len(frame),
    ),
    "empty": lambda frame: frame.iloc[:0],
}


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_a_frame_of_many_row_groups_comes_back_equal(derive, tmp_path, monkeypatch):
    """Wherever it is cut: cells, dtypes, categories in their order, unused ones, index, gaps and rejects."""
    monkeypatch.setattr(export, "ROWS_A_GROUP", 7)
    frame = derive(kn.load("sample:oddities").head(60))
    written = write_parquet(frame, tmp_path / "a.parquet")
    assert pq.read_metadata(written).num_row_groups == max(1, -(-len(frame) // 7))
    back = kn.load(written)
    if "levels" in frame:
        back["levels"] = back["levels"].map(list)
    assert_frame_equal(back, frame)
    assert back.attrs == frame.attrs


def test_no_second_copy_of_the_frame_is_held(tmp_path, monkeypatch):
    """At its peak, writing needs a fraction of what pyarrow needs that converts the frame as a whole."""
    sample = kn.load("sample:busy")
    frame = sample.take(np.arange(1 << 18) % len(sample)).reset_index(drop=True)
    monkeypatch.setattr(export, "ROWS_A_GROUP", 1 << 14)
    ours = peak_of(lambda: write_parquet(frame, tmp_path / "a.parquet"))
    bare = peak_of(lambda: pq.write_table(pa.Table.from_pandas(frame), tmp_path / "b.parquet", compression="zstd"))
    assert ours < bare / 2


def peak_of(work):
    """Return how many bytes of numpy's and Arrow's ``work`` held at most."""
    pool = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(pool)
    pa.set_memory_pool(counted)
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] + counted.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(pool)


def test_row_groups_that_cannot_hold_what_is_wanted_are_passed_over(tmp_path, monkeypatch):
    """The index says which rows of the file the others are, whatever index the frame had."""
    monkeypatch.setattr(export, "ROWS_A_GROUP", 10)
    frame = kn.load("sample:busy").sort_values("symbol").reset_index(drop=True).iloc[5:205:2]
    path = write_parquet(frame, tmp_path / "a.parquet")
    wanted = frame["symbol"].iloc[50]
    read = read_parquet(path, {"symbol": [wanted]})
    assert len(read) < len(frame)
    assert_frame_equal(read, frame.loc[read.index])
    assert_frame_equal(read[read["symbol"] == wanted], frame[frame["symbol"] == wanted])
    assert read_parquet(path, {"symbol": ["000000", "999999"]}).empty
    assert len(read_parquet(path, {"unknown": ["x"]})) == len(frame)


def test_a_file_of_no_archive_holds_no_session(tmp_path):
    """Nor does another program's; what is no Parquet file is said."""
    path = write_parquet(made(masked=True), tmp_path / "a.parquet")
    assert read_session(str(path), path) == (3, None)
    pq.write_table(pa.table({"a": [1]}), path)
    assert read_session(str(path), path) == (1, None)
    path.write_bytes(b"PAR1")
    with pytest.raises(SourceError, match="is no readable Parquet file"):
        read_session(str(path), path)


# --- labels -------------------------------------------------------------------------------------------------------


def pivoted(frame, columns, values):
    return frame.pivot_table(index="symbol", columns=columns, values=values, observed=True, aggfunc="last")


def pivots():
    """Return frames whose columns are labelled by what was in cells, as people make them."""
    frame = kn.load("sample:busy").head(200)
    sized = pd.CategoricalIndex(["s", "l"], ["l", "m", "s"], ordered=True, name="size")
    return {
        "side": pivoted(frame, "side", "price"),
        "two levels": pivoted(frame, "side", ["price", "quantity"]),
        "account": pivoted(frame, "account", "price"),
        "reset": pivoted(frame, "side", ["price"]).reset_index(),
        "unused": frame[["price", "quantity"]].set_axis(sized, axis=1),
        "hours": pivoted(frame, frame["received_at"].dt.floor("h"), "price"),
        "numbers": frame[["price", "quantity"]].T,
        "by symbol": frame.kn.realized_pnl("symbol"),
    }


@pytest.mark.parametrize("name", pivots())
def test_a_pivoted_frame_comes_back_equal(name, tmp_path):
    """Its labels too, categories in their order; others read them as plain text."""
    frame = pivots()[name]
    path = write_parquet(frame, tmp_path / "a.parquet")
    back = kn.load(path)
    assert_frame_equal(back, frame)
    for level in range(frame.columns.nlevels):
        assert back.columns.get_level_values(level).equals(frame.columns.get_level_values(level))
    assert pd.read_parquet(path).columns.tolist() == frame.columns.tolist()


@pytest.mark.parametrize(
    "labels",
    [
        [True, False],
        pd.period_range("2026-11-20", periods=2),
        pd.interval_range(0, 2),
        [pd.Timestamp("2026-11-20").date(), pd.Timestamp("2026-11-21").date()],
        pd.CategoricalIndex([1, 2]),
        [1, "a"],
    ],
    ids=lambda labels: pd.Index(labels).inferred_type,
)
def test_labels_that_would_not_come_back_are_refused(labels, tmp_path):
    """Before a byte is written, with what to do; what had the name before is untouched."""
    frame = pd.DataFrame([[1, 2]], columns=labels)
    path = write_parquet(made(masked=True), tmp_path / "a.parquet")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"not keep column labels of this kind .* frame.columns.astype\(str\)"):
        write_parquet(frame, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    frame.columns = frame.columns.astype(str)
    assert_frame_equal(kn.load(write_parquet(frame, path)), frame)


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_url_is_a_place_on_disk(suffix, tmp_path):
    """Private, in private folders, written in one step: it may hold account numbers."""
    url = f"file://{tmp_path}/new/a{suffix}"
    assert WRITERS[suffix](made(masked=False), url) == url
    path = tmp_path / "new" / f"a{suffix}"
    assert [oct(one.stat().st_mode & 0o777) for one in (path, path.parent)] == ["0o600", "0o700"]
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), export.replacing(url) as file:
        file.write(b"half of it" * (1 // 0))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    for folder in (f"file://{tmp_path}/new", f"file://{tmp_path}/other/"):
        with pytest.raises(ValueError, match="is a folder"):
            WRITERS[suffix](made(masked=False), folder)


def test_a_file_url_is_synced_to_disk(tmp_path, monkeypatch):
    """As a path is, before it gets its name."""
    synced = []
    monkeypatch.setattr(export.os, "fsync", lambda handle: synced.append(next(tmp_path.glob(".*")).name))
    write_csv(made(masked=True), f"file://{tmp_path}/a.csv")
    [name] = synced
    assert name.endswith(".part")


def test_an_archive_at_a_file_url_is_private(tmp_path):
    """Its files and its folders."""
    kn.archive(f"file://{tmp_path}/archive", "sample:calm", mask_accounts=False)
    modes = {one.suffix: one.stat().st_mode & 0o777 for one in (tmp_path / "archive").rglob("*")}
    assert modes == {"": 0o700, ".parquet": 0o600}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_folder_is_no_name_for_a_file(suffix, tmp_path):
    """A sentence that says so, and nothing is left in it."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match=r"folder is a folder, so no file can be written under that name; give the"):
        WRITERS[suffix](made(masked=True), tmp_path / "folder")
    assert list(tmp_path.rglob("*")) == [tmp_path / "folder"]


def test_a_file_that_lacks_rows_does_not_get_the_name(tmp_path, monkeypatch):
    """What had the name before is untouched."""
    path = write_parquet(made(masked=True), tmp_path / "a.parquet")
    before = path.read_bytes()
    groups = export._row_groups
    monkeypatch.setattr(export, "_row_groups", lambda frame, schema: groups(frame.iloc[1:], schema))
    with pytest.raises(ValueError, match="2 of 3 rows were in the file"):
        write_parquet(made(masked=True), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- accounts -----------------------------------------------------------------------------------------------------


def bytes_of(path):
    """Return the bytes of a file, and what they are when unpacked."""
    found = [path.read_bytes()]
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            found += [book.read(name) for name in book.namelist()]
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        found += [str(table.schema.metadata).encode(), str(table.to_pydict()).encode()]
        found += [
            str(column.chunk(0).dictionary).encode() for column in table.columns if pa.types.is_dictionary(column.type)
        ]
    return b"\n".join(found)


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize(("masked", "anonymize"), [(True, False), (True, True), (False, True)])
def test_no_account_is_in_the_bytes_written(suffix, masked, anonymize, tmp_path):
    """Neither of a frame that was opened masked nor of one that is anonymized, whatever the kind of file."""
    path = WRITERS[suffix](made(masked=masked), tmp_path / f"a{suffix}", anonymize=anonymize)
    found = bytes_of(path)
    assert [account for account in ACCOUNTS if account.encode() in found] == []
    assert (b"account-" in found) == anonymize
    assert (b"1111" in found) != anonymize


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_frame_that_was_opened_unmasked_is_written_in_full(suffix, tmp_path):
    """So that the search above is known to find."""
    found = bytes_of(WRITERS[suffix](made(masked=False), tmp_path / f"a{suffix}"))
    assert all(account.encode() in found for account in ACCOUNTS[:2])
    assert (ACCOUNTS[2].encode() in found) == (suffix == ".parquet")  # it is in a reject's text


def wild(frame):
    """Return frames that people make of one with two accounts, so that these stand where nobody looks for them."""
    texts, held = frame["account"].astype(str), frame.iloc[:, :8].copy()
    numbered = frame.assign(메모=[f"계좌 {one}입니다" for one in texts])
    noted = frame.assign(where=[[one, {"deep": (one, one.encode(), np.array([one]))}] for one in texts])
    held.attrs["note"] = {ACCOUNTS[0]: [int(ACCOUNTS[1]), (float(ACCOUNTS[0]), f"<{ACCOUNTS[2]}>")]}
    labelled = frame[["price", "quantity"]].set_axis([f"price of {ACCOUNTS[0]}", ACCOUNTS[1]], axis=1)
    return {
        "by account": frame.kn.realized_pnl("account"),
        "pivot": pivoted(frame, "account", "price"),
        "pivot of two": pivoted(frame, ["account", "side"], ["price", "quantity"]),
        "pivot reset": pivoted(frame, "account", ["price", "quantity"]).reset_index(),
        "transposed": pivoted(frame, "account", "price").T,
        "counted": pd.crosstab(frame["account"], frame["side"], margins=True),
        "renamed": frame.rename(columns={"account": "계좌"}),
        "renamed as text": frame.assign(account=texts).rename(columns={"account": "계좌"})[["계좌", "price"]],
        "unnamed index": frame.set_index("account").rename_axis(None)[["price"]],
        "index as text": frame.assign(account=texts)
        .set_index(["account", "symbol"])
        .rename_axis([None, None])[["price"]],
        "twice": pd.concat([frame[["account", "price"]], frame[["account"]].add_prefix("my ")], axis=1),
        "note": numbered,
        "arrow": numbered.astype({"메모": pd.ArrowDtype(pa.string())}),
        "categories": numbered.astype({"메모": "category"}).iloc[:1],
        "objects": noted,
        "as received": frame.assign(extra_951=pd.Categorical([f"a{one}" for one in texts])),
        "attrs": held,
        "labels": labelled,
        "labels of numbers": frame[["price", "quantity"]].set_axis([int(one) for one in ACCOUNTS[:2]], axis=1),
        "labels that know": labelled.assign(account=frame["account"]),
        "names": frame[["price"]].rename_axis(index=ACCOUNTS[0], columns=ACCOUNTS[1]),
        "named once": frame.drop(columns="account").assign(of=f"{ACCOUNTS[0]}/{ACCOUNTS[1]}"),
        "rejected": frame.kn.rejected,
        "numbers": frame.assign(account=texts.astype("int64"))[["account", "price"]],
        "floats": frame.assign(account=texts.astype("float64").where(frame.index > 0))[["account", "price"]],
        "unused": frame[frame["account"] == ACCOUNTS[0]],
    }


WILD = list(wild(made(masked=False).copy()))


@pytest.mark.parametrize("name", WILD)
def test_no_account_is_in_the_bytes_of_what_is_made_of_a_frame(name, tmp_path, monkeypatch):
    """Labels, indexes, texts, attrs: full in none of the files, unpacked, not as a part of a text and not in metadata."""
    monkeypatch.setattr(export, "_COMPRESSION", "none")
    frame = wild(made(masked=False).copy())[name]
    for suffix in (".parquet", ".csv"):
        if name != "objects" or suffix == ".csv":
            found = WRITERS[suffix](frame, tmp_path / f"a{suffix}", anonymize=True).read_bytes()
            assert [account for account in ACCOUNTS if account.encode() in found] == []
    book = frame if frame.columns.nlevels == 1 else frame.set_axis(frame.columns.map(str), axis=1)
    path = write_excel(book, tmp_path / "a.xlsx", anonymize=True)
    assert [account for account in ACCOUNTS if account.encode() in bytes_of(path)] == []


@pytest.mark.parametrize("name", WILD)
def test_without_anonymize_they_are_found(name, tmp_path):
    """In what people make of a frame: so that the search above is known to find."""
    found = str(wild(made(masked=False).copy())[name].pipe(lambda frame: (frame.to_dict("tight"), frame.attrs)))
    assert any(account in found for account in ACCOUNTS)


def test_a_mask_that_is_known_becomes_a_pseudonym_too(tmp_path):
    """Its digits say enough where the others are known."""
    frame = made(masked=True).copy()
    labels = list(frame["account"].cat.categories)
    by_account = pivoted(frame, "account", "price")
    noted = frame.assign(note=[f"of {one}" for one in frame["account"]])
    for one in (by_account, noted):
        found = write_csv(one, tmp_path / "a.csv", anonymize=True).read_text("utf-8-sig")
        assert [label for label in labels if label in found] == []
        assert "account-" in found


def test_an_account_that_is_a_number_is_refused(tmp_path):
    """Among numbers nothing can stand for it; the sentence says so and nothing is written."""
    frame = made(masked=False).copy()
    numbers = frame["account"].astype(str).astype("int64")
    for one in (frame.assign(mine=numbers), frame.assign(mine=numbers.astype("Float64")), frame.set_index(numbers)):
        with pytest.raises(ValueError, match=r"holds account numbers as numbers, .* make it text \(astype\(str\)\)"):
            write_parquet(one.rename_axis("mine"), tmp_path / "a.parquet", anonymize=True)
    assert list(tmp_path.glob("*.parquet")) == []
    shown = write_parquet(frame.assign(mine=numbers.astype(str)), tmp_path / "a.parquet", anonymize=True)
    assert kn.load(shown)["mine"].tolist() == kn.load(shown)["account"].tolist()


def test_labels_of_accounts_are_masked_when_they_are_loaded(tmp_path):
    """As the cells of a column account are."""
    path = write_parquet(made(masked=False).kn.realized_pnl("account"), tmp_path / "a.parquet")
    assert kn.load(path).columns.tolist() == ["xxxxx61111", "xxxxx11111"]
    assert kn.load(path, mask_accounts=False).columns.tolist() == list(ACCOUNTS[:2])


def test_the_accessor_anonymizes(tmp_path):
    """All three writers of df.kn do, with the same pseudonyms."""
    frame = made(masked=False).copy()
    frame.kn.to_parquet(tmp_path / "a.parquet", anonymize=True)
    frame.kn.to_csv(tmp_path / "a.csv", anonymize=True)
    frame.kn.to_excel(tmp_path / "a.xlsx", anonymize=True)
    shown = kn.load(tmp_path / "a.parquet", mask_accounts=False)
    assert shown["account"].str.fullmatch("account-[0-9a-f]{8}").all()
    assert pd.read_csv(tmp_path / "a.csv")["account"].tolist() == shown["account"].tolist()
    for pseudonym in shown["account"]:
        assert pseudonym.encode() in bytes_of(tmp_path / "a.xlsx")
    assert_frame_equal(kn.load(tmp_path / "a.parquet"), shown)
    assert told_by(shown).rejected[-1].text.startswith("noise account-")
