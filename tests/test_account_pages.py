import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwoom_nb.account_pages import encode, holding_of, write_pages
from kiwoom_nb.holdings import Holding, read_pages
from kiwoom_nb.trading_day import simulate

SAMSUNG = Holding("005930", "삼성전자", "00", None, 3, 3, 124_500, 373_500, 59_000, 45_400, 0, 0)
LOAN = SAMSUNG._replace(credit_type="03", loan_date=1_790_812_800_000)  # 2026-10-01


def rows(holdings, **options):
    return [row for page in write_pages(holdings, **options) for row in page["acnt_evlt_remn_indv_tot"]]


def test_a_row_is_written_as_in_the_official_example():
    """The example itself, but for the tax of 2026 (354 instead of 318) and what follows from it."""
    assert rows([SAMSUNG]) == [{
        "stk_cd": "A005930",
        "stk_nm": "삼성전자",
        "evltv_prft": "-00000000196924",
        "prft_rt": "-52.72",
        "pur_pric": "000000000124500",
        "pred_close_pric": "000000045400",
        "rmnd_qty": "000000000000003",
        "trde_able_qty": "000000000000003",
        "cur_prc": "000000059000",
        "pred_buyq": "000000000000000",
        "pred_sellq": "000000000000000",
        "tdy_buyq": "000000000000000",
        "tdy_sellq": "000000000000000",
        "pur_amt": "000000000373500",
        "pur_cmsn": "000000000000050",
        "evlt_amt": "000000000177000",
        "sell_cmsn": "000000000000020",
        "tax": "000000000000354",
        "sum_cmsn": "000000000000070",
        "poss_rt": "100.00",
        "crd_tp": "00",
        "crd_tp_nm": "",
        "crd_loan_dt": "",
    }]  # fmt: skip


def test_an_etf_is_not_taxed():
    """KODEX 200."""
    assert int(rows([SAMSUNG._replace(symbol="069500")])[0]["tax"]) == 0


def test_a_loan_lot_has_its_date_and_counts_among_the_loans():
    """60 % of what it cost, as in the bookkeeping of a synthetic day."""
    (page,) = write_pages([SAMSUNG, LOAN])
    assert [row["crd_loan_dt"] for row in page["acnt_evlt_remn_indv_tot"]] == ["", "20261001"]
    assert int(page["tot_crd_loan_amt"]) == 224_100
    assert (int(page["tot_loan_amt"]), int(page["tot_crd_ls_amt"])) == (0, 0)


def test_the_totals_are_those_of_all_pages():
    """On each page the same."""
    pages = write_pages([SAMSUNG._replace(symbol=f"{n:06d}") for n in range(5)], page_size=2)
    assert [len(page["acnt_evlt_remn_indv_tot"]) for page in pages] == [2, 2, 1]
    totals = [{name: text for name, text in page.items() if name.startswith(("tot_", "prsm_"))} for page in pages]
    assert totals[0] == totals[1] == totals[2]
    assert {name: totals[0][name] for name in ("tot_pur_amt", "tot_evlt_amt", "tot_evlt_pl", "tot_prft_rt")} == {
        "tot_pur_amt": "000000001867500",
        "tot_evlt_amt": "000000000885000",
        "tot_evlt_pl": "-00000000984620",
        "tot_prft_rt": "-52.72",
    }
    assert int(totals[0]["prsm_dpst_aset_amt"]) == 1_867_500 - 984_620


def test_nothing_held_is_one_page_without_rows():
    """An answer all the same; a closed position is not held."""
    for holdings in ([], [SAMSUNG._replace(quantity=0, cost=0)]):
        (page,) = write_pages(holdings)
        assert page["acnt_evlt_remn_indv_tot"] == []
        assert (page["tot_prft_rt"], page["return_code"]) == ("0.00", 0)


def test_together_the_lots_of_a_symbol_are_one_row():
    """qry_tp 1; neither kind has a row that sums up others beside them (99)."""
    lots = [SAMSUNG, LOAN, LOAN._replace(loan_date=None, quantity=1, cost=100_000)]
    (one,) = rows(lots, together=True)
    assert (one["rmnd_qty"], one["pur_amt"], one["pur_pric"]) == ("0" * 14 + "7", f"{847_000:015d}", f"{121_000:015d}")
    assert (one["crd_tp"], one["crd_loan_dt"]) == ("00", "")
    assert [row["crd_tp"] for row in rows(lots)] == ["00", "03", "03"]
    assert [row["crd_tp"] for row in rows([LOAN, LOAN], together=True)] == ["03"]
    assert rows([LOAN], together=True)[0]["crd_loan_dt"] == "20261001"


@given(st.integers(1, 10**6), st.integers(1, 10**7), st.integers(0, 10**12), st.sampled_from(["005930", "069500"]))
def test_profit_is_worth_less_cost_fees_and_tax(quantity, price, cost, symbol):
    """The law that was checked on the official example, to the won."""
    (row,) = rows([SAMSUNG._replace(symbol=symbol, quantity=quantity, price=price, cost=cost)])
    number = {name: int(row[name]) for name in ("evltv_prft", "evlt_amt", "pur_amt", "sum_cmsn", "tax")}
    assert number["evltv_prft"] == number["evlt_amt"] - cost - number["sum_cmsn"] - number["tax"]
    assert int(row["sum_cmsn"]) == int(row["pur_cmsn"]) + int(row["sell_cmsn"])
    assert all(int(row[name]) % 10 == 0 for name in ("pur_cmsn", "sell_cmsn"))


@pytest.mark.parametrize("at", [None, 10**16])
def test_what_a_synthetic_day_holds_comes_back(at):
    """Symbol, lot, shares and won of each position of its truth."""
    day = simulate(3, plant="all", events=100)
    events = day.holdings(at)
    pages = [encode(page) for page in write_pages([holding_of(event) for event in events])]
    assert json.loads(pages[0])["return_code"] == 0
    read = read_pages(pages)
    assert [(held.symbol, held.credit_type, held.quantity, held.cost) for held in read] == [
        (event.symbol, event.credit_type, event.quantity, event.cost) for event in events
    ]
    for held, event in zip(read, events, strict=True):
        assert (held.average_price, held.orderable_quantity) == (event.average_price, event.orderable_quantity)
        assert held.bought_today - held.sold_today == event.net_bought_today
        assert (held.price, held.base_price, held.name) == (event.price, event.base_price, event.name)
