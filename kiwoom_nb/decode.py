"""Received frames -> typed rows: every entry of type ``04`` becomes one row, or a reject that says why not.

A row is a tuple in the order of :data:`ROW`: numbers as int or float, days as milliseconds since the epoch, codes
as text, None where a value is blank or could not be read. Nothing here awaits, logs or reads the clock.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from . import schema
from .protocol import BALANCE, SYSTEM_CODES, Message, Unparsed
from .schema import FIDS, FIELDS, INT64_MAX, RULES, Kind, Unreadable

# Measured: most fields of an account's events repeat event after event, so they are looked up together as one key;
# the whole numbers that do change are read in one call; the few texts left are looked up one by one.
_CATEGORY_KINDS: Final = (Kind.ACCOUNT, Kind.SYMBOL, Kind.NAME, Kind.SIDE, Kind.CODE)
_CALM_COLUMNS: Final = frozenset(
    {
        "base_price",
        "credit_realized_pnl",
        "credit_realized_pnl_pct",
        "credit_amount",
        "credit_interest",
        "collateral_quantity",
    }
)
_CATEGORIES: Final = tuple(field for field in FIELDS if field.kind in _CATEGORY_KINDS)
_CALM: Final = (
    *_CATEGORIES,
    *(field for field in FIELDS if field.kind is Kind.DATE or field.column in _CALM_COLUMNS),
)
_INTEGERS: Final = tuple(field for field in FIELDS if field.kind is Kind.INTEGER and field not in _CALM)
_LOOSE: Final = tuple(field for field in FIELDS if field not in _CALM and field not in _INTEGERS)
_IN_ORDER: Final = (*_CALM, *_INTEGERS, *_LOOSE)
_FIRST_INTEGER: Final = len(_CALM)
_FIRST_LOOSE: Final = len(_CALM) + len(_INTEGERS)

ROW: Final = (
    schema.VENUE,
    *(field.column for field in _IN_ORDER),
    schema.PRICE_DIRECTION,
    schema.RECEIVED_AT,
)
"""The order of the values of a row."""

CATEGORIES: Final = ROW[: len(_CATEGORIES) + 1]
"""The columns of a row that hold codes and names; they come first."""

Row = tuple[Any, ...]

_PRICE_FID: Final = next(field.fid for field in FIELDS if field.column == "price")
_SYMBOL_FID: Final = next(field.fid for field in FIELDS if field.column == "symbol")
_KNOWN_FIDS: Final = frozenset(FIDS)
_KNOWN_TRNMS: Final = frozenset({"LOGIN", "REG", "REMOVE", "PING", "REAL", "SYSTEM"})
_TELL_AT_MOST: Final = 1000  # different things that a broken server can make us tell about
LONGEST_TEXT: Final = 400
"""How much of a rejected text is kept; the journal has all of it."""
_MEMO_SIZE: Final = 1 << 16


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


_Values = msgspec.defstruct(
    "_Values", [(f"fid_{field.fid}", str, msgspec.field(name=field.fid)) for field in _IN_ORDER], gc=False
)


class _Entry(msgspec.Struct, gc=False):
    """An entry in which all is as documented: 27 texts, and texts beside them."""

    values: _Values  # type: ignore[valid-type]  # made above, from the fields
    type: str
    name: str
    item: str


class _Memo(dict[Any, Any]):
    """A rule that remembers: the same few texts come again and again, and a look-up costs a tenth of the rule."""

    def __init__(self, rule: Callable[[Any], Any]) -> None:
        super().__init__()
        self.rule = rule

    def __missing__(self, text: Any) -> Any:
        if len(self) >= _MEMO_SIZE:
            self.clear()
        value = self[text] = self.rule(text)
        return value


_decode_entries = msgspec.json.Decoder(list[_Entry]).decode
_split_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_split_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_QUOTES: Final = 4 * len(FIDS) + 14  # a pair for each key and each text of such an entry; one key more makes more
_PRICE_AT: Final = [field.fid for field in _IN_ORDER].index(_PRICE_FID)
_SYMBOL_AT: Final = [field.fid for field in _IN_ORDER].index(_SYMBOL_FID)
_Integer = Annotated[int, msgspec.Meta(ge=-INT64_MAX, le=INT64_MAX)]
_decode_integers = msgspec.json.Decoder(tuple[(_Integer,) * len(_INTEGERS)]).decode  # type: ignore[misc]
_getitem = operator.getitem


class _Surprise(Exception):
    """Something in a frame is not as documented."""


class Decoder:
    """Decodes the frames of one stream in order, and remembers what it has told about once."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()
        memos = {kind: _Memo(rule) for kind, rule in RULES.items()}
        self._calm = _Memo(_read_calm)
        self._loose = tuple(memos[field.kind] for field in _LOOSE)
        self._directions = _Memo(schema.direction)

    def decode(self, message: Message | Unparsed, received_at: int, first_row: int) -> Batch:
        """Return the rows of a frame that arrived at ``received_at`` (microseconds since the epoch, UTC).

        ``first_row`` is the number that the first of them will have; rejects name rows by it. Never raises.
        """
        if isinstance(message, Unparsed):
            beginning = message.raw[: 4 * LONGEST_TEXT].decode("utf-8", "replace")
            return Batch([], [_reject(received_at, beginning, message.reason)])
        if message.trnm == "REAL":
            try:
                return Batch(self._decode_quickly(message.data, received_at), [])
            except (ValueError, RecursionError, _Surprise):  # msgspec's errors are ValueErrors, so is Unreadable
                return self._decode_carefully(message.data, received_at, first_row)
        return self._decode_other(message, received_at)

    # The quick way takes only frames in which all is as documented, and gives up on the first surprise ...

    def _decode_quickly(self, data: msgspec.Raw, received_at: int) -> list[Row]:
        entries = _decode_entries(data)
        if not entries or bytes(data).count(b'"') != len(entries) * _QUOTES:
            raise _Surprise
        return [self._decode_plain(entry, received_at) for entry in entries]

    def _decode_plain(self, entry: _Entry, received_at: int) -> Row:
        if entry.type != BALANCE:
            raise _Surprise
        texts = msgspec.structs.astuple(entry.values)
        return (
            *self._calm[entry.item, texts[:_FIRST_INTEGER]],
            *_read_integers(texts[_FIRST_INTEGER:_FIRST_LOOSE]),
            *map(_getitem, self._loose, texts[_FIRST_LOOSE:]),
            self._directions[texts[_PRICE_AT]],
            received_at,
        )

    # ... then the careful way goes through it again, value by value: one that cannot be read costs no other.

    def _decode_carefully(self, data: msgspec.Raw, received_at: int, first_row: int) -> Batch:
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


