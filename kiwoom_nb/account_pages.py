"""What an account holds, written as Kiwoom answers kt00018: for the simulator and the samples.

Source: REST API kt00018 계좌평가잔고내역요청 and its example (fact sheet, section 7): numbers are padded with zeros to
15 digits (prices of the market to 12), the sign of a negative one among them; ``stk_cd`` has an A before it;
``crd_loan_dt`` is blank for cash; ``evltv_prft`` is ``evlt_amt - pur_amt - sum_cmsn - tax``. Where nobody has measured,
these are our choices:

* an ETF is one of :data:`kiwoom_nb.krx.LISTINGS`, any other symbol is taxed as a share; a price that is not known is
  the base price, else the average one;
* a margin loan is 60 % of what the lot cost (as in :mod:`kiwoom_nb.account`); there is no collateral loan and no short
  sale, and of the deposit only what is held is known;
* what the positions were worth yesterday (``pred_buyq``, ``pred_sellq``: bought and sold then) is zero;
* ``qry_tp`` 1 has one row for each symbol: the credit type of its lots where they have one in common, else ``00``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from . import schema
from .account import CASH, LOAN, divide, fee_of, tax_of
from .holdings import Holding
from .krx import LISTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .account import BalanceEvent

PAGE_SIZE: Final = 20
"""Rows on a page. How many Kiwoom sends is not documented."""
OK: Final = {"return_code": 0, "return_msg": "정상적으로 처리되었습니다"}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NO_LISTING: Final = LISTINGS["005930"]._replace(etf=False)


def holding_of(event: BalanceEvent) -> Holding:
    """Return what a balance event says that is held, as an account query tells it."""
    return Holding(
        event.symbol,
        event.name,
        event.credit_type,
        schema.date(event.loan_date),
        event.quantity,
        event.orderable_quantity,
        event.average_price,
        event.cost,
        event.price,
        event.base_price,
        event.bought_today,
        event.bought_today - event.net_bought_today,
    )


def write_pages(
    holdings: Sequence[Holding], *, together: bool = False, page_size: int = PAGE_SIZE
) -> list[dict[str, Any]]:
    """Return the answers of one query of what is held: at least one page, each with the totals of all.

    ``together`` sums up the lots of a symbol (``qry_tp`` 1), else each has a row (``qry_tp`` 2).
    """
    held = [holding for holding in (_by_symbol(holdings) if together else holdings) if holding.quantity]
    values = [_Value(holding) for holding in held]
    whole = sum(value.worth for value in values)
    rows = [_row(value, whole) for value in values]
    totals = _totals(values, holdings)
    return [
        {**totals, "acnt_evlt_remn_indv_tot": rows[start : start + page_size], **OK}
        for start in range(0, max(len(rows), 1), page_size)
    ]


def encode(page: dict[str, Any]) -> bytes:
    """Return a page as it goes over the line: JSON without spaces, in UTF-8."""
    return msgspec.json.encode(page)


class _Value:
    """What a holding is worth, what buying cost and selling would cost, in won."""

    def __init__(self, holding: Holding) -> None:
        self.holding = holding
        self.price = holding.price or holding.base_price or holding.average_price or 0
        self.worth = holding.quantity * self.price
        self.buy_fee, self.sell_fee = fee_of(holding.cost), fee_of(self.worth)
        self.tax = tax_of(self.worth, etf=LISTINGS.get(holding.symbol, _NO_LISTING).etf)
        self.profit = self.worth - holding.cost - self.buy_fee - self.sell_fee - self.tax


def _row(value: _Value, whole: int) -> dict[str, str]:
    held = value.holding
    return {
        "stk_cd": f"A{held.symbol}",
        "stk_nm": held.name or "",
        "evltv_prft": _padded(value.profit),
        "prft_rt": _percent(value.profit, held.cost),
        "pur_pric": _padded(held.average_price),
        "pred_close_pric": _padded(held.base_price, 12),
        "rmnd_qty": _padded(held.quantity),
        "trde_able_qty": _padded(held.orderable_quantity),
        "cur_prc": _padded(value.price, 12),
        "pred_buyq": _padded(0),
        "pred_sellq": _padded(0),
        "tdy_buyq": _padded(held.bought_today),
        "tdy_sellq": _padded(held.sold_today),
        "pur_amt": _padded(held.cost),
        "pur_cmsn": _padded(value.buy_fee),
        "evlt_amt": _padded(value.worth),
        "sell_cmsn": _padded(value.sell_fee),
        "tax": _padded(value.tax),
        "sum_cmsn": _padded(value.buy_fee + value.sell_fee),
        "poss_rt": _percent(value.worth, whole),
        "crd_tp": held.credit_type,
        "crd_tp_nm": "" if held.credit_type == CASH else "융자",
        "crd_loan_dt": _date(held.loan_date),
    }


def _totals(values: Sequence[_Value], lots: Iterable[Holding]) -> dict[str, str]:
    cost = sum(value.holding.cost for value in values)
    profit = sum(value.profit for value in values)
    loans = sum(lot.cost * 60 // 100 for lot in lots if lot.credit_type == LOAN and lot.quantity)
    return {
        "tot_pur_amt": _padded(cost),
        "tot_evlt_amt": _padded(sum(value.worth for value in values)),
        "tot_evlt_pl": _padded(profit),
        "tot_prft_rt": _percent(profit, cost),
        "prsm_dpst_aset_amt": _padded(cost + profit - loans),
        "tot_loan_amt": _padded(0),
        "tot_crd_loan_amt": _padded(loans),
        "tot_crd_ls_amt": _padded(0),
    }


def _by_symbol(holdings: Iterable[Holding]) -> list[Holding]:
    lots: dict[str, list[Holding]] = {}
    for holding in holdings:
        if holding.quantity:
            lots.setdefault(holding.symbol, []).append(holding)
    return [_summed(held) if len(held) > 1 else held[0] for held in lots.values()]


def _summed(lots: Sequence[Holding]) -> Holding:
    quantity, cost = (sum(numbers) for numbers in zip(*((lot.quantity, lot.cost) for lot in lots), strict=True))
    kinds = {lot.credit_type for lot in lots}
    return lots[0]._replace(
        credit_type=kinds.pop() if len(kinds) == 1 else CASH,
        loan_date=None,
        quantity=quantity,
        cost=cost,
        average_price=divide(cost, quantity),
        orderable_quantity=_sum(lot.orderable_quantity for lot in lots),
        bought_today=_sum(lot.bought_today for lot in lots),
        sold_today=_sum(lot.sold_today for lot in lots),
    )


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = list(numbers)
    return None if None in known else sum(number for number in known if number is not None)


def _padded(number: int | None, digits: int = 15) -> str:
    """Return ``number`` with zeros before it, its sign first; blank where it is not known."""
    return "" if number is None else f"{number:0{digits}d}"


def _percent(part: int, whole: int) -> str:
    """Return a rate in percent with two decimals, halves away from zero."""
    hundredths = divide(part * 10_000, whole)
    return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


def _date(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f"{_EPOCH + timedelta(milliseconds=milliseconds):%Y%m%d}"
