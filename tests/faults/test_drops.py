import logging

import pytest
from fault_checks import check_whole, numbers, push, stream
from fault_proxy import HANDSHAKE, Fault, Proxy
from lines import until

from kiwoom_nb import asking, request, session
from kiwoom_nb.classroom import serve

LOGIN = b'"trnm":"LOGIN"'
REG = b'"trnm":"REG"'
REAL = b'"trnm":"REAL"'
ACCOUNT = b"/api/dostk/acnt"
BROKE = "the connection broke"


@pytest.fixture(scope="module")
def server():
    with serve(ping_interval=0.2) as server:
        logging.getLogger("uvicorn.error").setLevel("ERROR")  # the server's own exceptions are seen too
        yield server


@pytest.fixture
def proxy(server, request):
    """A proxy to the server, and a token of an app key of the test's own."""
    with Proxy(server.url) as proxy:
        proxy.token = server.issue_token(request.node.name)
        yield proxy


def live_again(df, proxy, connection):
    """Wait until the stream is live on the connection of this number."""
    until(lambda: proxy.websockets == connection and df.kn.status.state == "live")


# In every state


@pytest.mark.parametrize("act", ["cut", "reset"])
@pytest.mark.parametrize("place", ["before", "within", "after"])
@pytest.mark.parametrize("at", [HANDSHAKE, LOGIN, REG], ids=["handshake", "login", "reg"])
def test_a_drop_before_the_line_is_up_again_is_one_gap_with_the_drop_before_it(server, proxy, at, place, act):
    """LOGIN and REG come anew each time, no row that was seen is lost, and the account was blind once, not twice.

    Behind the REG ack the line is up: what drops there is a gap of its own.
    """
    df = stream(proxy.url, proxy.token, holdings=False)
    push(server, 0, 3)
    assert df.kn.wait(3, timeout=20)
    proxy.plan(Fault(act, at, place))
    proxy.reset()
    live_again(df, proxy, 3)
    assert proxy.planned == 0
    push(server, 3, 6)
    assert df.kn.wait(6, timeout=20)
    assert numbers(df) == [0, 1, 2, 3, 4, 5]
    gaps = df.kn.gaps["reason"].tolist()
    assert gaps == [BROKE] or (gaps == [BROKE] * 2 and (at, place) == (REG, "after"))
    check_whole(df)


@pytest.mark.parametrize("act", ["cut", "reset"])
@pytest.mark.parametrize("at", [HANDSHAKE, LOGIN, REG], ids=["handshake", "login", "reg"])
def test_a_line_that_never_came_up_leaves_no_gap(server, proxy, at, act):
    """The first connection is tried again; nothing was promised yet, so nothing is missing."""
    proxy.plan(Fault(act, at), Fault(act, at, "within"))
    df = stream(proxy.url, proxy.token, holdings=False)
    assert proxy.websockets == 3
    push(server, 0, 2)
    assert df.kn.wait(2, timeout=20)
    assert len(df.kn.gaps) == 0
    check_whole(df)


@pytest.mark.parametrize("act", ["cut", "reset"])
@pytest.mark.parametrize("place", ["before", "within", "after"])
def test_a_drop_in_a_batch_of_frames_keeps_each_whole_frame_before_it(server, proxy, act, place):
    """Half a frame is none; what came before it is in the frame and in the journal, and the line comes back."""
    df = stream(proxy.url, proxy.token, holdings=False)
    proxy.plan(Fault(act, REAL, place, skip=40))
    whole = 41 if place == "after" else 40
    push(server, 0, 100)
    live_again(df, proxy, 2)
    push(server, 100, 103)
    until(lambda: df.kn.sync() or 102 in numbers(df))
    seen = numbers(df)
    missed = [number for number in range(103) if number not in seen]
    assert seen == sorted(set(seen))
    assert missed == list(range(missed[0], missed[-1] + 1))
    assert missed[0] == whole or (act == "reset" and missed[0] < whole)  # RST may take along what was not read yet
    assert df.kn.gaps["reason"].tolist() == [BROKE]
    check_whole(df)


def test_a_line_that_drops_again_and_again_tells_each_gap(server, proxy):
    """By turns cut and reset: as many gaps as drops, each between the rows that came before and after it."""
    df = stream(proxy.url, proxy.token, holdings=False)
    for number in range(6):
        push(server, 2 * number, 2 * number + 2)
        assert df.kn.wait(2 * number + 2, timeout=20)
        (proxy.cut if number % 2 else proxy.reset)()
        live_again(df, proxy, number + 2)
    df.kn.sync()
    assert numbers(df) == list(range(12))
    assert len(df.kn.gaps) == 6
    for number, gap in enumerate(df.kn.gaps.itertuples()):
        assert df["received_at"][2 * number + 1] <= gap.start <= gap.end
    check_whole(df)


