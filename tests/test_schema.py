import math
from datetime import date

import frames
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwoom_nb import schema
from kiwoom_nb.schema import COLUMNS, FIDS, FIELDS, RULES, Kind, Unreadable

PAGE = {
    "9201": "계좌번호",
    "9001": "종목코드,업종코드",
    "917": "신용구분",
    "916": "대출일",
    "302": "종목명",
    "10": "현재가",
    "930": "보유수량",
    "931": "매입단가",
    "932": "총매입가(당일누적)",
    "933": "주문가능수량",
    "945": "당일순매수량",
    "946": "매도/매수구분",
    "950": "당일총매도손익",
    "951": "Extra Item",
    "27": "(최우선)매도호가",
    "28": "(최우선)매수호가",
    "307": "기준가",
    "8019": "손익률(실현손익)",
    "957": "신용금액",
    "958": "신용이자",
    "918": "만기일",
    "990": "당일실현손익(유가)",
    "991": "당일실현손익율(유가)",
    "992": "당일실현손익(신용)",
    "993": "당일실현손익율(신용)",
    "959": "담보대출수량",
    "924": "Extra Item",
}
"""The 27 fields of the official page of type 04, with their Korean names."""

CONTRACT = [
    ("received_at", None, "datetime64[us, Asia/Seoul]"),
    ("account", "9201", "category"),
    ("symbol", "9001", "category"),
    ("venue", None, "category"),
    ("name", "302", "category"),
    ("side", "946", "category"),
    ("price", "10", "Int64"),
    ("price_direction", None, "Int8"),
    ("quantity", "930", "Int64"),
    ("average_price", "931", "Int64"),
    ("cost", "932", "Int64"),
    ("orderable_quantity", "933", "Int64"),
    ("net_bought_today", "945", "Int64"),
    ("sell_pnl_today", "950", "Int64"),
    ("ask", "27", "Int64"),
    ("bid", "28", "Int64"),
    ("base_price", "307", "Int64"),
    ("realized_return_pct", "8019", "float64"),
    ("realized_pnl", "990", "Int64"),
    ("realized_pnl_pct", "991", "float64"),
    ("credit_realized_pnl", "992", "Int64"),
    ("credit_realized_pnl_pct", "993", "float64"),
    ("credit_type", "917", "category"),
    ("loan_date", "916", "datetime64[ms]"),
    ("maturity_date", "918", "datetime64[ms]"),
    ("credit_amount", "957", "Int64"),
    ("credit_interest", "958", "Int64"),
    ("collateral_quantity", "959", "Int64"),
    ("extra_951", "951", "category"),
    ("extra_924", "924", "category"),
]
"""The columns of the API contract: name, FID, dtype."""

REFUSED = object()


def check(rule, text, expected):
    """Compare the value of a text, or that the rule refuses it."""
    if expected is REFUSED:
        with pytest.raises(Unreadable):
            rule(text)
    else:
        value = rule(text)
        assert (value, type(value)) == (expected, type(expected))


# --- fields and columns --------------------------------------------------------------------------------------------


def test_the_27_fields_of_the_page_are_declared_once_each():
    """A wire field is declared once; the page names 27."""
    assert len(FIDS) == len(set(FIDS)) == 27
    assert set(FIDS) == set(PAGE)


def test_the_shared_example_has_the_fields_of_the_page():
    """Other tests lean on the official example: it holds each field, in the order of the page."""
    assert list(frames.OFFICIAL_VALUES) == list(PAGE)


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.fid)
def test_the_korean_label_is_the_one_of_the_page(field):
    """A user of the HTS knows a field by the name on the page (of which we leave remarks away)."""
    assert field.ko in PAGE[field.fid]
    assert field.ko
    assert field.en


def test_there_are_30_columns_in_the_order_of_the_contract_with_its_dtypes():
    """Notebooks and lessons are written against names, order and dtypes."""
    assert [*COLUMNS.items()] == [(name, dtype) for name, _, dtype in CONTRACT]
    assert len(COLUMNS) == 30


