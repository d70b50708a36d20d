import msgspec
import pandas as pd
import pytest
from frames import INTEGERS, SYMBOLS, balance_frames, event
from holding_pages import ROWS, page, page_lists, row
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwoom_nb.account_pages import encode, write_pages
from kiwoom_nb.holdings import STEPS, Holding, Holdings, read_pages
from kiwoom_nb.protocol import parse
from kiwoom_nb.schema import Unreadable, integer
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.told import told_by

NOON = 1_763_600_400_000_000
LOAN_DAY = pd.Timestamp("2026-10-01")
LOAN_DATE = LOAN_DAY.value // 1_000_000
SAMSUNG = Holding("005930", "삼성전자", "00", None, 3, 3, 124_500, 373_500, 59_000, 45_400, 0, 0)


# --- reading the pages -----------------------------------------------------------------------------------------------


def test_the_row_of_the_official_example_is_read():
    """Padded numbers, the A before the code, the blank loan date of cash."""
    assert read_pages([page(row())]) == [SAMSUNG]


def test_signs_and_blanks_are_read_as_in_a_balance_event():
    """Prices lose their direction; a blank is not known, which is not zero."""
    (held,) = read_pages([
        page(row(cur_prc="-000000059000", rmnd_qty="-00000000000003", tdy_buyq="", trde_able_qty=" ", stk_nm=" "))
    ])  # fmt: skip
    assert held == SAMSUNG._replace(price=59_000, quantity=-3, bought_today=None, orderable_quantity=None, name=None)


def test_rows_and_fields_that_are_missing_are_blank():
    """Only symbol, quantity and cost must be there; a missing credit type is cash."""
    (held,) = read_pages([page({"stk_cd": "A0004V0", "rmnd_qty": "1", "pur_amt": "10"})])
    assert held == Holding("0004V0", None, "00", None, 1, None, None, 10, None, None, None, None)
    assert read_pages([page()]) == read_pages([]) == []


def test_the_lots_of_a_symbol_are_told_apart_and_their_sum_is_left_out():
    """Cash, each loan by its date; 99 would count them twice."""
    rows = [
        row(),
        row(crd_tp="03", crd_loan_dt="20261001"),
        row(crd_tp="03", crd_loan_dt="20261102"),
        row(crd_tp="99", rmnd_qty="6"),
    ]
    held = read_pages([page(*rows[:2]), page(*rows[2:])])
    assert [(lot.credit_type, lot.loan_date) for lot in held][:2] == [("00", None), ("03", LOAN_DATE)]
    assert [lot.quantity for lot in held] == [3, 3, 3]


def test_two_rows_of_one_position_are_added_up():
    """The official example has such; the average is that of the whole."""
    (held,) = read_pages([page(row(), row(rmnd_qty="1", pur_amt="100000", trde_able_qty="0", tdy_buyq=""))])
    assert (held.quantity, held.cost, held.orderable_quantity, held.bought_today) == (4, 473_500, 3, None)
    assert held.average_price == 118_375


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"acnt_evlt_remn_indv_tot":{}}',
        b'{"acnt_evlt_remn_indv_tot":[5]}',
        page(row(rmnd_qty="1O2")),
        page(row(rmnd_qty="")),
        page(row(pur_amt=None)),
        page(row(stk_cd=" ")),
        page(row(rmnd_qty=5)),
        page(row(crd_loan_dt="20261399")),
        page(row(cur_prc="9" * 30)),
    ],
)
def test_what_cannot_be_read_makes_the_whole_answer_unreadable(content):
    """What is held is then not known: half of an answer is worse than none. In a table it is a reject."""
    with pytest.raises(Unreadable):
        read_pages([page(row()), content])
    table = BalanceTable()
    table.hold(NOON, None, [page(row()), content])
    frame = table.frame()
    assert told_by(frame).holdings == []
    assert [(reject.received_at, reject.reason) for reject in told_by(frame).rejected] == [
        (NOON, "unreadable_holdings")
    ]


@settings(deadline=None)
@given(page_lists())
def test_no_answer_of_any_kind_makes_a_table_raise(pages):
    """It is held or rejected, one or the other."""
    table = BalanceTable(capacity=4)
    table.hold(NOON, "1111111111", pages)
    told = told_by(table.frame())
    assert len(told.holdings) + len(told.rejected) == 1


