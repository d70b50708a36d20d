"""BalanceTable: the typed column buffers behind a frame, what could not be read, and when the line was down.

Rows are only ever added. The buffers are reserved at once and untouched until used (reserving costs nothing, and
growing by doubling was measured to stall for up to 262 ms), so that appending costs the same at row ten and at row
a million. Frames handed out are zero-copy views of the first rows and read-only.
"""

from __future__ import annotations

import mmap
import re
import weakref
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from . import fast
from .columns import Column, ColumnReader
from .decode import LONGEST_TEXT, Decoder, Reject
from .holdings import Holdings, read_pages, since_count, with_times
from .latest import KEY, LATEST_COLUMNS, Latest, LatestRows, Rows
from .line import Gap, Line
from .missed import count_missed
from .privacy import mask_accounts, mask_text
from .protocol import Message, Unparsed
from .scanning import Scanner, Staged
from .schema import COLUMNS, FIELDS, FIXED_CATEGORIES, RECEIVED_AT, Unreadable
from .told import ATTRS_KEY
from .views import STORED, Whole, array_of, categorical, let_one_go, read_only_array, retire

RESERVED_ROWS: Final = 1 << 20
SHOWN_TEXT: Final = 200
NOT_DECODED: Final = "not_decoded"
"""The reason of a reject that a bug of ours is behind; the stream goes on, and the journal has the frame."""

UNREADABLE_HOLDINGS: Final = "unreadable_holdings"
"""The reason of a reject for an account query whose answer cannot be read."""

_CATEGORIES: Final = tuple(name for name, dtype in COLUMNS.items() if dtype == "category")
_ACCOUNT_FID: Final = next(field.fid for field in FIELDS if field.column == "account")
_DIGITS_AT_END: Final = re.compile(r"\d+\Z")
_LARGE: Final = 1 << 20  # bytes from which memory is reserved as such
_NAT: Final = int(np.iinfo(np.int64).min)
_BATCH: Final = 128  # frames decoded together at the most: more are hardly quicker, and one append has to wait for it
_QUICK_BATCH: Final = 384  # by machine code, a flush of the rows at its desk costs as much as decoding a hundred
_FEW: Final = 16  # frames that are gone through one by one if one of them is out of the ordinary
_INT8_CATEGORIES: Final = 127  # below this many pandas stores codes as int8; any other width would be copied whole
_INT16_CATEGORIES: Final = 32767


class _Codes(dict[str | None, int]):
    """The categories of a column in order of first appearance, and the code of each; None has -1."""

    def __init__(self, categories: Iterable[str]) -> None:
        super().__init__({None: -1})
        for category in categories:
            self.add(category)

    def add(self, category: str | None) -> int:
        """Return the code of ``category``, a new one if it was never met."""
        return self.setdefault(category, len(self) - 1)

    @property
    def categories(self) -> list[str]:
        return [category for category in self if category is not None]


