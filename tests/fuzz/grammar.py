"""Frames as the protocol has them, and then spoiled: strategies of hypothesis.

A frame is drawn from the grammar of the protocol as a tree whose leaves are JSON as it is written, so that it can hold
what no dict of Python's can: a key twice, half of a surrogate pair, a number of thousands of digits. Some of its nodes
are then dropped, doubled, replaced or buried, and at last some bytes are cut.
"""

import json

from frames import ODD_TEXTS, balance_entries
from fuzz.laws import LINE_BREAK, NOON, TOKEN
from hypothesis import strategies as st

from kiwoom_nb import journal

ODD_LEAVES = st.sampled_from([
    *(b"null", b"true", b"false", b"{}", b"[]", b'""', b'"04"', b'"REAL"', b'"PING"', b"0", b"-0", b"1.0", b"1e400"),
    *(b"-1e-400", b"9" * 25, b"9" * 5000, b"0." + b"1" * 5000, b"01", b"+1", b"NaN", b"Infinity", b"'x'", b"tru"),
    *(rb'"\ud800"', rb'"\udfff\ud83d"', rb'"\ud83d\ude00"', rb'"\u0000"', rb'"\u0050ING"', rb'"\x"', b'"\x00"'),
    *(b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', '"\u2028\x85"'.encode(), b'"\x7f"', json.dumps(TOKEN).encode()),
]) | ODD_TEXTS.map(lambda text: json.dumps(text).encode())  # fmt: skip
"""JSON values, and nearly JSON, that nobody expects."""

CODES = st.sampled_from([0, 0, 0, "0", "00", 100013, 105110, "105110", 105111, 805004, "805002", 1, -1, "R10001"])
TEXTS = st.sampled_from(["", "점검", "[CODE=8005, MESSAGE=x]", "[CODE=8103, MESSAGE=x]", "[8050:x]", "CODE=", TOKEN])


class Object(list):
    """A JSON object as its pairs, in their order: a key may come twice."""


def tree_of(value):
    """Return what Python's reader would read as a tree of Objects, lists and JSON as it is written."""
    if isinstance(value, dict):
        return Object((json.dumps(key).encode(), tree_of(each)) for key, each in value.items())
    if isinstance(value, list):
        return [tree_of(each) for each in value]
    return json.dumps(value, ensure_ascii=False).encode()


def written(tree):
    """Return a tree as JSON."""
    if isinstance(tree, Object):
        return b"{" + b",".join(key + b":" + written(value) for key, value in tree) + b"}"
    if isinstance(tree, list):
        return b"[" + b",".join(map(written, tree)) + b"]"
    return tree


def answers(trnm):
    """Draw answers to LOGIN, REG or REMOVE."""
    return st.builds(lambda code, text: {"trnm": trnm, "return_code": code, "return_msg": text}, CODES, TEXTS)


OTHER_ENTRIES = st.sampled_from([{"type": "00", "values": {"9201": "1"}}, {"type": "0B"}, {"values": {}}, 5, None])
REAL = st.lists(balance_entries() | OTHER_ENTRIES, max_size=3).map(lambda data: {"trnm": "REAL", "data": data})
SYSTEM = st.builds(
    lambda code, text: {"trnm": "SYSTEM", "code": code, "message": text},
    st.sampled_from(["R10001", "R10002", "R10004", "R99999", 5]),
    TEXTS,
)
ECHOES = st.sampled_from([
    {"trnm": "LOGIN", "return_code": 805004, "return_msg": f"[CODE=8005, MESSAGE={TOKEN}]"},
    {"trnm": "LOGIN", "return_code": 1, "return_msg": TOKEN},
    {"trnm": "LOGIN", "return_code": TOKEN, "return_msg": ""},
    {"trnm": "REG", "return_code": 105111, "return_msg": TOKEN},
    {"trnm": "SYSTEM", "code": "R10004", "message": TOKEN},
    {"trnm": "SYSTEM", "code": TOKEN, "message": TOKEN.upper()},
])  # fmt: skip
"""What a server says that gives the token back."""

PINGS = st.sampled_from([{"trnm": "PING"}, {"trnm": "PING", "return_code": 100002, "return_msg": "x"}])
SAID = st.one_of(REAL, REAL, answers("LOGIN"), answers("REG"), answers("REMOVE"), SYSTEM, PINGS)
"""What a server says when all is as documented."""

ASKED = st.one_of(
    st.builds(lambda token: {"trnm": "LOGIN", "token": token}, st.sampled_from([TOKEN, TOKEN, "another", ""])),
    st.builds(
        lambda trnm, grp, refresh, items, types: {
            "trnm": trnm, "grp_no": grp, "refresh": refresh, "data": [{"item": items, "type": types}],
        },
        st.sampled_from(["REG", "REG", "REMOVE"]),
        st.sampled_from(["1", "22", "55555", ""]),
        st.sampled_from(["0", "1", "1", "2"]),
        st.lists(st.sampled_from(["", "005930", "039490_AL"]), max_size=3),
        st.lists(st.sampled_from(["04", "04", "00", "0B", "zz"]), max_size=2),
    ),
    st.sampled_from([{"trnm": "PING"}, {"trnm": "CNSRLST"}, {}]),
)  # fmt: skip
"""What a client asks when all is as documented."""


def _nodes(tree, path=()):
    """Yield the paths of all nodes below the root."""
    children = [value for _, value in tree] if isinstance(tree, Object) else tree if isinstance(tree, list) else []
    for number, child in enumerate(children):
        yield (*path, number)
        yield from _nodes(child, (*path, number))


@st.composite
def _spoiled(draw, tree):
    """Draw ``tree`` with one node spoiled, in place."""
    paths = list(_nodes(tree))
    if not paths:
        return draw(ODD_LEAVES)
    *above, number = draw(st.sampled_from(paths))
    parent = tree
    for step in above:
        parent = parent[step][1] if isinstance(parent, Object) else parent[step]
    node = parent[number]
    how = draw(st.sampled_from(["drop", "double", "replace", "replace", "bury", "rename"]))
    if how == "drop":
        del parent[number]
    elif how == "double":
        other = (node[0], draw(ODD_LEAVES)) if isinstance(parent, Object) else node
        parent.insert(draw(st.integers(0, len(parent))), draw(st.sampled_from([node, other])))
    else:
        key, value = node if isinstance(parent, Object) else (b"", node)
        if how == "bury":
            depth = draw(st.sampled_from([1, 2, 30, 400, 900, 990, 1010, 3000]))
            value = b"[" * depth + written(value) + b"]" * depth
        elif how == "rename":
            key = draw(st.sampled_from([rb'"\u0074rnm"', rb'"\ud800"', b'"trnm"', b'"data"', b'"values"', b'"777"']))
        else:
            value = draw(ODD_LEAVES)
        parent[number] = (key, value) if isinstance(parent, Object) else value
    return tree


@st.composite
def spoiled(draw, sound, most=3):
    """Draw a frame of ``sound`` ones and spoil it; one in three stays as it is."""
    tree = tree_of(draw(sound))
    for _ in range(draw(st.sampled_from([0, 1, most]))):
        tree = draw(_spoiled(tree))
    raw = written(tree)
    cut = draw(st.sampled_from(["no", "no", "no", "end", "middle", "spaces", "mark"]))
    if cut in {"end", "middle"}:
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + (raw[at + draw(st.integers(1, 9)) :] if cut == "middle" else b"")
    elif cut == "spaces":
        raw = raw.replace(b",", draw(st.sampled_from([b", ", b"\n,", b",\r\n", b"\t,\xc2\xa0"])))
    return b"\xef\xbb\xbf" + raw if cut == "mark" else raw


def _as_line(raw):
    return raw.replace(b"\n", LINE_BREAK)


STEPS = st.sampled_from([b">login", b">reg", b">remove", b">close"])
UP = b'{"trnm":"LOGIN","return_code":0}\n{"trnm":"REG","return_code":0}\n'
SCRIPTS = st.builds(
    lambda up, lines: up + b"\n".join(lines),
    st.sampled_from([b"", UP, UP]),
    st.lists(spoiled(SAID).map(_as_line) | STEPS, max_size=8),
)
"""What laws.check_connection takes."""

HEADER = journal.header_line(journal.Header(journal.VERSION, "demo", "0" * 12, "2025-11-20", NOON))
EVENTS = st.builds(
    lambda at, name, details: journal.event_line(NOON + at, event=name, **details),
    st.integers(0, 5000),
    st.sampled_from(
        [*("connected", "disconnected", "stopped", "continued", "repaired", "lost", "holdings", "thunder")]
    ),
    st.fixed_dictionaries(
        {}, optional={"since": st.integers(NOON, NOON + 5000), "reason": TEXTS, "count": st.integers(0, 9)}
    ),
)
LINES = st.builds(lambda raw, at: journal.frame_line(NOON + at, raw), spoiled(SAID), st.integers(0, 5000)) | EVENTS


@st.composite
def damaged_journals(draw):
    """Draw a journal of sound lines of which some bytes were changed, cut out, doubled or moved."""
    lines = draw(st.lists(LINES, max_size=6))
    content = bytearray(HEADER + b"".join(lines))
    first = draw(st.sampled_from([0, len(HEADER), len(HEADER)]))  # most of the time the header is spared
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(min(first, len(content)), len(content)))
        until = min(len(content), at + draw(st.sampled_from([0, 1, 1, 5, 40, 400])))
        patch = draw(st.sampled_from([b"", b"\n", b"\r", b"\x00", b"\xff", b'"', b"}", b",", b'"event":null,', b"9"]))
        content[at:until] = draw(st.sampled_from([patch, patch, bytes(content[at:until]) * 2]))
    return bytes(content)
