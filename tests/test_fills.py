import itertools

import frames
import numpy as np
import pandas as pd
import pytest
from days import ODD, PLAIN, SECOND, START, ask, by_account, fed, frame_of, state, values
from hypothesis import example, given, settings
from hypothesis import strategies as st

import kiwoom_nb as kn
from kiwoom_nb.costs import Costs
from kiwoom_nb.fills import CONFIDENCES, REASONS, fills, follow
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable, empty_frame

MONEY = ["side", "quantity", "price", "amount", "realized_pnl"]
KEY = ["account", "symbol", "credit_type", "loan_date"]
WHAT = [*KEY, *MONEY, "net_quantity", "cash", "confidence", "reason"]
DAYS = {"plain": PLAIN, "odd": ODD}
FRAMES = {(name, asked): frame_of(day, asked=asked) for name, day in DAYS.items() for asked in (True, False)}
FILLS = {name: fills(frame) for name, frame in FRAMES.items()}
WHOLE = {name: values(found) for name, found in FILLS.items()}
SENT = {name: list(day.frames()) for name, day in DAYS.items()}
cases = st.sampled_from(list(FRAMES))
few = settings(max_examples=20, deadline=None)


def truth_of(day):
    """What each event tells, by row."""
    told = day.truth.fills
    return told[told["event"].notna()].set_index("event")


@pytest.mark.parametrize("seed", range(4))
def test_every_fill_that_an_event_tells_is_exact_to_the_won_and_share(seed):
    """With the opening holdings known, and nothing missed, there is no doubt about any; and none is invented."""
    day = kn.simulate(seed, events=150, accounts=1 + seed % 3)
    found = fills(frame_of(day))
    told = truth_of(day)
    assert found["row"].tolist() == told.index.tolist()
    assert set(found["confidence"]) == {"exact"}
    assert values(found, *MONEY) == values(told, *MONEY)
    assert values(found, *KEY) == values(told, *KEY)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("asked", [True, False])
def test_what_is_called_exact_is_right_and_what_is_in_doubt_is_marked(seed, asked):
    """On a day with all oddities: a gap in which fills are missed, blanks, a duplicate, lots with their sum."""
    day = kn.simulate(seed, events=100, accounts=1 + seed % 2, plant="all")
    frame = frame_of(day, asked=asked)
    found, told = fills(frame), truth_of(day)
    rows = found[found["row"].notna()].set_index("row")
    assert set(told.index) == set(rows.index) or not asked
    assert set(rows.index) <= set(told.index)  # no duplicate, no 99 row
    exact = rows[rows["confidence"] == "exact"]
    assert values(exact, *MONEY) == values(told.loc[exact.index], *MONEY)
    assert (rows.loc[rows["confidence"] != "exact", "reason"] != "").all()
    assert (exact["reason"] == "").all()
    positions = told.groupby(KEY, dropna=False).ngroups  # each is seen first once, and once more after the gap
    assert len(exact) >= len(told) - 6 - (0 if asked else 2 * positions)
    missed = day.truth.fills
    missed = missed[missed["missed"]]
    after = found[(found["time"] >= missed["time"].max()) & (found["symbol"].isin(missed["symbol"]))]
    assert len(missed)
    assert (after["confidence"] != "exact").any()


@pytest.mark.parametrize("name", ["calm", "busy", "oddities"])
def test_the_samples_give_back_what_happened(name):
    """Also through their journals, whose account queries tell what was held."""
    from kiwoom_nb.samples import DAYS as SAMPLES

    found, told = fills(kn.load(f"sample:{name}", mask_accounts=False)), truth_of(SAMPLES[name]())
    rows = found[found["row"].notna()].set_index("row")
    exact = rows[rows["confidence"] == "exact"]
    assert set(rows.index) == set(told.index)
    assert values(exact, *MONEY) == values(told.loc[exact.index], *MONEY)
    assert len(exact) >= len(told) - 3


