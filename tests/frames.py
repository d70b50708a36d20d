"""What a server may send: the official example, events made from it, and strategies for the realistic and the hostile.

``OFFICIAL`` is the response example of the official page of type 04, as JSON on one line. ``event(f930="5")`` is that
frame with FID 930 replaced. ``balance_frames()`` draws frames as an account would get them, ``hostile_frames()`` draws
what a broken or malicious server might send: any bytes, any JSON, nearly right frames.
"""

import json
from datetime import date

from hypothesis import strategies as st

OFFICIAL_VALUES = {
    "9201": "1111111111",
    "9001": "005930",
    "917": "00",
    "916": "00000000",
    "302": "삼성전자",
    "10": "-60150",
    "930": "102",
    "931": "154116",
    "932": "15719834",
    "933": "102",
    "945": "4",
    "946": "2",
    "950": "0",
    "951": "0",
    "27": "-60200",
    "28": "-60100",
    "307": "60300",
    "8019": "0.00",
    "957": "0",
    "958": "0",
    "918": "00000000",
    "990": "0",
    "991": "0.00",
    "992": "0",
    "993": "0.00",
    "959": "0",
    "924": "0",
}
"""The 27 fields of the official example, in its order."""

OFFICIAL_FIDS = tuple(OFFICIAL_VALUES)
INTEGER_FIDS = ("930", "931", "932", "933", "945", "950", "990", "992", "957", "958", "959")
PRICE_FIDS = ("10", "27", "28", "307")
DECIMAL_FIDS = ("8019", "991", "993")
DATE_FIDS = ("916", "918")


def dump(value):
    """Return ``value`` as Kiwoom writes JSON: UTF-8, no spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def values(**fids):
    """Return the values of the official example with FIDs replaced: ``values(f930="5")``; None removes one."""
    replaced = {**OFFICIAL_VALUES, **{fid.removeprefix("f"): value for fid, value in fids.items()}}
    return {fid: value for fid, value in replaced.items() if value is not None}


def entry(item="005930", **fids):
    """Return one entry of type 04; ``item`` None leaves the item out."""
    made = {"values": values(**fids), "type": "04", "name": "현물잔고", "item": item}
    return made if item is not None else {key: made[key] for key in ("values", "type", "name")}


def frame(*entries):
    """Return a REAL frame of these entries, its keys in the order of the official example."""
    return dump({"data": list(entries), "trnm": "REAL"})


def event(item="005930", **fids):
    """Return the official frame with FIDs replaced: ``event(f930="5")``; None removes a FID."""
    return frame(entry(item, **fids))


OFFICIAL = event()
"""The official example as bytes."""

LOGIN_ACK = b'{"trnm":"LOGIN","return_code":0,"return_msg":"","sor_yn":"Y"}'
REG_ACK = b'{"trnm":"REG","return_code":0,"return_msg":""}'
REMOVE_ACK = b'{"trnm":"REMOVE","return_code":0,"return_msg":""}'
PING = b'{"trnm":"PING"}'
KICK = dump(
    {
        "trnm": "SYSTEM",
        "code": "R10001",
        "message": "동일한 App key로 접속이 되었습니다. 기존 세션은 종료가 됩니다",
    }
)


def token_refusal(code="8005", text="Token이 유효하지 않습니다", return_code=805004):
    """Return the LOGIN ack of a refused token, with Kiwoom's code inside its text."""
    message = f"토큰 인증에 실패했습니다. 접속을 종료합니다 [CODE={code}, MESSAGE={text}]"
    return dump({"trnm": "LOGIN", "return_code": return_code, "return_msg": message})


def reg_refusal(return_code, text=""):
    """Return the REG ack of a refused registration."""
    return dump({"trnm": "REG", "return_code": return_code, "return_msg": text})


# --- realistic: what an account gets, in every format that was seen ------------------------------------------------

SYMBOLS = st.sampled_from(["005930", "000660", "0004V0", "035420", "A005930", "J0004V0", "Q530036", "00088K"])
_SUFFIXES = st.sampled_from(["", "", "", "_NX", "_AL"])
_NAMES = st.sampled_from(["삼성전자", "SK하이닉스", "우리종금" + " " * 36, "KODEX 200", "NAVER", "글로벌 & 자산"])
_ACCOUNTS = st.sampled_from(["1111111111", "2222221111", "5012345678"])


def _written(number, style):
    """Return a number as one of the texts that Kiwoom writes it as."""
    digits = str(abs(number))
    if number < 0:
        return (f"-{digits}", f"-{digits}", f"-{digits.zfill(14)}", f"--{digits}")[style]
    return (digits, f"+{digits}", digits.zfill(15), f" {digits}")[style]


INTEGERS = st.builds(_written, st.integers(-(10**12), 10**12), st.integers(0, 3))
"""The texts of whole numbers, in all the formats that were seen."""

PRICES = st.builds(str.__add__, st.sampled_from(["", "+", "-"]), st.integers(1, 2_000_000).map(str))
DECIMALS = st.integers(-999_999, 999_999).map(lambda hundredths: f"{hundredths / 100:.2f}")
_LAST_DAY = date(2999, 12, 31).toordinal()
DATES = st.sampled_from(["00000000", "00000000", ""]) | st.integers(1, _LAST_DAY).map(
    lambda day: date.fromordinal(day).isoformat().replace("-", "")
)

_NUMBERS = st.fixed_dictionaries({
    **dict.fromkeys(PRICE_FIDS, PRICES),
    **dict.fromkeys(INTEGER_FIDS, INTEGERS),
    **dict.fromkeys(DECIMAL_FIDS, DECIMALS),
    **dict.fromkeys(DATE_FIDS, DATES),
})  # fmt: skip


