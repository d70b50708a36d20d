import json
import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from frames import event
from hypothesis import given, settings
from hypothesis import strategies as st

import kiwoom_nb as kn
from kiwoom_nb import figure_labels, figures
from kiwoom_nb import fills as fills_module
from kiwoom_nb.costs import Costs
from kiwoom_nb.figure_style import percent, signed_won, theme, width_of, won, wrapped
from kiwoom_nb.figure_time import MOST_POINTS, thinned
from kiwoom_nb.fills import fills
from kiwoom_nb.line import Gap
from kiwoom_nb.pnl import realized_pnl, summary
from kiwoom_nb.positions import positions
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.told import Told, told_by

SECOND = 1_000_000
HOUR = 3600 * SECOND
MORNING = 1_763_596_800_000_000  # 2025-11-20 09:00 KST
SAMPLES = ("busy", "calm", "oddities")
LINES = ("plot_realized_pnl", "plot_drawdown")
ALL = {name: getattr(figures, name) for name in figures.__all__}


@pytest.fixture(scope="module")
def samples():
    """The frames of the samples, read once; a test that changes one copies it."""
    return {name: kn.load(f"sample:{name}") for name in SAMPLES}


def table_of(*frames, gaps=(), mask_accounts=True):
    """Return the frame of (moment, raw) or of events a second apart; the line was down in ``gaps``."""
    table = BalanceTable(mask_accounts=mask_accounts, capacity=1024)
    for number, timed in enumerate(frames):
        moment, raw = (MORNING + number * SECOND, timed) if isinstance(timed, bytes) else timed
        table.receive(parse(raw), moment)
    return with_gaps(table.frame(), *gaps)


def with_gaps(frame, *gaps):
    frame = frame.copy()
    told = told_by(frame)
    return Told(gaps=[Gap(start, end, "test") for start, end in gaps], holdings=told.holdings).attach(frame)


def trace(figure, meta):
    [found] = [one for one in figure.data if one.meta == meta]
    return found


def points(one):
    """Return a trace as a Series over Korean time, without the blanks between days."""
    drawn = pd.Series(list(one.y), index=pd.DatetimeIndex(one.x), dtype="object")
    return drawn[[value is not None for value in drawn]].astype("int64")


def korean(index):
    return index.tz_convert("Asia/Seoul").tz_localize(None)


def title(figure):
    return re.sub("<[^>]+>", "", figure.layout.title.text)


def notes(figure):
    return (figure.layout.title.subtitle.text or "").split("<br>")


def text_of(figure):
    """Return all that goes to the browser, Hangul as it is."""
    return json.dumps(json.loads(figure.to_json()), ensure_ascii=False)


def labels(figure):
    return [one for one in figure.layout.annotations if one.name == "gap"]


def shades(figure):
    return [one for one in figure.layout.shapes if one.name == "gap"]


# --- realized P&L -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_the_line_of_realized_pnl_is_the_analysis(samples, name):
    """Each point of `realized_pnl` is drawn, as a step that lasts until the next one, in Korean time."""
    steps = realized_pnl(samples[name])
    line = trace(figures.plot_realized_pnl(samples[name]), "total")
    assert points(line).tolist() == steps.tolist()
    assert pd.DatetimeIndex(line.x).tolist() == korean(steps.index).tolist()
    assert line.line.shape == "hv"


def test_the_ground_above_zero_is_that_of_gains_and_below_that_of_losses(samples):
    """Together the two grounds are the line; each is in its colour."""
    figure = figures.plot_realized_pnl(samples["oddities"], dark=False)
    high, low, line = (trace(figure, name) for name in ("above", "below", "total"))
    assert (points(high) + points(low)).tolist() == points(line).tolist()
    assert points(high).min() >= 0 >= points(low).max()
    assert (high.line.color, low.line.color) == theme("korea", False)[-3:-1]


@pytest.mark.parametrize("name", SAMPLES)
def test_the_lines_of_symbols_add_up_to_the_total(samples, name):
    """Eight symbols have a line, the rest is one line together: only what realized nothing is left out."""
    figure = figures.plot_realized_pnl(samples[name], by="symbol")
    assert len(figure.data) <= 9
    total = sum(points(one) for one in figure.data)
    assert total.tolist() == realized_pnl(samples[name]).tolist()
    table = realized_pnl(samples[name], by="symbol")
    assert all(points(one).abs().max() > 0 for one in figure.data)
    [code] = samples[name].loc[samples[name]["name"] == "NAVER", "symbol"].unique()
    assert points(trace(figure, "NAVER")).tolist() == table[code].tolist()