def test_each_column_comes_from_the_fid_of_the_contract():
    """Three columns have no FID of their own: the clock, the venue, the direction of the price."""
    assert {field.column: field.fid for field in FIELDS} == {name: fid for name, fid, _ in CONTRACT if fid}


def test_units_are_known_where_a_number_is():
    """A plot and a table label a number with its unit."""
    for field in FIELDS:
        is_number = field.kind in {Kind.INTEGER, Kind.MAGNITUDE, Kind.DECIMAL}
        assert field.unit in ({"KRW", "shares", "%"} if is_number else {""}), field


def test_each_kind_has_a_rule():
    """A kind without a rule would break the first frame."""
    assert set(RULES) == set(Kind)


# --- whole numbers -------------------------------------------------------------------------------------------------

BLANKS = ["", " ", "     ", "\t", "\u3000", "\x85", "\u2028"]

INTEGERS = [
    ("0", 0),
    ("102", 102),
    ("-4", -4),
    ("+4", 4),
    ("--450", -450),
    ("+-5", -5),
    ("-+5", -5),
    ("++5", 5),
    ("-0", 0),
    ("--0", 0),
    ("000000000000030", 30),
    ("-00000000196888", -196888),
    ("--00000000196888", -196888),
    ("+82", 82),
    (" 0", 0),
    ("0 ", 0),
    ("   -7   ", -7),
    ("5" + " " * 100, 5),
    ("0" * 5000 + "30", 30),
    ("0" * 5000, 0),
    ("60150.0", 60150),
    ("60150.00", 60150),
    ("-60150.00 ", -60150),
    ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775807", -(2**63) + 1),
    ("--9223372036854775807", -(2**63) + 1),
    ("0009223372036854775807.0", 2**63 - 1),
    ("9223372036854775808", REFUSED),
    ("-9223372036854775808", REFUSED),  # what pandas and NumPy keep for "not a time"
    ("9999999999999999999", REFUSED),
    ("9" * 5000, REFUSED),
    ("-" + "9" * 5000, REFUSED),
    ("60150.5", REFUSED),
    ("0.01", REFUSED),
    (".0", REFUSED),
    (".", REFUSED),
    ("-", REFUSED),
    ("--", REFUSED),
    ("+", REFUSED),
    ("---5", REFUSED),
    ("- 5", REFUSED),
    ("5-", REFUSED),
    ("1e3", REFUSED),
    ("1E3", REFUSED),
    ("1_000", REFUSED),
    ("1,000", REFUSED),
    ("0x10", REFUSED),
    ("0b1", REFUSED),
    ("1 000", REFUSED),
    ("５", REFUSED),
    ("１２３", REFUSED),
    ("٣", REFUSED),
    ("²", REFUSED),
    ("-５", REFUSED),
    ("5\n", REFUSED),
    ("5\t", REFUSED),
    ("\n5", REFUSED),
    ("\u00a05", REFUSED),
    ("\x005", REFUSED),
    ("5\x00", REFUSED),
    ("nan", REFUSED),
    ("inf", REFUSED),
    ("null", REFUSED),
    ("true", REFUSED),
    ("계약", REFUSED),
    ("5.0.0", REFUSED),
    ("5.0e1", REFUSED),
    *((blank, None) for blank in BLANKS),
]


@pytest.mark.parametrize(("text", "expected"), INTEGERS)
def test_a_whole_number_is_read_in_every_format_seen_and_in_no_other(text, expected):
    """Optional spaces, up to two signs (``--`` is one minus), digits, an optional ``.0``; the rest is refused."""
    check(schema.integer, text, expected)


