"""What must hold for any bytes at all: the laws that the fuzzers look for an exception to, and the seeds are held to.

``check_connection`` takes what a server says on one line, ``check_journal`` the bytes of a journal. Both raise
AssertionError, or whatever broke, where a law does not hold. What a frame holds is counted a second time by Python's
own reader of JSON, so that a row that was lost or made up shows.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from kiwoom_nb import journal
from kiwoom_nb.decode import LONGEST_TEXT, Decoder
from kiwoom_nb.errors import JournalError, SourceError
from kiwoom_nb.holdings import read_pages
from kiwoom_nb.protocol import (
    TRANSITIONS,
    Connection,
    LoggedIn,
    Message,
    Refused,
    Registered,
    Removed,
    Send,
    State,
    Step,
    Throttled,
    Unparsed,
    parse,
)
from kiwoom_nb.reading import read_journal
from kiwoom_nb.schema import COLUMNS, Unreadable
from kiwoom_nb.storage import frames, load
from kiwoom_nb.table import NOT_DECODED, UNREADABLE_HOLDINGS, BalanceTable
from kiwoom_nb.told import read_told, told_by

TOKEN = "t0ken-Zq7/+secret"
NOON = 1_763_600_400_000_000
LINE_BREAK = b"\x1e"  # stands for one inside a frame of a script
_NOTHING = object()
_REASONS = {"not_json", "not_utf8", "not_an_object"}


# --- a connection --------------------------------------------------------------------------------------------------


def check_connection(script: bytes) -> None:
    """Play a server's side of one line: each line of ``script`` is a frame, or ``>login`` and the like of our side."""
    talk = _Talk()
    for line in script.split(b"\n"):
        if line.startswith(b">"):
            talk.do(line[1:])
        else:
            talk.hear(line.replace(LINE_BREAK, b"\n"))
    talk.end()


class _Talk:
    """A connection, and all that a stream does with what it receives, except to wait."""

    def __init__(self) -> None:
        self.connection = Connection()
        self.table = BalanceTable(capacity=1)
        self.rows = 0
        self.at = NOON
        self.do(b"login")

    def do(self, step: bytes) -> None:
        """Take a step of ours; one that is not possible now is refused and changes nothing."""
        if step == b"close":
            self.connection.close()
            return
        before = self.connection.state
        try:
            if step == b"login":
                sent = self.connection.login(TOKEN)
            elif step == b"reg":
                sent = self.connection.register()
            elif step == b"remove":
                sent = self.connection.remove()
            else:
                return
        except RuntimeError as exc:
            assert self.connection.state is before
            assert "is not possible in state" in str(exc)  # noqa: PT017 - and it is no RecursionError
        else:
            assert before is not self.connection.state
            assert repr(sent) == "Send(...)"
            json.loads(sent.frame)

    def hear(self, raw: bytes) -> None:
        """Take a frame, as a session and its sinks do."""
        self.at += 1
        message = parse(raw)
        if isinstance(message, Unparsed):
            assert message.raw == raw
            assert message.reason in _REASONS
        self._receive(message, raw)
        _check_line(self.at, raw, message)
        self.rows += check_batch(raw, message, self.at)
        self.table.receive(message, self.at)

    def _receive(self, message: Message | Unparsed, raw: bytes) -> None:
        before = self.connection.state
        events = self.connection.receive(message, raw)
        after = self.connection.state
        assert len(events) <= 1
        assert before is after or after in {TRANSITIONS.get((before, step)) for step in Step}
        for event in events:
            assert TOKEN in repr(message) or TOKEN not in repr(event)
            assert MAY_SAY.get(type(event), before) is before or isinstance(event, Refused)
            if isinstance(event, Send):
                assert event.frame == raw.decode("utf-8", "replace")
                assert "PING" in event.frame or "\\" in event.frame
            elif isinstance(event, Refused):
                assert after is State.REFUSED
            elif isinstance(event, LoggedIn | Throttled):
                assert after is State.LOGGED_IN
                self.do(b"reg")

    def end(self) -> None:
        """Look at what became of it all."""
        assert self.table.rows == self.rows
        told = read_told(self.table.attrs()).rejected
        assert len(told) == len(self.table.rejects)
        assert NOT_DECODED not in {reject.reason for reject in told}
        assert all(reject.row is None or 0 <= reject.row < self.rows for reject in told)
        repr(self.connection)


MAY_SAY = {
    LoggedIn: State.LOGIN_SENT,
    Registered: State.REG_SENT,
    Throttled: State.REG_SENT,
    Removed: State.REMOVE_SENT,
}
"""The state in which alone an event may come."""


def _check_line(at: int, raw: bytes, message: Message | Unparsed) -> None:
    """The journal gives a frame back byte for byte, from a line that any reader of JSON takes."""
    line = journal.frame_line(at, raw, is_json=isinstance(message, Message) and raw.startswith(b"{"))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert journal.read_line(line[:-1]) == (at, raw)
    assert json.loads(line)["received_at"] == at


