"""Which recorded session a file holds."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
from frames import OFFICIAL

import kiwoom_nb as kn
from kiwoom_nb import journal
from kiwoom_nb.errors import JournalError
from kiwoom_nb.identity import first_line, identify, not_among, row_digests, session_of
from kiwoom_nb.merging import masked
from kiwoom_nb.pseudonyms import anonymized
from kiwoom_nb.schema import COLUMNS

HEADER = journal.header_line(journal.Header(journal.VERSION, "demo", "x", "2026-11-20", 1))
LINE = journal.frame_line(2, OFFICIAL)


def written(path, content):
    path.write_bytes(content)
    return path


def test_a_session_is_known_by_its_first_line(tmp_path):
    """Whatever the file is called, packed or not, and however far it has grown; another moment is another session."""
    begun = written(tmp_path / "a.jsonl", HEADER)
    grown = written(tmp_path / "b.jsonl", HEADER + LINE)
    packed = written(tmp_path / "c.jsonl.gz", gzip.compress(HEADER + LINE))
    other = written(tmp_path / "d.jsonl", HEADER.replace(b'"created_at":1', b'"created_at":2') + LINE)
    assert identify(begun).session == identify(grown).session == session_of(begun) == session_of(packed)
    assert identify(grown) == identify(packed)
    assert identify(begun).digest != identify(grown).digest
    assert (identify(begun).size, identify(grown).size) == (len(HEADER), len(HEADER + LINE))
    assert session_of(other) == identify(other).session != session_of(begun)
    assert first_line(packed) == HEADER[:-1]


def test_a_torn_end_is_no_content(tmp_path):
    """It is cut off when the journal goes on."""
    whole, torn = written(tmp_path / "a.jsonl", HEADER + LINE), written(tmp_path / "b.jsonl", HEADER + LINE + LINE[:9])
    assert identify(whole) == identify(torn)
    assert first_line(written(tmp_path / "c.jsonl", HEADER[:9])) == b""


def test_long_journals_are_read_in_pieces(tmp_path):
    """A piece may end anywhere in a line, and a line may be longer than a piece."""
    long = journal.event_line(2, event="repaired", text="x" * (3 << 20))
    content = HEADER + LINE * 3000 + long + LINE
    assert identify(written(tmp_path / "a.jsonl", content)).size == len(content)
    assert identify(written(tmp_path / "b.jsonl", content + b"torn")) == identify(tmp_path / "a.jsonl")


def test_any_other_file_stands_for_itself(tmp_path):
    """Two Parquet files of the same bytes are one session."""
    one, same, other = (
        written(tmp_path / f"{n}.parquet", content) for n, content in enumerate((b"a\nb", b"a\nb", b"a\nc"))
    )
    assert identify(one) == identify(same)
    assert identify(one).session != identify(other).session
    assert not identify(one).is_of_a_journal
    assert identify(written(tmp_path / "a.jsonl", HEADER)).is_of_a_journal


SHOWN = {
    "masked": masked,
    "anonymized": anonymized,
    "as text": lambda frame: frame.astype({"account": "str"}),
    "with more columns": lambda frame: frame.assign(mine=1),
    "reordered columns": lambda frame: frame[frame.columns[::-1]],
    "some categories": lambda frame: frame.assign(symbol=frame["symbol"].cat.remove_unused_categories()),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_a_row_is_the_same_however_its_account_is_shown(show):
    """Whatever else is beside its 30 columns, and wherever in a frame it stands."""
    frame = kn.load("sample:oddities", mask_accounts=False)
    rows = row_digests(frame)
    assert (row_digests(show(frame)) == rows).all()
    assert (row_digests(frame.iloc[::-1]) == rows[::-1]).all()
    assert (row_digests(frame.iloc[50:60]) == rows[50:60]).all()


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "account"])
def test_a_row_that_differs_in_anything_else_is_another(name):
    """In any of the other columns; what is blank is not what is there."""
    frame = kn.load("sample:oddities").iloc[[-1]]
    blank = frame.assign(**{name: pd.Series([None], frame.index).astype(frame[name].dtype)})
    assert (row_digests(blank) == row_digests(frame)).all() == frame[name].isna().all()
    assert row_digests(kn.load("sample:busy").iloc[[3]]) != row_digests(kn.load("sample:busy").iloc[[4]])


def test_rows_that_are_alike_are_counted():
    """A server may send one twice in a frame: of three where one is known, two are not."""
    rows = np.array([7, 5, 7, 7, 9], np.uint64)
    assert not_among(rows, np.array([7, 9, 4], np.uint64)).tolist() == [False, True, True, True, False]
    assert not_among(rows, rows).tolist() == [False] * 5
    assert not_among(rows[:0], rows).tolist() == []
    assert not_among(rows, rows[:0]).all()


@pytest.mark.parametrize("read", [identify, session_of])
def test_what_cannot_be_read_is_said(read, tmp_path):
    """JournalError names the file."""
    for path in (tmp_path / "missing.jsonl", written(tmp_path / "a.jsonl.gz", b"not packed")):
        with pytest.raises(JournalError, match=path.name):
            read(path)