def test_lines_are_told_apart_without_colour(samples):
    """Neighbours in the legend differ in their dashes too."""
    lines = figures.plot_realized_pnl(samples["busy"], by="symbol").data
    dashes = [one.line.dash for one in lines]
    assert all(one != following for one, following in pairwise(dashes[:8]))
    assert len({(one.line.dash, one.line.color) for one in lines}) == len(lines)


@pytest.mark.parametrize("name", SAMPLES)
def test_cash_and_credit_add_up_to_the_total(samples, name):
    """FID 990 is the one, FID 992 the other."""
    figure = figures.plot_realized_pnl(samples[name], by="credit")
    cash, credit, total = (points(trace(figure, one)) for one in ("Cash", "Credit", "Total"))
    assert (cash + credit).tolist() == total.tolist() == realized_pnl(samples[name]).tolist()
    assert credit.abs().max() > 0
    only = samples[name].assign(credit_realized_pnl=pd.array([0] * len(samples[name]), "Int64"))
    assert cash.tolist() == realized_pnl(only).tolist()


def test_a_row_that_tells_only_one_of_both_counts_in_neither():
    """The total leaves it out, so its parts do."""
    df = table_of(event(f990="100", f946="1"), event(f990="300", f992=None, f946="1"))
    figure = figures.plot_realized_pnl(df, by="credit")
    assert points(trace(figure, "Total")).tolist() == realized_pnl(df).tolist() == [100, 100]
    assert points(trace(figure, "Cash")).tolist() == [100, 100]


def test_accounts_have_a_line_each(samples):
    """They bear the names that the frame has: masked."""
    figure = figures.plot_realized_pnl(samples["oddities"], by="account")
    assert sorted(one.name for one in figure.data) == ["xxxxxx1111", "xxxxxx2222"]


def test_each_day_begins_anew_and_is_seen_to():
    """The line stops at the end of a day, a dotted line marks the next, and the night is not on the axis."""
    evening, next_morning = MORNING + 6 * HOUR, MORNING + 24 * HOUR
    df = table_of(
        (MORNING, event(f990="10", f946="1")),
        (evening, event(f990="700", f946="1")),
        (next_morning, event(f990="50", f946="1")),
    )
    figure = figures.plot_realized_pnl(df)
    line, ground = trace(figure, "total"), trace(figure, "above")
    assert list(line.y) == [10, 700, None, 50]
    assert list(ground.y) == [10, 700, 0, 50]
    [mark] = [one for one in figure.layout.shapes if one.type == "line"]
    assert pd.Timestamp(mark.x0) == pd.Timestamp("2025-11-21 09:00")
    [night] = figure.layout.xaxis.rangebreaks
    assert [pd.Timestamp(one) for one in night.bounds] == [
        pd.Timestamp("2025-11-20 15:00"),
        pd.Timestamp("2025-11-21 09:00"),
    ]


def test_no_night_hides_an_event(samples):
    """What is left out of the axis lies between the last event of a day and the first of the next."""
    df = pd.concat([samples[name] for name in ("calm", "busy", "oddities")], ignore_index=True)
    for column in ("account", "symbol", "name", "side", "venue", "credit_type"):
        df[column] = df[column].astype("category")
    breaks = figures.plot_realized_pnl(df).layout.xaxis.rangebreaks
    times = korean(pd.DatetimeIndex(df["received_at"]))
    assert len(breaks) == 2
    for one in breaks:
        start, end = (pd.Timestamp(bound) for bound in one.bounds)
        assert start < end
        assert not ((times > start) & (times < end)).any()


def test_an_unknown_way_to_split_is_refused(samples):
    """The message names what there is."""
    with pytest.raises(ValueError, match=r"by='name' is not known.*\"symbol\", \"account\" or \"credit\""):
        figures.plot_realized_pnl(samples["calm"], by="name")
    with pytest.raises(ValueError, match="scope='x' is not known"):
        figures.plot_drawdown(samples["calm"], scope="x")


