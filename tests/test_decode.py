import json
import sys
from datetime import date

import frames
import pytest
from frames import OFFICIAL, dump, entry, event, frame
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwoom_nb import schema
from kiwoom_nb.decode import LONGEST_TEXT, Decoder
from kiwoom_nb.protocol import Message, Unparsed, parse

AT = 1_763_600_400_123_456
DAY = 86_400_000


def read(*raws, first_row=0, decoder=None):
    """Decode frames one after the other; return their rows as dicts and their rejects."""
    decoder = decoder or Decoder()
    rows, rejects = [], []
    for raw in raws:
        batch = decoder.decode(parse(raw), AT, first_row + len(rows))
        rows += batch.rows
        rejects += batch.rejects
    return rows, rejects


def told(rejects):
    """Return (row, fid, text, reason) of rejects."""
    return [(reject.row, reject.fid, reject.text, reject.reason) for reject in rejects]


# --- the official example ------------------------------------------------------------------------------------------


def test_the_official_example_decodes_to_exact_values():
    """Each of the 30 columns, with the value that the page's example says."""
    rows, rejects = read(OFFICIAL)
    assert rejects == []
    assert rows == [
        {
            "received_at": AT,
            "account": "1111111111",
            "symbol": "005930",
            "venue": "KRX",
            "name": "삼성전자",
            "side": "buy",
            "price": 60150,
            "price_direction": -1,
            "quantity": 102,
            "average_price": 154116,
            "cost": 15719834,
            "orderable_quantity": 102,
            "net_bought_today": 4,
            "sell_pnl_today": 0,
            "ask": 60200,
            "bid": 60100,
            "base_price": 60300,
            "realized_return_pct": 0.0,
            "realized_pnl": 0,
            "realized_pnl_pct": 0.0,
            "credit_realized_pnl": 0,
            "credit_realized_pnl_pct": 0.0,
            "credit_type": "00",
            "loan_date": None,
            "maturity_date": None,
            "credit_amount": 0,
            "credit_interest": 0,
            "collateral_quantity": 0,
            "extra_951": "0",
            "extra_924": "0",
        }
    ]


def test_a_row_has_the_30_columns():
    """A table extends its columns by the values of rows."""
    (row,), _ = read(OFFICIAL)
    assert sorted(row) == sorted(schema.COLUMNS)


def test_an_event_of_the_older_api_is_read():
    """A capture of the OCX: prefixed code, padded name, plus signs."""
    capture = {"f9001": "A010050", "f302": "우리종금" + " " * 36, "f10": "+806", "f27": "+806", "f28": "+805"}
    (row,), rejects = read(event("A010050", **capture, f307="802", f930="5", f931="809", f932="4043", f933="5"))
    assert rejects == []
    assert (row["symbol"], row["name"], row["venue"]) == ("010050", "우리종금", "KRX")
    assert (row["price"], row["price_direction"], row["ask"], row["bid"]) == (806, 1, 806, 805)
    assert (row["base_price"], row["cost"]) == (802, 4043)


def test_a_credit_lot_keeps_its_days_and_its_class():
    """Loan date and maturity are days; the credit class stays text."""
    (row,), rejects = read(event(f917="03", f916="20261102", f918="20270131", f957="1200000", f958="-12"))
    assert rejects == []
    assert row["credit_type"] == "03"
    assert row["loan_date"] == (date(2026, 11, 2) - date(1970, 1, 1)).days * DAY
    assert row["maturity_date"] == (date(2027, 1, 31) - date(1970, 1, 1)).days * DAY
    assert (row["credit_amount"], row["credit_interest"]) == (1200000, -12)


@pytest.mark.parametrize(
    ("item", "code", "venue", "fid"),
    [
        ("005930", "005930", "KRX", None),
        ("005930_NX", "005930", "NXT", None),
        ("005930_AL", "005930_NX", "SOR", None),
        ("", "005930_NX", "NXT", None),
        ("  ", "005930_NX", "NXT", None),
        (None, "005930_AL", "SOR", None),
        (None, "005930", "KRX", None),
        ("", "", None, None),
        (None, None, None, None),
        ("005930_ZZ", "005930", None, "item"),
        ("", "005930_ZZ", None, "9001"),
    ],
)
def test_the_venue_comes_from_the_item_else_from_the_code(item, code, venue, fid):
    """Both blank: none. An unknown suffix is no venue and is told by name."""
    (row,), rejects = read(event(item, f9001=code))
    assert row["venue"] == venue
    assert [reject.fid for reject in rejects] == ([fid] if fid else [])


