"""Many plain events at once -> columns. The quick way in, for frames in which all is as documented.

One call reads a whole column of a batch, so that what Python costs for each value is paid for each batch instead. It
gives up (:class:`Surprise`) on the first thing out of the ordinary; :mod:`kiwoom_nb.decode` then goes through the
frames one by one, value by value. For every frame that both can read they give the same values.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from . import schema
from .schema import FIDS, FIELDS, INT64_MAX, RULES, Field, Kind

Characters = npt.NDArray[np.uint8]
Column = Sequence[Any]
"""The values of a column, None where blank."""

_Integer = Annotated[int, msgspec.Meta(ge=-INT64_MAX, le=INT64_MAX)]
_Values = msgspec.defstruct(
    "_Values",
    [
        (f"fid_{field.fid}", _Integer if field.kind is Kind.INTEGER else str, msgspec.field(name=field.fid))
        for field in FIELDS
    ],
    gc=False,
)


class _Entry(msgspec.Struct, gc=False):
    """An entry in which all is as documented: 27 texts, and texts beside them."""

    values: _Values  # type: ignore[valid-type]  # made above, from the fields
    type: Literal["04"]
    name: str
    item: str


class Surprise(Exception):
    """Something in a batch of frames is not as documented."""


# strict=False reads the whole numbers right out of their strings. It refuses what only the rules read (+5, 007, blanks)
# but also takes what they refuse (1e3, 1.5 as long as it is whole, escapes); _holds_odd_numbers looks for those.
_decode_frames = msgspec.json.Decoder(list[list[_Entry]], strict=False).decode
_decode_decimals = msgspec.json.Decoder(list[float]).decode
_QUOTES: Final = 4 * len(FIDS) + 14  # a pair for each key and each text of such an entry; one key more makes more
_ES_OF_KEYS: Final = sum(key.count("e") for key in ("values", "type", "name", "item"))
_WORDY: Final = [
    at for at, field in enumerate(FIELDS) if field.kind in {Kind.ACCOUNT, Kind.SYMBOL, Kind.NAME, Kind.CODE}
]
_DECIMALS: Final = [at for at, field in enumerate(FIELDS) if field.kind is Kind.DECIMAL]
_MEMO_SIZE: Final = 1 << 16
_get_values = operator.attrgetter("values")
_get_name = operator.attrgetter("name")
_get_item = operator.attrgetter("item")
_PRICE: Final = [field.column for field in FIELDS].index("price")
_SYMBOL: Final = [field.column for field in FIELDS].index("symbol")


class _Memo(dict[str, Any]):
    """A rule that remembers: the same few texts come again and again, and a look-up costs a tenth of the rule."""

    def __init__(self, rule: Callable[[str], Any]) -> None:
        super().__init__()
        self.rule = rule

    def __missing__(self, text: str) -> Any:
        if len(self) >= _MEMO_SIZE:
            self.clear()
        value = self[text] = self.rule(text)
        return value


class ColumnReader:
    """Reads batches of plain frames; keeps what it has read of texts that repeat."""

    def __init__(self) -> None:
        self._memos = {kind: _Memo(rule) for kind, rule in RULES.items()}
        self._venues = _Memo(schema.venue)
        self._directions = _Memo(schema.direction)
        self._readers: dict[Kind, Callable[[Sequence[str], _Memo], Column]] = {
            Kind.INTEGER: _take_integers,
            Kind.DECIMAL: _read_decimals,
        }

    def read(self, frames: Sequence[msgspec.Raw], received_at: Sequence[int]) -> dict[str, Column]:
        """Return the columns of ``frames`` (the ``data`` of REAL frames, in order) by name, all of one length.

        Raises
        ------
        Surprise
            A frame is not as documented, or a value cannot be read.
        """
        joined = b",".join(map(bytes, frames))
        try:
            entries_of_frames = _decode_frames(b"[" + joined + b"]")
            return self._read(entries_of_frames, joined, received_at)
        except (ValueError, RecursionError) as exc:  # msgspec's errors are ValueErrors, so is Unreadable
            raise Surprise from exc

    def _read(self, frames: list[list[_Entry]], joined: bytes, received_at: Sequence[int]) -> dict[str, Column]:
        entries = list(chain.from_iterable(frames))
        characters = np.frombuffer(joined, np.uint8)
        quotes = _count(characters, '"')
        if not all(frames) or len(frames) != len(received_at) or quotes != len(entries) * _QUOTES:
            raise Surprise
        texts = list(zip(*map(msgspec.structs.astuple, map(_get_values, entries)), strict=True))
        if b"\\" in joined or _holds_odd_numbers(characters, entries, texts):
            raise Surprise
        columns = {field.column: self._read_column(field, text) for field, text in zip(FIELDS, texts, strict=True)}
        columns[schema.VENUE] = self._read_venues(list(map(_get_item, entries)), texts[_SYMBOL])
        columns[schema.PRICE_DIRECTION] = list(map(self._directions.__getitem__, texts[_PRICE]))
        columns[schema.RECEIVED_AT] = _stretch(received_at, frames)
        return columns

    def _read_column(self, field: Field, texts: Sequence[str]) -> Column:
        memo = self._memos[field.kind]
        reader = self._readers.get(field.kind)
        return list(map(memo.__getitem__, texts)) if reader is None else reader(texts, memo)

    def _read_venues(self, items: Sequence[str], symbols: Sequence[str]) -> Column:
        venues = list(map(self._venues.__getitem__, items))
        if None in venues:  # a blank item: the code itself may have the suffix
            return [venue or self._venues[symbol] for venue, symbol in zip(venues, symbols, strict=True)]
        return venues


def _stretch(received_at: Sequence[int], frames: Sequence[Sequence[_Entry]]) -> Column:
    """Return the time of arrival of each entry: all of a frame arrived with it."""
    if sum(map(len, frames)) == len(frames):
        return received_at
    return list(chain.from_iterable(map(repeat, received_at, map(len, frames))))


def _count(characters: Characters, one: str) -> int:
    """Count ``one``; ``bytes.count`` looks at one byte after the other, which is ten times as slow."""
    return int(np.count_nonzero(characters == ord(one)))


def _holds_odd_numbers(characters: Characters, entries: Sequence[_Entry], texts: Sequence[Sequence[Any]]) -> bool:
    """Tell whether a whole number may be written with a point or an exponent.

    Those characters are counted: as many as the texts that may have them hold must be in the frames, not one more.
    """
    wordy = chain(map(_get_item, entries), map(_get_name, entries), chain.from_iterable(texts[at] for at in _WORDY))
    words = "".join(wordy)
    points = sum("".join(texts[at]).count(".") for at in _DECIMALS)
    return (
        _count(characters, ".") != words.count(".") + points
        or _count(characters, "e") != words.count("e") + _ES_OF_KEYS * len(entries)
        or _count(characters, "E") != words.count("E")
    )


def _take_integers(integers: Sequence[Any], memo: _Memo) -> Column:
    del memo  # they were read with the frame
    return integers


def _read_decimals(texts: Sequence[str], memo: _Memo) -> Column:
    """Read all in one call where they are also JSON's numbers, else each by its rule (blank, ``+5``, ``.5``)."""
    joined = ",".join(texts)
    try:
        decimals: list[float] = _decode_decimals(f"[{joined}]")
    except msgspec.DecodeError:
        return list(map(memo.rule, texts))
    # JSON would take a line break for a space, which the rule does not, and an exponent.
    if len(decimals) != len(texts) or not joined.isprintable() or "e" in joined or "E" in joined:
        return list(map(memo.rule, texts))
    return [value + 0.0 for value in decimals] if "-0" in joined else decimals  # a minus before zero is no -0.0
