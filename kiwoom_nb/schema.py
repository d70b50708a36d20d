"""The 27 fields of a balance event, one line each, and the rules by which their text becomes a value.

Source of the fields: Kiwoom REST API, 국내주식 > 실시간시세 > 잔고(04). Frames, Parquet files, documentation and
widgets all read the lines below; nothing else in the package knows a FID.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

TIMEZONE: Final = "Asia/Seoul"

INT64_MAX: Final = 2**63 - 1


class Kind(Enum):
    """How the text of a field is read, and the dtype of its column."""

    ACCOUNT = "account"  # category; masked unless asked otherwise
    SYMBOL = "symbol"  # category; venue suffix and A/J prefix dropped, never a number
    NAME = "name"  # category; stripped
    CODE = "code"  # category; as received
    SIDE = "side"  # category; 1 sell, 2 buy
    INTEGER = "integer"  # Int64; the sign counts
    MAGNITUDE = "magnitude"  # Int64; the sign is a direction and is dropped
    DECIMAL = "decimal"  # float64
    DATE = "date"  # datetime64[ms]; a calendar day


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the official page: its number on the wire, its column and what it is called and measured in."""

    fid: str
    column: str
    ko: str
    en: str
    kind: Kind
    unit: str


# fmt: off
FIELDS: Final = (
    Field("9201", "account",                 "계좌번호",           "Account",                     Kind.ACCOUNT,   ""),
    Field("9001", "symbol",                  "종목코드",           "Symbol",                      Kind.SYMBOL,    ""),
    Field("302",  "name",                    "종목명",             "Name",                        Kind.NAME,      ""),
    Field("946",  "side",                    "매도/매수구분",      "Side",                        Kind.SIDE,      ""),
    Field("10",   "price",                   "현재가",             "Price",                       Kind.MAGNITUDE, "KRW"),
    Field("930",  "quantity",                "보유수량",           "Quantity",                    Kind.INTEGER,   "shares"),
    Field("931",  "average_price",           "매입단가",           "Average price",               Kind.INTEGER,   "KRW"),
    Field("932",  "cost",                    "총매입가",           "Cost",                        Kind.INTEGER,   "KRW"),
    Field("933",  "orderable_quantity",      "주문가능수량",       "Orderable quantity",          Kind.INTEGER,   "shares"),
    Field("945",  "net_bought_today",        "당일순매수량",       "Net bought today",            Kind.INTEGER,   "shares"),
    Field("950",  "sell_pnl_today",          "당일총매도손익",     "P&L of today's sells",        Kind.INTEGER,   "KRW"),
    Field("27",   "ask",                     "(최우선)매도호가",   "Best ask",                    Kind.MAGNITUDE, "KRW"),
    Field("28",   "bid",                     "(최우선)매수호가",   "Best bid",                    Kind.MAGNITUDE, "KRW"),
    Field("307",  "base_price",              "기준가",             "Base price",                  Kind.MAGNITUDE, "KRW"),
    Field("8019", "realized_return_pct",     "손익률(실현손익)",   "Realized return",             Kind.DECIMAL,   "%"),
    Field("990",  "realized_pnl",            "당일실현손익(유가)", "Realized P&L today",          Kind.INTEGER,   "KRW"),
    Field("991",  "realized_pnl_pct",        "당일실현손익율(유가)", "Realized P&L today, rate",  Kind.DECIMAL,   "%"),
    Field("992",  "credit_realized_pnl",     "당일실현손익(신용)", "Credit realized P&L today",   Kind.INTEGER,   "KRW"),
    Field("993",  "credit_realized_pnl_pct", "당일실현손익율(신용)", "Credit realized P&L today, rate", Kind.DECIMAL, "%"),
    Field("917",  "credit_type",             "신용구분",           "Credit type",                 Kind.CODE,      ""),
    Field("916",  "loan_date",               "대출일",             "Loan date",                   Kind.DATE,      ""),
    Field("918",  "maturity_date",           "만기일",             "Maturity date",               Kind.DATE,      ""),
    Field("957",  "credit_amount",           "신용금액",           "Credit amount",               Kind.INTEGER,   "KRW"),
    Field("958",  "credit_interest",         "신용이자",           "Credit interest",             Kind.INTEGER,   "KRW"),
    Field("959",  "collateral_quantity",     "담보대출수량",       "Collateral-loan quantity",    Kind.INTEGER,   "shares"),
    Field("951",  "extra_951",               "Extra Item",         "Extra item 951",              Kind.CODE,      ""),
    Field("924",  "extra_924",               "Extra Item",         "Extra item 924",              Kind.CODE,      ""),
)
# fmt: on

FIDS: Final = tuple(field.fid for field in FIELDS)

# Columns that no field of their own fills: the clock of this machine, the suffix of the code, the sign of the price.
RECEIVED_AT: Final = "received_at"
VENUE: Final = "venue"
PRICE_DIRECTION: Final = "price_direction"


def _columns() -> dict[str, str]:
    dtypes = {
        Kind.INTEGER: "Int64",
        Kind.MAGNITUDE: "Int64",
        Kind.DECIMAL: "float64",
        Kind.DATE: "datetime64[ms]",
    }
    columns = {RECEIVED_AT: f"datetime64[us, {TIMEZONE}]"}
    for field in FIELDS:
        columns[field.column] = dtypes.get(field.kind, "category")
        if field.column == "symbol":
            columns[VENUE] = "category"
        if field.column == "price":
            columns[PRICE_DIRECTION] = "Int8"
    return columns


