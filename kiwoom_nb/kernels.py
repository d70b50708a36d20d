"""The quickest way in: plain events -> staged columns, straight from the bytes, in machine code (extra ``fast``).

It knows one shape only, that of the events which Kiwoom sends, and reads it by the rules of :mod:`kiwoom_nb.schema`.
On anything else (an escape, a key twice or unknown, a number out of the ordinary, a value that no rule reads, a
control character, another kind of frame) it stops before that frame and says so; whoever called it then takes the
careful way. What it wrote for such a frame lies behind the staged rows, where nobody looks.

This module imports numba and is slow to import: :mod:`kiwoom_nb.fast` does it on a thread, where it pays. All of it is
in one file, and what depends on others comes in as arguments: numba's cache of compiled code notices changes of this
file only. Text and tables come as pointers: for an array numba would count references at each call.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import extending

P = ParamSpec("P")
R = TypeVar("R")
Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]
Decimals = npt.NDArray[np.float64]
Reader = Callable[[bytes, int, int, int, int, int, int], int]
"""Text, its size, address and number of times, addresses of desk, decimals and texts -> how it ended."""

# How a call ended.
DONE: Final = 0  # all that was given is staged
GAVE_UP: Final = 1  # the next frame is not for this way
FULL: Final = 2  # the next frame needs more room than is left
ASKS: Final = 3  # the next frame is fine, but holds texts whose codes are not known yet

# How a field is read; texts (from FIRST_TEXT on) by their code.
INTEGER: Final = 0
MAGNITUDE: Final = 1
DECIMAL: Final = 2
DATE: Final = 3
FIRST_TEXT: Final = 4
MOST_KINDS: Final = 16  # kinds of text fit into four bits

# Codes that stand for no category.
BLANK: Final = -1
UNKNOWN: Final = -2
REFUSED: Final = -3

# The desk is one array of whole numbers (few arguments compile quickly). First, where things stand:
AT: Final = 0  # where the next frame begins
FRAME: Final = 1  # its number
ROW: Final = 2  # how many rows are staged
HEARD: Final = 3  # when the last one was received
ASKING: Final = 4  # how many texts are asked for
USED: Final = 5  # slots
FILLED: Final = 6  # bytes of texts
SIGN: Final = 7  # of the number read last
CODE: Final = 8  # of the text read last
END: Final = 9  # where the frame read last ends; within an entry where the symbol begins, 0 if there is none
ROWS: Final = 10  # how many rows that frame has
HAS: Final = 11  # a bit for each member of the entry read last
MOMENT: Final = 12  # when the frame read last was received
BLANKED: Final = 13  # a bit for each column in which a staged whole number may be blank
# what the fields are:
FIELDS: Final = 16  # how many; received_at, price_direction and venue have the columns behind theirs
SYMBOL: Final = 17  # its column
PRICE: Final = 18  # its column
VENUE: Final = 19  # the kind of text that names a venue
LABEL: Final = 20  # the kind of text of the name of an entry, of which nothing is kept
LAST: Final = 21  # the last place from which eight bytes of the text can be read
MOST_COLUMNS: Final = 32
KINDS: Final = MOST_COLUMNS  # how each column is read
KEYS: Final = 2 * MOST_COLUMNS  # of each column: its key and what is around it, as eight bytes (see :func:`key_of`)
KEY_MASKS: Final = 3 * MOST_COLUMNS  # which bits of the eight bytes belong to it
KEY_SIZES: Final = 4 * MOST_COLUMNS  # how many bytes that are
GUESSES: Final = 5 * MOST_COLUMNS  # of each column: which one came behind it last; of FIELDS: which one came first
ASKED: Final = 6 * MOST_COLUMNS  # texts whose codes are not known: kind, place, length of each
MOST_ASKED: Final = 64
COLUMNS: Final = ASKED + 3 * MOST_ASKED  # the column of each FID, -1 where there is no such field
FIDS: Final = 10_000
# and what was read: a hash table of the texts met so far (hash, code, place and length), then the staged rows.
HASHES: Final = COLUMNS + FIDS
SLOTS: Final = 1 << 14
BLANKS: Final = HASHES + 3 * SLOTS  # of each row: a bit for each column in which its whole number is blank
ROOM: Final = 512  # rows
NUMBERS: Final = BLANKS + ROOM  # column by column: whole numbers, days, moments and codes
DESK_SIZE: Final = NUMBERS + MOST_COLUMNS * ROOM

LONGEST_TEXT: Final = 255
_SLOT_MASK: Final = SLOTS - 1
_PROBES: Final = 32
_SIZE_BITS: Final = 16  # length and kind of a text
_SIZE_MASK: Final = (1 << _SIZE_BITS) - 1
_HASH_SEED: Final = 0x2BF29CE484222325
_HASH_PRIME: Final = 0x100000001B3

_NAT: Final = -(2**63)
_DIGITS_OF_INTEGER: Final = 18  # any so long is below 2**63
_DIGITS_OF_DECIMAL: Final = 15  # any so long is exact as a float, and so is
_LARGEST_POWER: Final = 22  # 10**22: their quotient is rounded once, as float() does
_POWERS: Final = np.array([float(10**power) for power in range(_LARGEST_POWER + 1)])
_LONGEST_MOMENT: Final = 16  # digits
_LONGEST_FID: Final = 4
_DAY: Final = 86_400_000
_DAYS_BEFORE_MONTH: Final = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])
_DAYS_BEFORE_1970: Final = 719_162
_FEBRUARY: Final = 2
_MONTHS: Final = 12
_SIGNS: Final = 2

_LF: Final = 10
_SPACE: Final = 32
_QUOTE: Final = 34
_PLUS: Final = 43
_COMMA: Final = 44
_MINUS: Final = 45
_POINT: Final = 46
_ZERO: Final = 48
_NINE: Final = 57
_COLON: Final = 58
_BACKSLASH: Final = 92
_OPEN_LIST: Final = 91
_OPEN: Final = 123
_D: Final = 100
_I: Final = 105
_N: Final = 110
_T: Final = 116
_V: Final = 118


# Constants that are given to functions are numpy's: for each one of Python's a function would be compiled anew.
_CLOSE: Final[Any] = np.int64(125)
_CLOSE_LIST: Final[Any] = np.int64(93)
_WORDS: Final = b'values"\0type"\0name"\0item"\0data"\0trnm"\0"04"\0"REAL"\0{"received_at":\0,"frame":\0'
_LETTERS: Final = np.frombuffer(_WORDS, np.uint8)
_PLACES: Final[list[Any]] = [np.int64(_WORDS.index(word)) for word in _WORDS.split(b"\0")[:-1]]
_VALUES, _TYPE, _NAME, _ITEM, _DATA, _TRNM, _BALANCE, _REAL, _LINE, _FRAME = _PLACES
_HAS_VALUES: Final[Any] = np.int64(1)
_HAS_TYPE: Final[Any] = np.int64(2)
_HAS_NAME: Final[Any] = np.int64(4)
_HAS_ITEM: Final[Any] = np.int64(8)
_HAS_ALL: Final = 15


# No wrapper is made to call a part from Python: nobody does.
_OPTIONS: Final[dict[str, Any]] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_made: Final[list[object]] = []  # keeps the compiled code alive


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` as a part of what :func:`make_reader` compiles."""
    made: Callable[P, R] = numba.njit(**_OPTIONS)(function)
    return made


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Return ``function`` as a part that is put where it is called: a call costs more than it does."""
    made: Callable[P, R] = numba.njit(forceinline=True, **_OPTIONS)(function)
    return made


# --- JSON ---------------------------------------------------------------------------------------------------------
# Each of these begins at a place and returns where it ended, -1 where it gives up. A text ends with a line break, at
# which every one of them stops, so that none ever looks behind it.


def _load_eight(context: Any, text: Any, at: Any) -> Any:
    """Return eight bytes of the text as one number, wherever they begin: they are compared all at once."""
    del context

    def load(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(place, align=1)

    return numba.types.int64(text, at), load


_eight: Final[Any] = extending.intrinsic(_load_eight)


@inlined
def _skip(text: Bytes, at: int) -> int:
    while text[at] == _SPACE:
        at += 1
    return at


@compiled
def _word(text: Bytes, at: int, word: int) -> int:
    while _LETTERS[word] != 0:
        if text[at] != _LETTERS[word]:
            return -1
        at += 1
        word += 1
    return at


@inlined
def _colon(text: Bytes, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == _COLON else -1


@compiled
def _key(text: Bytes, at: int, key: int) -> int:
    """Read what is left of a key, and the colon behind it."""
    at = _word(text, at, key)
    return _colon(text, at) if at >= 0 else -1


@inlined
def _next(text: Bytes, at: int, closing: int) -> int:
    """Return where the next member begins, or where the closing bracket stands."""
    at = _skip(text, at)
    if text[at] == closing:
        return at
    if text[at] != _COMMA:
        return -1
    at = _skip(text, at + 1)
    return -1 if text[at] == closing else at


# --- values: behind the opening quote -> behind the closing one ---------------------------------------------------


@inlined
def _sign(text: Bytes, at: int, desk: Integers) -> int:
    """Note the sign, and return where the digits begin."""
    minus = plus = False
    at = _skip(text, at)
    begin = at
    while text[at] == _PLUS or text[at] == _MINUS:
        minus |= text[at] == _MINUS
        plus |= text[at] == _PLUS
        at += 1
    desk[SIGN] = -1 if minus else int(plus)
    return at if at - begin <= _SIGNS else -1


@inlined
def _close(text: Bytes, at: int) -> int:
    at = _skip(text, at)
    return at + 1 if text[at] == _QUOTE else -1


@inlined
def _integer(text: Bytes, at: int, column: int, row: int, desk: Integers) -> int:
    begin = at
    at = _sign(text, at, desk)
    if at < 0:
        return -1
    if text[at] == _QUOTE:
        return _blank_integer(text, begin, column, row, desk)
    value = digits = 0
    first = at
    while _ZERO <= text[at] <= _NINE:
        value = value * 10 + (text[at] - _ZERO)
        digits += value != 0
        at += 1
    if at == first or digits > _DIGITS_OF_INTEGER:
        return -1
    if text[at] == _POINT:
        at += 1
        while text[at] == _ZERO:
            at += 1
    negative = desk[SIGN] < 0 and desk[KINDS + column] == INTEGER
    desk[NUMBERS + column * ROOM + row] = -value if negative else value
    return at + 1 if text[at] == _QUOTE else _close(text, at)


@compiled
def _blank_integer(text: Bytes, at: int, column: int, row: int, desk: Integers) -> int:
    desk[NUMBERS + column * ROOM + row] = 1
    desk[BLANKS + row] |= 1 << column
    return _close(text, at)


@inlined
def _decimal(text: Bytes, at: int, column: int, row: int, desk: Integers, decimals: Decimals) -> int:
    begin = at
    at = _sign(text, at, desk)
    if at < 0:
        return -1
    if text[at] == _QUOTE:
        decimals[NUMBERS + column * ROOM + row] = np.nan
        return _close(text, begin)
    value = digits = count = power = 0
    while _ZERO <= text[at] <= _NINE or (text[at] == _POINT and power == 0):
        if text[at] == _POINT:
            power = 1
        else:
            value = value * 10 + (text[at] - _ZERO)
            digits += value != 0
            count += 1
            power += power > 0
        at += 1
    if count == 0 or digits > _DIGITS_OF_DECIMAL or power > _LARGEST_POWER:
        return -1
    exact = value / _POWERS[max(power - 1, 0)]
    decimals[NUMBERS + column * ROOM + row] = 0.0 - exact if desk[SIGN] < 0 else exact
    return at + 1 if text[at] == _QUOTE else _close(text, at)


@inlined
def _date(text: Bytes, at: int, column: int, row: int, desk: Integers) -> int:
    at = _skip(text, at)
    written = first = at
    written = 0
    while _ZERO <= text[at] <= _NINE and at - first <= 8:  # noqa: PLR2004 - YYYYMMDD
        written = written * 10 + (text[at] - _ZERO)
        at += 1
    day = _day(written) if at - first == 8 else _NAT  # noqa: PLR2004
    if at != first and (at - first != 8 or (day == _NAT and written != 0)):  # noqa: PLR2004
        return -1
    desk[NUMBERS + column * ROOM + row] = day
    return at + 1 if text[at] == _QUOTE else _close(text, at)


@compiled
def _day(written: int) -> int:
    """Return a day in milliseconds since the epoch, :data:`_NAT` where there is no such day."""
    year, month, day = written // 10_000, written // 100 % 100, written % 100
    if year < 1 or month < 1 or month > _MONTHS or day < 1:
        return _NAT
    leaps = int(year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
    length = _DAYS_BEFORE_MONTH[month + 1] - _DAYS_BEFORE_MONTH[month] + (leaps if month == _FEBRUARY else 0)
    if day > length:
        return _NAT
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400
    days += _DAYS_BEFORE_MONTH[month] + (leaps if month > _FEBRUARY else 0) + day - 1
    return int((days - _DAYS_BEFORE_1970) * _DAY)


# --- texts --------------------------------------------------------------------------------------------------------


@inlined
def _text(text: Bytes, at: int, kind: int, desk: Integers, texts: Bytes) -> int:
    """Note the code of a text; what is not known is asked for, what is known to be unreadable is given up for."""
    begin = at
    digest = _HASH_SEED ^ kind
    while text[at] != _QUOTE:
        if text[at] < _SPACE or text[at] == _BACKSLASH:
            return -1
        digest = (digest ^ text[at]) * _HASH_PRIME
        at += 1
    length = at - begin
    if length > LONGEST_TEXT:
        return -1
    code = _find(text, begin, (length + 1) * MOST_KINDS + kind, digest, desk, texts)
    desk[CODE] = code
    if code == UNKNOWN:
        number = desk[ASKING]
        if number == MOST_ASKED:
            return -1
        desk[ASKED + 3 * number] = kind
        desk[ASKED + 3 * number + 1] = begin
        desk[ASKED + 3 * number + 2] = length
        desk[ASKING] = number + 1
    return at + 1 if code != REFUSED else -1


@inlined
def _find(text: Bytes, begin: int, wanted: int, digest: int, desk: Integers, texts: Bytes) -> int:
    """Return the code of a text; ``wanted`` is its length and kind, as a slot has them."""
    slot = (digest ^ (digest >> 29)) & _SLOT_MASK
    length = wanted // MOST_KINDS - 1
    for _ in range(_PROBES):
        place = desk[HASHES + 3 * slot + 2]
        if place == 0:
            break
        if desk[HASHES + 3 * slot] == digest and place & _SIZE_MASK == wanted:
            start = place >> _SIZE_BITS
            same = 0
            while same < length and texts[start + same] == text[begin + same]:
                same += 1
            if same == length:
                code: int = desk[HASHES + 3 * slot + 1]
                return code
        slot = (slot + 1) & _SLOT_MASK
    return UNKNOWN


# --- an entry -----------------------------------------------------------------------------------------------------


@inlined
def _value(text: Bytes, at: int, column: int, row: int, desk: Integers, decimals: Decimals, texts: Bytes) -> int:
    kind = desk[KINDS + column]
    if kind <= MAGNITUDE:
        at = _integer(text, at, column, row, desk)
        if column == desk[PRICE]:
            desk[NUMBERS + (desk[FIELDS] + 1) * ROOM + row] = desk[SIGN]
        return at
    if kind == DECIMAL:
        return _decimal(text, at, column, row, desk, decimals)
    if kind == DATE:
        return _date(text, at, column, row, desk)
    if column == desk[SYMBOL]:
        desk[END] = at
    at = _text(text, at, kind, desk, texts)
    desk[NUMBERS + column * ROOM + row] = desk[CODE]
    return at


@compiled
def _fid(text: Bytes, at: int, before: int, desk: Integers) -> int:
    """Read the key of a value and what is around it; its column is the next guess behind the one ``before``."""
    first = at
    fid = 0
    while _ZERO <= text[at] <= _NINE and at - first < _LONGEST_FID:
        fid = fid * 10 + (text[at] - _ZERO)
        at += 1
    column = desk[COLUMNS + fid]
    if column < 0 or text[at] != _QUOTE or text[first] == _ZERO:
        return -1
    at = _colon(text, at + 1)
    if at < 0 or text[at] != _QUOTE:
        return -1
    desk[GUESSES + before] = column
    return at + 1


@compiled
def _values(text: Bytes, at: int, row: int, desk: Integers, decimals: Decimals, texts: Bytes) -> int:
    """Read the values; ``desk[END]`` is left where the symbol begins, 0 where there is none."""
    desk[END] = 0
    desk[BLANKS + row] = 0
    seen = 0
    if text[at] != _OPEN:
        return -1
    at = _skip(text, at + 1)
    column = desk[FIELDS]
    while text[at] == _QUOTE:
        guess = desk[GUESSES + column]
        if at <= desk[LAST] and _eight(text, at) & desk[KEY_MASKS + guess] == desk[KEYS + guess]:
            column = guess
            at += desk[KEY_SIZES + guess]
        else:
            at = _fid(text, at + 1, column, desk)
            if at < 0:
                return -1
            column = desk[GUESSES + column]
        if (seen >> column) & 1:
            return -1
        seen |= 1 << column
        at = _value(text, at, column, row, desk, decimals, texts)
        if at >= 0:
            at = _next(text, at, _CLOSE)
        if at < 0:
            return -1
    if text[at] != _CLOSE or seen == 0:
        return -1
    _leave_blank(seen, row, desk, decimals)
    return at + 1


@compiled
def _leave_blank(seen: int, row: int, desk: Integers, decimals: Decimals) -> None:
    """Leave those fields blank that the event does not have, and the direction of a price that is blank."""
    if seen != (1 << desk[FIELDS]) - 1:
        for column in range(desk[FIELDS]):
            kind = desk[KINDS + column]
            if (seen >> column) & 1:
                continue
            if kind == DECIMAL:
                decimals[NUMBERS + column * ROOM + row] = np.nan
            elif kind <= MAGNITUDE:
                desk[NUMBERS + column * ROOM + row] = 1
                desk[BLANKS + row] |= 1 << column
            else:
                desk[NUMBERS + column * ROOM + row] = _NAT if kind == DATE else BLANK
    if (desk[BLANKS + row] >> desk[PRICE]) & 1:
        direction = desk[FIELDS] + 1
        desk[NUMBERS + direction * ROOM + row] = 1
        desk[BLANKS + row] |= 1 << direction
    desk[BLANKED] |= desk[BLANKS + row]


@compiled
def _entry(text: Bytes, at: int, row: int, desk: Integers, decimals: Decimals, texts: Bytes) -> int:
    if text[at] != _OPEN:
        return -1
    at = _skip(text, at + 1)
    desk[HAS] = 0
    while text[at] == _QUOTE:
        at = _member(text, at + 1, row, desk, decimals, texts)
        if at >= 0:
            at = _next(text, at, _CLOSE)
        if at < 0:
            return -1
    if text[at] != _CLOSE or desk[HAS] != _HAS_ALL:
        return -1
    venue = NUMBERS + (desk[FIELDS] + 2) * ROOM + row
    if desk[venue] == BLANK and desk[END]:  # a blank item: the code itself may have the suffix
        if _text(text, desk[END], desk[VENUE], desk, texts) < 0:
            return -1
        desk[venue] = desk[CODE]
    return at + 1


@compiled
def _member(text: Bytes, at: int, row: int, desk: Integers, decimals: Decimals, texts: Bytes) -> int:
    """Read a member of an entry, behind the opening quote of its key."""
    first = text[at]
    if first == _V:
        at = _key(text, at, _VALUES)
        return _values(text, at, row, desk, decimals, texts) if at >= 0 and _is_new(_HAS_VALUES, desk) else -1
    if first == _T:
        at = _key(text, at, _TYPE)
        return _word(text, at, _BALANCE) if at >= 0 and _is_new(_HAS_TYPE, desk) else -1
    is_item = first == _I
    at = _key(text, at, _ITEM if is_item else _NAME)
    if at < 0 or text[at] != _QUOTE or not _is_new(_HAS_ITEM if is_item else _HAS_NAME, desk):
        return -1
    at = _text(text, at + 1, desk[VENUE] if is_item else desk[LABEL], desk, texts)
    if is_item:
        desk[NUMBERS + (desk[FIELDS] + 2) * ROOM + row] = desk[CODE]
    return at


@compiled
def _is_new(member: int, desk: Integers) -> bool:
    """Note that an entry has a member; return False where it had that before."""
    had = desk[HAS]
    desk[HAS] = had | member
    return not had & member


# --- frames -------------------------------------------------------------------------------------------------------


@compiled
def _data(text: Bytes, at: int, desk: Integers, decimals: Decimals, texts: Bytes) -> int:
    """Read what a REAL frame carries, behind the staged rows; return how that ended."""
    row = desk[ROW]
    desk[ASKING] = 0
    if text[at] != _OPEN_LIST:
        return GAVE_UP
    at = _skip(text, at + 1)
    while text[at] == _OPEN:
        if row == ROOM:
            return FULL if desk[ROW] else GAVE_UP
        at = _entry(text, at, row, desk, decimals, texts)
        if at >= 0:
            at = _next(text, at, _CLOSE_LIST)
        if at < 0:
            return GAVE_UP
        row += 1
    if text[at] != _CLOSE_LIST or row == desk[ROW]:
        return GAVE_UP
    desk[END] = at + 1
    desk[ROWS] = row - desk[ROW]
    return DONE


@compiled
def _frame(text: Bytes, at: int, desk: Integers, decimals: Decimals, texts: Bytes) -> int:
    """Read a whole REAL frame, as :func:`_data` reads what it carries."""
    if text[at] != _OPEN:
        return GAVE_UP
    at = _skip(text, at + 1)
    has_data = has_trnm = False
    while text[at] == _QUOTE:
        at += 1
        if text[at] == _D and not has_data:
            has_data = True
            at = _key(text, at, _DATA)
            ended = _data(text, at, desk, decimals, texts) if at >= 0 else GAVE_UP
            if ended != DONE:
                return ended
            at = desk[END]
        elif not has_trnm:
            has_trnm = True
            at = _key(text, at, _TRNM)
            at = _word(text, at, _REAL) if at >= 0 else -1
        else:
            return GAVE_UP
        if at >= 0:
            at = _next(text, at, _CLOSE)
        if at < 0:
            return GAVE_UP
    if text[at] != _CLOSE or not has_data or not has_trnm:
        return GAVE_UP
    desk[END] = at + 1
    return DONE


@compiled
def _commit(desk: Integers) -> None:
    """Count the rows of the frame read last, which a line break follows, among the staged ones."""
    row = desk[ROW]
    for place in range(row, row + desk[ROWS]):
        desk[NUMBERS + desk[FIELDS] * ROOM + place] = desk[MOMENT]
    desk[ROW] = row + desk[ROWS]
    desk[HEARD] = desk[MOMENT]
    desk[FRAME] += 1
    desk[AT] = desk[END] + 1


@compiled
def _moment(text: Bytes, at: int, desk: Integers) -> int:
    """Read the beginning of a journal's line up to its frame, and note when that was received."""
    at = _word(text, at, _LINE)
    if at < 0 or text[at] == _ZERO:
        return -1
    first = at
    received_at = 0
    while _ZERO <= text[at] <= _NINE and at - first < _LONGEST_MOMENT:
        received_at = received_at * 10 + (text[at] - _ZERO)
        at += 1
    desk[MOMENT] = received_at
    return _word(text, at, _FRAME) if at > first else -1


