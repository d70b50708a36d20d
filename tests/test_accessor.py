import asyncio
import json
import re

import pandas as pd
import pytest
from frames import event
from lines import Server, Tokens, until

import kiwoom_nb as kn
from kiwoom_nb import figures
from kiwoom_nb.errors import ColumnsMissing, NotLive
from kiwoom_nb.samples import DAYS
from kiwoom_nb.stream import Stream
from kiwoom_nb.table import empty_frame

LIVE_ONLY = ("wait", "sync", "pause", "resume", "stop")


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def df(server):
    """A live frame of two rows."""
    stream = Stream(connect=server.connect, tokens=Tokens(), server="test", owner="0123456789ab")
    until(lambda: stream.status.state == "live")
    server.push(event(f930="1"), event(f930="2x", f777="?"))
    assert stream.wait(2, timeout=20)
    yield stream.frame
    stream.stop()


def derived(df):
    return {
        "head": df.head(),
        "mask": df[df["quantity"] > 0],
        "copy": df.copy(),
        "columns": df[["symbol", "quantity"]],
        "made by hand": pd.DataFrame({"a": [1]}),
        "empty": empty_frame(),
    }


@pytest.mark.parametrize("call", [*LIVE_ONLY, "status"])
def test_a_frame_with_nothing_behind_it_says_so(df, call):
    """NotLive is a sentence that names the call and the two functions whose frames have something."""
    for frame in derived(df).values():
        with pytest.raises(NotLive, match=rf"df\.kn\.{call}") as caught:
            getattr(frame.kn, call) if call == "status" else getattr(frame.kn, call)()
        assert "kn.stream_balances()" in str(caught.value)


async def test_awaiting_a_plain_frame_says_so():
    """changed() raises when it is awaited."""
    with pytest.raises(NotLive, match=r"df\.kn\.changed\(\)"):
        await empty_frame().kn.changed()


def test_the_calls_reach_the_stream(df, server):
    """wait, sync, pause, resume and stop do what the stream does."""
    server.push(event(f930="3"))
    until(lambda: df.kn.status.events == 3)
    assert len(df) == 2
    df.kn.sync()
    assert len(df) == 3
    df.kn.pause()
    assert df.kn.status.paused
    df.kn.resume()
    assert not df.kn.status.paused
    assert df.kn.wait(3)
    assert asyncio.run(df.kn.changed(3))
    df.kn.stop()
    assert df.kn.status.state == "stopped"
    assert not df.kn.wait()


def test_gaps_and_rejects_are_on_every_frame_as_of_its_moment(df, server):
    """What is derived from a live frame carries them along; a frame without any has empty ones of the same columns."""
    head = df.head()
    server.push(event(f930="?"))
    df.kn.wait(3)
    assert list(df.kn.rejected["reason"]) == ["unreadable", "unknown_fid", "unreadable"]
    assert list(head.kn.rejected["reason"]) == ["unreadable", "unknown_fid"]
    pd.testing.assert_frame_equal(empty_frame().kn.rejected, df.kn.rejected.head(0))
    pd.testing.assert_frame_equal(pd.DataFrame({"a": [1]}).kn.gaps, df.kn.gaps)
    assert list(df.kn.gaps.columns) == ["start", "end", "reason", "missed"]


def test_attrs_of_another_program_are_no_gaps():
    """Somebody else may have put anything there."""
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["kiwoom_nb"] = {"gaps": 1}
    assert len(frame.kn.gaps) == len(frame.kn.rejected) == 0


@pytest.mark.parametrize("export", ["to_parquet", "to_csv", "to_excel"])
def test_an_export_returns_the_path_of_its_file(df, tmp_path, export):
    """The Parquet file gives back an equal frame, rejects included."""
    suffix = {"to_parquet": "parquet", "to_csv": "csv", "to_excel": "xlsx"}[export]
    path = getattr(df.kn, export)(str(tmp_path / f"day.{suffix}"))
    assert path == tmp_path / f"day.{suffix}"
    assert path.stat().st_size > 0
    if export == "to_parquet":
        loaded = kn.load(path)
        pd.testing.assert_frame_equal(loaded, df.copy())
        pd.testing.assert_frame_equal(loaded.kn.rejected, df.kn.rejected)


def test_the_accessor_keeps_nothing_but_the_frame(df):
    """A new one is made by pandas at each access."""
    assert vars(df.kn) == {"_frame": df.kn._frame}
    assert df.kn._frame is df