COLUMNS: Final = _columns()
"""The 30 columns of a frame in order, with their dtypes."""

SIDES: Final = {"1": "sell", "2": "buy"}
VENUES: Final = {"": "KRX", "NX": "NXT", "AL": "SOR"}
FIXED_CATEGORIES: Final = {"side": tuple(SIDES.values()), VENUE: tuple(VENUES.values())}
"""Categories known beforehand; those of the other category columns grow in order of first appearance."""


class Unreadable(ValueError):
    """A text that its field's rule cannot read."""


# --- the rules: text -> value, None where blank --------------------------------------------------------------

_INTEGER = re.compile(r" *([+-]{0,2})([0-9]+)(?:\.0*)? *\Z", re.ASCII)
_DECIMAL = re.compile(r" *([+-]{0,2})([0-9]+(?:\.[0-9]*)?|\.[0-9]+) *\Z", re.ASCII)
_DAY = re.compile(r" *([0-9]{4})([0-9]{2})([0-9]{2}) *\Z", re.ASCII)
_SIGNS = ("+", "-")
_INT64_DIGITS = 19  # as many as INT64_MAX has
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIXED_LENGTH = 7  # A005930: an issue code behind the market letter that the older API put before it


def integer(text: str) -> int | None:
    """Read a whole number: spaces, up to two signs (``--`` is one minus), digits, an optional ``.0``."""
    digits = text[1:] if text[:1] in _SIGNS else text  # one sign at the most: nearly all that comes
    if digits.isascii() and digits.isdigit() and len(digits) < _INT64_DIGITS:
        return int(text)
    match = _INTEGER.match(text)
    if match is None:
        _refuse_unless_blank(text)
        return None
    digits = match[2].lstrip("0") or "0"
    if len(digits) > _INT64_DIGITS or int(digits) > INT64_MAX:  # int() refuses, and is slow at, thousands of digits
        raise Unreadable(text)
    return -int(digits) if "-" in match[1] else int(digits)


def magnitude(text: str) -> int | None:
    """Read a price: its sign is the direction against the base price (FID 307), not part of the value."""
    value = integer(text)
    return None if value is None else abs(value)


def direction(text: str) -> int | None:
    """Read the direction of a price: -1, 0 or +1 for a minus, no sign, a plus."""
    if integer(text) is None:
        return None
    return -1 if "-" in text else int("+" in text)


def decimal(text: str) -> float | None:
    """Read a number with an optional fraction; signs and spaces as for :func:`integer`."""
    match = _DECIMAL.match(text)
    if match is None:
        _refuse_unless_blank(text)
        return None
    value = float(match[2])
    if value == math.inf:
        raise Unreadable(text)
    return 0.0 - value if "-" in match[1] else value  # a minus before zero is no -0.0


def date(text: str) -> int | None:
    """Read ``YYYYMMDD`` as milliseconds since the epoch; ``00000000`` is no date (None)."""
    match = _DAY.match(text)
    if match is None:
        _refuse_unless_blank(text)
        return None
    year, month, day = map(int, match.groups())
    if year == month == day == 0:
        return None
    try:
        return (datetime(year, month, day, tzinfo=UTC) - _EPOCH).days * 86_400_000
    except ValueError as exc:
        raise Unreadable(text) from exc


def code(text: str) -> str | None:
    """Return ``text`` as received, None where it is blank."""
    return None if not text or text.isspace() else text


def name(text: str) -> str | None:
    """Return ``text`` without the padding around it, None where nothing is left."""
    return text.strip() or None


def symbol(text: str) -> str | None:
    """Return the issue code: without the venue suffix (``_NX``, ``_AL``) and the ``A``/``J`` of a 7-character code."""
    issue = text.strip().partition("_")[0].rstrip()
    if len(issue) == _PREFIXED_LENGTH and issue[0] in "AJ":
        issue = issue[1:]
    return issue or None


def side(text: str) -> str | None:
    """Return ``sell`` for 1 and ``buy`` for 2 (FID 946, the side of the fill that caused the event)."""
    stripped = text.strip()
    if not stripped:
        return None
    try:
        return SIDES[stripped]
    except KeyError as exc:
        raise Unreadable(text) from exc


def venue(text: str) -> str | None:
    """Return the venue that the suffix of an item or a code names: ``KRX`` (none), ``NXT``, ``SOR``."""
    stripped = text.strip()
    if not stripped:
        return None
    try:
        return VENUES[stripped.partition("_")[2]]
    except KeyError as exc:
        raise Unreadable(text) from exc


RULES: Final = {
    Kind.ACCOUNT: name,
    Kind.SYMBOL: symbol,
    Kind.NAME: name,
    Kind.CODE: code,
    Kind.SIDE: side,
    Kind.INTEGER: integer,
    Kind.MAGNITUDE: magnitude,
    Kind.DECIMAL: decimal,
    Kind.DATE: date,
}


def _refuse_unless_blank(text: str) -> None:
    if text.strip():
        raise Unreadable(text)
