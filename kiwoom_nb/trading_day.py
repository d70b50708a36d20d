"""A synthetic trading day: what Kiwoom would have sent to an account, and beside it the truth of what happened.

The day is a pure function of its arguments: the same bytes on every platform and Python version
(:func:`kiwoom_nb.krx.random_stream` says how). The market moves by itself; orders arrive over the day, fill in
parts, and each fill is told in a balance event of type ``04`` in the shape of Kiwoom's official example. The
bookkeeping and its choices are those of :mod:`kiwoom_nb.account`.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final, NamedTuple

from kiwoom_nb import krx
from kiwoom_nb.account import CASH, LOANS, entry_of
from kiwoom_nb.floor import Floor, lots_of
from kiwoom_nb.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    from kiwoom_nb.account import BalanceEvent
    from kiwoom_nb.krx import Listing

PLANTS: Final = ("alphanumeric", "blank", "duplicate", "gap", "loan_lots", "nxt", "unreadable")
SYMBOLS: Final = tuple(krx.LISTINGS)[:10]

_ACCOUNTS: Final = tuple(str(digit) * 10 for digit in range(1, 10))  # obviously nobody's
_LEAST_EVENTS: Final = 40  # below that a planted oddity may find no event to sit at
_EPOCH: Final = dt.date(1970, 1, 1)
_SATURDAY: Final = 5
_GAP: Final = 10 * krx.MINUTE
_NOON: Final = 11 * krx.HOUR + 45 * krx.MINUTE
_TOGETHER: Final = 50 * krx.SECOND // 1000  # fills so close may share a frame
_INSTEAD: Final = {"blank": ("27", ""), "unreadable": ("930", "1O2")}


def simulate(
    seed: int = 0,
    *,
    date: str | dt.date = "2026-11-20",
    events: int = 300,
    accounts: int = 1,
    symbols: Iterable[str] = SYMBOLS,
    credit: bool = True,
    plant: str | Iterable[str] = (),
) -> TradingDay:
    """Return a synthetic trading day with about ``events`` balance events, reproducible byte for byte.

    Parameters
    ----------
    seed
        Any whole number; another seed is another day.
    date
        The trading day (``YYYY-MM-DD`` or a date), not on a weekend. Holidays are not known here.
    events
        The number of fills of ordinary orders. Each yields one balance event; what is planted comes on top.
    accounts
        How many accounts trade, 1 to 9: ``1111111111``, ``2222222222``, ...
    symbols
        Which stocks trade, out of :data:`kiwoom_nb.krx.LISTINGS`. Prices are made up.
    credit
        Whether there are margin-loan lots (``917`` is ``03``): one from before today, one opened today.
    plant
        Oddities to plant: ``"all"`` or names out of :data:`PLANTS`. ``"gap"`` is a silence of ten minutes in
        which fills happen and no frame comes; ``"duplicate"`` sends a frame twice; ``"alphanumeric"`` adds the
        symbol ``0004V0``; ``"nxt"`` a fill on Nextrade after hours (``item`` ``005930_NX``); ``"loan_lots"`` two
        loan lots of one symbol whose events come in a frame with their ``99`` aggregate; ``"blank"`` empties a
        value and ``"unreadable"`` garbles one. The rest of the day differs with what is planted.

    Returns
    -------
    TradingDay
        What :func:`kiwoom_nb.serve` and :func:`kiwoom_nb.replay` play and :func:`kiwoom_nb.load` loads; its ``truth``
        says what really happened.

    Raises
    ------
    ValueError
        For an argument that makes no sense; the sentence names it.
    """
    day = _read_date(date)
    listings = _read_symbols(symbols)
    planted = _read_plant(plant)
    _check_counts(events, accounts, planted)
    if "loan_lots" in planted and not (credit and any(not listing.etf for listing in listings)):
        raise ValueError('plant="loan_lots" needs credit=True and a symbol that is not an ETF.')
    if "alphanumeric" in planted:
        listings.append(krx.ALPHANUMERIC)
    midnight = ((day - _EPOCH).days * 24 - 9) * krx.HOUR
    floor = Floor(seed, day, listings, _ACCOUNTS[:accounts], midnight)
    floor.open(lots_of(listings, twins="loan_lots" in planted) if credit else {})
    silence = _NOON + int(floor.rng.random() * 30 * krx.MINUTE)
    floor.trade(events, planted, silence)
    gaps = [(midnight + silence, midnight + silence + _GAP)] if "gap" in planted else []
    return _report(floor, seed, gaps, planted)


def _read_date(date: str | dt.date) -> dt.date:
    try:
        if isinstance(date, str):
            day = dt.datetime.strptime(date, "%Y-%m-%d").date()  # noqa: DTZ007 - a calendar day has no zone
        else:
            day = dt.date(date.year, date.month, date.day)  # of a datetime the day only, it is part of the seed
    except ValueError:
        raise ValueError(f'date={date!r} is not a date; write it as "2026-11-20".') from None
    if day.weekday() >= _SATURDAY:
        raise ValueError(f"{day:%Y-%m-%d} is a {day:%A}: the exchange is closed on weekends.")
    return day


def _read_symbols(symbols: Iterable[str]) -> list[Listing]:
    asked = list(dict.fromkeys([symbols] if isinstance(symbols, str) else symbols))
    unknown = [symbol for symbol in asked if symbol not in krx.LISTINGS]
    if unknown or not asked:
        what = f"has no {', '.join(map(repr, unknown))}" if unknown else "needs at least one symbol"
        raise ValueError(f"The synthetic market {what}; it lists {', '.join(krx.LISTINGS)}.")
    return [krx.LISTINGS[symbol] for symbol in asked]


def _read_plant(plant: str | Iterable[str]) -> frozenset[str]:
    asked = frozenset([plant] if isinstance(plant, str) else plant)
    if asked == {"all"}:
        return frozenset(PLANTS)
    unknown = sorted(asked.difference(PLANTS))
    if unknown:
        names = ", ".join(map(repr, unknown))
        raise ValueError(f'Cannot plant {names}; the oddities are {", ".join(PLANTS)}, or "all".')
    return asked


def _check_counts(events: int, accounts: int, planted: frozenset[str]) -> None:
    if events < 0:
        raise ValueError(f"events={events} is negative; a day has 0 or more.")
    if planted and events < _LEAST_EVENTS:
        raise ValueError(f"events={events} is too few to plant oddities in; ask for {_LEAST_EVENTS} or more.")
    if not 1 <= accounts <= len(_ACCOUNTS):
        raise ValueError(f"accounts={accounts} is not between 1 and {len(_ACCOUNTS)}.")


class TradingDay:
    """A synthetic trading day, as :func:`simulate` makes it.

    Attributes
    ----------
    date : datetime.date
    seed : int
    accounts : tuple of str
        The account numbers, unmasked.
    gaps : list of (int, int)
        Silent periods, microseconds since the epoch (UTC), each from its start up to but without its end.
    truth : kiwoom_nb.account.Truth
        What happened, whether it was told or not.

    """

    def __init__(self, frames: list[_Frame], truth: Truth) -> None:
        self.date = truth.date
        self.seed = truth.seed
        self.accounts = truth.accounts
        self.gaps = truth.gaps
        self.truth = truth
        self._frames = frames

    def __repr__(self) -> str:
        return f"<TradingDay {self.date} of {', '.join(self.accounts)}: {len(self._frames)} frames>"

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield each frame with its time, as Kiwoom would have sent it; times never decrease.

        Yields
        ------
        received_at : int
            Microseconds since the epoch (UTC).
        raw : bytes
            UTF-8 JSON. Entry ``k`` of all frames together is row ``k`` of ``truth.positions``.
        """
        for frame in self._frames:
            instead = dict([_INSTEAD[frame.oddity]]) if frame.oddity in _INSTEAD else None
            data = ",".join([entry_of(event, instead) for event in frame.events])
            yield frame.received_at, f'{{"data":[{data}],"trnm":"REAL"}}'.encode()

    def holdings(self, at: int | None = None) -> list[BalanceEvent]:
        """Return the held positions as they were after the fills up to ``at``, missed ones included.

        Parameters
        ----------
        at
            Microseconds since the epoch (UTC); None: the opening holdings.

        Returns
        -------
        list of kiwoom_nb.account.BalanceEvent
            Lots one by one, without ``99`` rows: what a kt00018 answer with ``qry_tp`` 2 is made of.
        """
        return self.truth.holdings(at)