@compiled
def _line(text: Bytes, at: int, desk: Integers, decimals: Decimals, texts: Bytes) -> int:
    at = _moment(text, at, desk)
    ended = _frame(text, at, desk, decimals, texts) if at >= 0 else GAVE_UP
    if ended == DONE:
        if text[desk[END]] != _CLOSE:
            return GAVE_UP
        desk[END] += 1
    return ended


def _read(
    text: Bytes, size: int, times: Integers, frames: int, desk: Integers, decimals: Decimals, texts: Bytes
) -> int:
    """Stage what is in ``text`` from ``desk[AT]`` on; return how that ended.

    Those are ``frames`` frames (the ``data`` of each) received at ``times``; or, where that is 0, lines of a journal
    as :func:`kiwoom_nb.journal.frame_line` writes them. A line break is behind each, and ``size`` counts all bytes.
    ``decimals`` is the memory of ``desk`` too, ``texts`` that of the texts met so far.
    """
    if desk[AT] < 0 or desk[AT] > size:  # whatever the caller got wrong, nothing outside of the text is read
        return GAVE_UP
    desk[LAST] = size - 8
    while desk[FRAME] < frames or (frames == 0 and desk[AT] < size):
        if frames:
            desk[MOMENT] = times[desk[FRAME]]
            ended = _data(text, desk[AT], desk, decimals, texts)
        else:
            ended = _line(text, desk[AT], desk, decimals, texts)
        if ended != DONE:
            return ended
        if text[desk[END]] != _LF:
            return GAVE_UP
        if desk[ASKING]:
            return ASKS
        _commit(desk)
    return DONE


