"""What a frame carries beside its rows: gaps, rejects and holdings, as one JSON string in ``DataFrame.attrs``.

One string, because many small objects in ``attrs`` slow every pandas operation down (it copies them).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from .decode import Reject
from .holdings import Holdings
from .line import Gap

if TYPE_CHECKING:
    import pandas as pd

ATTRS_KEY: Final = "kiwoom_nb"
"""Under this key of ``DataFrame.attrs`` a frame carries its gaps, rejects and holdings."""


class Told(msgspec.Struct, omit_defaults=True):
    """The gaps, rejects and holdings that a frame carries. Those of :func:`told_by` are shared: make new lists."""

    gaps: list[Gap] = []
    rejected: list[Reject] = []
    holdings: list[Holdings] = []

    def to_json(self) -> str:
        """Return them as JSON, the empty string where there are none."""
        return msgspec.json.encode(self).decode() if self.gaps or self.rejected or self.holdings else ""

    def attach(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Let ``frame`` carry them, and return it."""
        text = self.to_json()
        if text:
            frame.attrs[ATTRS_KEY] = text
        else:
            frame.attrs.pop(ATTRS_KEY, None)
        return frame


def told_by(frame: pd.DataFrame) -> Told:
    """Return what ``frame`` carries, nothing where its ``attrs`` hold none of it."""
    text = frame.attrs.get(ATTRS_KEY)
    return read_told(text if isinstance(text, str) else "")


@lru_cache(maxsize=32)
def read_told(text: str) -> Told:
    """Read what :meth:`Told.to_json` wrote; the empty string is nothing."""
    return msgspec.json.decode(text, type=Told) if text else Told()
