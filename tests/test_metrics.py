import sys

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwoom_nb import errors
from kiwoom_nb.metrics import METRICS, metrics

CAPITAL = 10_000_000


def won(values, start="2026-11-02"):
    return pd.Series(values, pd.date_range(start, periods=len(values), freq="B"), dtype="Int64")


def test_every_metric_is_empyrical_s_own():
    """On returns worked out by hand each value is that of the function it is named after."""
    pnl = won([100_000, -201_000, 0, 395_960])
    returns = pd.Series([0.01, -201_000 / 10_100_000, 0.0, 395_960 / 9_899_000])
    found = metrics(pnl, CAPITAL)
    assert found.dtype == "float64"
    assert found.index.tolist() == list(METRICS)
    for name in METRICS:
        assert found[name] == pytest.approx(getattr(empyrical, name)(returns), rel=1e-9), name


@given(st.lists(st.integers(-100_000, 100_000), min_size=1, max_size=50))
def test_the_cumulative_return_is_all_pnl_over_the_capital(pnl):
    """Daily returns compound to what was really made: a won up and a won down leave nothing."""
    found = metrics(won(pnl), CAPITAL)
    assert found["cum_returns_final"] == pytest.approx(sum(pnl) / CAPITAL, abs=1e-12)


def test_the_drawdown_is_that_of_the_account():
    """From 11 to 8.8 million won is a fifth, whatever the account began with."""
    assert metrics(won([1_000_000, -1_200_000, -1_000_000, 500_000]), CAPITAL)["max_drawdown"] == pytest.approx(-0.2)


def test_days_are_taken_in_their_order():
    """A frame sorted otherwise gives the same metrics."""
    pnl = won([100_000, -300_000, 200_000, 50_000])
    pd.testing.assert_series_equal(metrics(pnl.iloc[::-1], CAPITAL), metrics(pnl, CAPITAL))


@pytest.mark.parametrize("pnl", [[], [50_000], [0, 0, 0], [1000, 1000, 1000], [-1000, -2000]])
def test_short_and_even_series_are_answered_without_a_warning(pnl):
    """What cannot be told is NaN or infinite, as empyrical has it; warnings are errors in these tests."""
    found = metrics(won(pnl), CAPITAL)
    assert found.index.tolist() == list(METRICS)
    if not pnl:
        assert found.isna().all()
    if len(pnl) == 1:
        assert np.isnan(found["annual_volatility"])
        assert np.isnan(found["sharpe_ratio"])


def test_integers_floats_and_days_with_a_time_zone_are_all_taken():
    """A step Series of realized P&L may be Int64, int64 or float64, its days naive or Korean."""
    pnl = won([100_000, -50_000, 20_000])
    expected = metrics(pnl, CAPITAL)
    for other in (pnl.astype("int64"), pnl.astype("float64"), pnl.tz_localize("Asia/Seoul")):
        pd.testing.assert_series_equal(metrics(other, CAPITAL), expected)


@pytest.mark.parametrize("capital", [0, -1, float("nan")])
def test_no_capital_is_refused_in_a_sentence(capital):
    """A return needs something to be measured against."""
    with pytest.raises(ValueError) as caught:
        metrics(won([1]), capital)
    assert str(caught.value) == f"capital={capital!r} won cannot bear a return: give what the account began with."


def test_a_capital_that_was_lost_is_refused_in_a_sentence():
    """Below zero a return means nothing."""
    with pytest.raises(ValueError) as caught:
        metrics(won([-600, -400, 5000]), 1000)
    assert str(caught.value) == (
        "capital=1000 won was lost: the P&L falls by 1,000 won. Give what the account really began with."
    )


@pytest.mark.parametrize("pnl", [won([1, None]), won([1.0, np.nan]).astype("Float64"), pd.concat([won([1]), won([2])])])
def test_a_day_without_one_pnl_is_refused(pnl):
    """Two accounts' days in one series, or an unknown day, are not guessed at."""
    with pytest.raises(ValueError, match="daily_pnl needs one P&L for each day"):
        metrics(pnl, CAPITAL)


def test_without_empyrical_the_extra_is_named(monkeypatch):
    """The package is optional."""
    monkeypatch.setitem(sys.modules, "empyrical", None)
    with pytest.raises(errors.MissingExtra) as caught:
        metrics(won([1, 2]), CAPITAL)
    assert 'pip install "kiwoom-nb[analytics]"' in str(caught.value)