HOLDINGS = st.lists(
    st.builds(
        Holding,
        st.sampled_from(["005930", "000660", "0004V0"]),
        st.sampled_from(["삼성전자", None]),
        st.sampled_from(["00", "03"]),
        st.sampled_from([None, LOAN_DATE]),
        st.integers(1, 10**9),
        *[st.integers(0, 10**9) | st.none()] * 2,
        st.integers(0, 10**12),
        st.integers(1, 10**9),
        *[st.integers(0, 10**9) | st.none()] * 3,
    ),
    unique_by=lambda held: (held.symbol, held.credit_type, held.loan_date),
)


@given(HOLDINGS, st.integers(1, 3))
def test_what_the_simulator_writes_is_read_back(holdings, page_size):
    """Whatever is held, on however many pages."""
    assert read_pages([encode(page) for page in write_pages(holdings, page_size=page_size)]) == holdings


# --- in a table ------------------------------------------------------------------------------------------------------


def table_of(*events, **options):
    """Return a table that received ``events`` a second apart from NOON on."""
    table = BalanceTable(capacity=4, **options)
    for number, raw in enumerate(events):
        table.receive(parse(raw), NOON + number * 1_000_000)
    return table


def held_by(table):
    return told_by(table.frame()).holdings


@pytest.mark.parametrize(("after", "row_"), [(-1, 0), (0, 0), (1, 1), (1_000_000, 1), (1_000_001, 2), (10**9, 3)])
def test_rows_since_it_was_asked_are_newer(after, row_):
    """Pushes during the query win over its answer, one of the very same moment too."""
    table = table_of(event(), event(), event())
    table.hold(NOON + after, None, [page(row())])
    (held,) = held_by(table)
    assert (held.at, held.row, held.account) == (NOON + after, row_, None)
    assert [Holding(*one) for one in held.holdings] == [SAMSUNG]


def test_the_times_of_some_rows_since_are_kept():
    """By them rows are known that were numbered anew; frames of later moments know more of them."""
    table = table_of(event())
    table.hold(NOON + 1, None, [page(row())])
    assert held_by(table)[0].since == ()
    times = [NOON + second * 1_000_000 for second in range(1, 600)]
    seen = []
    for at in times:
        table.receive(parse(event()), at)
        seen.append(len(held_by(table)[0].since))
    assert seen[:9] == [1, 2, 2, 3, 3, 3, 3, 4, 4]
    assert seen[-1] == len(STEPS)
    assert held_by(table)[0].since == tuple(times[step] for step in STEPS)


def test_older_files_do_not_have_them():
    """They are read all the same."""
    older = msgspec.json.encode([NOON, 0, None, [SAMSUNG]])
    assert msgspec.json.decode(older, type=Holdings) == Holdings(NOON, 0, None, [SAMSUNG])


def test_the_account_is_masked_with_the_others():
    """One that no event has named, too; two that end alike are told apart as in the column."""
    table = table_of(event(f9201="1111111111"))
    for account in ("2222221111", "1111111111", "3333333333"):
        table.hold(NOON + 1, account, [page()])
    frame = table.frame()
    labels = list(frame["account"].cat.categories)
    assert [held.account for held in told_by(frame).holdings] == [labels[1], labels[0], labels[2]]
    assert not [label for label in labels if "11111111" in label or "3333333333" in label]
    assert "2222221111" not in frame.attrs["kiwoom_nb"]


def test_an_account_is_shown_where_that_was_asked_for():
    """mask_accounts=False."""
    table = BalanceTable(mask_accounts=False, capacity=4)
    table.hold(NOON, "3333333333", [page(row())])
    assert held_by(table)[0].account == "3333333333"


# --- what was missed -------------------------------------------------------------------------------------------------


def missed_after(before, now, events=(), later=(), *, first=None):
    """Return ``missed`` of a gap: ``before`` held, ``events`` told, the gap, ``later`` told, then ``now`` held."""
    table = BalanceTable(capacity=4)
    table.line.connected(NOON)
    if before is not None:
        table.hold(NOON + 1, first, [page(*before)])
    at = NOON + 10
    for raw in events:
        at += 1
        table.receive(parse(raw), at)
    table.line.disconnected(at, "closed")
    table.line.connected(at + 10)
    asked_at = at + 11
    for number, raw in enumerate(later):
        table.receive(parse(raw), asked_at + number)
    table.hold(asked_at, first, [page(*now)])
    (gap,) = table.line.gaps()
    return gap.missed