class BalanceTable:
    """Everything that a stream has received, decoded: rows, rejects and gaps.

    Parameters
    ----------
    mask_accounts
        Show only the last digits of account numbers, in frames and in rejected texts.
    capacity
        Rows to reserve. More are made room for, by :meth:`reserve` ahead of time or while appending.
    """

    def __init__(self, *, mask_accounts: bool = True, capacity: int = RESERVED_ROWS) -> None:
        self.received = 0
        self.last_row_at = 0
        self.masked = mask_accounts
        self.line = Line()
        self._rows = 0
        self._rejects: list[Reject] = []
        self._fresh: list[Any] = []  # received, not yet decoded: message, time, message, time (see `receive`)
        self._batch = _BATCH
        self._reader = ColumnReader()
        self._quickest: Scanner | None = None
        self._rejects_json: list[bytes] = []
        self._labels_used: dict[str, str] = {}
        self._attrs: tuple[object, str] = (None, "")
        self._decoder = Decoder()
        self._holdings: list[Holdings] = []
        self._latest = Latest()
        self._queried = Latest()  # of its own: of all rows, while the other one is of those that are shown
        self._codes = {name: _Codes(FIXED_CATEGORIES.get(name, ())) for name in _CATEGORIES}
        self._whole: list[Whole] = []  # the newest one, if there is one
        self._allocate(max(capacity, 1))
        weakref.finalize(self, retire, self._whole).atexit = False

    # --- in ---------------------------------------------------------------------------------------------------

    def receive(self, message: Message | Unparsed, received_at: int) -> None:
        """Take one received frame. Never raises.

        Frames are decoded in batches, at the latest when somebody asks for what they gave.
        """
        self.line.heard(received_at)
        self.received += 1
        if isinstance(message, Message) and message.trnm == "REAL":
            # Both at once, so that no interrupt parts them; no pair is kept, which the garbage collector would count.
            self._fresh += (message, received_at)
            if len(self._fresh) >= 2 * self._batch:
                self._decode_fresh()
        elif rejects := self._decoder.decode(message, received_at, 0).rejects:
            self.rejects.extend(rejects)

    def receive_lines(self, block: bytes, at: int, read: Callable[[bytes, int], int]) -> int:
        """Take the lines of a ``block`` of a journal, which ends with a line break; ``at`` is the moment before them.

        ``read`` takes those that hold no plain frame, and returns when the last of them was received; so does this.
        """
        self._decode_fresh()
        scanner = self._scanner()
        if scanner is None:
            return read(block, at)

        def set_aside(lines: bytes, at: int) -> int:
            at = read(lines, at)
            self._decode_fresh()
            return at

        return scanner.lines(block, at, self._receive_staged, set_aside)

    def reject(self, received_at: int, text: str, reason: str) -> None:
        """Note something that never became a frame, such as the torn end of a journal."""
        self.rejects.append(Reject(received_at, None, None, text[:LONGEST_TEXT], reason))

    def hold(self, asked_at: int, account: str | None, pages: Sequence[bytes | msgspec.Raw]) -> None:
        """Take what the account holds (the pages of kt00018), as asked at ``asked_at``. Never raises.

        Rows that arrived since it was asked are newer. What cannot be read becomes a reject.
        """
        rows = self.rows
        times = self._numbers[RECEIVED_AT]
        while rows and times[rows - 1] >= asked_at:
            rows -= 1
        try:
            holdings = read_pages(pages)
        except Unreadable as exc:
            self.reject(asked_at, str(exc), UNREADABLE_HOLDINGS)
            return
        if account is not None:
            self._codes["account"].add(account)
        held = Holdings(asked_at, rows, account, holdings)
        if self._holdings and self._holdings[-1][:3] == held[:3]:
            return  # an interrupt came just after it had been taken
        missed = self._missed_before(held)
        if missed is not None:
            self.line.missed(missed)
        self._holdings.append(held)

    def _missed_before(self, now: Holdings) -> int | None:
        """Return how many positions are not as they were known to be; None where nothing was."""
        before = next((held for held in reversed(self._holdings) if held.account == now.account), None)
        if now.account is None and len(self._codes["account"].categories) > 1:
            return None
        self._queried.advance(self._rows, self._read_keys)
        account = None if now.account is None else self._labels("account")[self._codes["account"][now.account]]
        return count_missed(self._rows_of(self._queried), before, now, account)

    def latest(self, rows: int) -> Latest:
        """Return which row is the latest of each position among the first ``rows``, at least as many as ever before."""
        self._latest.advance(rows, self._read_keys)
        return self._latest

    def latest_rows(self, rows: int) -> LatestRows:
        """Return the latest row of each position among the first ``rows``, as :meth:`latest` has them."""
        return self._rows_of(self.latest(rows))

    def _rows_of(self, latest: Latest) -> LatestRows:
        places = latest.rows()
        columns = {name: self._values(name, places) for name in LATEST_COLUMNS}
        return LatestRows(columns, places, latest.firsts(), latest.counts(), latest.recent(), latest.found)

    def _values(self, name: str, places: Rows) -> list[Any]:
        """Return the values of some rows, None where blank."""
        if name in self._codes:
            labels = [*self._labels(name), None]
            return [labels[code] for code in self._code_buffers[name][places].tolist()]
        values: list[Any] = self._numbers[name][places].tolist()
        mask = self._masks.get(name)
        if mask is not None:
            return [None if blank else value for value, blank in zip(values, mask[places].tolist(), strict=True)]
        return [None if value == _NAT else value for value in values]

    def _read_keys(self, start: int, stop: int) -> list[list[int]]:
        buffers = {**self._code_buffers, **self._numbers}
        return [buffers[name][start:stop].tolist() for name in KEY]

    def reserve(self) -> None:
        """Make room ahead of time, so that no append has to."""
        if self.rows > self._capacity * 3 // 4:
            self._grow(self._capacity * 4)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        self._decode_fresh()
        return self._rows

    @property
    def rejects(self) -> list[Reject]:
        """What could not be read, in order of arrival."""
        self._decode_fresh()
        return self._rejects

    # --- decoding -----------------------------------------------------------------------------------------------

    def _decode_fresh(self) -> None:
        """Decode what was received. An interrupt in the middle of it leaves everything to be decoded again."""
        if not self._fresh:
            return
        rows, rejects = self._rows, len(self._rejects)
        try:
            self._decode(self._fresh[::2], self._fresh[1::2])
        except BaseException:
            self._rows = rows
            del self._rejects[rejects:]
            raise
        self._fresh.clear()

    def _scanner(self) -> Scanner | None:
        """Return what decodes by machine code, once that is ready; it is asked for when so much was received."""
        kernels = fast.kernels()
        if kernels is None:
            if self.received >= fast.WORTHWHILE:
                fast.warm_up()
            return None
        if self._quickest is None:
            self._quickest = Scanner(*kernels, self._codes)
            self._batch = _QUICK_BATCH
        return self._quickest

    def _decode(self, messages: Sequence[Message], times: Sequence[int]) -> None:
        """Decode by machine code what is plain, where that is to be had, and the rest by the plain way, in order."""
        scanner = self._scanner()
        if scanner is None:
            self._decode_plainly(messages, times)
            return
        rows, rejects = self._rows, len(self._rejects)
        try:
            scanner.frames(
                [message.data for message in messages],
                times,
                self._append_staged,
                lambda start, stop: self._decode_plainly(messages[start:stop], times[start:stop]),
            )
        except Exception:  # noqa: BLE001 - a bug of ours: the plain way costs time and no event
            self._rows = rows
            del self._rejects[rejects:]
            self._decode_plainly(messages, times)

    def _decode_plainly(self, messages: Sequence[Message], times: Sequence[int]) -> None:
        """Decode together what is plain; close in on what is not, by halves."""
        try:
            self._extend(self._reader.read([message.data for message in messages], times))
        except Exception:  # noqa: BLE001 - a Surprise as a rule; whatever it is, the careful way is for it
            if len(messages) <= _FEW:
                for message, received_at in zip(messages, times, strict=True):
                    self._decode_one(message, received_at)
                return
            half = len(messages) // 2
            self._decode_plainly(messages[:half], times[:half])
            self._decode_plainly(messages[half:], times[half:])

    def _decode_one(self, message: Message, received_at: int) -> None:
        try:
            rows, rejects = self._decoder.decode(message, received_at, self._rows)
            if rows:
                self._extend({name: [row[name] for row in rows] for name in COLUMNS})
        except Exception as exc:  # noqa: BLE001 - a bug of ours costs this frame and no other
            text = f"{type(exc).__name__}: {exc} in {bytes(message.data).decode('utf-8', 'replace')}"
            rejects = [Reject(received_at, None, None, text[:LONGEST_TEXT], NOT_DECODED)]
        self._rejects.extend(rejects)

    def _receive_staged(self, staged: Staged) -> None:
        """Take rows of frames that came by no other way."""
        self.received += staged.frames
        self.line.heard(staged.received_at)
        self._append_staged(staged)

    def _append_staged(self, staged: Staged) -> None:
        places = self._make_room(staged.rows)
        rows = slice(0, staged.rows)
        for name, codes in self._codes.items():
            self._fit(name, codes)
            self._code_buffers[name][places] = staged.columns[name][rows]
        for name, buffer in self._numbers.items():
            buffer[places] = staged.columns[name][rows]
        for name, blank in staged.blanks.items():
            self._masks[name][places] = blank
        self.last_row_at = staged.received_at
        self._rows = places.stop

    def _make_room(self, rows: int) -> slice:
        """Return the places of the next ``rows`` rows."""
        places = slice(self._rows, self._rows + rows)
        while places.stop > self._capacity:
            self._grow(self._capacity * 4)
        return places

    def _extend(self, columns: Mapping[str, Column]) -> None:
        places = self._make_room(len(columns[RECEIVED_AT]))
        for name, codes in self._codes.items():
            self._extend_codes(name, codes, places, columns[name])
        for name in self._numbers:
            self._extend_numbers(name, places, columns[name])
        self.last_row_at = columns[RECEIVED_AT][-1]
        self._rows = places.stop

    def _extend_codes(self, name: str, codes: _Codes, places: slice, values: Column) -> None:
        try:
            self._code_buffers[name][places] = _packed(map(codes.__getitem__, values), self._code_buffers[name])
        except KeyError:
            for category in values:
                codes.add(category)
            self._fit(name, codes)
            self._code_buffers[name][places] = list(map(codes.__getitem__, values))

    def _fit(self, name: str, codes: _Codes) -> None:
        """Give the codes of a column the width that pandas has for so many categories."""
        width = _code_dtype(len(codes) - 1)
        if self._code_buffers[name].dtype != width:
            wider = _reserved(self._capacity, width)
            wider[: self._rows] = self._code_buffers[name][: self._rows]
            self._code_buffers[name] = wider

    def _extend_numbers(self, name: str, places: slice, values: Column) -> None:
        buffer = self._numbers[name]
        try:
            buffer[places] = _packed(values, buffer)
        except TypeError:  # None is no number
            mask = self._masks.get(name)
            blank = _blank(buffer.dtype, mask)
            buffer[places] = [blank if value is None else value for value in values]
            if mask is not None:
                mask[places] = [value is None for value in values]

    # --- memory -------------------------------------------------------------------------------------------------

    def _allocate(self, capacity: int) -> None:
        self._capacity = capacity
        self._code_buffers: dict[str, npt.NDArray[Any]] = {
            name: _reserved(capacity, _code_dtype(len(codes) - 1)) for name, codes in self._codes.items()
        }
        numbers = {name: dtype for name, dtype in COLUMNS.items() if dtype != "category"}
        self._numbers: dict[str, npt.NDArray[Any]] = {
            name: _reserved(capacity, STORED[dtype]) for name, dtype in numbers.items()
        }
        self._masks = {name: _reserved(capacity, bool) for name, dtype in numbers.items() if dtype.startswith("Int")}

    def _grow(self, capacity: int) -> None:
        before = self._buffers()
        self._allocate(capacity)
        for old, new in zip(before, self._buffers(), strict=True):
            new[: self._rows] = old[: self._rows]

    def _buffers(self) -> list[npt.NDArray[Any]]:
        return [*self._code_buffers.values(), *self._numbers.values(), *self._masks.values()]

    # --- out --------------------------------------------------------------------------------------------------

    def frame(self, rows: int | None = None) -> pd.DataFrame:
        """Return the first ``rows`` (default: all so far) as a DataFrame of the 30 columns, a zero-copy view.

        It never changes, whatever is appended later, and writes to what is derived from it are copied first.
        """
        rows = self.rows if rows is None else rows
        version = (self._capacity, *map(len, self._codes.values()))
        if not self._whole or self._whole[0].version != version:
            retire(self._whole)
            self._whole.append(self._make_whole(version))
            self._whole[0].settle()
        let_one_go()
        frame = self._whole[0].frame.iloc[:rows]
        attrs = self.attrs()
        if attrs:
            frame.attrs[ATTRS_KEY] = attrs
        return frame

    def _make_whole(self, version: object) -> Whole:
        codes = {name: read_only_array(buffer) for name, buffer in self._code_buffers.items()}
        numbers = {name: read_only_array(buffer) for name, buffer in self._numbers.items()}
        columns = {
            **{name: categorical(view, self._labels(name)) for name, view in codes.items()},
            **{name: array_of(name, view, self._masks.get(name)) for name, view in numbers.items()},
        }
        frame = pd.DataFrame({name: columns[name] for name in COLUMNS}, copy=False)
        return Whole(version, frame, [*codes.values(), *numbers.values()])

    def _labels(self, name: str) -> list[str]:
        categories = self._codes[name].categories
        return mask_accounts(categories) if self.masked and name == "account" else categories

    def attrs(self) -> str:
        """Return gaps, rejects and holdings as :class:`kiwoom_nb.told.Told` has them; empty where there are none.

        Built from pieces, because a flood of rejects must not be written anew at each refresh.
        """
        gaps = self.line.gaps()
        if not self.rejects and not gaps and not self._holdings:
            return ""
        since = [since_count(held, self._rows) for held in self._holdings]
        version = (len(self.rejects), len(self._codes["account"]), len(gaps), gaps[-1:], since)
        if self._attrs[0] != version:
            self._attrs = version, self._make_attrs(gaps)
        return self._attrs[1]

    def _make_attrs(self, gaps: list[Gap]) -> str:
        labels = dict(zip(self._codes["account"].categories, self._labels("account"), strict=True))
        if self._labels_used != labels:
            self._labels_used = labels
            self._rejects_json.clear()
        fresh = self.rejects[len(self._rejects_json) :]
        self._rejects_json.extend(map(self._reject_json, fresh, repeat(labels)))
        times = self._numbers[RECEIVED_AT][: self._rows]
        held = [
            with_times(held, times)._replace(account=None if held.account is None else labels[held.account])
            for held in self._holdings
        ]
        pieces = [
            b'"gaps":' + msgspec.json.encode(gaps) if gaps else b"",
            b'"rejected":[' + b",".join(self._rejects_json) + b"]" if self._rejects_json else b"",
            b'"holdings":' + msgspec.json.encode(held) if held else b"",
        ]
        return (b"{" + b",".join(filter(None, pieces)) + b"}").decode()

    def _reject_json(self, reject: Reject, labels: Mapping[str, str]) -> bytes:
        shown = reject._replace(text=reject.text[:SHOWN_TEXT])
        return msgspec.json.encode(mask_reject(shown, labels) if self.masked else shown)


