"""Which recorded session a file holds."""

from __future__ import annotations

import gzip

import pytest
from frames import OFFICIAL

from kiwoom_nb import journal
from kiwoom_nb.errors import JournalError
from kiwoom_nb.identity import first_line, identify, session_of

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


@pytest.mark.parametrize("read", [identify, session_of])
def test_what_cannot_be_read_is_said(read, tmp_path):
    """JournalError names the file."""
    for path in (tmp_path / "missing.jsonl", written(tmp_path / "a.jsonl.gz", b"not packed")):
        with pytest.raises(JournalError, match=path.name):
            read(path)
