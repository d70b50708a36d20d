import json

import duckdb
import polars as pl
import pytest
from frames import KICK, LOGIN_ACK, OFFICIAL, PING, balance_frames, event, hostile_frames
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwoom_nb import journal

NOON = 1_763_600_400_123_456
HEADER = journal.Header(journal.VERSION, "demo", "5f0c9a8b7c6d", "2025-11-20", NOON)

JSONISH = st.text(alphabet='{}[]",:\\ \t\r\n0123456789-+.eEtrufalsn\u2028\x00\x85é', max_size=30).map(str.encode)


def read(line):
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return journal.read_line(line[:-1])


@settings(max_examples=200, deadline=None)
@given(hostile_frames() | balance_frames() | JSONISH | st.binary(), st.integers(0, 10**16 - 1))
def test_a_frame_comes_back_byte_for_byte(raw, received_at):
    """Whatever bytes a server sends, the journal gives them and their time back, on one line of valid JSON."""
    line = journal.frame_line(received_at, raw)
    assert read(line) == (received_at, raw)
    assert json.loads(line)["received_at"] == received_at


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"PING",
        b"\xff\xfe",
        b'{"a":\n1}',
        b'{"a":1}\r',
        b'"\xed\xa0\x80"',
        b"{}{}",
        b"NaN",
        b"9" * 5000,
        b"[" * 900 + b"]" * 900,
        b'1,"event":"stopped"',
    ],
)
def test_what_is_not_one_line_of_json_is_kept_as_a_string(raw):
    """Such a line has its text or bytes, never a frame that another reader trips over."""
    line = journal.frame_line(NOON, raw)
    assert "frame" not in json.loads(line)
    assert read(line) == (NOON, raw)


@pytest.mark.parametrize("raw", [OFFICIAL, PING, b'{"trnm":"\xe2\x80\xa8"}', b' {"a": 1} ', b"{}", event(f302="\x85")])
def test_a_json_frame_is_embedded_as_it_came(raw):
    """So that other programs can query it, and nothing of it is lost."""
    assert journal.frame_line(NOON, raw) == b'{"received_at":%d,"frame":%b}\n' % (NOON, raw)


@pytest.mark.parametrize(
    "line",
    [
        '{"frame":{"trnm":"PING"},"received_at":1}',
        ' { "received_at" : 1 , "frame" : {"trnm":"PING"} } ',
        '{"received_at":1,"frame":{"trnm":"PING"},"note":"x"}',
        '{"received_at":1,"frame":{"trnm":"PING"}}  ',
        '{"received_at":1,"note":[{}],"frame":{"trnm":"PING"}}',
    ],
)
def test_lines_of_another_writer_are_read(line):
    """Keys in another order, spaces and more keys are still the same line."""
    assert journal.read_line(line.encode()) == (1, b'{"trnm":"PING"}')


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"received_at":1}',
        b'{"received_at":-1,"frame":{}}',
        b'{"received_at":1.5,"frame":{}}',
        b'{"received_at":10000000000000000,"frame":{}}',
        b'{"received_at":99999999999999999999999,"frame":{}}',
        b'{"received_at":1,"frame":{}',
        b'{"received_at":1,"frame":{"a":}}',
        b'{"received_at":1,"bytes":"*"}',
        b'{"received_at":1,"text":5}',
        b'{"received_at":1,"event":"x","since":-5}',
        b"\x00" * 50,
        b"\xff",
    ],
)
def test_a_damaged_line_is_none(line):
    """Nothing is guessed and nothing raised."""
    assert journal.read_line(line) is None


@given(st.binary(max_size=60) | JSONISH)
def test_reading_never_raises(line):
    """Any bytes: a frame, an entry or None."""
    journal.read_line(line)
    journal.read_header(line)


def test_an_event_comes_back_with_its_details():
    """The name under event, and what belongs to it."""
    entry = read(journal.event_line(NOON, event=journal.DISCONNECTED, since=NOON - 5, reason="코드 1006"))
    assert entry == journal.Entry(NOON, "disconnected", NOON - 5, "코드 1006")


def test_an_event_of_a_later_version_is_read():
    """Unknown events and details are no damage."""
    assert read(journal.event_line(NOON, event="of_a_later_version", rows=[{"a": 1}])).event == "of_a_later_version"


PAGES = [b'{"acnt_evlt_remn_indv_tot":[],"stk_nm":"\xec\x82\xbc"}', b' {"a": "\\n" , "frame":{}} '.strip()]


@pytest.mark.parametrize("account", ["1111111111", None])
def test_holdings_come_back_as_they_were_answered(account):
    """The pages byte for byte, when it was asked, and whose they are where that is known."""
    line = journal.holdings_line(NOON, NOON - 5, account, PAGES)
    entry = read(line)
    assert (entry.event, entry.received_at, entry.asked_at, entry.account) == ("holdings", NOON, NOON - 5, account)
    assert [bytes(page) for page in entry.pages] == PAGES
    assert ("account" in json.loads(line)) is (account is not None)
    assert all(map(journal.is_object, PAGES))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"null", b' {"a":1}', b'{"a":\n1}', b'{"a":1}\n', b'{"a":NaN}', b'{"a":1', b'{"a":"\xff"}']
)
def test_what_is_no_object_on_one_line_cannot_stand_among_holdings(raw):
    """It would tear the line, or trip other readers."""
    assert not journal.is_object(raw)


def test_a_header_comes_back():
    """The first line says which server, owner and day."""
    assert journal.read_header(journal.header_line(HEADER)) == HEADER
    assert json.loads(journal.header_line(HEADER))["kiwoom_nb"] == "journal"


def test_a_header_of_a_newer_version_is_still_ours():
    """Whatever else it holds: the reader must be able to say that it is newer."""
    header = journal.read_header(b'{"kiwoom_nb":"journal","version":2,"who":{"a":1}}')
    assert header.version == 2


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"\xff", b'{"kiwoom_nb":"journal"}', b'{"version":1}x'])
def test_anything_else_is_no_header(line):
    """Other people's files are not taken for journals."""
    assert journal.read_header(line) is None
    other = b'{"kiwoom_nb":"other","version":1}'
    assert journal.read_header(other) is None


@pytest.fixture
def path(tmp_path):
    lines = [
        journal.header_line(HEADER),
        journal.event_line(NOON, event=journal.CONNECTED),
        *(journal.frame_line(NOON + number, raw) for number, raw in enumerate([LOGIN_ACK, OFFICIAL, KICK, b"noise"])),
        journal.event_line(NOON + 9, event=journal.DISCONNECTED, since=NOON, reason="closed"),
    ]
    path = tmp_path / "day.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def test_duckdb_queries_a_journal(path):
    """SELECT from the file as it is."""
    query = "SELECT frame.data[1].values['930'] FROM read_json(?, format='newline_delimited') WHERE frame.trnm = 'REAL'"
    assert duckdb.execute(query, [str(path)]).fetchall() == [("102",)]


def test_polars_reads_a_journal(path):
    """read_ndjson of the file as it is."""
    lines = pl.read_ndjson(path, infer_schema_length=None)
    assert lines.height == 7
    real = lines.filter(pl.col("frame").struct.field("trnm") == "REAL")
    assert real["frame"].struct.field("data")[0][0]["values"]["930"] == "102"