@pytest.mark.parametrize("name", ["busy", "calm"])
def test_the_deepest_point_is_the_drawdown_of_the_summary(samples, name):
    """Won below the highest of the day so far, which is 0 at least; the title says how deep."""
    figure = figures.plot_drawdown(samples[name])
    line, deepest = points(trace(figure, "drawdown")), trace(figure, "deepest")
    steps = realized_pnl(samples[name])
    assert line.tolist() == (steps - steps.clip(lower=0).cummax()).tolist()
    assert deepest.y[0] == line.min() == summary(samples[name])["max_drawdown"].iloc[0]
    assert title(figure).endswith(signed_won(line.min()))


# --- positions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_bars_are_the_unrealized_pnl_sorted(samples, name):
    """The highest is at the top; won and percent stand beside each bar, with arrow and sign."""
    held = positions(samples[name]).sort_values("unrealized_pnl", kind="stable")
    figure = figures.plot_positions(samples[name])
    [bars] = figure.data
    assert list(bars.x) == held["unrealized_pnl"].tolist()
    wanted = [
        f"{signed_won(pnl)}<br>{percent(rate)}"
        for pnl, rate in zip(held["unrealized_pnl"], held["unrealized_pnl_pct"], strict=True)
    ]
    assert list(bars.text) == wanted
    assert [re.sub("</?span[^>]*>", "", one.text) for one in figure.layout.annotations] == wanted
    assert title(figure).endswith(signed_won(held["unrealized_pnl"].sum()))


def test_positions_that_would_look_alike_are_told_apart(samples):
    """Loans say so with their date, and where there are several accounts each says which."""
    names = [re.sub("<[^>]+>", " ", one) for one in figures.plot_positions(samples["oddities"]).layout.yaxis.ticktext]
    assert len(set(names)) == len(names)
    assert any(re.fullmatch(r"SK하이닉스 +Credit 10-02 ·2222 *", one) for one in names)


def test_own_prices_move_the_bars(samples):
    """As in `positions`."""
    held = positions(samples["calm"], prices={"005930": 200_000})
    [bars] = figures.plot_positions(samples["calm"], prices={"005930": 200_000}).data
    assert sorted(bars.x) == sorted(held["unrealized_pnl"])
    assert any("₩200,000 (given)" in one for one in bars.customdata)


@pytest.mark.parametrize("name", ["plot_positions", "plot_allocation"])
def test_what_was_held_before_is_missed_where_no_account_query_is_known(samples, name):
    """A frame without account queries, or a part of one, says that it is about what filled."""
    whole = samples["calm"]
    told, part, bare = ALL[name](whole), ALL[name](whole.iloc[10:]), ALL[name](with_gaps(whole.assign()))
    assert notes(told) == [""]
    assert notes(bare) == [""]
    assert notes(part) == ["Only what filled in this session"]
    unasked = Told().attach(whole.copy())
    assert notes(ALL[name](unasked)) == ["Only what filled in this session"]


def test_prices_from_before_a_gap_are_marked(samples):
    """The line was down since: a sign at the name, a note, and a sentence when pointed at."""
    df = samples["calm"]
    end = int(df["received_at"].iloc[-1].value) // 1000 + HOUR
    figure = figures.plot_positions(with_gaps(df, (end, end + HOUR)))
    assert all(one.startswith("⚠ ") for one in figure.layout.yaxis.ticktext)
    assert "⚠ not confirmed since the line was down" in notes(figure)
    assert all("⚠ not confirmed" in one for one in figure.data[0].customdata)


@pytest.mark.parametrize("name", SAMPLES)
def test_areas_are_the_market_values(samples, name):
    """Weight and return stand in each tile; the colour goes by the return."""
    held = positions(samples[name])
    [tiles] = figures.plot_allocation(samples[name]).data
    assert list(tiles.values) == held["market_value"].tolist()
    assert [one[0] for one in tiles.customdata] == [f"{100 * weight:.2f}%" for weight in held["weight"]]
    np.testing.assert_array_equal(tiles.marker.colors, held["unrealized_pnl_pct"])
    for told, rate in zip(tiles.customdata, held["unrealized_pnl_pct"], strict=True):
        arrow = "▲ " if rate >= 0.005 else "▼ " if rate <= -0.005 else ""
        assert told[1] == arrow + percent(rate)


