"""The quickest way in, held against the plain one, which is the authority; and how it gets ready, or does not."""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from unittest import mock

import frames
import numpy as np
import pytest
from frames import OFFICIAL, OFFICIAL_FIDS, dump, entry, event, frame
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from kiwoom_nb import fast, journal, reading, samples, scanning
from kiwoom_nb.protocol import parse
from kiwoom_nb.reading import read_journal
from kiwoom_nb.status import Status
from kiwoom_nb.table import BalanceTable

AT = 1_763_600_400_000_000
HEADER = journal.header_line(journal.Header(journal.VERSION, "test", "0" * 12, "2025-11-20", AT))


@pytest.fixture(scope="module", autouse=True)
def kernels():
    """The kernels are ready: what is tested here would prove nothing by the plain way."""
    ready = fast._Kernels()  # of this module only: other tests are of the plain way
    with mock.patch.dict(os.environ, {fast.SWITCH: "1"}), mock.patch.object(fast, "_kernels", ready):
        fast.warm_up(timeout=300)
        assert fast.trouble() == ""
        assert fast.kernels() is not None
        yield


@contextlib.contextmanager
def plainly():
    with mock.patch.dict(os.environ, {fast.SWITCH: "0"}):
        yield


def taken(table):
    """Return how many frames went the quickest way."""
    return table._quickest.taken if table._quickest else 0


def received(raws, table=None, together=128):
    """Return a table that received ``raws`` and was looked at after every ``together`` of them."""
    table = table or BalanceTable(capacity=4)
    for number, raw in enumerate(raws):
        table.receive(parse(raw), AT + number)
        if number % together == together - 1:
            assert table.rows >= 0
    return table


def assert_same(ours, plain):
    """Hold everything that can be asked of two tables together."""
    assert ours.rows == plain.rows
    assert ours.rejects == plain.rejects
    assert (ours.received, ours.last_row_at, ours.masked) == (plain.received, plain.last_row_at, plain.masked)
    assert ours.line.gaps() == plain.line.gaps()
    assert ours.line.last_heard == plain.line.last_heard
    assert ours.attrs() == plain.attrs()
    assert_frame_equal(ours.frame(), plain.frame(), check_exact=True)
    assert ours.latest(ours.rows).items() == plain.latest(plain.rows).items()
    for name in ("account", "symbol", "side", "venue", "name", "credit_type", "extra_951", "extra_924"):
        assert ours._codes[name].categories == plain._codes[name].categories
        assert ours._code_buffers[name].dtype == plain._code_buffers[name].dtype


def check(raws, together=128):
    """Receive ``raws`` both ways, compare, and return how many frames went the quickest way."""
    with plainly():
        plain = received(raws, together=together)
        assert taken(plain) == 0
    ours = received(raws, together=together)
    assert_same(ours, plain)
    return taken(ours)


# --- frames -------------------------------------------------------------------------------------------------------

_RAWS = frames.balance_frames() | frames.entry_lists().map(lambda entries: frame(*entries)) | frames.hostile_frames()


@settings(max_examples=60, deadline=None)
@given(st.lists(_RAWS, max_size=8), st.integers(1, 8))
@example([event(), event(f9201="2222221111"), event("", f9001="000660_NX"), event("_AL", f9001="")], 2)
@example([event(f302="A"), event(f302="B", f930="x"), event(f302="C"), event(f302="A")], 4)
@example([event().replace(b'"302":"', b'"302":"a","302":"'), event(f302="b")], 2)
@example([event(f946="3", f302="new"), event(f946="1", f302="newer"), event(f946="3")], 3)
@example([event(f930=None, f991=None, f916=None, f302=None, f10=None, f9001=None), event("", f9001=None)], 2)
def test_any_frames_give_what_the_plain_way_gives(raws, together):
    """Rows, rejects, categories and their order, what is told once: all the same, whatever comes in whatever batches."""
    check(raws, together)