def test_what_was_missed_in_a_gap_shows_when_the_account_is_asked():
    """As one change of shares, without a price that nobody knows."""
    found = FILLS["odd", True]
    asked = found[found["row"].isna()]
    missed = ODD.truth.fills
    missed = missed[missed["missed"]]
    signed = missed["quantity"].where(missed["side"] == "buy", -missed["quantity"])
    wanted = signed.groupby([missed["account"], missed["symbol"]]).sum()
    assert {(row.account, row.symbol): row.net_quantity for row in asked.itertuples()} == wanted[wanted != 0].to_dict()
    assert set(asked["reason"]) == {"seen when the account was asked"}
    assert asked["amount"].isna().all()
    assert asked["cash"].isna().all()


# --- laws -----------------------------------------------------------------------------------------------------------


@given(cases, st.data())
@few
def test_a_frame_can_be_cut_anywhere(case, data):
    """fills(frame) == fills(a) + fills(b, previous=a), and so on in a chain of three."""
    frame = FRAMES[case]
    one, two = sorted([data.draw(st.integers(0, len(frame))), data.draw(st.integers(0, len(frame)))])
    parts = [
        *values(fills(frame.iloc[:one])),
        *values(fills(frame.iloc[one:two], previous=frame.iloc[:one])),
        *values(fills(frame.iloc[two:], previous=frame.iloc[:two])),
    ]
    assert parts == WHOLE[case]


@given(cases, st.lists(st.integers(0, 130), max_size=3))
@few
def test_a_frame_that_grows_can_be_followed(case, steps):
    """Each time only the new rows are looked at, be they none."""
    frame, before, found = FRAMES[case], None, []
    ends = sorted(min(step, len(frame)) for step in [0, *steps, 500])
    for start, stop in itertools.pairwise([0, *ends]):
        some, before = follow(frame.iloc[start:stop], before)
        found += values(some)
    assert found == WHOLE[case]


@given(cases, st.integers(0, 130), st.sampled_from([*sorted(set(PLAIN.truth.positions["symbol"])), "nothing"]))
@few
def test_a_later_part_can_be_filtered(case, cut, symbol):
    """Of a selection only its own positions are told, as they are told of the whole."""
    frame = FRAMES[case]
    later = frame.iloc[cut:]
    own = later[later["symbol"] == symbol]
    accounts = set(own["account"])
    wanted = [
        row
        for row in values(fills(later, previous=frame.iloc[:cut]))
        if row[2] == symbol and (row[1] in accounts or row[-1] is not None)
    ]
    assert values(fills(own, previous=frame.iloc[:cut])) == wanted


@given(cases)
@few
def test_a_selection_tells_its_own_fills(case):
    """A position is followed through a frame of its own as through the whole one."""
    frame = FRAMES[case]
    rows = [row for row in WHOLE[case] if row[-1] is not None]
    for symbol in frame["symbol"].unique():
        found = fills(frame[frame["symbol"] == symbol])
        own = values(found[found["row"].notna()])
        wanted = [row for row in rows if row[2] == symbol]
        assert own == wanted or own[0][-2] != "" or len(frame[frame["symbol"] == symbol]) < 2


@given(st.sampled_from(list(DAYS)), st.booleans(), st.data())
@few
def test_a_frame_that_is_sent_again_changes_nothing(name, asked, data):
    """At once or a little later, be it of one event or of several, also of one position."""
    sent = SENT[name]
    again = data.draw(st.integers(0, len(sent) - 1))
    after = min(len(sent) - 1, again + data.draw(st.sampled_from([0, 0, 1, 2, 4])))
    at = sent[after][0]
    twice = [*sent[: after + 1], (at, sent[again][1]), *sent[after + 1 :]]
    frame = frame_of(DAYS[name], twice, asked=asked)
    assert values(fills(frame), *WHAT) == values(FILLS[name, asked], *WHAT)


@given(st.sampled_from(list(DAYS)), st.sets(st.integers(0, 119), max_size=60), st.booleans())
@example(name="odd", dropped={28, 29, 30, 31, 32}, asked=False)  # the first event that is left cannot be read
@few
def test_what_lies_between_two_events_is_never_told_wrong(name, dropped, asked):
    """However many events are lost, unnoticed: shares and money are right, though what cancelled out is not seen."""
    day = DAYS[name]
    table = BalanceTable(mask_accounts=False, capacity=512)
    if asked:
        ask(table, day, SENT[name][0][0] - 5, None)
    events, number = [], 0
    for place, (at, raw) in enumerate(SENT[name]):
        count = raw.count(b'"9201"')
        if place not in dropped:
            table.receive(parse(raw), at)
            events += range(number, number + count)
        number += count
    frame = table.frame()
    _check_against_truth(day, fills(frame), events, np.flatnonzero(frame["quantity"].isna()))