@settings(max_examples=40)
@given(frames.balance_frames())
def test_realistic_events_give_a_row_each_and_no_reject(raw):
    """All formats that were seen are read."""
    rows, rejects = read(raw)
    assert rejects == []
    assert len(rows) == len(json.loads(raw)["data"])


@given(st.one_of(st.binary(), frames.hostile_frames()), st.integers(0, 10**9))
def test_decoding_never_raises_on_any_bytes(raw, first_row):
    """A server may send anything; the stream goes on."""
    rows, rejects = Decoder().decode(parse(raw), AT, first_row)
    assert all(sorted(row) == sorted(schema.COLUMNS) for row in rows)
    for reject in rejects:
        assert reject.received_at == AT
        assert reject.row is None or first_row <= reject.row < first_row + len(rows)
        assert len(reject.text) <= LONGEST_TEXT


@settings(max_examples=60)
@given(frames.entry_lists())
def test_no_entry_is_lost(entries):
    """Each entry is a row, or a reject of its own; of other types the first is told."""
    rows, rejects = read(frame(*entries))
    whole = [reject for reject in rejects if reject.row is None]
    others = [entry["type"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("type"), str)]
    others = [kind for kind in others if kind != "04"]
    repeated = len(others) - len(set(others))
    assert len(rows) + len(whole) + repeated == max(len(entries), 1)


@settings(max_examples=30)
@given(st.lists(frames.balance_frames(1), min_size=2, max_size=3))
def test_frames_do_not_disturb_each_other(raws):
    """What a decoder remembers changes no value."""
    together, _ = read(*raws)
    assert together == [row for raw in raws for row in read(raw)[0]]


# --- several entries, other entries --------------------------------------------------------------------------------


def test_each_entry_of_a_frame_is_a_row_in_order():
    """One frame may hold several events, even of the same issue."""
    rows, rejects = read(frame(entry(f930="1"), entry(f930="2"), entry("000660", f9001="000660", f930="3")))
    assert rejects == []
    assert [(row["symbol"], row["quantity"]) for row in rows] == [("005930", 1), ("005930", 2), ("000660", 3)]


def test_entries_of_other_types_are_told_once_and_cost_no_event():
    """Types may be mixed in a frame; the others are not ours."""
    order = {"values": {"9203": "0000018"}, "type": "00", "name": "주문체결", "item": "005930"}
    tick = {**order, "type": "0B"}
    raw = frame(order, entry(f930="7"), tick, order)
    rows, rejects = read(raw, raw)
    assert [row["quantity"] for row in rows] == [7, 7]
    assert told(rejects) == [
        (None, None, dump(order).decode(), "unknown_type"),
        (None, None, dump(tick).decode(), "unknown_type"),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "04"},
        {"type": "04", "values": {}},
        {"type": "04", "values": None},
        {"type": "04", "values": []},
        {"type": "04", "values": ["1"]},
        {"type": "04", "values": 5},
        {"type": "04", "values": "not JSON"},
        {"type": "04", "values": '"5"'},
        {"type": "04", "values": "{}"},
        {"values": frames.values()},
        {"type": 4, "values": frames.values()},
        {"type": None, "values": frames.values()},
        {"type": ["04"], "values": frames.values()},
        {},
        [],
        [["04"]],
        None,
        5,
        True,
        "04",
    ],
)
def test_an_entry_that_is_no_balance_event_is_rejected_whole_and_costs_no_other(broken):
    """No values, wrong shapes: told each time, beside events that are read."""
    rows, rejects = read(frame(entry(f930="1"), broken, entry(f930="2", f10="?"), broken))
    assert [row["quantity"] for row in rows] == [1, 2]
    whole = [reject for reject in rejects if reject.reason == "not_a_balance_event"]
    assert [(reject.row, reject.fid) for reject in whole] == [(None, None)] * 2
    assert [reject.row for reject in rejects if reject.fid == "10"] == [1]