# --- fills --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_each_fill_is_a_marker(samples, name):
    """Price against time, up for a buy and down for a sell, hollow where it is not exact."""
    traded = fills(samples[name])
    figure = figures.plot_fills(samples[name])
    for kind, symbol in (("buy", "triangle-up"), ("sell", "triangle-down")):
        own = traded[(traded["side"] == kind) & (traded["confidence"] == "exact")]
        drawn = [one for one in figure.data if one.meta == kind]
        found = sorted((pd.Timestamp(x), y) for one in drawn for x, y in zip(one.x, one.y, strict=True))
        assert found == sorted(zip(korean(pd.DatetimeIndex(own["time"])), own["price"], strict=True))
        assert {symbol} == {one for trace in drawn for one in trace.marker.symbol}
    uncertain = [one for trace in figure.data if trace.meta == "uncertain" for one in trace.marker.symbol]
    assert len(uncertain) == (traded["confidence"] != "exact").sum()
    assert all(one.endswith("-open") for one in uncertain)


def test_a_hollow_one_tells_why(samples):
    """Its confidence and reason stand in what pointing at it shows."""
    figure = figures.plot_fills(samples["oddities"])
    [told] = [one for trace in figure.data if trace.meta == "uncertain" for one in trace.customdata]
    assert told.endswith("down: seen when the account was asked")
    assert "fill price not known, shown at the last price" in told


def test_a_larger_fill_is_a_larger_marker(samples):
    """Areas go by amount, from a size that can be hit with a finger to one that hides little."""
    figure = figures.plot_fills(samples["busy"], "005930")
    own = fills(samples["busy"]).query("symbol == '005930' and side == 'buy'")
    sizes = list(trace(figure, "buy").marker.size)
    order = np.argsort(own["amount"].to_numpy(), kind="stable")
    assert np.all(np.diff(np.array(sizes)[order]) >= 0)
    assert 7 <= min(sizes) < max(sizes) <= 20


def test_one_symbol_or_some_can_be_asked_for(samples):
    """In any way that Kiwoom writes them; one without fills says so."""
    one = figures.plot_fills(samples["busy"], "A005930")
    two = figures.plot_fills(samples["busy"], ["005930", "035420"])
    assert len([trace for trace in one.data if trace.meta == "path"]) == 1
    assert len([trace for trace in two.data if trace.meta == "path"]) == 2
    none = figures.plot_fills(samples["busy"], "999999")
    assert none.layout.annotations[0].text == "No fills of 999999"


def test_of_many_symbols_the_most_traded_are_shown():
    """Twelve panels fit a page; the note says how many there are."""
    codes = [f"{number:06d}" for number in range(15)]
    buys = [
        event(code, f9001=code, f946="2", f930="1", f945="1", f932=str(1000 + 10 * number), f10=str(1000 + 10 * number))
        for number, code in enumerate(codes)
    ]
    figure = figures.plot_fills(table_of(*buys))
    assert len([one for one in figure.data if one.meta == "path"]) == 12
    assert notes(figure) == ["The 12 most traded of 15 symbols"]


# --- a day --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_the_day_adds_up(samples, name):
    """Realized and unrealized P&L of the summary, less fee and tax of the fills, is what is left: to the won."""
    df, costs = samples[name], Costs(fee_pct="0.1", tax_pct="0.2")
    [bars] = figures.plot_day(df, costs).data
    traded, told = fills(df, costs=costs), summary(df)
    wanted = [
        told["realized_pnl"].sum(),
        told["unrealized_pnl"].sum(),
        -traded["fee"].sum(),
        -traded["tax"].sum(),
    ]
    assert list(bars.x) == [*wanted, sum(wanted)]
    assert list(bars.measure) == ["relative"] * 4 + ["total"]
    assert list(bars.text) == [signed_won(value) for value in (*wanted, sum(wanted))]


def test_an_earlier_day_can_be_asked_for():
    """Then what came after it does not count."""
    buy = {"f946": "2", "f930": "10", "f945": "10", "f932": "1000", "f10": "100"}
    sell = {"f946": "1", "f930": "0", "f945": "0", "f932": "0", "f10": "150"}
    df = table_of((MORNING, event(**buy)), (MORNING + 24 * HOUR, event(**sell, f990="500")))
    first, last = figures.plot_day(df, date="2025-11-20"), figures.plot_day(df)
    assert list(first.data[0].x)[:2] == [0, 0]
    assert list(last.data[0].x)[:2] == [500, 0]
    assert "2025-11-20" in title(first)
    assert "2025-11-21" in title(last)
    none = figures.plot_day(df, date="2025-11-19")
    assert none.layout.annotations[0].text == "No events on 2025-11-19"