@settings(max_examples=20, deadline=None)
@given(st.lists(frames.balance_frames(), min_size=1, max_size=8))
def test_realistic_frames_are_taken(raws):
    """The events that an account gets go the quickest way, in every format that was seen; else nothing is proved."""
    assert check(raws) == len(raws)


ODD = [
    *("", " ", "   ", "0", "-0", "+0", "--0", "-", "--", "+", "+-5", "-+5", "---5", " 5", "5 ", "  -5  ", "- 5", "+ 5"),
    *("007", "-007", "5.", "5.0", "5.000", "5.5", ".5", "-.5", ".", "-.", "5..0", "1.2.3", "5.0.", "0.00", "-0.00"),
    *("1e3", "1E3", "0x10", "1_000", "1,000", "nan", "inf", "-inf", "NaN", "Infinity", "True", "null", "[1]", "{}"),
    *("9" * 15, "9" * 16, "9" * 18, "9" * 19, "9" * 20, "0" * 400 + "5", "9" * 400, str(2**63 - 1), str(2**63)),
    *(str(-(2**63)), "0." + "0" * 20 + "5", "0." + "0" * 21 + "5", "0." + "0" * 30 + "5", "123456789012345.1"),
    *("0.1", "0.3", "2.675", "1234567.891", "-13.79", "99999999999999.9", "0.1000000000000000055511151231257827"),
    *("00000000", "20261122", "20260230", "20240229", "20230229", "19000229", "20000229", "00010101", "99991231"),
    *("00000001", "20261301", "20260001", "20260100", "20260132", "2026112", "202611220", " 20261122 ", "-20261122"),
    *("1", "2", "3", " 1", "01", "buy", "005930", "005930_NX", "005930_AL", "005930_ZZ", "_NX", "A005930", "J0004V0"),
    *(
        "A005930_AL",
        "A",
        "AAAAAAA",
        "삼성전자",
        " 삼성전자 ",
        "우리종금" + " " * 36,
        "５",
        "٣",
        "\x85",
        "\u2028",
        "\u00a0",
    ),
    *("\u30005", "\x7f", "\t", "\n", "\x00", "5\n", "\\", '"', 'a"b', "a\\b", "/", "가" * 200, "\ud83d\ude00"),
]


@pytest.mark.parametrize("fid", [*OFFICIAL_FIDS, "item", "name", "type"])
def test_every_odd_text_in_every_field_is_read_as_the_plain_way_reads_it(fid):
    """Signs, blanks, points, dates that are none, wide digits, control characters, escapes, huge numbers."""
    texts = [text.encode("utf-16", "surrogatepass").decode("utf-16") for text in ODD]
    if fid in OFFICIAL_FIDS:
        raws = [event(**{f"f{fid}": text}) for text in texts]
    else:
        raws = [frame({**entry(), fid: text}) for text in texts]
    mixed = [raw for odd in raws for raw in (odd, OFFICIAL)]
    assert check(mixed) >= len(raws)  # the official ones in between
    check(mixed, together=1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.permutations(list(entry()["values"])), st.integers(0, 27)), min_size=2, max_size=6))
def test_fields_in_an_order_that_changes_from_frame_to_frame_are_taken(orders):
    """A key is guessed from what came behind the one before; a wrong guess costs time and nothing else."""
    values = entry()["values"]
    raws = [frame({**entry(), "values": {fid: values[fid] for fid in fids[left_out:]}}) for fids, left_out in orders]
    assert check(raws) == sum(left_out < len(values) for _, left_out in orders)


@pytest.mark.parametrize("key", ["9300", "93", "", "930x", "0930", "９３０", "930 ", "99999"])
def test_a_key_that_begins_as_the_guessed_one_is_not_taken_for_it(key):
    values = entry()["values"]
    other = {key if fid == "930" else fid: text for fid, text in values.items()}
    check([OFFICIAL, OFFICIAL, frame({**entry(), "values": other}), OFFICIAL])
    check([OFFICIAL, OFFICIAL.replace(b'"930":"', b'"930" :"'), OFFICIAL.replace(b'"930":"', b'"930": "'), OFFICIAL])