# While the account is asked


def test_a_drop_while_holdings_are_asked_for_is_asked_again_on_the_next_line(server, proxy):
    """An answer that was on its way when the line dropped says nothing about the time after the gap."""
    push(server, 5, 6)
    proxy.plan(Fault("hold", ACCOUNT))
    df = stream(proxy.url, proxy.token)
    until(lambda: proxy.planned == 0)
    proxy.reset()
    live_again(df, proxy, 2)
    until(lambda: df.kn.status.holdings == "read")
    push(server, 6, 8)
    assert df.kn.wait(2, timeout=20)
    assert numbers(df) == [6, 7]
    assert df.kn.gaps["reason"].tolist() == [BROKE]
    assert len(df.kn.holdings) == 1
    check_whole(df)


@pytest.mark.parametrize("act", ["cut", "reset", "hold"])
@pytest.mark.parametrize("place", ["before", "within"])
def test_an_answer_about_holdings_that_breaks_off_is_asked_for_again(server, proxy, act, place, monkeypatch):
    """The line is not touched by it: the status says what is not known, and why, until it is."""
    monkeypatch.setattr(request, "_TIMEOUT", 0.5)
    monkeypatch.setattr(asking, "AGAIN_AFTER", (0.3,))
    push(server, 5, 6)
    proxy.plan(Fault(act, ACCOUNT, place))
    df = stream(proxy.url, proxy.token)
    reason = until(lambda: df.kn.status.holdings)
    assert reason != "read"
    assert "only what fills in this session" in str(df.kn.status)
    until(lambda: df.kn.status.holdings == "read")
    assert proxy.websockets == 1
    assert len(df.kn.gaps) == 0
    check_whole(df)


# A line that says nothing more


@pytest.mark.parametrize("place", ["before", "within"])
def test_a_line_on_which_nothing_is_heard_any_more_is_left(server, proxy, place, monkeypatch):
    """No FIN and no RST, as when a router goes away, also in the middle of a frame: silence is what tells."""
    df = stream(proxy.url, proxy.token, holdings=False)
    proxy.plan(Fault("hold", REAL, place, skip=2))
    push(server, 0, 4)
    assert df.kn.wait(2, timeout=20)
    with monkeypatch.context() as hasty:
        hasty.setattr(session, "_TICK", 0.05)
        hasty.setattr(session, "SILENCE", 0.3)
        until(lambda: proxy.websockets == 2)
    live_again(df, proxy, proxy.websockets)
    push(server, 4, 6)
    assert df.kn.wait(4, timeout=20)
    assert numbers(df) == [0, 1, 4, 5]
    assert df.kn.gaps["reason"].tolist()[0] == "nothing was heard for 0 seconds"
    check_whole(df)


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (HANDSHAKE, "no answer within 0 seconds"),
        (LOGIN, "LOGIN was not answered within 0 seconds"),
        (REG, "REG was not answered within 0 seconds"),
    ],
    ids=["handshake", "login", "reg"],
)
def test_an_answer_that_stops_half_way_is_not_waited_for_for_ever(proxy, at, reason, watchful, reasons):
    """The state line says what is missing, and the next connection gets its chance."""
    proxy.plan(Fault("hold", at, "within"))
    df = stream(proxy.url, proxy.token, holdings=False)
    assert reasons[:2] == ["", reason]
    assert len(df.kn.gaps) == 0
    check_whole(df)


# A slow line


def test_a_line_of_one_byte_at_a_time_carries_everything(server, proxy):
    """Handshake, acks, frames, the answer about holdings: where bytes are cut means nothing."""
    push(server, 9, 10)
    proxy.bytewise = True
    df = stream(proxy.url, proxy.token)
    until(lambda: df.kn.status.holdings == "read")
    push(server, 0, 10)
    assert df.kn.wait(10, timeout=20)
    assert numbers(df) == list(range(10))
    assert len(df.kn.gaps) == 0
    assert len(df.kn.rejected) == 0
    check_whole(df)


def test_a_line_that_is_slow_to_answer_is_not_a_dead_one(server, proxy):
    """Each unit is kept back for a while, and the stream is as whole as on a quick line."""
    proxy.delay = 0.05
    df = stream(proxy.url, proxy.token)
    push(server, 0, 10)
    assert df.kn.wait(10, timeout=20)
    assert numbers(df) == list(range(10))
    assert proxy.websockets == 1
    assert len(df.kn.gaps) == 0
    check_whole(df)
