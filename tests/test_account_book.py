import pytest
from frames import balance_frames, dump, entry, event, frame, hostile_frames
from hypothesis import given, settings
from hypothesis import strategies as st

from kiwoom_nb.account_book import Book, Told
from kiwoom_nb.account_pages import holding_of
from kiwoom_nb.holdings import Holding
from kiwoom_nb.trading_day import simulate

SAMSUNG = Holding("005930", "삼성전자", "00", None, 3, 3, 124_500, 373_500, 59_000, 45_400, 0, 0)


def quantities(book):
    return {(held.symbol, held.credit_type): held.quantity for held in book.holdings()}


def test_without_a_recording_it_holds_what_was_pushed():
    """The last state of each position; before anything it is nobody's and holds nothing."""
    book = Book()
    assert (book.account, book.holdings()) == ("1111111111", [])
    book.take(event(f9201="5555555555", f930="5"), None)
    book.take(event("000660", f9201="5555555555", f9001="A000660"), None)
    book.take(event(f9201="5555555555", f930="7"), None)
    assert book.account == "5555555555"
    assert quantities(book) == {("005930", "00"): 7, ("000660", "00"): 102}
    book.take(event(f9201="5555555555", f930="0", f932="0"), None)
    assert quantities(book) == {("000660", "00"): 102}


def test_an_event_is_told_as_an_account_query_tells_it():
    """Price without its direction, the day's net as bought or sold."""
    book = Book()
    book.take(event(), None)
    assert book.holdings() == [
        Holding("005930", "삼성전자", "00", None, 102, 102, 154116, 15719834, 60150, 60300, 4, 0)
    ]
    book.take(event(f945="-3", f10="", f933="1O2"), None)
    (held,) = book.holdings()
    assert (held.bought_today, held.sold_today, held.price, held.orderable_quantity) == (0, 3, None, None)


@pytest.mark.parametrize("fids", [{"f930": "1O2"}, {"f932": ""}, {"f9201": ""}, {"f9001": ""}, {"f917": "99"}])
def test_an_event_that_does_not_tell_a_state_changes_nothing(fids):
    """Nor does the sum of loan lots, which is no position."""
    book = Book()
    book.take(frame(entry(**fids), entry("000660", f9001="000660")), None)
    assert quantities(book) == {("000660", "00"): 102}


@settings(max_examples=50, deadline=None)
@given(st.lists(hostile_frames() | balance_frames(), max_size=4))
def test_no_frame_of_any_kind_raises(frames):
    """A lesson may push what it likes."""
    book = Book()
    for raw in frames:
        book.take(raw, None)
    book.holdings()


def test_a_frame_of_another_type_is_no_balance():
    """Orders (00) have some of the same FIDs."""
    book = Book()
    book.take(dump({"trnm": "REAL", "data": [{**entry(), "type": "00"}]}), None)
    assert book.holdings() == []


def test_a_day_knows_what_is_held_at_each_frame_fills_that_were_missed_included():
    """Opening holdings before the first frame, then those at its time; what is pushed by hand comes on top."""
    day = simulate(3, plant="gap", events=100)
    book = Book(day=day)
    assert book.holdings() == [holding_of(one) for one in day.holdings()]
    for at, raw in day.frames():
        book.take(raw, at)
        assert book.holdings() == [holding_of(one) for one in day.holdings(at)]
    book.take(event(f9201="1111111111", f9001="999999", f930="5"), None)
    assert quantities(book)["999999", "00"] == 5
    book.restart()
    assert book.holdings() == [holding_of(one) for one in day.holdings()]


def test_the_day_goes_on_over_what_was_pushed_by_hand():
    """Its next event about that position is newer."""
    day = simulate(3, events=60)
    book = Book(day=day)
    told = day.truth.positions
    row = told.index[told["credit_type"] == "00"][0]
    symbol = told["symbol"][row]
    book.take(event(f9201="1111111111", f9001=symbol, f930="987654"), None)
    assert quantities(book)[symbol, "00"] == 987_654
    until = told["received_at"][row].value // 1000
    for at, raw in day.frames():
        if at <= until:
            book.take(raw, at)
    at = max(at for at, _ in day.frames() if at <= until)
    assert book.holdings() == [holding_of(one) for one in day.holdings(at)]


def test_of_several_accounts_the_first_is_asked_about():
    """One app key stands for one account."""
    day = simulate(3, accounts=3, events=60)
    book = Book(day=day)
    assert book.account == "1111111111"
    assert len(book.holdings()) == sum(one.account == "1111111111" for one in day.holdings())


@pytest.mark.parametrize("account", ["5555555555", None])
def test_a_journal_tells_what_was_held_and_events_change_it(account):
    """Up to its first frame at once, later when the recording comes to it: then it replaces all."""
    other = SAMSUNG._replace(symbol="000660")
    book = Book(told=[Told(5, account, [SAMSUNG]), Told(30, account, [other])], begins=10)
    assert quantities(book) == {("005930", "00"): 3}
    owner = {"f9201": account or "1111111111"}
    book.take(event(f930="7", **owner), 10)
    assert quantities(book) == {("005930", "00"): 7}
    book.take(event("035420", f9001="035420", **owner), 30)
    assert quantities(book) == {("000660", "00"): 3, ("035420", "00"): 102}
    book.restart()
    assert quantities(book) == {("005930", "00"): 3}


def test_many_frames_that_nobody_asks_about_do_not_pile_up():
    """A server that plays for days keeps states, not frames."""
    book = Book()
    for number in range(10_000):
        book.take(event(f930=str(number)), None)
    assert len(book._fresh) < 100
    assert quantities(book) == {("005930", "00"): 9_999}