class _Frame(NamedTuple):
    """Events that arrive together; ``fills`` says which fill each of them tells, -1 where it tells none."""

    received_at: int
    events: tuple[BalanceEvent, ...]
    fills: tuple[int, ...]
    oddity: str = ""


def _report(floor: Floor, seed: int, gaps: list[tuple[int, int]], planted: frozenset[str]) -> TradingDay:
    """Put what happened on ``floor`` into frames, and keep the truth beside them."""
    frames = _frames(krx.random_stream("line", seed, floor.day), floor.told, gaps, planted)
    entries = [
        (frame.received_at, event, fill)
        for frame in frames
        for event, fill in zip(frame.events, frame.fills, strict=True)
    ]
    truth = Truth(
        date=floor.day,
        seed=seed,
        accounts=floor.accounts,
        gaps=gaps,
        opening=floor.opening,
        fills=floor.fills,
        states=[told[0] for told in floor.told],
        entries=entries,
        planted=_planted(frames, gaps),
    )
    return TradingDay(frames, truth)


def _frames(
    rng: Random,
    told: Sequence[tuple[BalanceEvent, ...]],
    gaps: Sequence[tuple[int, int]],
    planted: frozenset[str],
) -> list[_Frame]:
    heard = [frame for frame in _framed(rng, told) if not any(start <= frame.received_at < end for start, end in gaps)]
    return list(_with_oddities(rng, heard, planted))