# --- what it means --------------------------------------------------------------------------------------------------

ANALYSES = {
    "positions": lambda df: df.kn.positions(closed=True),
    "fills": lambda df: df.kn.fills(),
    "fills with costs": lambda df: df.kn.fills(costs=kn.Costs(market={"005930": "KOSPI"})),
    "realized_pnl": lambda df: df.kn.realized_pnl(),
    "by symbol": lambda df: df.kn.realized_pnl(by="symbol"),
    "summary": lambda df: df.kn.summary(),
    "reconcile": lambda df: df.kn.reconcile(),
    "holdings": lambda df: df.kn.holdings,
}


def equal(one, other):
    kind = pd.testing.assert_series_equal if isinstance(one, pd.Series) else pd.testing.assert_frame_equal
    kind(one, other)


@pytest.mark.parametrize("name", ANALYSES)
def test_a_replayed_a_loaded_and_a_live_frame_say_the_same(name, tmp_path):
    """The analysis looks at the rows and at what comes along with them, not at where they came from."""
    analyse = ANALYSES[name]
    loaded = kn.load("sample:oddities")
    expected = analyse(loaded)
    replayed = kn.replay("sample:oddities", speed=float("inf"))
    replayed.kn.wait(len(loaded), timeout=20)
    equal(analyse(replayed), expected)
    equal(analyse(loaded.copy()), expected)
    equal(analyse(loaded.iloc[:]), expected)
    equal(analyse(kn.load(loaded.kn.to_parquet(tmp_path / "day.parquet"))), expected)


def test_a_live_frame_says_at_any_moment_what_its_copy_says(server):
    """Its latest rows are kept as they arrive; the copy looks for them among all rows."""
    stream = Stream(connect=server.connect, tokens=Tokens(), server="test", owner="0123456789ab")
    df = stream.frame
    frames = [raw for _, raw in kn.simulate(2, events=60, accounts=2).frames()]
    try:
        until(lambda: stream.status.state == "live")
        for number, raw in enumerate(frames, 1):
            server.push(raw)
            if number % 10 == 0:
                assert df.kn.wait(number, timeout=20)
                until(lambda: stream.status.events == sum(one.count(b'"type":"04"') for one in frames[:number]))  # noqa: B023 - called at once
                df.kn.sync()
                for name in ("positions", "fills", "summary"):
                    equal(ANALYSES[name](df), ANALYSES[name](df.copy()))
        df.kn.pause()
        server.push(event(f9001="000660", f930="7"))
        until(lambda: stream.status.waiting)
        equal(df.kn.positions(), df.copy().kn.positions())
    finally:
        df.kn.stop()


def test_a_replay_knows_at_each_position_what_was_known_then():
    """Seeking back takes the positions back; nothing of what comes later is told."""
    df = kn.replay("sample:oddities", autoplay=False)
    loaded = kn.load("sample:oddities")
    for rows in (0, 40, 93, 120, len(loaded), 40):
        df.kn.seek(rows)
        assert len(df) == rows
        if rows:
            shown, expected = df.kn.positions(closed=True), loaded.iloc[:rows].kn.positions(closed=True)
            later = ["stale"]  # a part of a recording knows of the gaps after it, a replay does not yet
            equal(shown[shown["events"] > 0].drop(columns=later), expected[expected["events"] > 0].drop(columns=later))
    equal(df.kn.fills(), loaded.iloc[:40].kn.fills())


def test_fills_of_two_parts_are_the_fills_of_the_whole():
    """`previous` may be any frame, a live one too."""
    df = kn.load("sample:busy")
    before = kn.replay("sample:busy", autoplay=False, start=300)
    both = pd.concat([before.kn.fills(), df.iloc[300:].kn.fills(previous=before)], ignore_index=True)
    equal(both.astype("object"), df.kn.fills().astype("object"))


def test_costs_are_added_only_on_request():
    """Gross by default, and labelled so; with costs a buy costs more and a sale brings less."""
    df = kn.load("sample:calm")
    assert not {"fee", "tax", "net_amount"} & set(df.kn.fills().columns)
    fills = df.kn.fills(costs=kn.Costs(market={"069500": "ETF"}))
    buys, sells = fills[fills["side"] == "buy"], fills[fills["side"] == "sell"]
    assert (buys["net_amount"] == buys["amount"] + buys["fee"]).all()
    assert (buys["tax"] == 0).all()
    assert (sells["net_amount"] == sells["amount"] - sells["fee"] - sells["tax"]).all()
    assert (sells.loc[sells["symbol"] == "069500", "tax"] == 0).all()
    assert (fills["assumed"] == (fills["symbol"] != "069500")).all()


