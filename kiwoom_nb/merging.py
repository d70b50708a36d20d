"""Recorded frames put together, chosen from, and masked: what they tell (gaps, rejects, holdings) follows the rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from os import PathLike
from typing import Any, Final

import numpy as np
import pandas as pd

from .decode import Reject
from .errors import SourceError
from .holdings import Holdings, with_times
from .latest import Rows
from .line import Gap
from .privacy import mask_accounts
from .queries import is_renumbered
from .relabelling import accounts_of, relabelled
from .schema import COLUMNS, RECEIVED_AT, TIMEZONE, symbol
from .table import mask_reject
from .told import Told, told_by

Days = str | date | Collection[str | date] | None
Names = str | Collection[str] | None

_TIME: Final = "M8[us]"


# --- accounts -----------------------------------------------------------------------------------------------------


def masked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return ``frame`` with its accounts masked; the labels tell them all apart."""
    accounts = accounts_of(frame)
    return shown_as(frame, dict(zip(accounts, mask_accounts(accounts), strict=True)))


def shown_as(frame: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return ``frame`` with each of its accounts shown by its label, in texts of rejects and in holdings too."""
    told = told_by(frame)
    rejected = [mask_reject(reject, labels) for reject in told.rejected]
    holdings = [held._replace(account=held.account and labels[held.account]) for held in told.holdings]
    return Told(told.gaps, rejected, holdings).attach(relabelled(frame, labels))


# --- many as one --------------------------------------------------------------------------------------------------


def merged(source: str | PathLike[str], frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put frames together in order of time; the rows that rejects and holdings name follow.

    A gap that lasts at the end of one frame and ends in another is one gap.

    Raises
    ------
    SourceError
        A frame lacks one of the 30 columns.
    """
    for frame in frames:
        check_columns(source, frame)
    categories = {
        name: pd.CategoricalDtype(_union(frames, name)) for name, dtype in COLUMNS.items() if dtype == "category"
    }
    together = pd.concat([frame.astype(categories) for frame in frames], ignore_index=True)
    order = np.argsort(together[RECEIVED_AT].to_numpy(_TIME), kind="stable")
    places = np.empty(len(together), np.int64)
    places[order] = np.arange(len(together))
    times = together[RECEIVED_AT].to_numpy(_TIME)[order].astype(np.int64)
    told = Told()
    start = 0
    for frame in frames:
        part = told_by(frame)
        own = places[start : start + len(frame)]
        told.gaps += part.gaps
        told.rejected += _moved(frame, part.rejected, own)
        told.holdings += [_placed(frame, held, own, times) for held in _in_place(frame)]
        start += len(frame)
    told.holdings.sort(key=lambda held: held.at)
    told.gaps = _without_ended(told.gaps)
    told.rejected.sort(key=lambda reject: reject.received_at)
    return told.attach(together.take(order).reset_index(drop=True))


def check_columns(source: str | PathLike[str], frame: pd.DataFrame) -> None:
    """Raise SourceError where ``frame`` lacks one of the 30 columns."""
    missing = [name for name in COLUMNS if name not in frame]
    if missing:
        raise SourceError(
            str(source),
            f"has no column {missing[0]}, which putting frames together or choosing rows needs",
            "Load its files one by one, without dates, accounts and symbols.",
        )


def _union(frames: Sequence[pd.DataFrame], name: str) -> Any:
    seen = dict.fromkeys(category for frame in frames for category in frame[name].cat.categories)
    return pd.Index(list(seen), dtype="str")


def _moved(frame: pd.DataFrame, rejects: Iterable[Reject], places: np.ndarray[Any, Any]) -> Iterator[Reject]:
    """Yield ``rejects`` with the new places of their rows, without those whose rows are in the frame no more (-1).

    A reject names its row by the label that it had when it was received, which a sliced frame still has as its index.
    """
    labels: Any = {label: place for place, label in enumerate(frame.index)} if rejects else {}
    for reject in rejects:
        if reject.row is None:
            yield reject
        elif reject.row in labels and places[labels[reject.row]] >= 0:
            yield reject._replace(row=int(places[labels[reject.row]]))


def _placed(frame: pd.DataFrame, held: Holdings, places: Rows, times: Rows) -> Holdings:
    """Return ``held`` with its place among the rows of all frames: by its time, but amid its own rows where it was."""
    before = int(np.searchsorted(frame.index, held.row))
    first = int(places[before - 1]) + 1 if before else 0
    last = int(places[before]) if before < len(places) else len(times)
    row = min(max(first, int(np.searchsorted(times, held.at))), last)
    return with_times(_named(frame, held)._replace(row=row), times)


def _in_place(frame: pd.DataFrame) -> list[Holdings]:
    """Return the account queries of ``frame``; where its rows were numbered anew nobody knows where they stand."""
    return [] if is_renumbered(frame) else told_by(frame).holdings


def _named(frame: pd.DataFrame, held: Holdings) -> Holdings:
    """Return ``held`` with its account, which goes without saying where there is one only."""
    accounts = accounts_of(frame)
    return held._replace(account=accounts[0]) if held.account is None and len(accounts) == 1 else held


def _without_ended(gaps: Sequence[Gap]) -> list[Gap]:
    """Return ``gaps`` in order, without those that last where it is told when they ended."""
    ended = {(gap.start, gap.reason) for gap in gaps if gap.end is not None}
    return sorted(
        (gap for gap in gaps if gap.end is not None or (gap.start, gap.reason) not in ended), key=lambda gap: gap.start
    )


# --- some of many -------------------------------------------------------------------------------------------------


def days_of(dates: Days) -> set[date] | None:
    """Return the days that ``dates`` names, None for all."""
    return None if dates is None else {pd.Timestamp(day).date() for day in _listed(dates, str | date)}


def wanted(accounts: Names, symbols: Names) -> dict[str, list[str]]:
    """Return the values that are asked for, for each column of which some are."""
    asked = {}
    if accounts is not None:
        asked["account"] = _listed(accounts, str)
    if symbols is not None:
        asked["symbol"] = [known for one in _listed(symbols, str | int) if (known := symbol(str(one))) is not None]
    return asked


def selected(
    source: str | PathLike[str], frame: pd.DataFrame, dates: Days = None, accounts: Names = None, symbols: Names = None
) -> pd.DataFrame:
    """Return the rows asked for, with the rejects of these rows, and of these days what else is told.

    A gap belongs to the day on which it ended, one that lasts to that on which it began.

    Raises
    ------
    SourceError
        ``frame`` lacks one of the 30 columns.
    """
    if dates is None and accounts is None and symbols is None:
        return frame
    check_columns(source, frame)
    days, asked = days_of(dates), wanted(accounts, symbols)
    keep = np.ones(len(frame), bool)
    if days is not None:
        keep &= np.isin(days_of_rows(frame), np.array(list(days), "M8[D]"))
    for name, values in asked.items():
        keep &= np.asarray(frame[name].isin(values))
    told = told_by(frame)
    rejected = list(_moved(frame, told.rejected, np.where(keep, np.cumsum(keep) - 1, -1)))
    times = frame[RECEIVED_AT].to_numpy(_TIME).astype(np.int64)[keep]
    holdings = [with_times(_kept(held, frame, keep, asked), times) for held in _held_by(frame, asked)]
    gaps = told.gaps
    if days is not None:
        gaps = [gap for gap in gaps if _day_of_gap(gap) in days]
        rejected = [reject for reject in rejected if reject.row is not None or day_of(reject.received_at) in days]
        holdings = [held for held in holdings if day_of(held.at) in days]
    kept = frame if keep.all() else frame[keep]
    return Told(gaps, rejected, holdings).attach(kept.reset_index(drop=True))


def _held_by(frame: pd.DataFrame, asked: Mapping[str, Collection[str]]) -> Iterator[Holdings]:
    for held in _in_place(frame):
        named = _named(frame, held)
        if "account" not in asked or named.account in asked["account"]:
            yield named


def _kept(held: Holdings, frame: pd.DataFrame, keep: Any, asked: Mapping[str, Collection[str]]) -> Holdings:
    return held._replace(
        row=int(keep[: np.searchsorted(frame.index, held.row)].sum()),
        holdings=[one for one in held.holdings if "symbol" not in asked or one.symbol in asked["symbol"]],
    )


def days_of_rows(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return the KST day of each row (``datetime64[D]``)."""
    times: np.ndarray[Any, Any] = frame[RECEIVED_AT].dt.tz_localize(None).to_numpy(_TIME)
    return times.astype("M8[D]")


def days_in(frame: pd.DataFrame) -> list[date]:
    """Return the KST days of the rows of ``frame`` and of all that it tells, in order."""
    told = told_by(frame)
    days = set(np.unique(days_of_rows(frame)).tolist())
    days |= {_day_of_gap(gap) for gap in told.gaps} | {day_of(held.at) for held in told.holdings}
    return sorted(days | {day_of(reject.received_at) for reject in told.rejected if reject.row is None})


def day_of(at: int) -> date:
    """Return the KST day of a moment in microseconds since the epoch."""
    return pd.Timestamp(at, unit="us", tz="UTC").tz_convert(TIMEZONE).date()


def _day_of_gap(gap: Gap) -> date:
    return day_of(gap.start if gap.end is None else gap.end)


def _listed(asked: Any, one: Any) -> list[Any]:
    return [asked] if isinstance(asked, one) else list(asked)