def _happened(day):
    """Return the fills of each position as (time, side, quantity, amount, realized P&L)."""
    all_fills = day.truth.fills
    found = {}
    for key, fill in zip(
        values(all_fills, *KEY), values(all_fills, "time", "side", "quantity", "amount", "realized_pnl"), strict=True
    ):
        found.setdefault(key, []).append(fill)
    return found


NEVER = pd.Timestamp(0, tz="UTC")


def _check_against_truth(day, found, events, unread=()):
    """Compare each fill with all that happened to its position since the last event that was heard and understood."""
    last, spans = {}, []
    happened = _happened(day)
    told_at = list(zip(values(day.truth.positions, *KEY), day.truth.positions["time"], strict=True))
    unread = set(unread) - set(found["row"].dropna())
    for row, event in enumerate(events):
        key, time = told_at[event]
        spans.append((key, last.get(key, NEVER), time))
        if row not in unread:  # else what it told is part of the next one
            last[key] = time
    for fill in found[found["row"].notna()].itertuples():
        key, start, end = spans[fill.row]
        between = [one for one in happened[key] if start < one[0] <= end]
        shares = [quantity if side == "buy" else -quantity for _, side, quantity, _, _ in between]
        cash = sum(-amount if side == "buy" else amount for _, side, _, amount, _ in between)
        realized = sum(one[-1] for one in between)
        assert pd.isna(fill.net_quantity) or fill.net_quantity == sum(shares)
        assert pd.isna(fill.cash) or (fill.cash, fill.realized_pnl) == (cash, realized)
        if fill.confidence in {"exact", "merged"}:
            assert fill.side in {one[1] for one in between}
            assert (fill.quantity, fill.amount) == (abs(sum(shares)), abs(cash))
            assert fill.realized_pnl == realized


@pytest.mark.parametrize("case", list(FRAMES))
def test_money_is_conserved(case):
    """Realized P&L is the money that moved and the change of the cost still held, exactly, in won."""
    frame, found = FRAMES[case], FILLS[case]
    opening = DAYS[case[0]].truth.opening
    cost = dict(zip(values(opening, *KEY), opening["cost"], strict=True)) if case[1] else {}
    own = pd.Series(values(found, *KEY))
    counted = 0
    for key in set(own):
        fills_of = found[(own == key).to_numpy()]
        if fills_of["cash"].notna().all():
            held = frame.loc[int(fills_of["row"].iloc[-1]), "cost"]
            assert fills_of["realized_pnl"].sum() == fills_of["cash"].sum() + held - cost.get(key, 0)
            counted += 1
    assert counted >= 5 or not case[1]
    sells = found[(found["side"] == "sell") & (found["confidence"] == "exact")]
    assert (sells["amount"] == sells["quantity"] * sells["price"]).all()


@given(st.randoms(use_true_random=False), st.booleans())
@few
def test_the_order_of_symbols_does_not_matter(random, asked):
    """Interleaved in another way the positions have the same fills."""
    frame = FRAMES["plain", asked]
    times = np.zeros(len(frame))
    for places in frame.groupby("symbol", observed=True).indices.values():
        times[places] = sorted(random.random() for _ in places)
    other = frame.take(np.argsort(times, kind="stable")).reset_index(drop=True)
    other["received_at"] = frame["received_at"]  # else it would not be in order
    other.attrs = frame.attrs
    assert sorted(map(str, values(fills(other), *WHAT))) == sorted(map(str, values(FILLS["plain", asked], *WHAT)))


# --- single fills -----------------------------------------------------------------------------------------------------


def told(*entries, **options):
    """Return the fills of these entries."""
    return fills(fed(*entries, **options).frame())