@st.composite
def balance_entries(draw):
    """Draw an entry of type 04 with all 27 fields, each in a format that Kiwoom writes."""
    symbol = draw(SYMBOLS)
    fields = {
        "9201": draw(_ACCOUNTS),
        "9001": symbol,
        "917": draw(st.sampled_from(["00", "00", "03", "99"])),
        "302": draw(_NAMES),
        "946": draw(st.sampled_from(["1", "2"])),
        "951": "0",
        "924": draw(st.sampled_from(["0", ""])),
        **draw(_NUMBERS),
    }
    ordered = {fid: fields[fid] for fid in OFFICIAL_FIDS}
    return {"values": ordered, "type": "04", "name": "현물잔고", "item": symbol + draw(_SUFFIXES)}


def balance_frames(max_entries=4):
    """Draw REAL frames of one to ``max_entries`` realistic entries."""
    return st.lists(balance_entries(), min_size=1, max_size=max_entries).map(lambda entries: frame(*entries))


# --- hostile: what nobody promised will not come -------------------------------------------------------------------

ODD_TEXTS = st.one_of(
    st.sampled_from(
        [
            *("", " ", "-", "--", "+-5", "---5", "1e3", "1_000", "0x10", "５", "٣", "1,000", "5.", ".5", "5.0", "5.5"),
            *("-0", "+0", "--0", "nan", "inf", "NaN", "Infinity", "9" * 19, str(2**63), str(2**63 - 1)),
            *(str(-(2**63)), str(-(2**63) + 1), "20260230", "00000001", "20261122 ", "9999-12-31", "00000000"),
            *(
                "3",
                "01",
                "buy",
                "005930_ZZ",
                "_NX",
                "A005930_NX",
                "A",
                "null",
                "true",
                "[1]",
                '{"a":1}',
                "\x85",
                "\u2028",
            ),
            *(
                "\n5",
                "5\n",
                "5\t",
                "\u00a05",
                "\x00",
                "005930\n",
                '"',
                "\\",
                "1]",
                "1,2",
                "1,2]",
                "1 ",
                " 1",
            ),
        ]
    ),
    st.sampled_from("9가 ").map(lambda character: character * 5000),  # made late: reprs of strategies stay short
    st.text(max_size=12),
    st.text(alphabet="+-. 0123456789eE_", max_size=24),
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ODD_TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD_TEXTS, inner, max_size=3),
    max_leaves=8,
)
"""Any JSON value."""


@st.composite
def odd_entries(draw):
    """Draw a realistic entry of which a few things are wrong."""
    drawn = draw(balance_entries())
    fids = st.sampled_from([*OFFICIAL_FIDS, "777", "", "fid"])
    for fid in draw(st.lists(fids, max_size=4)):
        if draw(st.booleans()):
            drawn["values"].pop(fid, None)
        else:
            drawn["values"][fid] = draw(ODD_TEXTS | JSON)
    for key in draw(st.lists(st.sampled_from(["type", "name", "item", "values", "extra"]), max_size=1)):
        if draw(st.booleans()):
            drawn.pop(key, None)
        else:
            drawn[key] = draw(st.sampled_from(["04", "00", "0B", "04_NX", "_AL"]) | JSON)
    if draw(st.integers(0, 9)) == 0 and "values" in drawn:
        drawn["values"] = json.dumps(drawn["values"], ensure_ascii=False)
    return drawn


def entry_lists():
    """Draw what ``data`` of a REAL frame may hold: realistic, odd and absurd entries beside each other."""
    return st.lists(st.one_of(balance_entries(), odd_entries(), JSON), max_size=4)


@st.composite
def _damaged(draw):
    """Draw a frame of which some bytes were cut, replaced or put in."""
    raw = bytearray(draw(balance_frames(2) | st.sampled_from([OFFICIAL, LOGIN_ACK, REG_ACK, PING, KICK])))
    at = draw(st.integers(0, len(raw) - 1))
    raw[at : at + draw(st.integers(0, 5))] = draw(
        st.binary(max_size=5) | st.sampled_from([b'"', b"{", b"[", b",", b"\xff"])
    )
    return bytes(raw)


def _with_duplicate_keys(raw, fid, value):
    """Put a FID into the values once more, as its last key."""
    return raw.replace(b'},"type"', b"," + dump(fid) + b":" + dump(value) + b'},"type"', 1)


def hostile_frames():
    """Draw anything that a socket may deliver: any bytes, any JSON, nearly right frames and damaged ones."""
    trnms = st.sampled_from(["REAL", "LOGIN", "REG", "REMOVE", "PING", "SYSTEM", "CNSRLST", "real", ""]) | JSON
    codes = st.sampled_from([0, "0", "00", 1, 100013, "100013", 105110, 105111, 805004, -1, 0.0, "R10001", "R9"]) | JSON
    parts = {"return_code": codes, "return_msg": JSON, "code": codes, "message": JSON, "data": entry_lists() | JSON}
    objects = st.fixed_dictionaries({"trnm": trnms}, optional=parts)
    real = entry_lists().map(lambda entries: frame(*entries))
    doubled = st.builds(_with_duplicate_keys, balance_frames(2), st.sampled_from(OFFICIAL_FIDS), ODD_TEXTS)
    deep = st.integers(1, 3000).map(lambda depth: b'{"trnm":"REAL","data":' + b"[" * depth + b"]" * depth + b"}")
    return st.one_of(real, real, objects.map(dump), JSON.map(dump), doubled, _damaged(), deep, st.binary(max_size=200))
