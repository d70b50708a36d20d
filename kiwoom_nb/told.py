"""What a frame carries beside its rows: gaps, rejects and holdings, as one JSON string in ``DataFrame.attrs``.

One string, because many small objects in ``attrs`` slow every pandas operation down (it copies them).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec
import pandas as pd

from .decode import Reject
from .holdings import Holding, Holdings
from .line import Gap
from .schema import RECEIVED_AT, TIMEZONE

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


# --- shown ----------------------------------------------------------------------------------------------------------


def gaps_frame(attrs: str) -> pd.DataFrame:
    """Return the gaps in ``attrs``: start and end (KST; NaT while it lasts), reason, missed (Int64)."""
    frame = pd.DataFrame(read_told(attrs).gaps, columns=list(Gap._fields))
    moments = {name: _moments(frame[name]) for name in ("start", "end")}
    return frame.assign(**moments, reason=frame["reason"].astype("str"), missed=frame["missed"].astype("Int64"))


def rejected_frame(attrs: str) -> pd.DataFrame:
    """Return the rejects in ``attrs`` as a DataFrame: received_at (KST), row (Int64), fid, text, reason."""
    frame = pd.DataFrame(read_told(attrs).rejected, columns=list(Reject._fields))
    texts = {name: frame[name].astype("str") for name in ("fid", "text", "reason")}
    return frame.assign(received_at=_moments(frame[RECEIVED_AT]), row=frame["row"].astype("Int64"), **texts)


def holdings_frame(attrs: str) -> pd.DataFrame:
    """Return the account queries in ``attrs``, a row for each position: asked_at (KST), account, what is held."""
    names = ("symbol", "name", "credit_type", "account")
    rows = [(query.at, query.account, *held) for query in read_told(attrs).holdings for held in query.holdings]
    frame = pd.DataFrame(rows, columns=["asked_at", "account", *Holding._fields], dtype="object")
    dates = pd.to_datetime(frame["loan_date"].astype("Int64"), unit="ms").astype("datetime64[ms]")
    numbers = {name: frame[name].astype("Int64") for name in Holding._fields[4:]}
    texts = {name: frame[name].astype("str") for name in names}
    return frame.assign(asked_at=_moments(frame["asked_at"]), loan_date=dates, **texts, **numbers)


def _moments(column: pd.Series[Any]) -> pd.Series[Any]:
    return pd.to_datetime(column.astype("Int64"), unit="us", utc=True).dt.as_unit("us").dt.tz_convert(TIMEZONE)