HELD = state("buy", 1000, 100, 100_000, net=100)


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (state("buy", 1100, 110, 111_000, net=110), ("buy", 10, 1100, 11_000, 0, 10, -11_000, "exact")),
        (state("sell", 1100, 90, 90_000, 1000, 90), ("sell", 10, 1100, 11_000, 1000, -10, 11_000, "exact")),
        (state("sell", 900, 0, 0, -10_000, 0), ("sell", 100, 900, 90_000, -10_000, -100, 90_000, "exact")),
        # the market moved on since, and a share can trade at 1100: one fill
        (state("buy", 1101, 110, 111_000, net=110), ("buy", 10, 1100, 11_000, 0, 10, -11_000, "exact")),
        (state("buy", 1100, 110, 111_005, net=110), ("buy", 10, 1101, 11_005, 0, 10, -11_005, "merged")),
        # bought and sold meanwhile, or the one that the other says it is not
        (state("buy", 1100, 105, 105_500, 500, 105), ("buy", None, 1100, None, 500, 5, -5000, "contradictory")),
        (state("sell", 1100, 110, 111_000, 0, 110), ("sell", None, 1100, None, 0, 10, -11_000, "contradictory")),
        (state("buy", 1100, 110, 111_000, net=105), ("buy", None, 1100, None, 0, 10, -11_000, "contradictory")),
        # without the shares bought today the rest is enough
        (state("buy", 1100, 110, 111_000, net=None), ("buy", 10, 1100, 11_000, 0, 10, -11_000, "exact")),
    ],
)
def test_a_fill_is_what_lies_between_two_states(entry, wanted):
    """Quantity, cost, realized P&L, the shares bought today and the side have to agree on it."""
    found = told(HELD, entry)
    assert values(found.iloc[1:], *MONEY, "net_quantity", "cash", "confidence") == [wanted]


def test_the_first_event_of_a_position_that_was_not_held_says_it_all():
    """Bought today, as many as are held, nothing realized; yet nobody knows of before, so it is marked."""
    found = told(HELD, state("sell", 1000, 5, 5000, 0, -5, f9001="000660"))
    wanted = [("buy", 100, 1000, 100_000, 0, 100, "first"), ("sell", None, 1000, None, None, None, "first")]
    assert values(found, *MONEY, "net_quantity", "confidence") == wanted


def test_a_day_begins_anew():
    """What was realized and bought today is counted from 0 the next day, and a fill over midnight is told right."""
    day = 86_400 * SECOND
    table = fed(HELD, state("sell", 1100, 90, 90_000, 1000, 90))
    found = fills(fed(state("sell", 1200, 80, 80_000, 2000, -10), table=table, start=START + day).frame())
    assert values(found.iloc[2:], *MONEY, "confidence") == [("sell", 10, 1200, 12_000, 2000, "exact")]


def test_a_blank_quantity_is_read_off_the_shares_bought_today():
    """FID 945 changes with every fill; the next day it says nothing."""
    later = state("buy", 1100, 120, 122_000, net=120)
    found = told(HELD, state("buy", 1100, None, 111_000, net=110), later)
    assert values(found.iloc[1:], "quantity", "confidence", "row") == [(10, "exact", 1), (10, "exact", 2)]
    table = fed(HELD)
    table = fed(state("buy", 1100, None, 111_000, net=10), table=table, start=START + 86_400 * SECOND)
    assert len(fills(table.frame())) == 1


def test_a_fill_after_a_gap_is_marked_even_if_it_looks_plain():
    """Others may have been missed that cancelled out; of an event sent again after it nothing is learnt."""
    table = fed(HELD)
    table.line.connected(START - 1)
    table.line.disconnected(START + 1, "closed")
    table.line.connected(START + SECOND)
    again = START + 2 * SECOND
    found = fills(fed(HELD, state("buy", 1100, 110, 111_000, net=110), table=table, start=again).frame())
    assert values(found.iloc[1:], "quantity", "confidence", "row") == [(10, "gap", 2)]
    assert found["reason"].iloc[1] == "the line was down before it"