def check_batch(raw: bytes, message: Message | Unparsed, at: int) -> int:
    """Decode a frame by itself, account for each entry of it, and return how many rows it gave."""
    first = 7
    batch = Decoder().decode(message, at, first)
    assert all(row.keys() == COLUMNS.keys() for row in batch.rows)
    for reject in batch.rejects:
        assert reject.received_at == at
        assert reject.row is None or first <= reject.row < first + len(batch.rows)
        assert len(reject.text) <= LONGEST_TEXT
    whole = [reject.reason for reject in batch.rejects if reject.row is None]
    if isinstance(message, Unparsed) or message.trnm != "REAL":
        assert not batch.rows
        assert isinstance(message, Message) or len(whole) == 1
    else:
        _account_for(_read(raw), len(batch.rows), whole)
    return len(batch.rows)


def _account_for(frame: object, rows: int, whole: list[str]) -> None:
    """Each entry is a row, or a reject of its own; of other types the first is told."""
    if not isinstance(frame, dict):
        return  # Python's reader takes less: it gives up on deep nesting earlier
    entries = frame.get("data")
    if not isinstance(entries, list) or not entries:
        assert (rows, whole) == (0, ["no_data"])
        return
    others = Counter(kind for kind in map(_other_type, entries) if kind is not None)
    assert rows == sum(map(_is_balance_event, entries))
    assert rows + len(whole) + others.total() - len(others) == len(entries)


def _other_type(entry: object) -> str | None:
    kind = entry.get("type") if isinstance(entry, dict) and all(map(_is_text, entry)) else None
    return kind[:LONGEST_TEXT] if _is_text(kind) and kind != "04" else None


def _is_balance_event(entry: object) -> bool:
    if not isinstance(entry, dict) or not all(map(_is_text, entry)) or entry.get("type") != "04":
        return False
    values = entry.get("values")
    if _is_text(values):
        values = _read(values.encode())
    return isinstance(values, dict) and bool(values) and all(map(_is_text, values))


def _is_text(value: object) -> bool:
    """Tell a string that is Unicode from other things; half of a surrogate pair is none."""
    return isinstance(value, str) and value == value.encode("utf-8", "replace").decode()


def _read(raw: bytes) -> object:
    """Read JSON with Python's own reader, numbers unread; bytes that are not UTF-8 become no text of ours."""
    try:
        return json.loads(
            raw.decode("utf-8", "surrogateescape"),
            parse_int=lambda _: 0,
            parse_float=lambda _: 0,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError):
        return _NOTHING


def _refuse(constant: str) -> None:
    raise ValueError(constant)


# --- a journal -----------------------------------------------------------------------------------------------------


def check_journal(content: bytes, folder: Path, *, loads: bool = True) -> None:
    """Read a journal of these bytes: it is refused with JournalError, or each line of it is accounted for.

    ``loads`` says whether to make a frame of it too, which takes ten times as long.
    """
    path = folder / "fuzz.jsonl"
    path.write_bytes(content)
    table = BalanceTable(capacity=1)
    try:
        read_journal(path, table)
    except JournalError:
        assert not _has_good_header(content)
        return
    _check_lines(content, table)
    _check_frames(content, path)
    if loads:
        loaded = load(path)
        assert {column: str(dtype) for column, dtype in loaded.dtypes.items()} == COLUMNS
        assert len(loaded) == table.rows
        assert len(told_by(loaded).rejected) == len(table.rejects)
    assert path.read_bytes() == content


def _has_good_header(content: bytes) -> bool:
    first, is_whole, _ = content.partition(b"\n")
    header = journal.read_header(first)
    return bool(is_whole) and header is not None and header.version <= journal.VERSION


def _check_lines(content: bytes, table: BalanceTable) -> None:
    """Each line gave the rows and the rejects that it gives when it is read by itself."""
    _, *lines, torn = content.split(b"\n")
    rows = 0
    expected = Counter({"torn_line": int(bool(torn))})
    decoder = Decoder()
    for entry in map(journal.read_line, lines):
        if isinstance(entry, tuple):
            at, raw = entry
            message = parse(raw)
            check_batch(raw, message, at)
            batch = decoder.decode(message, at, rows)
            rows += len(batch.rows)
            expected.update(reject.reason for reject in batch.rejects)
        else:
            expected.update(_reasons(entry))
    assert table.rows == rows
    told = read_told(table.attrs()).rejected
    assert Counter(reject.reason for reject in told) == +expected
    assert all(reject.row is None or 0 <= reject.row < rows for reject in told)


def _reasons(entry: journal.Entry | None) -> list[str]:
    """Return why a line that is no frame is told as a reject."""
    if entry is None:
        return ["unreadable_line"]
    if entry.event == journal.HOLDINGS:
        if entry.asked_at is None or not entry.pages:
            return ["unreadable_line"]
        try:
            read_pages(entry.pages)
        except Unreadable:
            return [UNREADABLE_HOLDINGS]
    return {journal.REPAIRED: ["torn_line"], journal.LOST: ["not_recorded"]}.get(entry.event or "", [])


def _check_frames(content: bytes, path: Path) -> None:
    """What a server plays of a journal are its REAL frames, byte for byte."""
    entries = [entry for entry in map(journal.read_line, content.split(b"\n")[1:-1]) if isinstance(entry, tuple)]
    real = [entry for entry in entries if getattr(parse(entry[1]), "trnm", None) == "REAL"]
    try:
        assert sorted(frames(path)) == sorted(real)
    except SourceError:
        assert not real