# --- beside it, not compiled --------------------------------------------------------------------------------------


def key_of(fid: str) -> tuple[int, int, int]:
    """Return what stands before a value (``"9201":"``) as eight bytes, a mask of those that count, and their number."""
    key = b'"%b":"' % fid.encode()
    each = (int.from_bytes(part.ljust(8, b"\0"), sys.byteorder, signed=True) for part in (key, b"\xff" * len(key)))
    return next(each), next(each), len(key)


def remember(text: bytes, kind: int, code: int, desk: Integers, texts: Bytes) -> None:
    """Remember the code of a text of this kind; all others are forgotten where there is no room for it."""
    if not _remember(text, kind, code, desk, texts):
        desk[HASHES : HASHES + 3 * SLOTS] = 0
        desk[USED] = desk[FILLED] = 0
        _remember(text, kind, code, desk, texts)


def _remember(text: bytes, kind: int, code: int, desk: Integers, texts: Bytes) -> bool:
    start = int(desk[FILLED])
    if desk[USED] * 2 >= SLOTS or start + len(text) > len(texts):
        return False
    digest = _HASH_SEED ^ kind
    for byte in text:
        digest = ((digest ^ byte) * _HASH_PRIME + 2**63) % 2**64 - 2**63  # as it comes out in 64 bits
    first = (digest ^ (digest >> 29)) & _SLOT_MASK
    for probe in range(_PROBES):
        place = HASHES + 3 * ((first + probe) & _SLOT_MASK)
        if desk[place + 2] == 0:
            texts[start : start + len(text)] = np.frombuffer(text, np.uint8)
            desk[place : place + 3] = digest, code, start << _SIZE_BITS | (len(text) + 1) * MOST_KINDS + kind
            desk[USED] += 1
            desk[FILLED] += len(text)
            return True
    return False


def make_reader() -> Reader:
    """Return :func:`_read` compiled, or from numba's cache where a folder for that is writable.

    The global interpreter lock is held meanwhile: a batch takes less than a millisecond.
    """
    pointer: Any = numba.types.CPointer
    whole, byte, decimal = numba.types.int64, numba.types.uint8, numba.types.float64
    compile_it: Any = numba.cfunc
    signature = whole(pointer(byte), whole, pointer(whole), whole, pointer(whole), pointer(decimal), pointer(byte))
    try:
        made = compile_it(signature, cache=True)(_read)
    except RuntimeError:  # nobody may write where this is installed, nor at home
        made = compile_it(signature)(_read)
    _made.append(made)
    address, number = ctypes.c_void_p, ctypes.c_int64
    prototype = ctypes.PYFUNCTYPE(number, ctypes.c_char_p, number, address, number, address, address, address)
    reader: Reader = prototype(made.address)
    return reader