def test_an_event_that_the_account_query_told_already_is_no_second_fill():
    """It was under way when the account was asked: the fill is marked, and money is not counted twice."""
    table = fed(HELD)
    page = frames.dump(
        {"acnt_evlt_remn_indv_tot": [{"stk_cd": "A005930", "rmnd_qty": "110", "pur_amt": "111000", "cur_prc": "1100"}]}
    )
    table.hold(START + SECOND, "1111111111", [page])
    found = fills(fed(state("buy", 1100, 110, 111_000, net=110), table=table, start=START + 2 * SECOND).frame())
    assert values(found.iloc[1:], "net_quantity", "cash", "row", "confidence") == [
        (10, None, None, "gap"),
        (None, None, 1, "first"),
    ]


def test_a_sum_of_lots_is_a_fill_only_as_long_as_no_lot_is_known():
    """What both tell must not be counted twice."""
    lots = {"f917": "03", "f916": "20261102"}
    total = {"f917": "99", "f916": "00000000"}
    sold = state("sell", 1100, 90, 90_000, 0, 90, f992="1000", **total)
    alone = told(state("buy", 1000, 100, 100_000, net=100, **total), sold)
    assert values(alone, "quantity", "confidence") == [(100, "first"), (10, "exact")]
    both = told(state("buy", 1000, 100, 100_000, net=100, **lots), state("buy", 1000, 100, 100_000, net=100, **total))
    assert values(both, "credit_type", "quantity") == [("03", 100)]


# --- what could not be read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unread", "after", "wanted"),
    [
        (state("buy", 1000, 105, None, net=105), state("buy", 1000, 110, 110_000, net=110), (10, 10_000, 0, "merged")),
        (
            state("buy", 1000, 105, 105_000, None, 105),
            state("buy", 1000, 110, 110_000, net=110),
            (10, 10_000, 0, "merged"),
        ),
        (
            state("sell", 1200, None, 40_000, 12_000, None),
            state("sell", 1200, 20, 20_000, 16_000, None),
            (80, 96_000, 16_000, "merged"),
        ),
        # a blank quantity is read off 945
        (state("buy", 1000, None, 105_000, net=105), state("buy", 1000, 110, 110_000, net=110), (5, 5000, 0, "exact")),
    ],
)
def test_a_fill_of_an_event_that_could_not_be_read_is_told_with_the_next_one(unread, after, wanted):
    """They are several fills as one, at whatever price, wherever the frame is cut; sent again late it hides nothing."""
    frame = fed(HELD, unread, after, state("buy", 1000, 120, 120_000, 0, 120), unread).frame()
    columns = "quantity", "amount", "realized_pnl", "confidence"
    assert values(fills(frame[frame.index < 3]).tail(1), *columns) == [wanted]
    for cut in range(1, 5):
        parts = fills(frame.iloc[:cut]), fills(frame.iloc[cut:], previous=frame.iloc[:cut])
        assert [*values(parts[0]), *values(parts[1])] == values(fills(frame))
        some, end = follow(frame.iloc[:cut])
        assert [*values(some), *values(follow(frame.iloc[cut:], end)[0])] == values(fills(frame))


def test_an_event_that_could_not_be_read_and_is_sent_again_hides_nothing_more():
    """Be it late, and in the next part of a frame: the fill after it is as sure as it was."""
    unread = state("buy", 1000, 105, None, net=105)
    told_anew = state("buy", 1000, 110, 110_000, net=110)
    frame = fed(HELD, unread, told_anew, unread, state("buy", 1000, 120, 120_000, net=120)).frame()
    assert fills(frame)["confidence"].tolist() == ["first", "merged", "exact"]
    for cut in range(1, 5):
        after = follow(frame.iloc[cut:], follow(frame.iloc[:cut])[1])[0]
        assert values(after) == values(fills(frame))[-len(after) :]


# --- 990 of the whole account -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_fills_are_inferred_from_what_the_account_realized_as_well(seed):
    """With scope="account" the same fills are found; but for one where nobody knows what was realized before."""
    day = kn.simulate(seed, events=120, accounts=1 + seed % 2, credit=seed > 1)
    frame = frame_of(day)
    found, wanted = fills(by_account(frame, day), scope="account"), fills(frame)
    unknown = (found["reason"] == "what was realized before is not known").to_numpy()
    assert unknown.sum() <= 1 + seed % 2
    assert values(found[~unknown]) == values(wanted[~unknown])
    assert found.loc[unknown, "cash"].isna().all()


