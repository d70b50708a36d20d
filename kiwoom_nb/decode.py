"""Received frames -> typed rows: every entry of type ``04`` becomes one row, or a reject that says why not.

The careful way, value by value: one that cannot be read costs no other (:mod:`kiwoom_nb.columns` is the quick way, for
batches of frames without surprises). Nothing here awaits, logs or reads the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from . import schema
from .protocol import BALANCE, SYSTEM_CODES, Message, Unparsed
from .schema import FIDS, FIELDS, RULES, Unreadable

Row = dict[str, Any]
"""The values of a row by column: numbers as int or float, days as milliseconds, codes as text, None where blank."""

_PRICE_FID: Final = next(field.fid for field in FIELDS if field.column == "price")
_SYMBOL_FID: Final = next(field.fid for field in FIELDS if field.column == "symbol")
_KNOWN_FIDS: Final = frozenset(FIDS)
_KNOWN_TRNMS: Final = frozenset({"LOGIN", "REG", "REMOVE", "PING", "REAL", "SYSTEM"})
_TELL_AT_MOST: Final = 1000  # different things that a broken server can make us tell about
LONGEST_TEXT: Final = 400
"""How much of a rejected text is kept; the journal has all of it."""


class Reject(NamedTuple):
    """Something received that is not in a row, or not fully: ``row`` is None where there is no row for it."""

    received_at: int
    row: int | None
    fid: str | None
    text: str
    reason: str


class Batch(NamedTuple):
    """What one frame gave."""

    rows: list[Row]
    rejects: list[Reject]


_split_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_split_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


class Decoder:
    """Decodes the frames of one stream in order, and remembers what it has told about once."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def decode(self, message: Message | Unparsed, received_at: int, first_row: int) -> Batch:
        """Return the rows of a frame that arrived at ``received_at`` (microseconds since the epoch, UTC).

        ``first_row`` is the number that the first of them will have; rejects name rows by it. Never raises.
        """
        if isinstance(message, Unparsed):
            beginning = message.raw[: 4 * LONGEST_TEXT].decode("utf-8", "replace")
            return Batch([], [_reject(received_at, beginning, message.reason)])
        if message.trnm == "REAL":
            return self._decode_real(message.data, received_at, first_row)
        return self._decode_other(message, received_at)

    def _decode_real(self, data: msgspec.Raw, received_at: int, first_row: int) -> Batch:
        batch = Batch([], [])
        try:
            entries = _split_list(data)
        except (ValueError, RecursionError):
            entries = []
        if not entries:
            batch.rejects.append(_reject(received_at, _shown(data), "no_data"))
        for entry in entries:
            self._decode_entry(entry, received_at, first_row, batch)
        return batch

    def _decode_entry(self, raw: msgspec.Raw, received_at: int, first_row: int, batch: Batch) -> None:
        entry = _members(raw)
        kind = _string(entry.get("type"))
        if kind is not None and kind != BALANCE:
            self._tell_once(batch, kind, _reject(received_at, _shown(raw), "unknown_type"))
            return
        values = _values(entry.get("values")) if kind == BALANCE else {}
        if not values:
            batch.rejects.append(_reject(received_at, _shown(raw), "not_a_balance_event"))
            return
        reading = _Reading(received_at, first_row + len(batch.rows), {})
        batch.rows.append(reading.row_of(entry.get("item"), values))
        batch.rejects.extend(reading.refused.values())
        for fid in sorted(values.keys() - _KNOWN_FIDS):
            unknown = Reject(received_at, reading.number, fid, _shown(values[fid])[:LONGEST_TEXT], "unknown_fid")
            self._tell_once(batch, fid, unknown)

    def _decode_other(self, message: Message, received_at: int) -> Batch:
        batch = Batch([], [])
        if not isinstance(message.trnm, str) or message.trnm not in _KNOWN_TRNMS:
            trnm = _dump(message.trnm)
            self._tell_once(batch, trnm, _reject(received_at, trnm, "unknown_trnm"))
        elif message.trnm == "SYSTEM":
            code = _dump(message.code).strip()
            if code not in SYSTEM_CODES:
                text = f"{code}: {_dump(message.message)}"
                self._tell_once(batch, code, _reject(received_at, text, "unknown_system_code"))
        return batch

    def _tell_once(self, batch: Batch, key: str, reject: Reject) -> None:
        """Add ``reject`` the first time that ``key`` is met for its reason, and never again."""
        met = (reject.reason, key[:LONGEST_TEXT])
        if met not in self._told and len(self._told) < _TELL_AT_MOST:
            self._told.add(met)
            batch.rejects.append(reject)


class _Reading(NamedTuple):
    """The careful reading of one row: what cannot be read becomes None, and one reject for its field."""

    received_at: int
    number: int
    refused: dict[str, Reject]

    def row_of(self, item: msgspec.Raw | None, values: Mapping[str, msgspec.Raw]) -> Row:
        fields = {field.column: self.read(RULES[field.kind], values.get(field.fid), field.fid) for field in FIELDS}
        named = (values.get(_SYMBOL_FID), _SYMBOL_FID) if _is_blank(item) else (item, "item")
        return {
            schema.RECEIVED_AT: self.received_at,
            **fields,
            schema.VENUE: self.read(schema.venue, *named),
            schema.PRICE_DIRECTION: self.read(schema.direction, values.get(_PRICE_FID), _PRICE_FID),
        }

    def read(self, rule: Callable[[str], Any], value: msgspec.Raw | None, fid: str) -> Any:
        try:
            return rule(_text(value, fid))
        except Unreadable:
            text = _shown(value)[:LONGEST_TEXT]
            self.refused[fid] = Reject(self.received_at, self.number, fid, text, "unreadable")
            return None


def _text(value: msgspec.Raw | None, fid: str) -> str:
    """Return the text of a JSON value: a number's is what it is written as; missing and null are blank."""
    written = b"null" if value is None else bytes(value)
    if written == b"null":
        return ""
    if written[0] in b"-0123456789" and fid != _SYMBOL_FID:  # a code that was made a number has lost its zeros
        return written.decode()
    text = _string(value)
    if text is None:
        raise Unreadable(written)
    return text


def _string(value: msgspec.Raw | None) -> str | None:
    """Return the text that a JSON string holds, None where the value is none, or not UTF-8."""
    try:
        return None if value is None else _decode_text(value)
    except ValueError:
        return None


def _is_blank(value: msgspec.Raw | None) -> bool:
    if value is None or bytes(value) == b"null":
        return True
    text = _string(value)
    return text is not None and not text.strip()


def _members(value: msgspec.Raw | str) -> dict[str, msgspec.Raw]:
    """Return the members of a JSON object (of duplicate keys the last), none where the value is no object."""
    try:
        return _split_object(value)
    except (ValueError, RecursionError):
        return {}


def _values(value: msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    """Return the values of an entry; one trader has met them encoded a second time, as a JSON string."""
    if value is None:
        return {}
    text = _string(value)
    return _members(value if text is None else text)


def _reject(received_at: int, text: str, reason: str) -> Reject:
    return Reject(received_at, None, None, text[:LONGEST_TEXT], reason)


def _shown(value: msgspec.Raw | None) -> str:
    """Return what a JSON value says, for a reader: a string without its quotes, anything else as it came."""
    text = _string(value)
    written = b"" if value is None else bytes(value)
    return written.decode("utf-8", "replace") if text is None else text


def _dump(value: object) -> str:
    try:
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()
    except RecursionError:
        return "(deeply nested)"