@pytest.mark.parametrize(("text", "expected"), INTEGERS)
def test_a_price_is_the_magnitude_of_the_number(text, expected):
    """The sign of FIDs 10, 27 and 28 is the direction against the base price."""
    check(schema.magnitude, text, abs(expected) if isinstance(expected, int) else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-60150", -1),
        ("--60150", -1),
        ("+806", 1),
        ("20850", 0),
        (" -5", -1),
        (" +5 ", 1),
        ("0", 0),
        ("000030", 0),
        ("-5.0", -1),
        ("", None),
        ("  ", None),
        ("-", REFUSED),
        ("1e-3", REFUSED),
        ("-9223372036854775808", REFUSED),
    ],
)
def test_the_direction_of_a_price_is_its_sign(text, expected):
    """A minus is below the base price, a plus above, no sign unchanged (60150 < 60300 came as ``-60150``)."""
    check(schema.direction, text, expected)


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, 30), st.integers(0, 3), st.sampled_from(["", ".0", ".00"]))
def test_any_number_is_read_back_however_it_is_padded(number, zeros, spaces, fraction):
    """Zeros in front, spaces around and ``.0`` behind change nothing."""
    sign = "-" if number < 0 else ""
    text = " " * spaces + sign + "0" * zeros + str(abs(number)) + fraction + " " * spaces
    assert schema.integer(text) == number
    assert schema.magnitude(text) == abs(number)


# --- decimals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.00", 0.0),
        ("-43.8977", -43.8977),
        ("+1.5", 1.5),
        ("--52.71", -52.71),
        ("0001.50", 1.5),
        (" 2.25 ", 2.25),
        ("7", 7.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("5.", 5.0),
        ("0" * 5000 + "1.25", 1.25),
        ("1e3", REFUSED),
        ("1_000.0", REFUSED),
        ("1,000.0", REFUSED),
        ("５.0", REFUSED),
        ("nan", REFUSED),
        ("-inf", REFUSED),
        ("infinity", REFUSED),
        ("9" * 5000, REFUSED),
        ("---1.0", REFUSED),
        ("1.0%", REFUSED),
        ("1.2.3", REFUSED),
        (".", REFUSED),
        ("-.", REFUSED),
        ("-", REFUSED),
        ("1.0\n", REFUSED),
        *((blank, None) for blank in BLANKS),
    ],
)
def test_a_decimal_is_read_like_a_whole_number_with_a_fraction(text, expected):
    """Rates have two decimals; signs and spaces are as for whole numbers."""
    check(schema.decimal, text, expected)


@pytest.mark.parametrize("text", ["-0.00", "--0", "-0"])
def test_a_minus_before_zero_is_no_negative_zero(text):
    """A rate of ``-0.00`` must not be shown as -0.0."""
    assert math.copysign(1.0, schema.decimal(text)) == 1.0


# --- days ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("19700101", 0),
        ("19700102", 86_400_000),
        ("20261122", (date(2026, 11, 22) - date(1970, 1, 1)).days * 86_400_000),
        ("19691231", -86_400_000),
        ("20240229", (date(2024, 2, 29) - date(1970, 1, 1)).days * 86_400_000),
        (" 20261122 ", (date(2026, 11, 22) - date(1970, 1, 1)).days * 86_400_000),
        ("99991231", (date(9999, 12, 31) - date(1970, 1, 1)).days * 86_400_000),
        ("00000000", None),
        (" 00000000", None),
        ("20260230", REFUSED),
        ("20250229", REFUSED),
        ("20261301", REFUSED),
        ("20260100", REFUSED),
        ("00000001", REFUSED),
        ("00001122", REFUSED),
        ("0", REFUSED),
        ("000000000", REFUSED),
        ("2026112", REFUSED),
        ("202611222", REFUSED),
        ("2026-11-22", REFUSED),
        ("+20261122", REFUSED),
        ("20261122.0", REFUSED),
        ("２０２６１１２２", REFUSED),
        ("20261122\n", REFUSED),
        *((blank, None) for blank in BLANKS),
    ],
)
def test_a_day_is_eight_digits_and_eight_zeros_are_no_day(text, expected):
    """``00000000`` means none; a day that is in no calendar is refused."""
    check(schema.date, text, expected)