@pytest.mark.parametrize("data", [b"null", b"[]", b"{}", b'"x"', b"5", b'{"values":{}}'])
def test_a_real_frame_without_entries_is_rejected(data):
    """Nothing received goes without a trace."""
    rows, rejects = read(b'{"trnm":"REAL","data":' + data + b"}")
    assert rows == []
    assert [(reject.row, reject.reason) for reject in rejects] == [(None, "no_data")]


def test_a_real_frame_without_data_is_rejected():
    """The same where the key is missing."""
    assert told(read(b'{"trnm":"REAL"}')[1]) == [(None, None, "", "no_data")]


# --- single values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fid", "text"),
    [
        *(("930", text) for text in ("1e3", "1_000", "５", "x", "5.5", "9" * 19, "--", "null")),
        *(("10", text) for text in ("-", "1e3")),
        ("946", "3"),
        ("916", "20260230"),
        ("991", "nan"),
    ],
)
def test_a_value_that_cannot_be_read_is_blank_and_told_and_its_row_stays(fid, text):
    """``df.kn.rejected`` says which FID of which row held what."""
    rows, rejects = read(OFFICIAL, event(**{f"f{fid}": text}), first_row=40)
    column = next(field.column for field in schema.FIELDS if field.fid == fid)
    assert told(rejects) == [(41, fid, text, "unreadable")]
    changed = {column, "price_direction"} if fid == "10" else {column}
    assert all(rows[1][name] is None for name in changed)
    assert {name: rows[1][name] for name in schema.COLUMNS if name not in changed} == {
        name: rows[0][name] for name in schema.COLUMNS if name not in changed
    }


@pytest.mark.parametrize("value", ["", "  ", None, ...])
def test_a_blank_missing_or_null_value_is_none(value):
    """Blank, missing and JSON null are the same, and no fault, in any field."""
    for field in schema.FIELDS:
        made = entry()
        if value is ...:
            del made["values"][field.fid]
        else:
            made["values"][field.fid] = value
        (row,), rejects = read(frame(made))
        assert rejects == []
        assert row[field.column] is None


@pytest.mark.parametrize("value", [[], {}, ["5"], {"a": "5"}, True, False])
def test_a_value_of_another_kind_is_told(value):
    """Lists, objects and booleans are no values."""
    (row,), rejects = read(event(f930=value, f302=value))
    assert (row["quantity"], row["name"]) == (None, None)
    written = dump(value).decode()
    assert sorted(told(rejects)) == [(0, "302", written, "unreadable"), (0, "930", written, "unreadable")]


@pytest.mark.parametrize(
    ("written", "quantity", "pct"),
    [
        (b"102", 102, 102.0),
        (b"-4", -4, -4.0),
        (b"0", 0, 0.0),
        (b"-0", 0, 0.0),
        (b"5.0", 5, 5.0),
        (b"0.10", None, 0.1),
        (b"1e3", None, None),
        (b"1e400", None, None),
        (b"9223372036854775807", 2**63 - 1, float(2**63)),
        (b"9223372036854775808", None, float(2**63)),
        (b"9" * 5000, None, None),
    ],
)
def test_a_json_number_says_what_it_is_written_as(written, quantity, pct):
    """A number beside a string of the same digits is the same value, to the last digit."""
    raw = event(f930="<1>", f991="<2>").replace(b'"<1>"', written).replace(b'"<2>"', written)
    (row,), rejects = read(raw)
    assert (row["quantity"], row["realized_pnl_pct"]) == (quantity, pct)
    wrong = {fid for fid, value in (("930", quantity), ("991", pct)) if value is None}
    assert {reject.fid for reject in rejects} == wrong


@pytest.mark.parametrize(("price", "expected"), [(0, (0, 0)), (60150, (60150, 0)), (-60150, (60150, -1))])
def test_a_price_as_a_json_number_has_a_direction_too(price, expected):
    """Also where it is zero."""
    (row,), _ = read(event(f10=price))
    assert (row["price"], row["price_direction"]) == expected


