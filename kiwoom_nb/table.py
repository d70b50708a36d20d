"""BalanceTable: the typed column buffers behind a frame, what could not be read, and when the line was down.

Rows are only ever added. The buffers are reserved at once and untouched until used (reserving costs nothing, and
growing by doubling was measured to stall for up to 262 ms), so that appending costs the same at row ten and at row
a million. Frames handed out are zero-copy views of the first rows and read-only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import repeat
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from .decode import CATEGORIES, ROW, Decoder, Reject, Row
from .privacy import mask_accounts, mask_text
from .protocol import Message, Unparsed
from .schema import COLUMNS, FIXED_CATEGORIES, RECEIVED_AT, TIMEZONE

RESERVED_ROWS: Final = 1 << 20
ATTRS_KEY: Final = "kiwoom_nb"
"""Under this key of ``DataFrame.attrs`` a frame carries its gaps and rejects, as one JSON string."""

SHOWN_TEXT: Final = 200
STOPPED: Final = "stopped"
INTERRUPTED: Final = "interrupted"
GAP_COLUMNS: Final = ("start", "end", "reason")
_NUMBERS: Final = ROW[len(CATEGORIES) :]
_ACCOUNT_AT: Final = ROW.index("account")
_STORED: Final = {
    "Int64": np.int64,
    "Int8": np.int8,
    "float64": np.float64,
    "datetime64[ms]": np.int64,
    f"datetime64[us, {TIMEZONE}]": np.int64,
}
_KEPT_OWNERS: Final = 256
_NAT: Final = np.iinfo(np.int64).min
_INT8_CATEGORIES: Final = 127  # below this many pandas stores codes as int8; any other width would be copied whole
_INT16_CATEGORIES: Final = 32767


class Gap(NamedTuple):
    """A time in which the line was down: microseconds since the epoch; ``end`` is None while it lasts."""

    start: int
    end: int | None
    reason: str


class _Codes(dict[str | None, int]):
    """The categories of a column in order of first appearance, and the code of each; None has -1."""

    def __init__(self, categories: Iterable[str]) -> None:
        super().__init__({None: -1})
        for category in categories:
            self[category]

    def __missing__(self, category: str | None) -> int:
        code = self[category] = len(self) - 1
        return code

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
        self.rows = 0
        self.masked = mask_accounts
        self.line = Line()
        self.rejects: list[Reject] = []
        self._rejects_json: list[bytes] = []
        self._attrs: tuple[object, str] | None = None
        self._decoder = Decoder()
        self._codes = {name: _Codes(FIXED_CATEGORIES.get(name, ())) for name in CATEGORIES}
        # Whole-capacity frames, newest last. The older ones are kept because pandas counts the owners of a buffer:
        # a view of which no other owner is alive would be written in place, and our buffers are read-only.
        self._full: deque[tuple[object, pd.DataFrame]] = deque(maxlen=_KEPT_OWNERS)
        self._allocate(max(capacity, 1))

    # --- in ---------------------------------------------------------------------------------------------------

    def receive(self, message: Message | Unparsed, received_at: int) -> int:
        """Decode one received frame and return how many rows it added. Never raises."""
        self.line.heard(received_at)
        rows, rejects = self._decoder.decode(message, received_at, self.rows)
        for row in rows:
            self._append(row)
        if rejects:
            self.rejects.extend(rejects)
        return len(rows)

    def reject(self, received_at: int, text: str, reason: str) -> None:
        """Note something that never became a frame, such as the torn end of a journal."""
        self.rejects.append(Reject(received_at, None, None, text, reason))

    def reserve(self) -> None:
        """Make room ahead of time, so that no append has to."""
        if self.rows > self._capacity * 3 // 4:
            self._grow(self._capacity * 4)

    def _append(self, row: Row) -> None:
        at = self.rows
        if at == self._capacity:
            self._grow(self._capacity * 4)
        codes = map(dict.__getitem__, self._codes.values(), row)
        try:
            for buffer, code in zip(self._code_buffers, codes, strict=False):
                buffer[at] = code
        except KeyError:
            self._append_new_categories(row)
        try:
            for buffer, value in zip(self._number_buffers, row[len(CATEGORIES) :], strict=True):
                buffer[at] = value
        except TypeError:  # None is no integer; NaN is a float
            self._append_blanks(row)
        self.rows = at + 1

    def _append_new_categories(self, row: Row) -> None:
        for index, (codes, category) in enumerate(zip(self._codes.values(), row, strict=False)):
            code = codes[category]
            width = _code_dtype(len(codes) - 1)
            if self._code_buffers[index].dtype != width:
                self._code_buffers[index] = self._code_buffers[index].astype(width)
            self._code_buffers[index][self.rows] = code

    def _append_blanks(self, row: Row) -> None:
        for name, buffer, value in zip(_NUMBERS, self._number_buffers, row[len(CATEGORIES) :], strict=True):
            if value is not None:
                buffer[self.rows] = value
            elif name in self._masks:
                buffer[self.rows] = 1  # as pandas does; what lies under a mask is never looked at
                self._masks[name][self.rows] = True
            else:
                buffer[self.rows] = np.nan if buffer.dtype == np.float64 else _NAT

    # --- memory -----------------------------------------------------------------------------------------------

    def _allocate(self, capacity: int) -> None:
        self._capacity = capacity
        self._code_buffers: list[npt.NDArray[Any]] = [
            np.empty(capacity, _code_dtype(len(codes) - 1)) for codes in self._codes.values()
        ]
        self._number_buffers: list[npt.NDArray[Any]] = [np.empty(capacity, _STORED[COLUMNS[name]]) for name in _NUMBERS]
        # zeros come from the operating system as they are: masks are not filled ahead either
        self._masks = {name: np.zeros(capacity, bool) for name in _NUMBERS if COLUMNS[name].startswith("Int")}

    def _grow(self, capacity: int) -> None:
        before = (*self._code_buffers, *self._number_buffers, *self._masks.values())
        self._allocate(capacity)
        after = (*self._code_buffers, *self._number_buffers, *self._masks.values())
        for old, new in zip(before, after, strict=True):
            new[: self.rows] = old[: self.rows]

    # --- out --------------------------------------------------------------------------------------------------

    def frame(self, rows: int | None = None) -> pd.DataFrame:
        """Return the first ``rows`` (default: all so far) as a DataFrame of the 30 columns, a zero-copy view.

        It never changes, whatever is appended later, and writes to it are copied first (the whole-capacity frame
        stays alive beside it, so that pandas' Copy-on-Write sees two owners).
        """
        rows = self.rows if rows is None else rows
        version = (self._capacity, *map(len, self._codes.values()))
        if not self._full or self._full[-1][0] != version:
            self._full.append((version, self._make_full()))
        frame = self._full[-1][1].iloc[:rows]
        attrs = self.attrs()
        if attrs:
            frame.attrs[ATTRS_KEY] = attrs
        return frame

    def _make_full(self) -> pd.DataFrame:
        columns = {
            **{
                name: _categorical(buffer, self._labels(name))
                for name, buffer in zip(CATEGORIES, self._code_buffers, strict=True)
            },
            **{
                name: _array(COLUMNS[name], buffer, self._masks.get(name))
                for name, buffer in zip(_NUMBERS, self._number_buffers, strict=True)
            },
        }
        return pd.DataFrame({name: columns[name] for name in COLUMNS}, copy=False)

    def _labels(self, name: str) -> list[str]:
        categories = self._codes[name].categories
        return mask_accounts(categories) if self.masked and name == "account" else categories

    def attrs(self) -> str:
        """Return gaps and rejects as JSON, the empty string where there are none.

        One string, because many small objects in ``attrs`` slow every pandas operation down (it copies them), and
        built from pieces, because a flood of rejects must not be written anew at each refresh.
        """
        if not self.rejects and not self.line.gaps():
            return ""
        accounts = self._codes["account"]
        version = (len(self.rejects), len(accounts), tuple(self.line.gaps()[-1:]), len(self.line.gaps()))
        if self._attrs is None or self._attrs[0] != version:
            self._attrs = version, self._make_attrs()
        return self._attrs[1]

    def _make_attrs(self) -> str:
        labels = dict(zip(self._codes["account"].categories, self._labels("account"), strict=True))
        if self._labels_used != labels:
            self._labels_used = labels
            self._rejects_json.clear()
        fresh = self.rejects[len(self._rejects_json) :]
        self._rejects_json.extend(map(self._reject_json, fresh, repeat(labels)))
        gaps = msgspec.json.encode(self.line.gaps())
        return (b'{"gaps":' + gaps + b',"rejected":[' + b",".join(self._rejects_json) + b"]}").decode()

    _labels_used: dict[str, str] | None = None

    def _reject_json(self, reject: Reject, labels: dict[str, str]) -> bytes:
        text = reject.text
        if self.masked:
            text = mask_text(text, labels, whole=reject.row is None or reject.reason == "unknown_fid")
        return msgspec.json.encode(reject._replace(text=text[:SHOWN_TEXT]))


class Line:
    """Whether the line was up, and the gaps in which it was not; fed with what a journal also notes."""

    def __init__(self) -> None:
        self._gaps: list[Gap] = []
        self._up = False
        self.last_heard = 0

    def gaps(self) -> list[Gap]:
        """Return the gaps so far in order; of a stream that was stopped the pause shows once it goes on."""
        return [gap for gap in self._gaps if gap.end is not None or gap.reason != STOPPED]

    def heard(self, at: int) -> None:
        """Note that something was received."""
        if self._up:
            self.last_heard = at

    def connected(self, at: int) -> None:
        """Note that balance events are pushed from now on: a gap that lasted ends."""
        if self._gaps and self._gaps[-1].end is None:
            self._gaps[-1] = self._gaps[-1]._replace(end=at)
        elif self._up:  # nobody noted the end: the process was killed
            self._gaps.append(Gap(self.last_heard, at, INTERRUPTED))
        self._up = True
        self.last_heard = at

    def continued(self, at: int) -> None:
        """Note that the line was up when a new journal began (at midnight), with nothing missing before it."""
        self._up = True
        self.last_heard = at

    def disconnected(self, since: int, reason: str) -> None:
        """Note that the line is down, and since when nothing was heard."""
        if self._up:
            self._gaps.append(Gap(since, None, reason))
        self._up = False


def empty_frame() -> pd.DataFrame:
    """Return a frame of no rows with the 30 columns and their dtypes."""
    return BalanceTable(capacity=1).frame()


def gaps_frame(attrs: str) -> pd.DataFrame:
    """Return the gaps in ``attrs`` as a DataFrame: start and end (KST; NaT while it lasts), reason."""
    rows = msgspec.json.decode(attrs)["gaps"] if attrs else []
    frame = pd.DataFrame(rows, columns=list(GAP_COLUMNS))
    moments = {name: _moments(frame[name]) for name in ("start", "end")}
    return frame.assign(**moments, reason=frame["reason"].astype("str"))


def rejected_frame(attrs: str) -> pd.DataFrame:
    """Return the rejects in ``attrs`` as a DataFrame: received_at (KST), row (Int64), fid, text, reason."""
    rows = msgspec.json.decode(attrs)["rejected"] if attrs else []
    frame = pd.DataFrame(rows, columns=list(Reject._fields))
    texts = {name: frame[name].astype("str") for name in ("fid", "text", "reason")}
    return frame.assign(received_at=_moments(frame[RECEIVED_AT]), row=frame["row"].astype("Int64"), **texts)


def _moments(column: pd.Series[Any]) -> pd.Series[Any]:
    return pd.to_datetime(column.astype("Int64"), unit="us", utc=True).dt.as_unit("us").dt.tz_convert(TIMEZONE)


def _code_dtype(categories: int) -> type[np.signedinteger[Any]]:
    if categories < _INT8_CATEGORIES:
        return np.int8
    return np.int16 if categories < _INT16_CATEGORIES else np.int32


def _read_only(buffer: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = buffer.view()
    view.flags.writeable = False
    return view


def _categorical(buffer: npt.NDArray[Any], labels: list[str]) -> pd.Categorical:
    dtype = pd.CategoricalDtype(pd.Index(labels, dtype="str"))
    return pd.Categorical.from_codes(_read_only(buffer), dtype=dtype, validate=False)


def _array(dtype: str, buffer: npt.NDArray[Any], mask: npt.NDArray[np.bool_] | None) -> Any:
    values = _read_only(buffer)
    if mask is not None:
        return pd.arrays.IntegerArray(values, _read_only(mask), copy=False)
    if dtype == "float64":
        return values
    if dtype == "datetime64[ms]":
        return values.view(dtype)
    return pd.array(values, dtype=pd.DatetimeTZDtype("us", TIMEZONE), copy=False)