SHAPES = {
    "spaces": json.dumps(json.loads(OFFICIAL), ensure_ascii=False).encode(),
    "many spaces": OFFICIAL.replace(b":", b"  :  ").replace(b",", b" , ").replace(b"{", b"{ ").replace(b"]", b" ]"),
    "trnm first": b'{"trnm":"REAL",' + OFFICIAL[1:].replace(b',"trnm":"REAL"', b""),
    "type first": frame({key: entry()[key] for key in ("type", "name", "item", "values")}),
    "other order of fields": frame({**entry(), "values": dict(sorted(entry()["values"].items()))}),
    "two entries": frame(entry(f930="1"), entry(f930="2")),
    "fewer fields": event(f930=None, f8019=None, f918=None, f951=None),
    "one field": frame({**entry(), "values": {"930": "1"}}),
}


@pytest.mark.parametrize("raw", SHAPES.values(), ids=SHAPES)
def test_the_shapes_that_json_allows_are_taken(raw):
    """The order of keys varies, spaces are allowed, and a field may be missing."""
    assert check([raw, raw]) == 2


STRANGE = {
    "line breaks": json.dumps(json.loads(OFFICIAL), indent=1).encode(),
    "a line break before the end": OFFICIAL.replace(b"]", b"\n]"),
    "tab": OFFICIAL.replace(b":", b":\t"),
    "byte order mark": b"\xef\xbb\xbf" + OFFICIAL,
    "not UTF-8": OFFICIAL.replace(b'"302":"', b'"302":"\xff'),
    "not UTF-8 in a label": OFFICIAL.replace(b'"name":"', b'"name":"\xed\xa0\x80'),
    "overlong": OFFICIAL.replace(b'"302":"', b'"302":"\xc0\xaf'),
    "raw control character": OFFICIAL.replace(b'"302":"', b'"302":"\x01'),
    "raw NUL": OFFICIAL.replace(b'"930":"', b'"930":"\x00'),
    "escaped digit": OFFICIAL.replace(b'"930":"102"', b'"930":"\\u0031"'),
    "escaped key": OFFICIAL.replace(b'"930"', b'"\\u00390"'),
    "escaped name": event(f302='a"b'),
    "a number": event(f930=5),
    "null": event(f930=None) and OFFICIAL.replace(b'"930":"102"', b'"930":null'),
    "nested": event(f930={"a": "1"}),
    "a list": event(f930=["1"]),
    "true": event(f930=True),
    "field twice": OFFICIAL.replace(b'"930":"102"', b'"930":"1","930":"2"'),
    "field twice, first unreadable": OFFICIAL.replace(b'"930":"102"', b'"930":"x","930":"2"'),
    "values twice": OFFICIAL.replace(b'[{"values":', b'[{"values":{"930":"1"},"values":'),
    "item twice": OFFICIAL.replace(b'"item":', b'"item":"000660_NX","item":'),
    "type twice": OFFICIAL.replace(b'"type":', b'"type":"00","type":'),
    "unknown field": event(f9999="1"),
    "field of five digits": event(f10000="1"),
    "field with a zero before it": OFFICIAL.replace(b'"930"', b'"0930"'),
    "field without a name": OFFICIAL.replace(b'"930"', b'""'),
    "field of letters": OFFICIAL.replace(b'"930"', b'"93a"'),
    "unknown member": frame({**entry(), "extra": 1}),
    "no values": frame({**entry(), "values": {}}),
    "no item": frame(entry(None)),
    "values in a string": frame({**entry(), "values": json.dumps(entry()["values"])}),
    "type 00": frame({**entry(), "type": "00"}),
    "type as a number": frame({**entry(), "type": 4}),
    "empty data": frame(),
    "data is no list": dump({"data": entry(), "trnm": "REAL"}),
    "one good, one bad": frame(entry(), {"type": "04"}),
    "another trnm": OFFICIAL.replace(b"REAL", b"REAX"),
    "cut": OFFICIAL[:-20],
    "cut in the values": OFFICIAL[:200],
    "something behind it": OFFICIAL + b"x",
    "twice": OFFICIAL + OFFICIAL,
    "a comma too many": OFFICIAL.replace(b'"924":"0"}', b'"924":"0",}'),
    "a comma too many in the list": OFFICIAL.replace(b"}]", b"},]"),
    "a comma missing": OFFICIAL.replace(b',"930"', b'"930"'),
    "a colon missing": OFFICIAL.replace(b'"930":', b'"930"'),
    "a quote missing": OFFICIAL.replace(b'"930":"102"', b'"930":"102'),
}

