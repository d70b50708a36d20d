import json

import pandas as pd
import pytest

from kiwoom_nb.trading_day import simulate


@pytest.fixture(scope="module")
def day():
    return simulate(5, plant="all")


def test_tables_of_an_empty_day_have_the_dtypes_of_a_full_one(day):
    """Code written against one works on the other."""
    empty = simulate(events=0).truth
    for name in ("opening", "fills", "positions", "realized_pnl", "planted"):
        pd.testing.assert_series_equal(getattr(empty, name).dtypes, getattr(day.truth, name).dtypes)
    assert len(empty.opening)
    assert not len(empty.fills)


def test_times_and_dates_are_typed(day):
    """Times know their zone, days are naive, no date is NaT."""
    fills = day.truth.fills
    assert str(fills["time"].dtype) == "datetime64[us, Asia/Seoul]"
    assert str(fills["loan_date"].dtype) == "datetime64[ms]"
    assert fills.loc[fills["credit_type"] == "00", "loan_date"].isna().all()
    assert fills.loc[fills["credit_type"] == "03", "loan_date"].notna().all()


def test_each_told_fill_knows_the_event_that_tells_it(day):
    """Event numbers point at the right row of the positions; missed fills have none."""
    fills = day.truth.fills
    told = fills[~fills["missed"]]
    rows = day.truth.positions.loc[told["event"].to_numpy(dtype=int)]
    for column in ("time", "account", "symbol", "venue", "credit_type", "loan_date", "side"):
        assert (rows[column].to_numpy() == told[column].to_numpy()).all() or told[column].isna().any()
    assert fills.loc[fills["missed"], "event"].isna().all()
    assert not rows["aggregate"].any()


def test_realized_pnl_adds_up_over_the_day(day):
    """The last total of an account is the sum of its sells, missed ones included."""
    truth = day.truth
    assert truth.realized_pnl["total"].iloc[-1] == truth.fills["realized_pnl"].sum()
    assert len(truth.realized_pnl) == (truth.fills["side"] == "sell").sum()


def test_holdings_at_the_end_follow_from_the_opening_and_all_fills(day):
    """A snapshot by REST knows what the stream missed."""
    truth = day.truth
    end = truth.fills["time"].max().value // 1_000
    signed = truth.fills["quantity"].where(truth.fills["side"] == "buy", -truth.fills["quantity"])
    key = ["account", "symbol", "credit_type"]
    held = (
        truth.opening.groupby(key)["quantity"]
        .sum()
        .add(signed.groupby([truth.fills[k] for k in key]).sum(), fill_value=0)
    )
    found = pd.DataFrame(day.holdings(end)).groupby(key)["quantity"].sum()
    assert held[held > 0].astype("int64").to_dict() == found.to_dict()
    assert len(day.holdings()) == len(truth.opening)
    assert day.holdings(end) != day.holdings()


def test_json_holds_every_table_and_writes_the_same_bytes(day, tmp_path):
    """The answer key of a sample is reproducible."""
    text = day.truth.to_json()
    assert text == simulate(5, plant="all").truth.to_json()
    tables = json.loads(text)
    assert tables["date"] == "2026-11-20"
    assert tables["gaps"] == [list(gap) for gap in day.gaps]
    for name in ("opening", "fills", "positions", "planted"):
        assert len(tables[name]["rows"]) == len(getattr(day.truth, name))
    nulls = sum(row[tables["fills"]["columns"].index("event")] is None for row in tables["fills"]["rows"])
    assert nulls == day.truth.fills["missed"].sum() > 0
    day.truth.write(tmp_path / "truth.json")
    assert (tmp_path / "truth.json").read_bytes() == text.encode()
