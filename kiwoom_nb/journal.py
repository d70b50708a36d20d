"""The lines of a journal: what a recorded session looks like on disk. No I/O here.

A journal is JSON Lines in UTF-8, one file for a connection owner and a KST trading day. ::

    {"version":1,"server":"demo","owner":"5f0c..","date":"2026-11-20","created_at":...,"kiwoom_nb":"journal"}
    {"received_at":1763600400123456,"frame":{"trnm":"REAL","data":[...]}}
    {"received_at":1763600401000000,"text":"not JSON, or not on one line"}
    {"received_at":1763600402000000,"event":"disconnected","since":1763600401900000,"reason":"..."}
    {"received_at":1763600403000000,"event":"holdings","asked_at":1763600402900000,"account":"...","pages":[{...}]}

``received_at`` counts microseconds since the epoch (UTC). A frame that is valid JSON on one line stands there byte
for byte, so that DuckDB or Polars can query a journal; anything else is an escaped string (``text``), or base64
(``bytes``) where it is not even UTF-8. Only received frames are written, never sent ones: no token is in a journal.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

VERSION: Final = 1
SUFFIX: Final = ".jsonl"

CONNECTED: Final = "connected"  # balance events are pushed from now on
DISCONNECTED: Final = "disconnected"  # `since` is when something was heard last
STOPPED: Final = "stopped"  # the user stopped it
CONTINUED: Final = "continued"  # midnight: the line was up when this file began
REPAIRED: Final = "repaired"  # a torn end was cut off; `text` is what stood there
LOST: Final = "lost"  # `count` lines could not be written while the disk was full
HOLDINGS: Final = (
    "holdings"  # what `account` (absent: not known) held at `asked_at`: the `pages` of kt00018 as they came
)


_LATEST: Final = 10**16  # the year 2286; what is beyond it is no receive time, and pandas trips over far ones
Moment = Annotated[int, msgspec.Meta(ge=0, lt=_LATEST)]
"""Microseconds since the epoch (UTC)."""


class Header(msgspec.Struct, frozen=True):
    """The first line: which server and connection owner, and which KST day (``YYYY-MM-DD``)."""

    version: int
    server: str = ""
    owner: str = ""
    date: str = ""
    created_at: int = 0
    kiwoom_nb: str = "journal"


class Entry(msgspec.Struct, frozen=True):
    """A line that is not a frame embedded as it came: an event, or a frame in a string."""

    received_at: Moment
    event: str | None = None
    since: Moment | None = None
    reason: str = ""
    text: str | None = None
    bytes: str | None = None
    count: int = 0
    asked_at: Moment | None = None
    account: str | None = None
    pages: list[msgspec.Raw] = []
    frame: msgspec.Raw = msgspec.Raw()


_FRAME_HEAD: Final = b'{"received_at":'
_FRAME_KEY: Final = b',"frame":'
_LONGEST_MOMENT: Final = len(str(_LATEST)) - 1 + len(_FRAME_KEY)
_decode_header = msgspec.json.Decoder(Header).decode
_decode_entry = msgspec.json.Decoder(Entry).decode
_check_json = msgspec.json.Decoder(msgspec.Raw).decode
# Python's reader refuses whole numbers of thousands of digits and deep nesting; a short frame can have neither.
_HARMLESS: Final = 1000
_LF: Final = 10  # looked for as a number, which is quicker than as bytes
_CR: Final = 13
_LONG_NUMBER: Final = re.compile(rb"[0-9]{800}")
_DEEPEST: Final = 500


def header_line(header: Header) -> bytes:
    """Return the first line of a journal."""
    return msgspec.json.encode(header) + b"\n"


def frame_line(received_at: int, raw: bytes, *, is_json: bool = False) -> bytes:
    """Return the line of a received frame: embedded where it is valid JSON on one line, else as a string.

    ``is_json`` says that it is known to be JSON; then only the rest is checked.
    """
    if (is_json or _is_json(raw)) and _fits_a_line(raw):
        return b'{"received_at":%d,"frame":%b}\n' % (received_at, raw)
    try:
        return event_line(received_at, text=raw.decode())
    except UnicodeDecodeError:
        return event_line(received_at, bytes=base64.b64encode(raw).decode())


def event_line(received_at: int, **details: Any) -> bytes:
    """Return the line of an event: its name under ``event``, and what belongs to it."""
    return msgspec.json.encode({"received_at": received_at, **details}) + b"\n"


def holdings_line(received_at: int, asked_at: int, account: str | None, pages: Sequence[bytes]) -> bytes:
    """Return the line of what an account held; ``pages`` are such as :func:`is_object` takes."""
    named = {} if account is None else {"account": account}
    raw = [msgspec.Raw(page) for page in pages]
    return event_line(received_at, event=HOLDINGS, asked_at=asked_at, **named, pages=raw)


def is_object(raw: bytes) -> bool:
    """Tell whether ``raw`` is a JSON object on one line, so that it can stand in a journal as it came."""
    return raw.startswith(b"{") and _is_json(raw) and _fits_a_line(raw)


def read_header(line: bytes) -> Header | None:
    """Return the header that ``line`` holds, None if it is not the first line of a journal of ours."""
    try:
        header = _decode_header(line)
    except (ValueError, RecursionError):
        return None
    return header if header.kiwoom_nb == "journal" else None


def read_line(line: bytes) -> tuple[int, bytes] | Entry | None:
    """Read a line (without its line break): a frame as (received_at, raw), another entry, or None if damaged."""
    if line.startswith(_FRAME_HEAD):
        at = line.find(_FRAME_KEY, len(_FRAME_HEAD), len(_FRAME_HEAD) + _LONGEST_MOMENT)
        digits = line[len(_FRAME_HEAD) : at]
        raw = line[at + len(_FRAME_KEY) : -1]
        if at > 0 and line.endswith(b"}") and digits.isdigit() and _is_json(raw):
            return int(digits), raw
    return _read_carefully(line)


def _read_carefully(line: bytes) -> tuple[int, bytes] | Entry | None:
    try:
        entry = _decode_entry(line)
        return _frame_of(entry) if entry.event is None else entry
    except (ValueError, RecursionError):
        return None


def _frame_of(entry: Entry) -> tuple[int, bytes] | None:
    frame = bytes(entry.frame)  # written by another program, with spaces, in another order, or with a text beside it
    if frame:
        return entry.received_at, frame
    if entry.text is not None:
        return entry.received_at, entry.text.encode()
    if entry.bytes is not None:
        return entry.received_at, base64.b64decode(entry.bytes, validate=True)
    return None


def _fits_a_line(raw: bytes) -> bool:
    return (
        _LF not in raw
        and _CR not in raw
        and (len(raw) <= _HARMLESS or _is_harmless(raw))
        and (raw.isascii() or _is_utf8(raw))
    )


def _is_harmless(raw: bytes) -> bool:
    """Tell whether other readers of JSON take a long frame too."""
    return not _LONG_NUMBER.search(raw) and raw.count(b"[") + raw.count(b"{") <= _DEEPEST


def _is_json(raw: bytes) -> bool:
    try:
        _check_json(raw)
    except (ValueError, RecursionError):
        return False
    return True


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
