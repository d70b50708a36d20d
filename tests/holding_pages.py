"""Answers of kt00018 as servers may send them: the official example, strategies for the realistic and the hostile."""

from frames import INTEGERS, JSON, ODD_TEXTS, SYMBOLS, dump
from hypothesis import strategies as st

EXAMPLE = {
    "stk_cd": "A005930",
    "stk_nm": "삼성전자",
    "evltv_prft": "-00000000196888",
    "prft_rt": "-52.71",
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
    "tax": "000000000000318",
    "sum_cmsn": "000000000000070",
    "poss_rt": "2.12",
    "crd_tp": "00",
    "crd_tp_nm": "",
    "crd_loan_dt": "",
}
"""The row of the official example."""


def row(**fields):
    """Return the row of the example with fields replaced: ``row(rmnd_qty="5")``; None removes one."""
    return {name: value for name, value in {**EXAMPLE, **fields}.items() if value is not None}


def page(*rows):
    """Return an answer with these rows, as it goes over the line."""
    return dump({"acnt_evlt_remn_indv_tot": list(rows), "return_code": 0, "return_msg": "정상적으로 처리되었습니다"})


ACCOUNTS = st.sampled_from(["1111111111", "2222221111", "5012345678", None])
ROWS = st.fixed_dictionaries({
    "stk_cd": SYMBOLS,
    "stk_nm": st.sampled_from(["삼성전자", "NAVER" + " " * 20, ""]),
    "crd_tp": st.sampled_from(["00", "00", "03", "99", ""]),
    "crd_loan_dt": st.sampled_from(["", "", "20261001", "00000000"]),
    **dict.fromkeys(["rmnd_qty", "pur_amt"], INTEGERS),
    **dict.fromkeys(
        ["trde_able_qty", "pur_pric", "cur_prc", "pred_close_pric", "tdy_buyq", "tdy_sellq"], INTEGERS | st.just("")
    ),
})  # fmt: skip
ODD_ROWS = st.builds(
    lambda row, name, value: {**row, name: value}, ROWS, st.sampled_from(list(EXAMPLE)), ODD_TEXTS | JSON
)


def page_lists():
    """Draw the pages of one query: realistic ones, and objects that are none."""
    pages = st.lists(ROWS, max_size=4).map(lambda rows: page(*rows))
    odd = st.lists(ROWS | ODD_ROWS, max_size=3).map(lambda rows: page(*rows)) | st.dictionaries(
        st.text(max_size=5), JSON, max_size=2
    ).map(dump)
    return st.lists(pages | pages | odd, min_size=1, max_size=3)