ENVELOPES = {
    "data twice": OFFICIAL.replace(b'{"data":', b'{"data":[],"data":'),
    "trnm twice": OFFICIAL.replace(b'"trnm":', b'"trnm":"PING","trnm":'),
    "unknown key": OFFICIAL.replace(b'{"data":', b'{"x":1,"data":'),
}
"""Strange as lines of a journal only: of a frame that is received alone, the envelope was read before."""


@pytest.mark.parametrize("raw", STRANGE.values(), ids=STRANGE)
def test_strange_frames_are_left_to_the_plain_way(raw):
    """What is not plain is given up before anything was changed, amid frames that are plain."""
    new = event("000660_NX", f302="SK하이닉스", f9001="000660", f9201="5012345678")
    assert check([raw]) == 0
    assert check([OFFICIAL, raw, raw, raw, new, OFFICIAL, raw]) >= 2
    assert check([raw.replace("삼성전자".encode(), b"other"), new]) <= 1


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_damaged_frame_gives_what_the_plain_way_gives(data):
    """A byte changed, lost or put in anywhere: whatever it makes of the frame."""
    raw = bytearray(data.draw(st.sampled_from([OFFICIAL, *SHAPES.values()])))
    at = data.draw(st.integers(0, len(raw) - 1))
    put = st.binary(max_size=2) | st.sampled_from([b'"', b",", b":", b"{", b"}", b"]", b" ", b"-", b"0", b".", b"\\"])
    raw[at : at + data.draw(st.integers(0, 2))] = data.draw(put)
    check([OFFICIAL, bytes(raw), OFFICIAL])


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="+-. 0123456789", max_size=30), st.sampled_from(["10", "930", "8019", "916"]))
def test_number_like_texts_are_read_as_the_plain_way_reads_them(text, fid):
    """Whole numbers, prices, decimals (to the last bit) and days."""
    check([event(**{f"f{fid}": text})])


@settings(max_examples=40, deadline=None)
@given(st.floats(-1e12, 1e12), st.integers(0, 8))
def test_decimals_are_read_to_the_last_bit(number, places):
    """Equality of frames is exact."""
    check([event(f8019=f"{number:.{places}f}", f991=f"{number / 1e6:+.{places}f}")])


# --- tables -------------------------------------------------------------------------------------------------------


def many(count, **fids):
    return [event(f"{code:06}", f9001=f"{code:06}", f302=f"issue {code}", **fids) for code in range(count)]


def test_a_table_filled_by_both_ways_is_the_same():
    """Half by the one and half by the other, in turn, through growth and new widths of codes."""
    raws = [raw for code, raw in enumerate(many(300)) for raw in (raw, event(f930=str(code)))]
    ours = BalanceTable(capacity=2)
    for start in range(0, len(raws), 50):
        with plainly() if start % 100 else contextlib.nullcontext():
            for number, raw in enumerate(raws[start : start + 50], start):
                ours.receive(parse(raw), AT + number)
            assert ours.rows == start + 50
    with plainly():
        assert_same(ours, received(raws))
    assert taken(ours) == len(raws) // 2