def test_a_day_says_what_its_costs_rest_on(samples):
    """An assumed market and fills without an amount are told, and not told where there are none."""
    assert notes(figures.plot_day(samples["busy"], Costs(tax_pct="0.2"))) == [""]
    assert "Costs(market=...)" in " ".join(notes(figures.plot_day(samples["busy"])))
    told = " ".join(notes(figures.plot_day(samples["oddities"], Costs(tax_pct="0.2"))))
    assert "without 1 fills whose amount is not known" in told


# --- gaps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*LINES, "plot_fills"])
def test_times_without_a_line_are_shaded(samples, name):
    """From start to end, with a label that says when."""
    figure = ALL[name](samples["oddities"])
    [gap], [shade] = told_by(samples["oddities"]).gaps, shades(figure)
    for told, drawn in ((gap.start, shade.x0), (gap.end, shade.x1)):
        assert pd.Timestamp(drawn) == pd.Timestamp(told, unit="us") + pd.Timedelta(hours=9)
    assert [one.text for one in labels(figure)] == ["down 11:54–12:04"]
    assert shades(ALL[name](samples["busy"])) == []


def test_labels_that_would_overlap_are_counted():
    """Every gap is shaded; what has no room for a label is counted by the one before it."""
    events = [(MORNING + hour * HOUR, event(f990=str(hour), f946="1")) for hour in range(7)]
    gaps = [(MORNING + minutes * 60 * SECOND, MORNING + minutes * 60 * SECOND + SECOND) for minutes in (5, 10, 15, 350)]
    figure = figures.plot_realized_pnl(table_of(*events, gaps=gaps))
    assert len(shades(figure)) == 4
    assert [one.text for one in labels(figure)] == ["down 09:05 +2", "down 14:50"]
    assert [one.xanchor for one in labels(figure)] == ["left", "right"]


def test_a_gap_that_lasts_is_shaded_beyond_the_last_event(samples):
    """Nobody knows its end: the shade goes on to the edge, and the label says from when."""
    last = int(samples["busy"]["received_at"].iloc[-1].value) // 1000
    figure = figures.plot_realized_pnl(with_gaps(samples["busy"], (last + SECOND, None)))
    [shade], [label] = shades(figure), labels(figure)
    assert pd.Timestamp(shade.x1) > pd.Timestamp(shade.x0) > pd.Timestamp(figure.data[-1].x[-1])
    assert label.text == "down 15:30–"


def test_gaps_of_other_times_are_left_out(samples):
    """A part of a frame carries all gaps; those before its rows and after them would stretch its axis."""
    df = samples["oddities"]
    assert shades(figures.plot_realized_pnl(df.iloc[120:])) == []
    assert shades(figures.plot_realized_pnl(df.iloc[:50])) == []


# --- how they look ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", figures.__all__)
def test_a_figure_speaks_korean(samples, name):
    """Title, legend, hover: no English word is left but in names of symbols and of arguments."""
    kn.set_language("ko")
    figure = ALL[name](samples["oddities"])
    english = {one for korean, one in figure_labels.WORDS.values() if one.isalpha() and korean != one}
    shown = text_of(figure)
    words = set(re.findall(r">?\b([A-Z][a-z]+)\b", re.sub(r"Pretendard[^\"]*", "", shown)))
    assert words & english == set()
    assert re.search("[가-힣]", figure.layout.title.text)


def test_every_confidence_and_reason_has_korean_words():
    """A reason that is new in `fills` fails here."""
    assert tuple(figure_labels.REASONS) == fills_module.REASONS
    assert all(re.search("[가-힣]", text) for reason, text in figure_labels.REASONS.items() if reason)
    assert set(fills_module.CONFIDENCES) <= set(figure_labels.WORDS)


def test_the_words_of_both_languages_take_the_same_values():
    """A placeholder that one language lacks would lose what it says."""
    for korean, english in figure_labels.WORDS.values():
        assert re.findall(r"\{(\w+)", korean) == re.findall(r"\{(\w+)", english) or set(
            re.findall(r"\{(\w+)", korean)
        ) == set(re.findall(r"\{(\w+)", english))


