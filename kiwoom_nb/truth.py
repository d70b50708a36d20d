"""What really happened on a synthetic day, told or not: the answer key of tests, lessons and benchmarks."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kiwoom_nb.account import LOANS, NO_DATE, BalanceEvent, Fill

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Sequence

    import pandas as pd

_TIMES: Final = {"time", "received_at"}
_DATES: Final = {"loan_date", "maturity_date"}
_TEXTS: Final = {"account", "symbol", "venue", "name", "credit_type", "side", "order_number", "kind", "fid", "text"}


class Truth:
    """What really happened on a synthetic day; account numbers are unmasked, money is whole won.

    Times are ``datetime64[us, Asia/Seoul]``, ``loan_date`` and ``maturity_date`` ``datetime64[ms]`` (``NaT`` for
    none), codes and names ``str``, the rest ``int64`` unless said otherwise. The tables are built when asked for.
    """

    def __init__(
        self,
        *,
        date: dt.date,
        seed: int,
        accounts: tuple[str, ...],
        gaps: list[tuple[int, int]],
        opening: Sequence[BalanceEvent],
        fills: Sequence[Fill],
        states: Sequence[BalanceEvent],
        entries: Sequence[tuple[int, BalanceEvent, int]],
        planted: Sequence[tuple[str, int, str, str]],
    ) -> None:
        self.date = date
        self.seed = seed
        self.accounts = accounts
        self.gaps = gaps
        self._opening = opening
        self._fills = fills
        self._states = states  # after each fill, told or not
        self._entries = (
            entries  # each entry that was sent: when it arrived, what it said, which fill it told (-1: none)
        )
        self._planted = planted

    @cached_property
    def opening(self) -> pd.DataFrame:
        """Holdings before the open, one row for each position: the columns of :attr:`positions` from ``time``."""
        return _table(BalanceEvent._fields, self._opening)

    @cached_property
    def fills(self) -> pd.DataFrame:
        """One row for each fill, in the order of time.

        The columns are those of :class:`~kiwoom_nb.account.Fill` (``cost_removed`` and ``realized_pnl`` are 0 on
        buys; ``fee`` and ``tax`` are not part of ``realized_pnl``), then ``event`` (``Int64``: the row of
        :attr:`positions` that tells it, ``<NA>`` if none does) and ``missed`` (``bool``).
        """
        table = _table(Fill._fields, self._fills)
        events = self._events_of_fills()
        table["event"] = _optional(events)
        table["missed"] = table["event"].isna()
        return table

    @cached_property
    def positions(self) -> pd.DataFrame:
        """One row for each entry that was sent: row ``k`` is what entry ``k`` of all frames says, oddities undone.

        ``received_at``, then the columns of :class:`~kiwoom_nb.account.BalanceEvent`; ``time`` is that of the fill,
        ``realized_return`` is in hundredths of a percent. ``aggregate`` (``bool``) marks the ``99`` rows, whose
        shares and won are those of the lots once more.
        """
        columns = ("received_at", *BalanceEvent._fields)
        table = _table(columns, [(received, *event) for received, event, _ in self._entries])
        table["aggregate"] = table["credit_type"] == LOANS
        table.index.name = "event"
        return table

    @cached_property
    def realized_pnl(self) -> pd.DataFrame:
        """One row for each sell fill: ``time``, position, ``realized_pnl``, ``total`` (so far, of the account)."""
        columns = ["time", "account", "symbol", "credit_type", "loan_date", "realized_pnl", "missed"]
        table = self.fills.loc[self.fills["side"] == "sell", columns].reset_index(drop=True)
        table.insert(6, "total", table.groupby("account")["realized_pnl"].cumsum())
        return table

    @cached_property
    def planted(self) -> pd.DataFrame:
        """One row for each entry with an oddity: ``kind``, ``event``, and the ``fid`` and ``text`` put in its place.

        A gap's ``event`` is the first one after it (which is the number of events where none follows).
        """
        return _table(("kind", "event", "fid", "text"), self._planted)

    def holdings(self, at: int | None = None) -> list[BalanceEvent]:
        """Return the positions held after the fills up to ``at`` (microseconds since the epoch, UTC), missed or not.

        ``None`` asks for the opening holdings. There are no ``99`` rows.
        """
        latest = {event.key: event for event in self._opening}
        for event in self._states if at is not None else ():
            if at is not None and event.time > at:
                break
            latest[event.key] = event
        return [event for event in latest.values() if event.quantity]

    def to_json(self) -> str:
        """Return everything as JSON, one row of a table on a line, the same bytes wherever it is made.

        Times are microseconds since the epoch (UTC), dates ``YYYYMMDD``; ``event`` of a fill that was missed is
        null.
        """
        fills = [(*fill, event) for fill, event in zip(self._fills, self._events_of_fills(), strict=True)]
        tables = [
            _json_table("opening", BalanceEvent._fields, self._opening),
            _json_table("fills", (*Fill._fields, "event"), fills),
            _json_table(
                "positions",
                ("received_at", *BalanceEvent._fields),
                [(received, *event) for received, event, _ in self._entries],
            ),
            _json_table("planted", ("kind", "event", "fid", "text"), self._planted),
        ]
        head = {"date": str(self.date), "seed": self.seed, "accounts": self.accounts, "gaps": self.gaps}
        return "".join([_compact(head)[:-1], *tables, "}\n"])

    def write(self, path: str | Path) -> None:
        """Write :meth:`to_json` to the file ``path`` as UTF-8, with the same line ends on every platform."""
        Path(path).write_bytes(self.to_json().encode())

    def _events_of_fills(self) -> list[int | None]:
        events: list[int | None] = [None] * len(self._fills)
        for number, (_, _, fill) in enumerate(self._entries):
            if fill >= 0:
                events[fill] = number
        return events


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json_table(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ",\n".join(map(_compact, rows))
    return f',\n"{name}":{{"columns":{_compact(columns)},"rows":[\n{lines}]}}'


def _table(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    values = zip(*rows, strict=True) if rows else ((),) * len(columns)
    return pd.DataFrame({name: _column(name, column) for name, column in zip(columns, values, strict=True)})


def _column(name: str, values: Sequence[Any]) -> pd.Series[Any]:
    import pandas as pd

    if name in _TIMES:
        stamps = pd.Series(values, dtype="int64").astype("datetime64[us, UTC]")
        return stamps.dt.tz_convert("Asia/Seoul")
    if name in _DATES:
        days = pd.Series(values, dtype="str")
        return pd.to_datetime(days.mask(days == NO_DATE), format="%Y%m%d").astype("datetime64[ms]")
    return pd.Series(values, dtype="str" if name in _TEXTS else "int64")


def _optional(values: Sequence[int | None]) -> pd.Series[Any]:
    import pandas as pd

    return pd.Series(values, dtype="Int64")