@pytest.mark.parametrize("categories", [126, 127, 128, 300])
def test_codes_grow_wider_with_the_categories(categories):
    """The frame wants the smallest width; in one batch and frame by frame."""
    raws = many(categories)
    assert check(raws) == categories
    assert check(raws, together=1) == categories
    assert check([frame(*[entry(f9001=f"{code:06}") for code in range(categories)])]) == 0  # too many new texts at once


def test_frames_of_many_rows_are_taken_in_pieces():
    """More rows than the desk has room for, in one call; a frame that never fits goes the plain way."""
    module, _ = fast.kernels()
    wide = frame(*[entry(f930=str(number)) for number in range(module.ROOM // 2 - 1)])
    assert check([OFFICIAL, wide, wide, wide, OFFICIAL, wide]) == 6
    assert check([OFFICIAL, frame(*[entry()] * (module.ROOM + 1)), OFFICIAL]) == 2
    assert check([OFFICIAL, frame(*[entry()] * module.ROOM), OFFICIAL]) == 3


def test_accounts_that_look_alike_are_told_apart():
    """Two accounts of one frame with the same last digits show more of them, whichever way they came."""
    raws = [event(f9201=account) for account in ("1111111111", "2222221111", "1111111111", "")]
    assert check(raws) == 4
    assert received(raws).frame()["account"].cat.categories.tolist() != ["xxxxxx1111"]


def test_texts_are_forgotten_where_there_is_no_room_and_nothing_changes(monkeypatch):
    """What is remembered of texts is bounded: a stream may run for months."""
    monkeypatch.setattr(scanning, "_ROOM_FOR_TEXTS", 200)
    raws = many(60)
    assert check([*raws, *raws]) == 120


def test_a_text_longer_than_the_memory_goes_the_plain_way(monkeypatch):
    """It cannot be remembered, so it is asked for once only."""
    monkeypatch.setattr(scanning, "_ROOM_FOR_TEXTS", 60)
    assert check([OFFICIAL, event(f302="long" * 20), OFFICIAL]) == 2


def test_a_full_table_of_texts_is_emptied():
    """As many texts as it takes to fill every second slot, each found again or read anew."""
    module, _ = fast.kernels()
    table = BalanceTable()
    for start in range(0, module.SLOTS // 2 + 600, 300):
        for code in range(start, start + 300):
            table.receive(parse(event(f302=f"issue {code}")), AT)
        assert table.rows == start + 300
    table.receive(parse(event(f302="issue 0")), AT)
    assert table.frame()["name"].tolist() == [*[f"issue {code}" for code in range(table.rows - 1)], "issue 0"]
    assert taken(table) == table.rows


@pytest.mark.parametrize("stage", ["_append_staged", "_decode_plainly"])
def test_an_interrupt_loses_nothing_and_doubles_nothing(monkeypatch, stage):
    """A cell may be interrupted at any moment; the frames are then decoded again."""
    raws = [*many(5), event(f930="x"), *many(9, f27=""), event(f930="y"), event()]
    ours = received(raws[:3])
    assert ours.rows == 3
    whole = getattr(BalanceTable, stage)
    for number, raw in enumerate(raws[3:], 3):
        ours.receive(parse(raw), AT + number)
    for calls in (1, 2):
        left = iter(range(calls))

        def interrupted(self, *args, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            whole(self, *args)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(BalanceTable, stage, interrupted)
            with pytest.raises(KeyboardInterrupt):
                ours._decode_fresh()
    with plainly():
        plain = received(raws)
    assert_same(ours, plain)


@pytest.mark.parametrize("taken_before", [0, 2])
def test_a_bug_in_the_quickest_way_costs_no_event(monkeypatch, taken_before):
    """What it raises is nobody's business but the plain way's, which takes the whole batch, once."""
    raws = [*many(3), event(f930="x"), *many(5)]
    append = BalanceTable._append_staged
    left = iter(range(taken_before))

    def broken(self, staged):
        append(self, staged)
        if next(left, None) is None:
            raise ValueError("a bug")

    with plainly():
        plain = received(raws)
    monkeypatch.setattr(BalanceTable, "_append_staged", broken)
    assert_same(received(raws), plain)


# --- journals -----------------------------------------------------------------------------------------------------


def loaded(path, capacity=4):
    table = BalanceTable(mask_accounts=False, capacity=capacity)
    header = read_journal(path, table)
    return table, header


def check_journal(path):
    """Load a journal both ways, compare, and return how many frames went the quickest way."""
    with plainly():
        plain, header = loaded(path)
    ours, same = loaded(path)
    assert header == same
    assert_same(ours, plain)
    return taken(ours)


def lines_of(raws, at=AT):
    return [journal.frame_line(at + number, raw) for number, raw in enumerate(raws)]


@pytest.mark.parametrize("name", ["calm", "busy", "oddities"])
def test_the_samples_load_as_by_the_plain_way(name):
    """Three synthetic days, with all that is odd in one of them."""
    path = samples.path_of(f"sample:{name}")
    assert check_journal(path) > 50


ODD_LINES = [
    b"\n",
    b" \n",
    b"\r\n",
    b"not JSON\n",
    b"{}\n",
    b"[]\n",
    b'{"received_at":-1,"frame":' + OFFICIAL + b"}\n",
    b'{"received_at":01,"frame":' + OFFICIAL + b"}\n",
    b'{"received_at":1.5,"frame":' + OFFICIAL + b"}\n",
    b'{"received_at":"1","frame":' + OFFICIAL + b"}\n",
    b'{"received_at":,"frame":' + OFFICIAL + b"}\n",
    b'{"received_at":9999999999999999,"frame":' + OFFICIAL + b"}\n",
    b'{"received_at":10000000000000000,"frame":' + OFFICIAL + b"}\n",
    b'{"received_at":0,"frame":' + OFFICIAL + b"}\n",
    b'{"received_at":1763600400000000,"frame":' + OFFICIAL + b"}\r\n",
    b'{"received_at":1763600400000000,"frame":' + OFFICIAL + b"} \n",
    b'{"received_at":1763600400000000,"frame":' + OFFICIAL + b"}}\n",
    b'{"received_at":1763600400000000,"frame":' + OFFICIAL + b',"event":"connected"}\n',
    b'{"received_at":1763600400000000,"frame":' + OFFICIAL + b"\n",
    b'{"received_at":1763600400000000,"frame":' + OFFICIAL[:100] + b"\n",
    b'{"received_at": 1763600400000000, "frame": ' + OFFICIAL + b"}\n",
    b'{"frame":' + OFFICIAL + b',"received_at":1763600400000000}\n',
    b"\xff\xfe\n",
    journal.event_line(AT + 5, event=journal.CONNECTED),
    journal.event_line(AT + 6, event=journal.DISCONNECTED, since=AT + 5, reason="test"),
    journal.event_line(AT + 7, event=journal.STOPPED),
    journal.event_line(AT + 8, event=journal.CONTINUED),
    journal.event_line(AT + 9, event=journal.REPAIRED, text="torn"),
    journal.event_line(AT + 9, event=journal.LOST, count=3),
    journal.event_line(AT + 9, event="of the future"),
    journal.holdings_line(AT + 10, AT + 4, "1111111111", [b'{"return_code":0,"acnt_evlt_remn_indv_tot":[]}']),
    journal.frame_line(AT, frames.PING),
    journal.frame_line(AT, frames.LOGIN_ACK),
    journal.frame_line(AT, b"\xff\x00"),
    journal.frame_line(AT, b"two\nlines"),
    *lines_of([*STRANGE.values(), *ENVELOPES.values()]),
    *lines_of(SHAPES.values()),
]


def test_odd_lines_between_plain_ones_are_read_in_order(tmp_path):
    """Each alone between two plain lines, then all of them together, then with CRLF, then torn."""
    plain = journal.frame_line(AT + 20, OFFICIAL)
    path = tmp_path / "day.jsonl"
    for odd in ODD_LINES:
        path.write_bytes(HEADER + plain + odd + plain)
        assert check_journal(path) >= 2 - odd.count(b"REAL")  # a line without its break swallows nothing
    path.write_bytes(HEADER + plain.join(ODD_LINES))
    assert check_journal(path) > 0
    path.write_bytes(HEADER + b"".join(ODD_LINES))
    check_journal(path)
    path.write_bytes((HEADER + plain.join(ODD_LINES)).replace(b"\n", b"\r\n"))
    check_journal(path)
    path.write_bytes(HEADER + plain * 3 + plain[:100])
    assert check_journal(path) == 3


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from(ODD_LINES) | _RAWS.map(partial(journal.frame_line, AT)), max_size=12), st.integers(0, 9)
)
def test_any_journal_gives_what_the_plain_way_gives(tmp_path_factory, lines, cut):
    """Any lines in any order, cut anywhere; with blocks so small that lines are put together."""
    path = tmp_path_factory.mktemp("journal") / "day.jsonl"
    path.write_bytes(HEADER + b"".join(lines)[: -cut or None])
    check_journal(path)
    with mock.patch.object(reading, "_CHUNK", 300):
        check_journal(path)


def test_a_long_journal_is_taken_whole(tmp_path):
    """More rows than the desk and the table have room for, two days of them."""
    raws = [event(f930=str(number), f27="" if number % 700 == 0 else "5") for number in range(1500)]
    path = tmp_path / "day.jsonl"
    path.write_bytes(HEADER + b"".join(lines_of(raws)))
    assert check_journal(path) == 1500


def test_lines_of_a_new_field_do_not_slow_everything_down(tmp_path):
    """Where frame after frame is not for the kernels they are tried less and less often."""
    path = tmp_path / "day.jsonl"
    path.write_bytes(HEADER + b"".join(lines_of([event(f777="1")] * 900)))
    calls = []
    _, read = fast.kernels()
    with mock.patch.object(fast._kernels, "read", lambda *args: calls.append(1) or read(*args)):
        assert check_journal(path) == 0
    assert 0 < len(calls) < 300


# --- getting ready ------------------------------------------------------------------------------------------------


def fresh(monkeypatch, importing):
    """Return kernels that were not asked for yet, of an installation in which ``importing(name)`` imports."""
    monkeypatch.setattr(fast.importlib, "import_module", importing)
    monkeypatch.setattr(fast, "_kernels", fast._Kernels())
    return fast._kernels


def wrong(exc):
    def importing(name):
        raise exc

    return importing


def test_without_numba_the_plain_way_serves_and_nothing_is_said(monkeypatch):
    """Most users do not have it; nothing is wrong with that."""
    kernels = fresh(monkeypatch, wrong(ModuleNotFoundError("No module named 'numba'", name="numba")))
    fast.warm_up(timeout=60)
    assert not kernels.thread.is_alive()
    assert (fast.kernels(), fast.trouble()) == (None, "")
    assert received([OFFICIAL]).rows == 1


@pytest.mark.parametrize(
    "exc",
    [
        ImportError("Numba needs NumPy 2.0 or less.\nGot NumPy 2.4."),
        ModuleNotFoundError("No module named 'llvmlite'", name="llvmlite"),
        SystemError("initialization of _internal failed"),
        OSError("cannot load the library"),
    ],
)
def test_a_broken_numba_is_told_in_the_status_and_the_plain_way_serves(monkeypatch, exc):
    """One note, in one line, where users look; never a traceback."""
    fresh(monkeypatch, wrong(exc))
    fast.warm_up(timeout=60)
    assert fast.kernels() is None
    assert "\n" not in fast.trouble()
    assert str(exc).splitlines()[0] in fast.trouble()
    assert fast.trouble() in str(Status(server="demo", background=False, fast_error=fast.trouble()))
    table = received([OFFICIAL])
    assert (table.rows, taken(table)) == (1, 0)
    with plainly():
        assert fast.trouble() == ""


def test_kernels_that_do_not_compile_are_told_in_the_status(monkeypatch):
    """Whatever the compiler raises."""

    class Module:
        @staticmethod
        def make_reader():
            raise RuntimeError

    fresh(monkeypatch, lambda _: Module)
    fast.warm_up(timeout=60)
    assert (fast.kernels(), fast.trouble()) == (None, "RuntimeError")


def test_where_nobody_may_write_the_kernels_are_compiled_without_a_cache(monkeypatch):
    """RuntimeError is what numba raises where it finds no folder for its cache."""
    module, _ = fast.kernels()
    real = module.numba.cfunc
    options = []

    def cfunc(signature, **given):
        options.append(given)
        if given.get("cache") and len(options) == 1:
            raise RuntimeError("cannot cache function: no locator available")
        return real(signature, cache=True)  # what is not tested here need not take seconds

    monkeypatch.setattr(module.numba, "cfunc", cfunc)
    assert callable(module.make_reader())
    assert options == [{"cache": True}, {}]


def test_the_kernels_are_asked_for_once_enough_was_received(monkeypatch):
    """A quiet stream never pays for them; a busy one goes on by the plain way until they are ready."""
    module, read = fast.kernels()
    go = threading.Event()

    class Module:
        def __getattr__(self, name):
            return getattr(module, name)

        @staticmethod
        def make_reader():
            assert go.wait(60)
            return read

    kernels = fresh(monkeypatch, lambda _: Module())
    monkeypatch.setattr(fast, "WORTHWHILE", 20)
    table = received([OFFICIAL] * 19)
    assert (table.rows, kernels.thread) == (19, None)
    received([OFFICIAL] * 5, table)
    assert (table.rows, taken(table)) == (24, 0)
    go.set()
    kernels.thread.join(60)
    received([event(f930="7")] * 5, table)
    assert (table.rows, taken(table)) == (29, 5)
    assert table.frame()["quantity"].tolist() == [102] * 24 + [7] * 5


def test_a_large_journal_asks_for_the_kernels_before_it_is_read(monkeypatch, tmp_path):
    """It is worth a little wait, and a small one is not."""
    kernels = fresh(monkeypatch, wrong(ModuleNotFoundError("No module named 'numba'", name="numba")))
    path = tmp_path / "day.jsonl"
    path.write_bytes(HEADER + b"".join(lines_of([OFFICIAL] * 3)))
    assert loaded(path)[0].rows == 3
    assert kernels.thread is None
    monkeypatch.setattr(fast, "LARGE", 1000)
    assert loaded(path)[0].rows == 3
    assert kernels.thread is not None


def test_the_switch_turns_the_kernels_off(monkeypatch):
    """KIWOOM_NB_FAST=0: numba is not even imported."""
    kernels = fresh(monkeypatch, wrong(AssertionError("imported")))
    with plainly():
        fast.warm_up(timeout=60)
        assert not fast.is_on()
        assert fast.kernels() is None
    assert kernels.thread is None


def test_importing_the_package_does_not_import_numba():
    """Nor does a table, nor its first events."""
    script = (
        "import sys, kiwoom_nb as kn; kn.load('sample'); "
        "assert not {'numba', 'llvmlite', 'kiwoom_nb.kernels'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parent.parent)


def test_the_kernels_look_at_no_other_module_of_ours():
    """The cache of compiled code knows of changes in their own file only."""
    module = importlib.import_module("kiwoom_nb.kernels")
    ours = [name for name, value in vars(module).items() if str(getattr(value, "__module__", "")).startswith("kiwoom")]
    assert {getattr(module, name).__module__ for name in ours} == {"kiwoom_nb.kernels"}
    assert len(scanning._COLUMNS) <= module.MOST_COLUMNS
    assert module.FIRST_TEXT + len(scanning._TEXTS) <= module.MOST_KINDS
    assert module.NUMBERS + module.MOST_COLUMNS * module.ROOM == module.DESK_SIZE
    assert np.array_equal(module._POWERS, [float(f"1e{power}") for power in range(len(module._POWERS))])
