"""The recorded sessions that ship with the package: synthetic days, made by :func:`kiwoom_nb.simulate`.

``sample_data/`` holds for each a journal and its truth; this module makes them again byte for byte (a test compares).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time
from functools import partial
from pathlib import Path
from typing import Final, TypeGuard

from . import journal, shipped
from .account_pages import encode, holding_of, write_pages
from .errors import SourceError
from .trading_day import PLANTS, TradingDay, simulate

DAYS: Final[dict[str, Callable[[], TradingDay]]] = {
    "calm": partial(simulate, seed=11, date="2026-11-18", events=60),
    "busy": partial(simulate, seed=7, date="2026-11-19", events=600),
    "oddities": partial(simulate, seed=3, date="2026-11-20", events=240, accounts=2, plant=tuple(sorted(PLANTS))),
}
DEFAULT: Final = "busy"
_PREFIX: Final = "sample"
_SERVER: Final = "synthetic"
_OWNER: Final = "0" * 12
_HEARD_EVERY: Final = 10_000_000  # microseconds; a PING is what is heard last before a line goes down


def is_sample(source: object) -> TypeGuard[str]:
    """Tell whether ``source`` names a sample: ``"sample"`` or ``"sample:..."``."""
    return isinstance(source, str) and source.partition(":")[0] == _PREFIX


def path_of(source: str) -> Path:
    """Return the journal of ``"sample"`` (the busy day), ``"sample:calm"``, ``"sample:busy"`` or ``"sample:oddities"``.

    Raises
    ------
    SourceError
        There is no such sample, or its file is missing from the installation.
    """
    name = source.partition(":")[2] or DEFAULT
    if name not in DAYS:
        known = ", ".join(f'"{_PREFIX}:{day}"' for day in DAYS)
        raise SourceError(f'"{source}"', "is no sample", f"There are {known}.")
    path = shipped.folder("sample_data") / f"{name}{journal.SUFFIX}"
    if not path.exists():
        raise SourceError(str(path), "is missing from the installation", "Install kiwoom-nb again.")
    return path


def journal_of(day: TradingDay) -> bytes:
    """Return the journal that a recorder would have written of ``day``, with its planted gaps.

    What each account held is told when the line is up: before the first event, and at the end of each gap.
    """
    frames = list(day.frames())
    times = [received_at for received_at, _ in frames] or [_noon(day)]
    begins, ends = times[0] - _HEARD_EVERY, times[-1] + _HEARD_EVERY
    events = [(begins, journal.event_line(begins, event=journal.CONNECTED)), *_held(day, begins, None)]
    for start, end in day.gaps:
        down = journal.event_line(start, event=journal.DISCONNECTED, since=start, reason="synthetic gap")
        events += [(start, down), (end, journal.event_line(end, event=journal.CONNECTED)), *_held(day, end, end)]
    events += [(received_at, journal.frame_line(received_at, raw)) for received_at, raw in frames]
    events.append((ends, journal.event_line(ends, event=journal.STOPPED, reason="stopped")))
    header = journal.Header(journal.VERSION, _SERVER, _OWNER, str(day.date), begins)
    return journal.header_line(header) + b"".join(line for _, line in sorted(events, key=_moment))


def _held(day: TradingDay, asked_at: int, at: int | None) -> Iterator[tuple[int, bytes]]:
    """Yield a line for each account with what it held after the fills up to ``at``; None: at the open."""
    held = day.holdings(at)
    for account in day.accounts:
        holdings = [holding_of(event) for event in held if event.account == account]
        pages = [encode(page) for page in write_pages(holdings)]
        yield asked_at, journal.holdings_line(asked_at, asked_at, account, pages)


def _noon(day: TradingDay) -> int:
    """Return a time of ``day``, for one without any event."""
    return int(datetime.combine(day.date, time(3), UTC).timestamp()) * 1_000_000


def _moment(event: tuple[int, bytes]) -> int:
    return event[0]


def make(folder: Path) -> None:
    """Make the sample data anew in ``folder``: a journal and its truth for each day."""
    for name, day_of in DAYS.items():
        day = day_of()
        (folder / f"{name}{journal.SUFFIX}").write_bytes(journal_of(day))
        day.truth.write(folder / f"{name}.truth.json")
