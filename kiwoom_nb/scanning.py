"""Scanner: hands batches of frames, or blocks of a journal's lines, to the kernels, and what they leave to others.

It works ahead of a table's buffers: rows are staged on a desk of its own and handed over together, so that a frame
that the kernels give up on has changed nothing. Texts that name a category are looked up by their bytes; one that was
not met before is read by the rule of its field here, once its whole frame is known to be fine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from . import schema
from .schema import FIELDS, RULES, Kind

_LONGEST_ASIDE: Final = 128  # frames that are left aside at once, at the most
_LONGEST_BLOCK_ASIDE: Final = 1 << 16  # bytes, the same for lines
_A_LINE: Final = 512
_ANSWERS: Final = 2  # to the questions of one frame: with the first, what was known before may be forgotten
_NO_TIMES: Final = np.zeros(0, np.int64)
_ROOM_FOR_TEXTS: Final = 1 << 18  # bytes, for some ten thousand texts
_NUMBERS: Final = {Kind.INTEGER: "INTEGER", Kind.MAGNITUDE: "MAGNITUDE", Kind.DECIMAL: "DECIMAL", Kind.DATE: "DATE"}
_WORDED: Final = [field for field in FIELDS if field.kind not in _NUMBERS]
_TEXTS: Final[list[tuple[str | None, Callable[[str], Any]]]] = [
    *((field.column, RULES[field.kind]) for field in _WORDED),
    (schema.VENUE, schema.venue),
    (None, str),
]
"""The kinds of text in the order of their numbers: column and rule. Of the name of an entry nothing is kept."""
_COLUMNS: Final = [*(field.column for field in FIELDS), schema.RECEIVED_AT, schema.PRICE_DIRECTION, schema.VENUE]


class Codes(Protocol):
    """The categories of a column."""

    def add(self, category: str | None) -> int:
        """Return the code of ``category`` (None: -1), a new one if it was never met."""
        ...


class Staged(NamedTuple):
    """Rows to append: the values of each column (of a category its codes), and where a whole number is blank."""

    rows: int
    frames: int
    received_at: int
    columns: Mapping[str, npt.NDArray[Any]]
    blanks: Mapping[str, npt.NDArray[np.bool_]]


Append = Callable[[Staged], None]
"""Takes staged rows, whose arrays are used again afterwards."""


class Scanner:
    """The quickest way in, of one table.

    Parameters
    ----------
    kernels
        The module :mod:`kiwoom_nb.kernels`.
    read
        What it compiled.
    codes
        The categories of the table's category columns; new ones are added.
    """

    def __init__(self, kernels: ModuleType, read: Callable[..., int], codes: Mapping[str, Codes]) -> None:
        self._kernels = kernels
        self._reader = read
        self._codes = codes
        self._desk = np.zeros(kernels.DESK_SIZE, np.int64)
        self._decimals = self._desk.view(np.float64)
        self._texts = np.zeros(_ROOM_FOR_TEXTS, np.uint8)
        self._addresses = [memory.ctypes.data for memory in (self._desk, self._desk, self._texts)]
        self._counted = 0  # frames of which the rows were handed over
        self.taken = 0
        """How many frames were taken in."""
        self._columns = self._lay_out()
        self._write_down_the_fields()

    def _lay_out(self) -> dict[str, npt.NDArray[Any]]:
        """Return the staged rows of each column."""
        kernels, decimals = self._kernels, {field.column for field in FIELDS if field.kind is Kind.DECIMAL}
        begins = range(kernels.NUMBERS, kernels.DESK_SIZE, kernels.ROOM)
        return {
            name: (self._decimals if name in decimals else self._desk)[begin : begin + kernels.ROOM]
            for name, begin in zip(_COLUMNS, begins, strict=False)
        }

    def _write_down_the_fields(self) -> None:
        kernels, desk = self._kernels, self._desk
        texts = [column for column, _ in _TEXTS]
        desk[kernels.FIELDS] = len(FIELDS)
        desk[kernels.SYMBOL] = _COLUMNS.index("symbol")
        desk[kernels.PRICE] = _COLUMNS.index("price")
        desk[kernels.VENUE] = kernels.FIRST_TEXT + texts.index(schema.VENUE)
        desk[kernels.LABEL] = kernels.FIRST_TEXT + texts.index(None)
        desk[kernels.COLUMNS : kernels.COLUMNS + kernels.FIDS] = -1
        for column, field in enumerate(FIELDS):
            number = _NUMBERS.get(field.kind)
            kind = kernels.FIRST_TEXT + texts.index(field.column) if number is None else getattr(kernels, number)
            desk[kernels.KINDS + column] = kind
            desk[kernels.COLUMNS + int(field.fid)] = column
            key, mask, size = kernels.key_of(field.fid)
            desk[kernels.KEYS + column] = key
            desk[kernels.KEY_MASKS + column] = mask
            desk[kernels.KEY_SIZES + column] = size

    # --- in ---------------------------------------------------------------------------------------------------------

    def frames(
        self,
        frames: Sequence[msgspec.Raw],
        times: Sequence[int],
        append: Append,
        set_aside: Callable[[int, int], None],
    ) -> None:
        """Take in ``frames`` (the ``data`` of REAL frames) in order, received at ``times``.

        ``set_aside(start, stop)`` is called for those that are not for the kernels, once all before them are appended.
        """
        text = b"\n".join([*frames, b""])
        moments = np.array(times, np.int64)
        patience = 1
        taken_from = -1
        self._go_on(0, 0)
        while not self._read(text, moments, append):
            start, offset = self._where()
            patience = 1 if start > taken_from else min(2 * patience, _LONGEST_ASIDE)
            taken_from = stop = min(start + patience, len(frames))
            set_aside(start, stop)
            self._go_on(offset + sum(memoryview(frame).nbytes + 1 for frame in frames[start:stop]), stop)

    def lines(self, block: bytes, at: int, append: Append, set_aside: Callable[[bytes, int], int]) -> int:
        """Take in the lines of a ``block`` of a journal, which ends with a line break, in order.

        ``set_aside(lines, at)`` is called for those that are not for the kernels, once all before them are appended,
        and returns when the last of them was received, as this does; ``at`` is the moment before them.
        """
        patience = 0
        taken_from = -1
        self._go_on(0, 0)
        while not self._read(block, _NO_TIMES, append):
            at = self._heard(at)
            _, start = self._where()
            patience = 0 if start > taken_from else min(2 * patience + _A_LINE, _LONGEST_BLOCK_ASIDE)
            taken_from = stop = block.find(b"\n", min(start + patience, len(block) - 1)) + 1
            at = set_aside(block[start:stop], at)
            self._go_on(stop, 0)
        return self._heard(at)

    def _go_on(self, at: int, frame: int) -> None:
        """Begin at a place, with nothing staged: whatever was interrupted is begun anew."""
        kernels, desk = self._kernels, self._desk
        desk[kernels.AT] = at
        desk[kernels.FRAME] = self._counted = frame
        desk[kernels.ROW] = 0
        desk[kernels.BLANKED] = 0

    def _where(self) -> tuple[int, int]:
        """Return the number of the next frame and where it begins."""
        return int(self._desk[self._kernels.FRAME]), int(self._desk[self._kernels.AT])

    def _heard(self, at: int) -> int:
        """Return when the last frame was received, ``at`` where there was none."""
        kernels, desk = self._kernels, self._desk
        return int(desk[kernels.HEARD]) if desk[kernels.FRAME] else at

    def _read(self, text: bytes, times: npt.NDArray[np.int64], append: Append) -> bool:
        """Take in what comes next; return False before what is not for the kernels, all before it being appended."""
        kernels, read = self._kernels, self._reader
        answered: deque[int] = deque(maxlen=_ANSWERS)
        while True:
            ended = read(text, len(text), times.ctypes.data, len(times), *self._addresses)
            if ended == kernels.ASKS:
                at = self._where()[1]
                if answered.count(at) < _ANSWERS and self._answer(text):
                    answered.append(at)
                    continue
            self._flush(append)
            if ended != kernels.FULL:
                return bool(ended == kernels.DONE)

    def _flush(self, append: Append) -> None:
        """Hand over what is staged."""
        kernels, desk = self._kernels, self._desk
        rows = int(desk[kernels.ROW])
        if not rows:
            return
        blanked = int(desk[kernels.BLANKED])
        marks = desk[kernels.BLANKS : kernels.BLANKS + rows]
        blanks = {name: marks >> at & 1 != 0 for at, name in enumerate(_COLUMNS) if blanked >> at & 1}
        frames = int(desk[kernels.FRAME]) - self._counted
        append(Staged(rows, frames, int(desk[kernels.HEARD]), self._columns, blanks))
        self._counted += frames
        self.taken += frames
        desk[kernels.ROW] = 0
        desk[kernels.BLANKED] = 0

    # --- texts ------------------------------------------------------------------------------------------------------

    def _answer(self, text: bytes) -> bool:
        """Find the codes of the texts that the kernels ask for; return False where the frame is not for them."""
        kernels, desk = self._kernels, self._desk
        asked = desk[kernels.ASKED : kernels.ASKED + 3 * int(desk[kernels.ASKING])].reshape(-1, 3).tolist()
        texts = [(kind, text[at : at + length]) for kind, at, length in asked]
        categories: list[tuple[str | None, str | None]] = []
        for kind, raw in texts:
            column, rule = _TEXTS[kind - kernels.FIRST_TEXT]
            try:
                categories.append((column, rule(raw.decode())))
            except ValueError:  # unreadable, or not UTF-8; what the others name is for the careful way to add
                kernels.remember(raw, kind, kernels.REFUSED, desk, self._texts)
                return False
        for (kind, raw), (column, category) in zip(texts, categories, strict=True):
            code = kernels.BLANK if column is None else self._codes[column].add(category)
            kernels.remember(raw, kind, code, desk, self._texts)
        return True