# --- codes and names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("005930", "005930"),
        ("A005930", "005930"),
        ("J005930", "005930"),
        ("A0004V0", "0004V0"),
        ("0004V0", "0004V0"),
        ("00088K", "00088K"),
        ("Q530036", "Q530036"),  # an ETN: seven characters, but the letter belongs to it
        ("A00593", "A00593"),  # six characters
        ("A0059300", "A0059300"),  # eight
        ("AAAAAAA", "AAAAAA"),
        ("a005930", "a005930"),
        ("005930_NX", "005930"),
        ("005930_AL", "005930"),
        ("A005930_NX", "005930"),
        ("A005930_AL", "005930"),
        ("005930_ZZ", "005930"),
        (" 005930 ", "005930"),
        ("005930 _NX", "005930"),
        ("_NX", None),
        *((blank, None) for blank in BLANKS),
    ],
)
def test_a_symbol_is_the_issue_code_alone(text, expected):
    """The venue suffix is dropped, then the A or J of a 7-character code; never a number, so zeros stay."""
    check(schema.symbol, text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("005930", "KRX"),
        ("A005930", "KRX"),
        ("005930_NX", "NXT"),
        ("005930_AL", "SOR"),
        ("005930_NX ", "NXT"),
        ("_AL", "SOR"),
        ("005930_ZZ", REFUSED),
        ("005930_nx", REFUSED),
        ("005930_NX_AL", REFUSED),
        *((blank, None) for blank in BLANKS),
    ],
)
def test_a_venue_is_the_suffix_of_the_code(text, expected):
    """No suffix is KRX; an unknown one is refused, so that it is told by name."""
    check(schema.venue, text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "sell"),
        ("2", "buy"),
        (" 2 ", "buy"),
        ("0", REFUSED),
        ("3", REFUSED),
        ("01", REFUSED),
        ("+1", REFUSED),
        ("-2", REFUSED),
        ("１", REFUSED),
        ("buy", REFUSED),
        *((blank, None) for blank in BLANKS),
    ],
)
def test_a_side_is_one_for_sell_and_two_for_buy(text, expected):
    """The side of the fill that caused the event; an unknown code is refused, so that it is told by name."""
    check(schema.side, text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("삼성전자", "삼성전자"),
        ("우리종금" + " " * 36, "우리종금"),
        ("  KODEX 200  ", "KODEX 200"),
        ("\u3000삼성전자\u3000", "삼성전자"),
        ("삼성\x85전자", "삼성\x85전자"),
        *((blank, None) for blank in BLANKS),
    ],
)
def test_a_name_loses_its_padding(text, expected):
    """The older API padded names to 40 characters."""
    check(schema.name, text, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("00", "00"), ("0", "0"), ("03", "03"), ("99", "99"), (" 1", " 1"), *((blank, None) for blank in BLANKS)],
)
def test_a_code_stays_as_received(text, expected):
    """``00`` is cash: no number, so its zeros stay."""
    check(schema.code, text, expected)


@pytest.mark.parametrize("kind", Kind)
@given(text=frames.ODD_TEXTS)
def test_a_rule_gives_a_value_or_refuses_and_never_fails_otherwise(kind, text):
    """Whatever text comes, a rule raises nothing but Unreadable, and its value fits the column."""
    try:
        value = RULES[kind](text)
    except Unreadable:
        return
    if kind in {Kind.INTEGER, Kind.MAGNITUDE}:
        assert value is None or -(2**63) < value < 2**63
    elif kind is Kind.DECIMAL:
        assert value is None or math.isfinite(value)
    elif kind is Kind.DATE:
        assert value is None or value % 86_400_000 == 0
    else:
        assert value is None or value.strip()