def test_a_gap_tells_how_many_positions_had_changed():
    """Changed, gone and new ones count; one that an event has told of since the query does not."""
    one, other, third = row(), row(stk_cd="A000660"), row(stk_cd="A035420")
    more = row(rmnd_qty="4", pur_amt="500000")
    assert missed_after([one, other], [one, other]) == 0
    assert missed_after([one, other], [more, other]) == 1
    assert missed_after([one, other], [other]) == 1
    assert missed_after([one], [one, third]) == 1
    assert missed_after([one, other], [more, third]) == 3
    assert missed_after([one, other], [more, other], later=[event(f930="4", f932="500000")]) == 0


def test_what_the_last_event_told_is_compared_and_not_what_was_held_before_it():
    """A fill that was told is not missed."""
    told = event(f930="4", f932="500000")
    assert missed_after([row()], [row(rmnd_qty="4", pur_amt="500000")], [told]) == 0
    assert missed_after([row()], [row()], [told]) == 1
    assert missed_after([row()], [], [event(f930="0", f932="0")]) == 0


def test_without_knowing_what_was_held_only_what_events_told_is_compared():
    """A position that turns up for the first time may have been there all along."""
    told = event(f930="3", f932="373500")
    assert missed_after(None, [row(), row(stk_cd="A000660")], [told]) == 0
    assert missed_after(None, [row(rmnd_qty="5", pur_amt="1")], [told]) == 1
    assert missed_after(None, [row()]) is None


def test_two_loans_of_one_day_that_events_do_not_tell_apart_are_looked_at_together():
    """The account classes them apart (crd_tp), the events do not: one of the two that grew is one position missed."""
    loans = [row(crd_tp="01", crd_loan_dt="20261001"), row(crd_tp="33", crd_loan_dt="20261001")]
    more = row(crd_tp="01", crd_loan_dt="20261001", rmnd_qty="4", pur_amt="500000")
    assert missed_after(loans, loans[::-1]) == 0
    assert missed_after(loans, [more, loans[1]]) == missed_after(loans, loans[:1]) == 1


STATES = st.dictionaries(
    st.tuples(st.sampled_from(["005930", "000660", "035420"]), st.sampled_from(["00", "03"])),
    st.tuples(st.integers(0, 3), st.integers(1, 2)),
    max_size=6,
)


def rows_of(states):
    return [
        row(stk_cd=f"A{symbol}", crd_tp=kind, crd_loan_dt="" if kind == "00" else "20261001", rmnd_qty=f"{n:015d}")
        | {"pur_amt": str(n * price)}
        for (symbol, kind), (n, price) in states.items()
        if n
    ]


def events_of(states):
    return [
        event(
            symbol,
            f9001=symbol,
            f917=kind,
            f916="00000000" if kind == "00" else "20261001",
            f930=str(n),
            f932=str(n * price),
        )
        for (symbol, kind), (n, price) in states.items()
    ]


@settings(max_examples=60, deadline=None)
@given(STATES, STATES, STATES, STATES)
def test_missed_is_what_a_simple_model_says(before, told, later, now):
    """Positions whose quantity or cost is not as last told, other than those told of since."""

    def states(*parts):
        merged = {}
        for part in parts:
            merged |= part
        return {key: state for key, (n, price) in merged.items() if (state := (n, n * price)) and n}

    expected, found = states(before, told), states(now)
    changed = [
        key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key) and key not in later
    ]
    missed = missed_after(rows_of(before), rows_of(now), events_of(told), events_of(later))
    assert missed == len(changed)


@settings(max_examples=30, deadline=None)
@given(st.lists(balance_frames(2), max_size=4), st.lists(ROWS, max_size=4))
def test_holding_changes_no_row(frames, rows):
    """They are no rows of the frame, and none of its cells depends on them."""
    plain, held = table_of(*frames, mask_accounts=False), table_of(*frames, mask_accounts=False)
    held.hold(NOON + 500_000, None, [page(*rows)])
    pd.testing.assert_frame_equal(plain.frame(), held.frame())


@given(INTEGERS, SYMBOLS)
def test_quantities_are_read_in_every_format_of_a_balance_event(text, symbol):
    """The same rules as for FID 930."""
    (held,) = read_pages([page(row(stk_cd=symbol, rmnd_qty=text))])
    assert held.quantity == integer(text)
