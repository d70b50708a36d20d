"""How many positions had changed while nobody told of it: what the account says, beside what was known before."""

from __future__ import annotations

from .holdings import AGGREGATE, CASH, Holdings
from .latest import LatestRows

_Position = tuple[str | None, bool, int | None]  # symbol, in cash, loan date; Kiwoom's two sources class loans apart
_State = tuple[int, int]  # quantity and cost
_NOTHING: _State = (0, 0)


def count_missed(latest: LatestRows, before: Holdings | None, now: Holdings, account: str | None) -> int | None:
    """Return how many positions are not as the last event or query left them, None if nothing was known.

    ``account`` is whose query it is, as ``latest`` shows it (None: that of all rows). Of a position that an event has
    told of since the query, it says nothing.
    """
    known = {} if before is None else _states(before)
    newer = set()
    columns = latest.columns
    named = zip(*(columns[name] for name in ("account", "symbol", "credit_type", "loan_date")), strict=True)
    held = zip(columns["quantity"], columns["cost"], latest.rows.tolist(), strict=True)
    for (owner, symbol, credit_type, loan_date), (quantity, cost, row) in zip(named, held, strict=True):
        if account not in {None, owner} or credit_type == AGGREGATE:
            continue
        position = symbol, credit_type == CASH, loan_date
        if row >= now.row or quantity is None or cost is None:
            newer.add(position)
        elif before is None or row >= before.row:
            known[position] = (quantity, cost) if quantity else _NOTHING
    if before is None and not known:
        return None
    told = _states(now)
    positions = known.keys() | told.keys() if before is not None else known.keys()
    return sum(known.get(position, _NOTHING) != told.get(position, _NOTHING) for position in positions - newer)


def _states(query: Holdings) -> dict[_Position, _State]:
    """Return what ``query`` told; loans of one symbol and date, which events do not tell apart, are added up."""
    states: dict[_Position, _State] = {}
    for held in query.holdings:
        position = held.symbol, held.credit_type == CASH, held.loan_date
        quantity, cost = states.get(position, _NOTHING)
        if held.quantity:
            states[position] = quantity + held.quantity, cost + held.cost
        else:
            states.setdefault(position, _NOTHING)
    return states