def test_a_code_as_a_json_number_is_refused():
    """5930 is not 005930: a symbol that lost its zeros would be another one."""
    (row,), rejects = read(event(None, f9001=5930))
    assert (row["symbol"], row["venue"]) == (None, None)
    assert told(rejects) == [(0, "9001", "5930", "unreadable")]


def test_of_duplicate_keys_the_last_wins():
    """At each level of a frame."""
    raw = OFFICIAL.replace(b'"930":"102"', b'"930":"?","930":"7"').replace(b'"type":"04"', b'"type":"00","type":"04"')
    (row,), rejects = read(raw)
    assert (row["quantity"], rejects) == (7, [])
    (row,), _ = read(b'{"trnm":"PING","data":[],' + event(f930="8")[1:])
    assert row["quantity"] == 8


def test_values_that_were_encoded_twice_are_read():
    """One trader has met values as a JSON string."""
    made = {**entry(), "values": json.dumps(frames.values(f930="7"), ensure_ascii=False)}
    rows, rejects = read(frame(made), event(f930="7"))
    assert rejects == []
    assert rows[0] == rows[1]


def test_an_unknown_fid_is_told_once_and_costs_nothing():
    """Fields may appear with a new release of the server."""
    rows, rejects = read(event(f777="new"), event(f777="newer"), event(f778=["x"]), first_row=5)
    assert len(rows) == 3
    assert told(rejects) == [(5, "777", "new", "unknown_fid"), (7, "778", '["x"]', "unknown_fid")]


def test_members_of_an_entry_beside_the_known_are_let_be():
    """Only what is inside ``values`` is a field."""
    rows, rejects = read(frame({**entry(), "seq": 5, "more": {"930": "1"}}))
    assert (rows[0]["quantity"], rejects) == (102, [])


@pytest.mark.parametrize("name", ["삼성\x85전자", "삼성\u2028전자", "삼성\u2029전자", 'a"b\\c', "\U0001f600", "a\tb"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_names_with_odd_characters_come_through(name, ascii_only):
    """Line separators inside a name cut nothing, escapes are undone."""
    raw = json.dumps({"data": [entry(f302=name)], "trnm": "REAL"}, ensure_ascii=ascii_only).encode()
    (row,), rejects = read(raw)
    assert (row["name"], rejects) == (name, [])


def test_bytes_that_are_no_utf8_cost_one_value():
    """A name in CP949 leaves the rest of its event, and of its frame, readable."""
    raw = frame(entry(f930="1"), entry(f302="<>", f930="2")).replace(b"<>", "삼성".encode("cp949"))
    rows, rejects = read(raw)
    assert [(row["name"], row["quantity"]) for row in rows] == [("삼성전자", 1), (None, 2)]
    assert [(reject.row, reject.fid, reject.reason) for reject in rejects] == [(1, "302", "unreadable")]


# --- large and deep ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["102", "?"])
def test_ten_thousand_entries_in_a_frame_are_ten_thousand_rows(last):
    """Quickly as well as carefully."""
    rows, rejects = read(frame(*[entry()] * 9_999, entry(f930=last)))
    assert len(rows) == 10_000
    assert [reject.row for reject in rejects] == ([9_999] if last == "?" else [])


def test_a_frame_of_a_megabyte_is_read():
    """Of a text that cannot be read only the beginning is kept; the journal has all of it."""
    rows, rejects = read(event(f302="가" * 400_000), event(f930="9" * 1_000_000))
    assert len(rows[0]["name"]) == 400_000
    assert told(rejects) == [(1, "930", "9" * LONGEST_TEXT, "unreadable")]


@pytest.mark.parametrize("depth", [10, 500, 900, 980, 1100, 100_000])
def test_deep_nesting_is_told_and_breaks_nothing(depth):
    """Wherever it sits, and however near to Python's limit."""
    deep = b"[" * depth + b"]" * depth
    for raw in (
        event(f930="<>").replace(b'"<>"', deep),
        event(f777="<>").replace(b'"<>"', deep),
        OFFICIAL.replace(b'"04"', deep),
        frame(entry(), "<>").replace(b'"<>"', deep),
        b'{"trnm":' + deep + b"}",
        b'{"trnm":"SYSTEM","code":' + deep + b',"message":' + deep + b"}",
        b'{"trnm":"REAL","data":' + deep + b"}",
        deep,
    ):
        _, rejects = read(raw)
        assert rejects


def test_decoding_near_the_limit_of_recursion_never_raises():
    """A cell may call from deep inside its own recursion."""
    raw = b'{"trnm":"SYSTEM","code":' + b"[" * 60 + b"]" * 60 + b"}"
    message = parse(raw)

    def dive(left):
        return Decoder().decode(message, AT, 0) if left == 0 else dive(left - 1)

    frame_, depth = sys._getframe(), 0
    while frame_:
        frame_, depth = frame_.f_back, depth + 1
    batch = dive(sys.getrecursionlimit() - depth - 30)
    assert [reject.reason for reject in batch.rejects] == ["unknown_system_code"]


# --- frames that are no events -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_json"),
        (b"hello", "not_json"),
        (b'{"trnm":"REAL"', "not_json"),
        (OFFICIAL + b"x", "not_json"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'{"trnm":"\xff"}', "not_utf8"),
    ],
)
def test_a_frame_that_is_no_json_object_is_told_each_time(raw, reason):
    """Nothing received goes without a trace."""
    text = raw.decode("utf-8", "replace")[:LONGEST_TEXT]
    assert told(read(raw, raw)[1]) == [(None, None, text, reason)] * 2


