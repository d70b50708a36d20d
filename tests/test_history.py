import numpy as np
import pytest
from days import ODD, PLAIN, SECOND, START, fed, frame_of, state
from holding_pages import page
from holding_pages import row as loan_of
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwoom_nb.history import History
from kiwoom_nb.keyed import NONE
from kiwoom_nb.states import REMEMBERED
from kiwoom_nb.table import BalanceTable, empty_frame

FRAMES = [frame_of(day, asked=asked) for day in (PLAIN, ODD) for asked in (True, False)]
A = state("buy", 1000, 10, 10_000, net=10)
B = state("buy", 1010, 20, 20_100, net=20)
C = state("sell", 1020, 5, 5025, 225, 5)
OTHER = state("buy", 500, 1, 500, net=1, f9001="000660")


def history(*entries):
    return History(fed(*entries).frame())


def test_each_state_follows_the_last_one_of_its_position():
    """However the positions are mixed."""
    for frame in FRAMES:
        found = History(frame)
        states, last = found.states, {}
        for row in sorted(np.flatnonzero(states.is_state), key=states.place.__getitem__):
            assert found.previous[row] == last.get(states.key[row], NONE)
            last[states.key[row]] = row


def test_changes_are_those_between_the_two():
    """Of quantity, cost and realized P&L; and whether one fill explains them."""
    change = history(A, OTHER, B, C).changes
    assert change.quantity[[2, 3]].tolist() == [10, -15]
    assert change.cost[[2, 3]].tolist() == [10_100, -15_075]
    assert change.realized[[2, 3]].tolist() == [0, 225]
    assert change.bought[[2, 3]].tolist() == [True, False]
    assert change.sold[[2, 3]].tolist() == [False, True]
    assert change.take(np.array([2])).quantity.tolist() == [10]
    assert change.take(np.arange(4)) is change


@pytest.mark.parametrize(
    "again",
    [(A, A, B), (A, A, A, B), (A, B, A, C), (A, B, A, B, C), (A, B, C, B, C), (A, A, A), (A, OTHER, B, OTHER, A, B)],
)
def test_what_was_said_already_is_no_state(again):
    """Frames of one or of several events that were sent twice: the states are those without them."""
    found = history(*again)
    kept = np.flatnonzero(found.states.is_state)
    once = list(dict.fromkeys(map(str, again)))
    assert [str(again[row]) for row in kept] == once
    own = [row for row in kept if again[row] is not OTHER]
    assert found.previous[own].tolist() == [NONE, *own[:-1]]


def test_a_return_to_an_earlier_state_by_a_fill_is_one():
    """Bought at the average price and sold at it again: nothing tells it from a repetition, but that a fill fits."""
    back = state("sell", 1000, 10, 10_000, 0, 10)
    found = history(back, state("buy", 1000, 20, 20_000, net=20), back)
    assert found.states.is_state.all()
    assert found.changes.sold[2]


def test_what_a_fill_explains_once_a_repetition_is_out_is_a_state():
    """B, A again, C: the sell that led from B to C counts, though C was said before and no fill leads to it from A."""
    found = history(C, A, B, A, C)
    assert found.states.is_state.tolist() == [True, True, True, False, True]
    assert found.previous[4] == 2
    assert found.changes.sold[4]


def test_only_the_last_states_are_looked_through():
    """What was said long ago may be so again."""
    steps = [state("buy", 1000, n, 1000 * n, net=n) for n in range(1, REMEMBERED + 3)]
    assert history(*steps, steps[-REMEMBERED]).states.is_state.tolist()[-1] is False
    assert history(*steps, steps[0]).states.is_state.all()


def test_repetitions_do_not_push_out_of_sight_what_others_repeat():
    """Each frame comes again after nine others, which come again too: the states are those without them."""
    steps = [state("buy", 1000, n, 1000 * n, net=n) for n in range(1, 2 + REMEMBERED)]
    new = [entry for pair in zip(steps[9:], steps, strict=False) for entry in pair]
    assert history(*steps[:9], *new).states.is_state.tolist() == [True] * 9 + [True, False] * (REMEMBERED - 8)


def test_blanks_are_no_states():
    """Without cost or realized P&L nothing can be told; a quantity can be read off the shares bought today."""
    no_cost, no_quantity = state("buy", 1000, 15, None, net=15), state("buy", 1010, None, 20_100, net=20)
    found = history(A, no_cost, no_quantity, C)
    assert found.states.is_state.tolist() == [True, False, True, True]
    assert found.states.quantity[2] == 20
    assert found.previous.tolist() == [NONE, 0, 0, 2]


@given(st.sampled_from(FRAMES), st.integers(0, 130), st.integers(0, 130))
@settings(max_examples=30, deadline=None)
def test_a_history_goes_on_from_the_end_of_another(frame, one, two):
    """It ends as that of the whole does."""
    first, second = sorted((min(one, len(frame)), min(two, len(frame))))
    end = History(frame.iloc[:first]).end()
    end = History(frame.iloc[first:second], end).end()
    whole = History(frame.iloc[:second]).end()
    assert {key: states[-1:] for key, states in end.states.items() if states} == {
        key: states[-1:] for key, states in whole.states.items() if states
    }


def test_another_days_frame_can_go_on_too():
    """Its rows are numbered anew, and so are its account queries."""
    end = History(fed(A, B).frame()).end()
    later = fed(state("sell", 1020, 15, 15_075, 75, -5), start=START + 86_400 * SECOND)
    found = History(later.frame(), end)
    assert found.changes.quantity[0] == -5
    assert found.changes.sold[0]
    assert found.changes.realized[0] == 75


def test_two_loans_of_one_day_are_the_lot_that_events_tell_of():
    """What the account told of them is added up, and one share sold is one share sold."""
    table = BalanceTable(mask_accounts=False, capacity=4)
    loans = [("01", "5", "500"), ("33", "7", "700")]
    rows = [loan_of(crd_tp=kind, crd_loan_dt="20261101", rmnd_qty=n, pur_amt=cost) for kind, n, cost in loans]
    table.hold(START - SECOND, "1111111111", [page(*rows)])
    sold = state("sell", 150, 11, 1100, 0, -1, f917="03", f916="20261101", f992="50")
    found = History(fed(sold, table=table).frame())
    assert found.changes.quantity[0] == -1
    assert found.changes.cost[0] == -100
    assert found.changes.sold[0]


def test_an_empty_frame_has_no_history():
    """Nor does it fail."""
    found = History(empty_frame())
    assert (found.rows, found.keys, found.end().states) == (0, [], {})