def _read_calm(key: tuple[str, tuple[str, ...]]) -> Row:
    item, texts = key
    venue = schema.venue(item) or schema.venue(texts[_SYMBOL_AT])
    return (venue, *(RULES[field.kind](text) for field, text in zip(_CALM, texts, strict=True)))


def _read_integers(texts: tuple[str, ...]) -> Iterable[int | None]:
    """Read all whole numbers in one call where they are also JSON's, else each by its rule (blank, ``+5``, ``007``)."""
    joined = ",".join(texts)
    if joined.isprintable():  # JSON would take a line break for a space, the rule does not
        try:
            integers: tuple[int, ...] = _decode_integers(f"[{joined}]")
        except msgspec.DecodeError:
            pass
        else:
            return integers
    return map(schema.integer, texts)


class _Reading(NamedTuple):
    """The careful reading of one row: what cannot be read becomes None, and one reject for its field."""

    received_at: int
    number: int
    refused: dict[str, Reject]

    def row_of(self, item: msgspec.Raw | None, values: Mapping[str, msgspec.Raw]) -> Row:
        fields = [self.read(RULES[field.kind], values.get(field.fid), field.fid) for field in _IN_ORDER]
        named = (values.get(_SYMBOL_FID), _SYMBOL_FID) if _is_blank(item) else (item, "item")
        direction = self.read(schema.direction, values.get(_PRICE_FID), _PRICE_FID)
        return (self.read(schema.venue, *named), *fields, direction, self.received_at)

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