def test_fees_and_taxes_are_those_of_the_synthetic_truth():
    """To the won, for every fill, once it is known which symbols are funds."""
    df = kn.load("sample:busy", mask_accounts=False)
    truth = DAYS["busy"]().truth.fills
    fills = df.kn.fills(costs=kn.Costs(market={"069500": "ETF"}))
    assert fills["fee"].tolist() == truth["fee"].tolist()
    assert fills["tax"].tolist() == truth["tax"].tolist()


def test_metrics_are_of_the_daily_realized_pnl():
    """One return a day over the capital; the formulas are a library's."""
    days = [kn.load(f"sample:{name}") for name in ("calm", "busy", "oddities")]
    table = pd.concat(days, ignore_index=True)
    by_day = table.kn.summary().groupby("date")["realized_pnl"].sum()
    metrics = table.kn.metrics(capital=100_000_000)
    assert metrics["cum_returns_final"] == pytest.approx(by_day.sum() / 100_000_000)


@pytest.mark.parametrize("call", ["positions", "fills", "realized_pnl", "summary", "reconcile"])
def test_a_frame_without_the_columns_is_told_which(call):
    """Of a frame of its own, or of some columns only, nothing can be said."""
    for frame in (pd.DataFrame({"a": [1]}), kn.load("sample:calm")[["symbol", "price"]]):
        with pytest.raises(ColumnsMissing, match=rf"df\.kn\.{call}\(\) reads balance events.*quantity"):
            getattr(frame.kn, call)()


@pytest.mark.parametrize("call", ["positions", "fills", "realized_pnl", "summary", "reconcile"])
@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.sort_values(["symbol", "quantity"]),
        lambda frame: frame.sample(frac=1, random_state=1),
    ],
)
def test_sorted_rows_tell_what_they_tell_in_order(call, change):
    """A frame that was sorted to be looked at is worked out in order of arrival, whether rows are missing or not."""
    whole = kn.load("sample:oddities")
    for frame in (whole, whole.drop(index=7)):
        assert getattr(change(frame).kn, call)().equals(getattr(frame.kn, call)())


def test_fills_go_on_from_rows_that_were_sorted():
    """Those before too."""
    whole = kn.load("sample:calm")
    later = whole.iloc[30:].kn.fills(previous=whole.iloc[29::-1])
    assert later.equals(whole.iloc[30:].kn.fills(previous=whole.iloc[:30]))
    assert set(later["confidence"]) == {"exact"}


def test_holdings_are_what_the_account_told():
    """One row for each position of each query, typed."""
    held = kn.load("sample:calm").kn.holdings
    opening = DAYS["calm"]().truth.opening
    assert held["quantity"].tolist() == opening["quantity"].tolist()
    assert held["cost"].tolist() == opening["cost"].tolist()
    assert set(held["account"]) == {"xxxxxx1111"}
    pd.testing.assert_series_equal(empty_frame().kn.holdings.dtypes, held.dtypes)


PLOTS = ("plot_realized_pnl", "plot_drawdown", "plot_positions", "plot_allocation", "plot_fills", "plot_day")


@pytest.mark.parametrize("name", PLOTS)
def test_each_figure_is_one_call_away(name):
    """`df.kn.plot_...` is the function of the same name, on any frame; the figure names no whole account."""
    df = kn.load("sample:calm", mask_accounts=True)
    figure = getattr(df.kn, name)(colors="us", dark=True)
    direct = getattr(figures, name)(df, colors="us", dark=True)
    assert json.loads(figure.to_json()) == json.loads(direct.to_json())
    assert not re.search(r"(?<![\d.])1111111111", figure.to_json())  # 0.1111111111 is a place on the page
    with pytest.raises(ColumnsMissing, match=name):
        getattr(pd.DataFrame({"a": [1]}).kn, name)()


def test_every_figure_is_offered():
    """A figure that is added is added to the accessor too."""
    assert set(figures.__all__) == set(PLOTS)