def _framed(rng: Random, told: Sequence[tuple[BalanceEvent, ...]]) -> list[_Frame]:
    """Put the events into frames and stamp their arrival; some that follow each other at once share a frame."""
    frames: list[_Frame] = []
    received = 0
    for fill, events in enumerate(told):
        time = events[0].time
        received = max(received, time + 3_000 + int(rng.random() * rng.random() * 60_000))
        fills = (fill, -1)[: len(events)]
        if frames and _may_share(frames[-1], events) and krx.chance(rng, 50):
            last = frames.pop()
            frames.append(_Frame(received, last.events + events, last.fills + fills))
        else:
            frames.append(_Frame(received, events, fills))
    return frames


def _may_share(last: _Frame, events: Sequence[BalanceEvent]) -> bool:
    return len(last.events) == len(events) == 1 and events[0].time - last.events[0].time < _TOGETHER


def _with_oddities(rng: Random, frames: Sequence[_Frame], planted: frozenset[str]) -> Iterator[_Frame]:
    """Yield ``frames`` with a duplicate, a blank and a value that cannot be read where they are planted."""
    plain = [number for number, frame in enumerate(frames) if _is_plain(frame)]
    odd = {
        plain.pop(int(rng.random() * len(plain))): kind
        for kind in ("blank", "duplicate", "unreadable")
        if kind in planted
    }
    for number, frame in enumerate(frames):
        kind = odd.get(number, "")
        yield frame if kind == "duplicate" else frame._replace(oddity=kind)
        if kind == "duplicate":
            yield frame._replace(fills=(-1,), oddity=kind)


def _is_plain(frame: _Frame) -> bool:
    first = frame.events[0]
    return len(frame.events) == 1 and first.credit_type == CASH and first.venue == "KRX" and first.symbol.isdigit()


def _planted(frames: Sequence[_Frame], gaps: Sequence[tuple[int, int]]) -> list[tuple[str, int, str, str]]:
    """Return (kind, event, fid, text) of each oddity; a gap's event is the first one after it."""
    entries = [(frame, event) for frame in frames for event in frame.events]
    found = [
        ("gap", number, "", "") for _, end in gaps for number in [sum(frame.received_at < end for frame, _ in entries)]
    ]
    for number, (frame, event) in enumerate(entries):
        found += [(kind, number, *_INSTEAD.get(kind, ("", ""))) for kind in _kinds(frame, event)]
    return found


def _kinds(frame: _Frame, event: BalanceEvent) -> Iterator[str]:
    if frame.oddity:
        yield frame.oddity
    if not event.symbol.isdigit():
        yield "alphanumeric"
    if event.venue == "NXT":
        yield "nxt"
    if frame.events[-1].credit_type == LOANS:
        yield "loan_lots"
