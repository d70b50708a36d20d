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
            return Batch([], [_reject(received_at, message.raw.decode("utf-8", "replace"), message.reason)])
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

    # ... then the careful way goes through it again, value by value.

    def _decode_carefully(self, data: msgspec.Raw, received_at: int, first_row: int) -> Batch:
        batch = Batch([], [])
        entries = _entries(data)
        if entries is None:
            text = bytes(data).decode("utf-8", "replace")
            batch.rejects.append(_reject(received_at, text, "no_data"))
            return batch
        for entry in entries:
            self._decode_entry(entry, received_at, first_row, batch)
        return batch

    def _decode_entry(self, entry: object, received_at: int, first_row: int, batch: Batch) -> None:
        kind = entry.get("type") if isinstance(entry, Mapping) else None
        if isinstance(kind, str) and kind != BALANCE:
            self._tell_once(batch, kind, _reject(received_at, _dump(entry), "unknown_type"))
            return
        values = _values(entry) if kind == BALANCE else None
        if values is None or not isinstance(entry, Mapping):
            batch.rejects.append(_reject(received_at, _dump(entry), "not_a_balance_event"))
            return
        reading = _Reading(received_at, first_row + len(batch.rows), batch.rejects)
        fields = [reading.read(RULES[field.kind], values.get(field.fid), field.fid) for field in _IN_ORDER]
        venue, direction = _derive(reading, entry.get("item"), values)
        batch.rows.append((venue, *fields, direction, received_at))
        for fid in sorted(values.keys() - _KNOWN_FIDS):
            unknown = Reject(received_at, reading.row, fid, _dump(values[fid])[:LONGEST_TEXT], "unknown_fid")
            self._tell_once(batch, fid, unknown)

    def _decode_other(self, message: Message, received_at: int) -> Batch:
        trnm = message.trnm
        batch = Batch([], [])
        if not isinstance(trnm, str) or trnm not in _KNOWN_TRNMS:
            self._tell_once(batch, _dump(trnm), _reject(received_at, _dump(trnm), "unknown_trnm"))
        elif trnm == "SYSTEM" and message.code not in SYSTEM_CODES:
            text = f"{_dump(message.code)}: {_dump(message.message)}"
            self._tell_once(batch, _dump(message.code), _reject(received_at, text, "unknown_system_code"))
        return batch

    def _tell_once(self, batch: Batch, key: str, reject: Reject) -> None:
        """Add ``reject`` the first time that ``key`` is met for its reason, and never again."""
        met = (reject.reason, key)
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
    """The careful reading of one row: what cannot be read becomes None and a reject."""

    received_at: int
    row: int
    rejects: list[Reject]

    def read(self, rule: Callable[[str], Any], value: object, fid: str) -> Any:
        if value is None:
            return None
        try:
            return rule(_as_text(value))
        except Unreadable:
            text = _dump(value)[:LONGEST_TEXT]
            self.rejects.append(Reject(self.received_at, self.row, fid, text, "unreadable"))
            return None


def _derive(reading: _Reading, item: object, values: Mapping[str, object]) -> tuple[str | None, int | None]:
    """Return the venue and the direction of the price (whose text was refused before if it is unreadable)."""
    has_item = isinstance(item, str) and not item.isspace() and item != ""
    venue = (
        reading.read(schema.venue, item, "item")
        if has_item
        else reading.read(schema.venue, values.get(_SYMBOL_FID), _SYMBOL_FID)
    )
    try:
        return venue, schema.direction(_as_text(values.get(_PRICE_FID) or ""))
    except Unreadable:
        return venue, None


def _as_text(value: object) -> str:
    """Return the text of a value; a JSON number says the same as its text, nothing else does."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise Unreadable(_dump(value))


def _entries(data: msgspec.Raw) -> list[object] | None:
    try:
        entries = msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None
    return entries if isinstance(entries, list) and entries else None


def _values(entry: object) -> Mapping[str, object] | None:
    """Return the values of an entry; one trader has met them encoded a second time, as a JSON string."""
    values = entry.get("values") if isinstance(entry, Mapping) else None
    if isinstance(values, str):
        try:
            values = msgspec.json.decode(values)
        except (ValueError, RecursionError):
            return None
    return values if isinstance(values, Mapping) and values else None


def _reject(received_at: int, text: str, reason: str) -> Reject:
    return Reject(received_at, None, None, text[:LONGEST_TEXT], reason)


def _dump(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