@pytest.mark.parametrize("seed", range(6))
def test_what_the_account_realized_unseen_is_nobody_s(seed):
    """In a gap, or in an event that could not be read: what is told is right, also of the whole account."""
    day = kn.simulate(seed, events=100, accounts=1 + seed % 2, plant="all")
    frame = frame_of(day)
    found, told = fills(by_account(frame, day), scope="account"), truth_of(day)
    rows = found[found["row"].notna()].set_index("row")
    exact = rows[rows["confidence"] == "exact"]
    assert values(exact, *MONEY) == values(told.loc[exact.index], *MONEY)
    assert len(exact) >= len(told) - 12
    alone = by_account(frame_of(day, asked=False), day)
    _check_against_truth(day, fills(alone, scope="account"), range(len(frame)))


@given(st.sampled_from(list(DAYS)), st.booleans(), st.integers(0, 144))
@few
def test_a_frame_of_account_values_can_be_cut_anywhere(name, asked, cut):
    """Within a day what the account realized goes on from the part before."""
    frame = by_account(FRAMES[name, asked], DAYS[name])
    parts = (
        fills(frame.iloc[:cut], scope="account"),
        fills(frame.iloc[cut:], previous=frame.iloc[:cut], scope="account"),
    )
    assert [*values(parts[0]), *values(parts[1])] == values(fills(frame, scope="account"))


def test_what_was_realized_before_a_recording_is_no_part_of_its_first_fill():
    """Begun at eleven, the account has realized something: a buy realizes none of it, of a sell it is not known."""
    sold = state("sell", 1100, 90, 90_000, 501_000, 90)
    table = fed()
    page = frames.dump(
        {"acnt_evlt_remn_indv_tot": [{"stk_cd": "A005930", "rmnd_qty": "100", "pur_amt": "100000", "cur_prc": "1100"}]}
    )
    table.hold(START - SECOND, "1111111111", [page])
    bought = state("buy", 1100, 110, 111_000, 500_000, 10)
    columns = "side", "quantity", "amount", "realized_pnl", "confidence"
    frame = fed(bought, sold, table=table).frame()
    found = fills(frame, scope="account")
    assert values(found.iloc[:1], *columns) == [("buy", 10, 11_000, 0, "exact")]
    table = fed()
    table.hold(START - SECOND, "1111111111", [page])
    found = fills(fed(sold, table=table).frame(), scope="account")
    assert values(found, "amount", "realized_pnl", "cash", "confidence", "reason") == [
        (None, None, None, "first", "what was realized before is not known")
    ]


def test_an_unknown_scope_is_refused():
    """There are two."""
    with pytest.raises(ValueError, match="scope='all' is not known"):
        fills(FRAMES["plain", True], scope="all")


# --- what is given before ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 45), (39, 41), (40, None), (90, None)])
def test_events_before_that_are_not_before_are_refused_in_a_sentence(start, stop):
    """They would hide what was filled, without a word."""
    frame = FRAMES["plain", True]
    previous = frame.iloc[start:stop]
    with pytest.raises(ValueError) as caught:
        fills(frame.iloc[40:], previous=previous)
    last, first = (f"{frame['received_at'].iloc[row]:%Y-%m-%d %H:%M:%S}" for row in (previous.index[-1], 40))
    assert str(caught.value) == (
        f"previous overlaps these events: it goes on to {last} (row {previous.index[-1]}), and they begin at {first} "
        "(row 40). Give as previous only what came before, such as df.iloc[:n] with df.iloc[n:]."
    )


def test_rows_of_the_same_numbers_may_come_before():
    """Yesterday's, or those of a part that was numbered anew."""
    frame = FRAMES["plain", False]
    anew = fills(frame.iloc[40:].reset_index(drop=True), previous=frame.iloc[:40])
    assert values(anew, *WHAT) == values(fills(frame.iloc[40:], previous=frame.iloc[:40]), *WHAT)