def test_an_unparsed_frame_of_many_megabytes_is_cut():
    """Only its beginning is kept."""
    _, (reject,) = Decoder().decode(Unparsed("가".encode() * 1_000_000, "not_json"), AT, 0)
    assert reject.text == "가" * LONGEST_TEXT


@pytest.mark.parametrize(
    "raw", [frames.LOGIN_ACK, frames.REG_ACK, frames.REMOVE_ACK, frames.PING, frames.KICK, b"PING"]
)
def test_frames_of_the_protocol_are_neither_rows_nor_rejects(raw):
    """They are the session's business."""
    assert read(raw) == ([], [])


@pytest.mark.parametrize("code", ["R10001", "R10002", "R10004", " R10001 "])
def test_known_system_codes_are_no_rejects(code):
    """They end up in the state of the stream."""
    assert read(dump({"trnm": "SYSTEM", "code": code, "message": "x"})) == ([], [])


def test_an_unknown_system_code_is_told_once():
    """Whatever it is, even a list (which is no key of a table)."""
    raws = [dump({"trnm": "SYSTEM", "code": code, "message": "점검"}) for code in ("R9", "R9", 5, [1], [1], None)]
    _, rejects = read(*raws)
    assert told(rejects) == [
        (None, None, text, "unknown_system_code") for text in ("R9: 점검", "5: 점검", "[1]: 점검", "null: 점검")
    ]


def test_an_unknown_trnm_is_told_once():
    """Also where it is missing, or no text at all."""
    raws = [dump({"trnm": trnm}) for trnm in ("CNSRLST", "CNSRLST", None, 5, ["REAL"], {"a": 1})]
    _, rejects = read(*raws, b"{}")
    assert [(reject.text, reject.reason) for reject in rejects] == [
        (text, "unknown_trnm") for text in ("CNSRLST", "null", "5", '["REAL"]', '{"a":1}')
    ]


def test_a_server_that_invents_names_without_end_is_not_told_about_without_end():
    """What is told once must be remembered, and memory is bounded."""
    decoder = Decoder()
    _, rejects = read(*(dump({"trnm": f"T{number}"}) for number in range(3000)), decoder=decoder)
    assert len(rejects) == len(decoder._told) == 1000


def test_a_message_made_by_hand_is_decoded_like_a_received_one():
    """Replay and tests hand over messages, not bytes."""
    assert Decoder().decode(Message(trnm="REAL"), AT, 0).rejects[0].reason == "no_data"