def mask_reject(reject: Reject, labels: Mapping[str, str]) -> Reject:
    """Return ``reject``, its text as shown in a frame, without account numbers; ``labels`` are of the known ones."""
    whole = reject.row is None or reject.fid == _ACCOUNT_FID or reject.reason == "unknown_fid"
    text = mask_text(reject.text, labels, whole=whole)
    if len(reject.text) >= SHOWN_TEXT:  # it was cut, perhaps amid a number that no rule knows any more
        text = _DIGITS_AT_END.sub(lambda digits: "x" * len(digits[0]), text)
    return reject._replace(text=text)


def empty_frame() -> pd.DataFrame:
    """Return a frame of no rows with the 30 columns and their dtypes."""
    return BalanceTable(capacity=1).frame()


def _reserved(capacity: int, dtype: Any) -> npt.NDArray[Any]:
    """Return room for ``capacity`` values, all zero, that costs nothing until it is used, and then a little at a time.

    It is asked of the operating system itself: numpy asks for huge pages, and all columns would get their next one at
    the same row, which made one append wait for 31 ms.
    """
    size = capacity * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, size), dtype) if size >= _LARGE else np.zeros(capacity, dtype)


def _blank(dtype: np.dtype[Any], mask: npt.NDArray[np.bool_] | None) -> float:
    """Return what stands where there is no value; under a mask it is 1, as pandas has it, and nobody looks at it."""
    if mask is not None:
        return 1
    return np.nan if dtype == np.float64 else _NAT


def _packed(values: Iterable[Any], like: npt.NDArray[Any]) -> array[Any]:
    """Return ``values`` packed as in the buffer: numpy would look at each of a list's values twice."""
    return array(like.dtype.char, values)


def _code_dtype(categories: int) -> type[np.signedinteger[Any]]:
    if categories < _INT8_CATEGORIES:
        return np.int8
    return np.int16 if categories < _INT16_CATEGORIES else np.int32
