import pandas as pd
import pytest
from days import START, fed, state

from kiwoom_nb.holdings import Holding, Holdings
from kiwoom_nb.queries import comes_after, is_lot, is_part, is_whole, key_of, lots_of, queries_of, stop_of
from kiwoom_nb.told import Told

HELD = Holding("005930", None, "00", None, 5, 5, 1000, 5000, 1000, 1000, 0, 0)
FRAME = fed(*[state("buy", 1000, 5, 5000)] * 10).frame()
SECOND = 1_000_000
ALL = {"1111111111"}


def asked(frame, *rows, account="1111111111"):
    """Let ``frame`` carry account queries before these rows."""
    queries = [Holdings(START + row * SECOND - 1, row, account, [HELD]) for row in rows]
    return Told(holdings=queries).attach(frame.copy())


def places(frame, *limits):
    return [(query.place, query.at) for query in queries_of(frame, ALL, *limits)]


def at(row):
    return START + row * SECOND - 1


def test_queries_stand_between_rows():
    """After as many rows of the frame as had arrived; at the end, where none has arrived since."""
    frame = asked(FRAME, 0, 4, 10)
    assert places(frame) == [(0, at(0)), (4, at(4)), (10, at(10))]


def test_a_part_of_a_frame_relies_on_what_was_asked_while_it_lasted():
    """What came before its first row says nothing about it; what came before it may be known, too."""
    frame = asked(FRAME, 0, 4, 8)
    assert places(frame.iloc[2:6]) == [(2, at(4))]
    assert places(frame.iloc[4:8]) == [(0, at(4)), (4, at(8))]
    assert places(frame.iloc[6:], 3) == [(0, at(4)), (2, at(8))]
    assert places(frame.iloc[:6], None, 3) == [(0, at(0))]


def test_a_selection_relies_on_all_of_them():
    """Each stands where its row would."""
    frame = asked(FRAME, 0, 4, 9)
    chosen = frame[[row in {1, 2, 5} for row in range(10)]]
    assert places(chosen) == [(0, at(0)), (2, at(4)), (3, at(9))]
    assert places(chosen, 3) == [(2, at(4)), (3, at(9))]


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.set_index(frame.index.map(str)),
        lambda frame: frame.set_index("received_at", drop=False),
    ],
)
def test_without_numbers_in_order_nobody_knows_where_they_stand(change):
    """So none is relied on."""
    assert places(change(asked(FRAME, 0, 4))) == []


def test_rows_that_were_numbered_anew_are_noticed():
    """A query is newer than the row before it; where it is not, it does not belong there."""
    assert places(asked(FRAME, 4).iloc[3:].reset_index(drop=True)) == []


def test_a_query_of_no_account_is_that_of_the_only_one():
    """Of several, nobody knows whose it is."""
    frame = asked(FRAME, 3, account=None)
    assert [query.account for query in queries_of(frame, ALL)] == ["1111111111"]
    assert [query.account for query in queries_of(frame, set())] == [None]
    assert queries_of(frame, {"1111111111", "2222222222"}) == []


def test_parts_and_wholes_are_told_by_their_numbers():
    """A selection leaves rows out."""
    assert is_whole(FRAME)
    assert is_whole(FRAME.iloc[:0])
    assert is_part(FRAME.iloc[3:])
    assert is_part(FRAME.iloc[3:], 3)
    assert not is_whole(FRAME.iloc[3:])
    assert not is_part(FRAME.iloc[3:], 2)
    assert not is_part(FRAME.iloc[::2])
    assert not is_part(FRAME[[row != 4 for row in range(10)]])
    assert stop_of(FRAME.iloc[:4]) == 4
    assert stop_of(FRAME.iloc[:0]) is None
    assert stop_of(FRAME.set_index("received_at")) is None
    assert comes_after(FRAME.iloc[4:], 4)
    assert not comes_after(FRAME.iloc[4:], 5)
    assert not comes_after(FRAME.iloc[4:], None)
    assert not comes_after(FRAME.iloc[:0], 0)


def test_a_loan_meets_its_lot_by_loan_date():
    """Cash is cash; a loan of which no lot is known stands for itself, as it came."""
    lot = ("a", "005930", "03", 86_400_000)
    lots = lots_of([lot, ("a", "005930", "00", None), ("a", "005930", "99", None)])
    assert lots == {("a", "005930", 86_400_000): lot}
    loan = HELD._replace(credit_type="33", loan_date=86_400_000)
    assert key_of("a", loan, lots) == lot
    assert key_of("b", loan, lots) == ("b", "005930", "33", 86_400_000)
    assert key_of("a", HELD, lots) == ("a", "005930", "00", None)
    assert [is_lot(("a", "b", kind, None)) for kind in ("00", "99", None, "03", "33")] == [False] * 3 + [True] * 2


def test_a_frame_without_queries_has_none():
    """Not even an empty one fails."""
    assert queries_of(FRAME, ALL) == []
    assert queries_of(pd.DataFrame(), ALL) == []
