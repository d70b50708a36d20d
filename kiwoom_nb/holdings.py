"""What an account holds, as Kiwoom answers when asked (kt00018), since type ``04`` only speaks of what fills.

Facts: REST API kt00018 계좌평가잔고내역요청 with ``qry_tp`` 2 (one row for each lot), ``acnt_evlt_remn_indv_tot[]``:
``stk_cd`` is FID 9001, ``crd_tp`` 917, ``crd_loan_dt`` 916 (blank where 04 has ``00000000``), ``rmnd_qty`` 930,
``trde_able_qty`` 933, ``pur_pric`` 931, ``pur_amt`` 932, ``cur_prc`` 10, ``pred_close_pric`` 307, and
``tdy_buyq`` - ``tdy_sellq`` is 945. Numbers are padded with zeros. The answer names no account.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from . import schema
from .schema import Unreadable

CASH: Final = "00"
AGGREGATE: Final = "99"
"""The credit type of a row that sums up loan lots (융자합): never to be added to them."""

STEPS: Final = tuple(2**power - 1 for power in range(10))
"""How far after the first row since a query the rows are whose times it keeps: 0, 1, 3, ... 511."""


class Answer(NamedTuple):
    """What a server answered when it was asked what the account holds: the pages of kt00018, as they came.

    ``account`` is its number, None where the server does not tell it; each page is a JSON object on one line.
    """

    account: str | None
    pages: list[bytes]


class Holding(NamedTuple):
    """One position as an account query tells it: shares and whole won, None where the answer is blank."""

    symbol: str
    name: str | None
    credit_type: str
    loan_date: int | None  # milliseconds since the epoch, as a row's
    quantity: int
    orderable_quantity: int | None
    average_price: int | None
    cost: int
    price: int | None
    base_price: int | None
    bought_today: int | None
    sold_today: int | None


class Holdings(NamedTuple):
    """All that an account held when it was asked: ``at`` (microseconds since the epoch), before the row ``row``.

    ``row`` is the label of the first row that arrived since; such rows are newer than this. ``account`` is None where
    the server does not tell it. ``since`` are the times of the rows ``row + STEPS``, as far as they had arrived: by
    them a frame is known whose rows were numbered anew. Older files do not have them.
    """

    at: int
    row: int
    account: str | None
    holdings: list[Holding]
    since: tuple[int, ...] = ()


def with_times(held: Holdings, times: npt.NDArray[np.int64]) -> Holdings:
    """Return ``held`` with the times of rows since; ``times`` are those of all rows, whose labels count them."""
    return held._replace(since=tuple(times[held.row :][list(STEPS[: since_count(held, len(times))])].tolist()))


def since_count(held: Holdings, rows: int) -> int:
    """Return of how many rows since the times are known where there are so many ``rows``."""
    return bisect_left(STEPS, rows - held.row)


class _Row(msgspec.Struct):
    stk_cd: str = ""
    stk_nm: str = ""
    crd_tp: str = ""
    crd_loan_dt: str = ""
    rmnd_qty: str = ""
    trde_able_qty: str = ""
    pur_pric: str = ""
    pur_amt: str = ""
    cur_prc: str = ""
    pred_close_pric: str = ""
    tdy_buyq: str = ""
    tdy_sellq: str = ""


class _Page(msgspec.Struct):
    acnt_evlt_remn_indv_tot: list[_Row]


_decode_page = msgspec.json.Decoder(_Page).decode


def read_pages(pages: Sequence[bytes | msgspec.Raw]) -> list[Holding]:
    """Read the answers of kt00018 (all pages of one query), rows of one position added up, without sums of lots.

    Raises
    ------
    Unreadable
        A page is not as documented, or a row has no symbol, quantity or cost: what is held is then not known.
    """
    held: dict[tuple[str, str, int | None], Holding] = {}
    for page in pages:
        try:
            rows = _decode_page(page).acnt_evlt_remn_indv_tot
        except (ValueError, RecursionError) as exc:
            raise Unreadable(f"{exc}") from exc
        for holding in map(_read, rows):
            key = holding.symbol, holding.credit_type, holding.loan_date
            if holding.credit_type != AGGREGATE:
                held[key] = together(held[key], holding) if key in held else holding
    return list(held.values())


def _read(row: _Row) -> Holding:
    symbol, quantity, cost = schema.symbol(row.stk_cd), schema.integer(row.rmnd_qty), schema.integer(row.pur_amt)
    if symbol is None or quantity is None or cost is None:
        raise Unreadable(f"a row without stk_cd, rmnd_qty or pur_amt ({row.stk_cd.strip() or 'no symbol'})")
    return Holding(
        symbol,
        schema.name(row.stk_nm),
        schema.code(row.crd_tp) or CASH,
        schema.date(row.crd_loan_dt),
        quantity,
        schema.integer(row.trde_able_qty),
        schema.magnitude(row.pur_pric),
        cost,
        schema.magnitude(row.cur_prc),
        schema.magnitude(row.pred_close_pric),
        schema.integer(row.tdy_buyq),
        schema.integer(row.tdy_sellq),
    )


def together(one: Holding, other: Holding) -> Holding:
    """Add up two holdings of one position: two rows of an answer, as the official example has, or two loans."""
    quantity, cost = one.quantity + other.quantity, one.cost + other.cost
    return one._replace(
        quantity=quantity,
        cost=cost,
        average_price=(2 * cost + quantity) // (2 * quantity) if quantity > 0 else 0,
        orderable_quantity=_sum(one.orderable_quantity, other.orderable_quantity),
        bought_today=_sum(one.bought_today, other.bought_today),
        sold_today=_sum(one.sold_today, other.sold_today),
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