@pytest.mark.parametrize("colors", ["korea", "colorblind", "us"])
@pytest.mark.parametrize("dark", [False, True, None])
def test_text_stands_out_from_its_ground(colors, dark):
    """Contrast of 4.5 (WCAG AA) where the ground is known, of 3.5 on a white and on a black page where it is not."""
    look = theme(colors, dark)
    grounds, enough = (["#ffffff", "#111111"], 3.5) if dark is None else ([look.background], 4.5)
    for ground in grounds:
        for color in (look.ink, look.muted, look.up, look.down):
            assert contrast(color, ground) >= enough, (color, ground)
        for color in look.lines:
            assert contrast(color, ground) >= 2.5, (color, ground)
    assert contrast(look.label_ink, look.label) >= 4.5
    assert all(contrast("#ffffff", tile) >= 4.5 for tile in look.tiles)


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_up_is_red_and_down_is_blue_in_korea(samples):
    """As every HTS has it; the other two choices are others."""
    [bars] = figures.plot_positions(samples["calm"], dark=False).data
    for value, color in zip(bars.x, bars.marker.color, strict=True):
        red, _, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
        assert (red > blue) == (value >= 0)
    choices = {theme(colors, False)[-3:-1] for colors in ("korea", "colorblind", "us")}
    assert len(choices) == 3
    with pytest.raises(ValueError, match="colors='red' is not known"):
        figures.plot_positions(samples["calm"], colors="red")


@pytest.mark.parametrize("name", figures.__all__)
def test_a_figure_fits_a_phone_and_both_kinds_of_page(samples, name):
    """Fonts with Hangul of 11 px and more, no fixed width, a transparent ground unless one is chosen."""
    figure = ALL[name](samples["oddities"])
    assert "Noto Sans KR" in figure.layout.font.family
    assert figure.layout.width is None
    sizes = [int(size) for size in re.findall(r'"size":(\d+)\b(?!\.)', figure.layout.to_plotly_json().__repr__())]
    assert all(size >= 11 for size in sizes)
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    grounds = [ALL[name](samples["calm"], dark=dark).layout.paper_bgcolor for dark in (False, True)]
    assert grounds == ["#ffffff", "#111111"]


@given(st.text(alphabet="가나다 abc.,", max_size=200))
def test_notes_are_wrapped_to_the_width_of_a_phone(text):
    """No word is lost, and no line is wider than 375 px unless it is one word."""
    lines = wrapped(text)
    assert " ".join(lines).split() == text.split()
    assert all(width_of(line) <= 60 or " " not in line for line in lines)


def test_won_have_separators_and_percent_two_decimals():
    """Signs and arrows say what colours say; zero and unknown have none."""
    assert [won(value) for value in (0, 1234567, -1234567, pd.NA)] == ["₩0", "₩1,234,567", "-₩1,234,567", "–"]
    assert [signed_won(value) for value in (0, 1234, -1234)] == ["₩0", "▲ +₩1,234", "▼ -₩1,234"]
    assert [percent(value) for value in (0.0, 1.005, -12.345, -0.001, np.nan)] == [
        *("0.00%", "+1.00%", "-12.35%", "0.00%", "–"),
    ]


# --- nothing, too much, and what must not be there ----------------------------------------------------------------


@pytest.mark.parametrize("name", figures.__all__)
@pytest.mark.parametrize(("language", "sentence"), [("ko", "아직 체결이 없습니다"), ("en", "No fills yet")])
def test_an_empty_frame_says_so(name, language, sentence):
    """It is no error, and no empty pair of axes either."""
    kn.set_language(language)
    figure = ALL[name](table_of())
    assert isinstance(figure, go.Figure)
    assert len(figure.data) == 0
    assert [one.text for one in figure.layout.annotations] == [sentence]


@pytest.mark.parametrize("by", ["symbol", "account", "credit"])
def test_an_empty_frame_can_be_split(by):
    """Whatever it would be split by."""
    assert len(figures.plot_realized_pnl(table_of(), by=by).data) == 0


@pytest.mark.parametrize("name", figures.__all__)
def test_no_figure_of_a_masked_frame_holds_an_account_number(samples, name):
    """Neither in what is shown nor in what is not; of an unmasked frame the accounts are told apart by theirs."""
    numbers = kn.load("sample:oddities", mask_accounts=False)["account"].unique()
    assert len(numbers) == 2
    text = ALL[name](samples["oddities"]).to_json()
    assert [number for number in numbers if number in text] == []