@pytest.mark.parametrize("previous", ["x", 40, [1], {}])
def test_what_is_no_frame_is_refused_in_a_sentence(previous):
    """Also by df.kn.fills()."""
    for call in (fills, lambda frame, **options: frame.kn.fills(**options)):
        with pytest.raises(TypeError) as caught:
            call(FRAMES["plain", True], previous=previous)
        assert str(caught.value) == (
            f"previous is a {type(previous).__name__}, not a DataFrame: give the balance events before these, such as "
            "df.iloc[:n] with df.iloc[n:]."
        )


# --- costs, shape, robustness --------------------------------------------------------------------------------------------


def test_costs_are_added_on_request():
    """Fee on both sides, tax on a sale, and whether its market was assumed; NA where the amount is."""
    frame = FRAMES["plain", True]
    found = fills(frame, costs=Costs(market={"069500": "ETF", "005930": "KOSPI"}))
    truth = truth_of(PLAIN)
    assert values(found, "fee", "tax") == values(truth, "fee", "tax")
    is_buy = found["side"] == "buy"
    net = (found["amount"] + found["fee"]).where(is_buy, found["amount"] - found["fee"] - found["tax"])
    assert found["net_amount"].equals(net)
    assert set(found.loc[found["assumed"], "symbol"]) == {"000660", "035420"}
    unknown = fills(FRAMES["odd", False], costs=Costs())
    blank = unknown["amount"].isna()
    assert blank.any()
    assert unknown.loc[blank, ["fee", "tax", "net_amount"]].isna().all(axis=None)


def test_an_empty_frame_gives_an_empty_table_of_the_same_dtypes():
    """So that programs need no special case."""
    full, empty = FILLS["odd", True], fills(empty_frame())
    assert len(empty) == 0
    assert _kinds(empty) == _kinds(full)
    assert _kinds(fills(empty_frame(), costs=Costs())) == _kinds(fills(FRAMES["odd", True], costs=Costs()))
    assert tuple(full["confidence"].cat.categories) == CONFIDENCES
    assert tuple(full["reason"].cat.categories) == REASONS


def _kinds(table):
    return [(name, str(dtype)) for name, dtype in table.dtypes.items()]


@pytest.mark.parametrize("costs", [{}, [], 0.015, {"fee_pct": 0.015}, True])
def test_costs_that_are_none_are_refused_in_a_sentence(costs):
    """Also what is empty: it does not stand for no costs."""
    with pytest.raises(TypeError) as caught:
        fills(FRAMES["plain", True], costs=costs)
    assert str(caught.value) == (
        f"costs is a {type(costs).__name__}, not kn.Costs: give costs=kn.Costs(fee_pct=0.015), with the market of your "
        'symbols if you know it (market={"069500": "ETF"}).'
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.set_index(frame.index.map(str)),
        lambda frame: frame.set_index("received_at", drop=False),
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.iloc[::3],
        lambda frame: frame.astype({"symbol": "str", "account": "object", "side": "object"}),
        lambda frame: pd.concat([frame, frame]),
    ],
)
def test_any_index_and_other_dtypes_will_do(change):
    """Rows are taken in the order of the frame; without numbers in order account queries say nothing."""
    found = fills(change(FRAMES["odd", True]))
    assert len(found)
    assert [name for name, _ in _kinds(found)] == [name for name, _ in _kinds(FILLS["odd", True])]


@given(st.lists(st.tuples(st.integers(0, 10**7), frames.hostile_frames() | frames.balance_frames()), max_size=12))
@settings(max_examples=20, deadline=None)
def test_whatever_a_server_sends_nothing_is_raised(sent):
    """Nor does numpy warn of numbers that Kiwoom cannot have sent; the dtypes stay, and so does the law of the cut."""
    table = BalanceTable(mask_accounts=False, capacity=16)
    for at, raw in sorted(sent, key=lambda one: one[0]):
        table.receive(parse(raw), START + at)
    frame = table.frame()
    found = fills(frame)
    assert _kinds(found) == _kinds(FILLS["odd", True])
    half = len(frame) // 2
    assert values(found) == values(fills(frame.iloc[:half])) + values(
        fills(frame.iloc[half:], previous=frame.iloc[:half])
    )
