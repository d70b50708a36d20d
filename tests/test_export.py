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


# --- names --------------------------------------------------------------------------------------------------------


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