@pytest.mark.parametrize("name", figures.__all__)
def test_a_figure_changes_nothing_in_the_frame(samples, name):
    """Neither its cells nor what it carries."""
    before, attrs = samples["oddities"].copy(), dict(samples["oddities"].attrs)
    ALL[name](samples["oddities"])
    pd.testing.assert_frame_equal(samples["oddities"], before)
    assert samples["oddities"].attrs == attrs


def test_a_name_is_shown_as_it_is():
    """Plotly reads some HTML; a name that looks like it stays a name."""
    df = table_of(event(f302='<a href="x">A&B</a>', f946="2", f930="1", f945="1"))
    for figure in (figures.plot_positions(df), figures.plot_fills(df), figures.plot_realized_pnl(df, by="symbol")):
        text = text_of(figure)
        assert "&lt;a href" in text
        assert "<a href" not in text.replace('"meta": "<a href', "")


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 20_000),
    days=st.integers(1, 4),
    most=st.integers(40, 400),
)
def test_thinning_keeps_what_pixels_show(seed, rows, days, most):
    """Never more points than asked for; the first, the last and the extremes of each day stay, in order."""
    random = np.random.default_rng(seed)
    at = np.sort(
        MORNING + 24 * HOUR * random.integers(0, days, rows) + (random.beta(0.3, 0.3, rows) * 6 * HOUR).astype(np.int64)
    )
    values = random.integers(-1000, 1000, rows).cumsum()
    kept = thinned(at, values, most)
    day = (at + 9 * HOUR) // (24 * HOUR)
    assert len(kept) + len(np.unique(day)) - 1 <= most
    assert np.all(np.diff(kept) > 0)
    assert (kept[0], kept[-1]) == (0, rows - 1)
    assert (values[kept].min(), values[kept].max()) == (values.min(), values.max())
    if rows + len(np.unique(day)) - 1 <= most:
        assert len(kept) == rows
    for one in np.unique(day):
        own = np.flatnonzero(day == one)
        assert {own[0], own[-1]} <= set(kept)


def test_a_thinned_line_is_the_same_to_the_pixel():
    """In each of a thousand columns of pixels the lowest, highest, first and last value are those of all points."""
    random = np.random.default_rng(1)
    at = MORNING + np.sort(random.integers(0, 6 * HOUR, 100_000))
    values = random.integers(-1000, 1000, len(at)).cumsum()
    kept = thinned(at, values)
    assert len(kept) <= MOST_POINTS
    column = (at - at[0]) * 1000 // (at[-1] - at[0] + 1)
    whole = pd.Series(values).groupby(column).agg(["min", "max", "first", "last"])
    drawn = pd.Series(values[kept]).groupby(column[kept]).agg(["min", "max", "first", "last"])
    pd.testing.assert_frame_equal(whole, drawn)


def test_a_long_frame_is_thinned(samples):
    """A line of 50,000 events is at most 4,000 points, and the number in the title is still the last one."""
    df = pd.concat([samples["busy"]] * 84, ignore_index=True)
    begin = samples["busy"]["received_at"].iloc[0]
    df["received_at"] = begin + pd.to_timedelta(np.arange(len(df)) * 400, unit="ms").astype("timedelta64[us]")
    df["side"] = pd.Categorical(["sell"] * len(df), dtype=df["side"].dtype)
    df["realized_pnl"] = pd.array(np.random.default_rng(2).integers(-(10**6), 10**6, len(df)), "Int64")
    steps = realized_pnl(df, scope="account")
    figure = figures.plot_realized_pnl(df, scope="account")
    line = points(trace(figure, "total"))
    assert len(line) <= MOST_POINTS < len(steps)
    assert (line.min(), line.max(), line.iloc[-1]) == (steps.min(), steps.max(), steps.iloc[-1])
    assert title(figure).endswith(signed_won(steps.iloc[-1]))
    marks = figures.plot_fills(df)
    shown = sum(len(one.x) for one in marks.data if one.meta in {"buy", "sell", "uncertain"})
    assert shown <= 6000
    assert notes(marks) == [f"{shown:,} of {len(fills(df)):,} shown"]


def test_plotly_is_imported_when_a_figure_is_made():
    """Naming the functions costs nothing."""
    program = "import kiwoom_nb.figures, sys; print('plotly' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert done.stdout.split() == [b"False"]
