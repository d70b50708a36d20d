import itertools

import frames
import pytest
from fault_checks import check_whole, numbers, stream
from fault_server import Scripted, friendly
from frames import LOGIN_ACK, PING, REG_ACK, dump, event, reg_refusal, token_refusal
from lines import until

import kiwoom_nb as kn
from kiwoom_nb.errors import AuthenticationError, IPNotRegistered, KickedOut, ProtocolError

TOKEN = "t0ken-Zq7"
OFF = {"holdings": False}


def begin(server, **options):
    """Start a stream that may never be live."""
    return kn.stream_balances(url=server.url, token=TOKEN, **OFF, **options)


def system(code, message=""):
    return dump({"trnm": "SYSTEM", "code": code, "message": message})


def events(first, last):
    return [event(f930=str(number)) for number in range(first, last)]


# Acks that do not come, come twice, or say no


async def pings_and_never_acks_login(line):
    await line.hears("LOGIN")
    while True:
        await line.says(PING)
        await line.hears("PING")


async def pings_and_never_acks_reg(line):
    await line.hears("LOGIN")
    await line.says(LOGIN_ACK)
    await line.hears("REG")
    while True:
        await line.says(PING)
        await line.hears("PING")


async def only_listens(line):
    await line.hears("NOTHING")


@pytest.mark.parametrize(
    ("script", "missing"),
    [(pings_and_never_acks_login, "LOGIN"), (pings_and_never_acks_reg, "REG"), (only_listens, "LOGIN")],
)
def test_a_server_that_never_acks_is_left_and_the_state_line_says_what_is_missing(script, missing, watchful):
    """Also while it sends PINGs: the stream counts its attempts instead of looking alive, and says that it is not."""
    with Scripted(script) as server:
        df = begin(server)
        until(lambda: df.kn.status.attempt >= 2)
        line = str(df.kn.status)
        assert line.startswith("◌ connecting attempt ")
        assert line.endswith(f"last attempt: {missing} was not answered within 0 seconds")
        assert len(df.kn.gaps) == 0
        df.kn.stop()


async def acks_everything_twice(line):
    await line.hears("LOGIN")
    await line.says(LOGIN_ACK, LOGIN_ACK)
    await line.hears("REG")
    await line.says(REG_ACK, REG_ACK, LOGIN_ACK, *events(0, 2), REG_ACK, reg_refusal(105111), token_refusal())
    await line.says(*events(2, 4))
    await line.stays()


def test_acks_that_come_again_change_nothing():
    """Registered once, live once; also a late refusal of what was accepted is no end."""
    with Scripted(acks_everything_twice) as server:
        df = stream(server.url, TOKEN, **OFF)
        assert df.kn.wait(4, timeout=20)
        assert numbers(df) == [0, 1, 2, 3]
        assert server.lines[0].heard == ["LOGIN", "REG"]
        assert len(server.lines) == 1
        assert len(df.kn.gaps) == 0
        check_whole(df)


async def acks_before_it_is_asked(line):
    await line.says(REG_ACK, LOGIN_ACK, *events(0, 1))
    await line.hears("LOGIN")
    await line.says(LOGIN_ACK)
    await line.hears("REG")
    await line.says(REG_ACK, *events(1, 2))
    await line.stays()


def test_acks_that_come_before_they_were_asked_for_cost_no_row():
    """Whatever order a server has, rows are rows."""
    with Scripted(acks_before_it_is_asked) as server:
        df = stream(server.url, TOKEN, **OFF)
        assert df.kn.wait(2, timeout=20)
        assert numbers(df) == [0, 1]
        check_whole(df)


def refusing(*answers):
    """Return a script that answers LOGIN, then REG, with these."""

    async def script(line):
        for trnm, answer in zip(("LOGIN", "REG"), answers, strict=False):
            await line.hears(trnm)
            await line.says(answer)
        await line.stays()

    return script


@pytest.mark.parametrize(
    ("answers", "error", "says"),
    [
        ((token_refusal("8005"),), AuthenticationError, "token"),
        ((token_refusal("8001", "App Key와 Secret Key 검증에 실패했습니다"),), AuthenticationError, "8001"),
        ((token_refusal("8010", "IP"),), IPNotRegistered, "IP addresses"),
        ((LOGIN_ACK, reg_refusal(105111, "등록에 실패했습니다")), ProtocolError, "105111"),
        ((LOGIN_ACK, reg_refusal("1", "no")), ProtocolError, "code 1"),
    ],
)
def test_a_refusal_that_will_not_pass_ends_the_stream_with_what_to_do(answers, error, says):
    """The state line and every wait say it; nobody connects again, and no file stays locked."""
    with Scripted(refusing(*answers)) as server:
        df = begin(server)
        with pytest.raises(error, match=says) as caught:
            df.kn.wait(timeout=20)
        assert TOKEN not in str(caught.value)
        status = df.kn.status
        assert (status.state, status.error) == ("failed", caught.value)
        assert str(status).startswith("■ ")
        assert len(server.lines) == 1


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (
            (dump({"trnm": "LOGIN", "return_code": 900001, "return_msg": "시스템 점검 중입니다"}),),
            "the server refused LOGIN (code 900001: 시스템 점검 중입니다)",
        ),
        ((LOGIN_ACK, reg_refusal(100013, "로그인")), "the server refused REG (code 100013: 로그인)"),
        ((dump({"trnm": "LOGIN"}),), "the server refused LOGIN (code : )"),
    ],
)
def test_a_refusal_that_may_pass_is_tried_again_and_told(answers, reason, reasons):
    """Maintenance ends: the stream waits it out."""
    with Scripted(refusing(*answers), refusing(*answers), friendly) as server:
        df = stream(server.url, TOKEN, **OFF)
        assert reasons == ["", reason, reason]
        assert len(df.kn.gaps) == 0
        check_whole(df)


# Floods, pieces and rubbish


def test_a_flood_is_taken_whole_and_in_order():
    """Five thousand frames at once, and a PING amid them answered: nothing is lost, doubled or reordered."""
    count = 5_000

    async def floods(line):
        await line.lets_in()
        await line.says(*events(0, count // 2), PING, *events(count // 2, count))
        await line.hears("PING")
        await line.stays()

    with Scripted(floods) as server:
        df = stream(server.url, TOKEN, **OFF)
        assert df.kn.wait(count, timeout=60)
        assert numbers(df) == list(range(count))
        assert len(df.kn.gaps) == 0
        until(lambda: "PING" in server.lines[0].heard)
        check_whole(df)


def test_a_flood_that_ends_in_a_cut_keeps_every_frame_that_came():
    """What waited in the socket when the line went down is read to its end, then the line comes back."""
    sent = iter(itertools.count())

    async def floods_and_closes(line):
        await line.lets_in()
        await line.says(*[event(f930=str(next(sent))) for _ in range(2000)])
        await line.closes(1001, "going away")

    async def goes_on(line):
        await line.lets_in()
        await line.says(event(f930=str(next(sent))))
        await line.stays()

    with Scripted(floods_and_closes, floods_and_closes, goes_on) as server:
        df = begin(server)
        assert df.kn.wait(4001, timeout=60)
        assert numbers(df) == list(range(4001))
        assert df.kn.gaps["reason"].tolist() == ["the server closed it (1001 going away)"] * 2
        check_whole(df)


def test_messages_in_pieces_of_one_byte_are_whole_messages():
    """A server may cut a message into as many fragments as it likes."""

    async def crumbles(line):
        await line.hears("LOGIN")
        await line.says_in_pieces(LOGIN_ACK, 1)
        await line.hears("REG")
        await line.says_in_pieces(REG_ACK, 1)
        for raw in events(0, 5):
            await line.says_in_pieces(raw, 1)
        await line.stays()

    with Scripted(crumbles) as server:
        df = stream(server.url, TOKEN, **OFF)
        assert df.kn.wait(5, timeout=20)
        assert numbers(df) == [0, 1, 2, 3, 4]
        check_whole(df)


def test_rubbish_between_frames_is_told_and_costs_nothing_else():
    """No JSON, no object, no known kind: rejected with a reason where it is a frame's place, and rows go on."""

    async def babbles(line):
        await line.hears("LOGIN")
        await line.says(b"", b"null", b"[]", b"{", b'{"trnm":7}', b'{"trnm":"NEWS"}', LOGIN_ACK)
        await line.hears("REG")
        await line.says(REG_ACK, *events(0, 1), b"hello", b'{"trnm":"REAL"}', b'{"trnm":"REAL","data":[7]}')
        await line.says(b'{"trnm":["REG"],"return_code":1}', *events(1, 2))
        await line.stays()

    with Scripted(babbles) as server:
        df = stream(server.url, TOKEN, **OFF)
        assert df.kn.wait(2, timeout=20)
        assert numbers(df) == [0, 1]
        rejected = df.kn.rejected
        assert {"not_json", "not_an_object"} <= set(rejected["reason"])
        assert len(server.lines) == 1
        check_whole(df)


# Ends


@pytest.mark.parametrize(
    ("code", "words", "reason"),
    [
        (1000, "Bye", "the server closed it (1000 Bye)"),
        (1000, "", "the server closed it (1000)"),
        (1001, "", "the server closed it (1001)"),
        (1011, "internal error", "the server closed it (1011 internal error)"),
        (1012, "", "the server closed it (1012)"),
        (1006, "", "the connection broke"),
    ],
)
def test_however_a_server_ends_the_line_it_is_one_gap_and_a_new_login(code, words, reason):
    """1000 included: we did not ask for it. 1006 is what no server can say: the line was cut."""
    lines = iter(range(10))

    async def ends(line):
        first = 2 * next(lines)
        await line.lets_in()
        await line.says(*events(first, first + 2))
        if first:
            await line.stays()
        elif code == 1006:
            await line.says(PING)
            await line.hears("PING")  # so that the rows are there: a cut may take along what is on its way
            line.cut()
        else:
            await line.closes(code, words)

    with Scripted(ends) as server:
        df = begin(server)
        assert df.kn.wait(4, timeout=20)
        assert numbers(df) == [0, 1, 2, 3]
        assert df.kn.gaps["reason"].tolist() == [reason]
        assert [line.heard[:2] for line in server.lines] == [["LOGIN", "REG"]] * 2
        check_whole(df)


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        ("R10002", "Heartbeat", "Heartbeat (R10002)"),
        ("R10004", "", "R10004"),
        ("R99999", "점검 예정", "점검 예정 (R99999)"),
        (7, "", "7"),
        ([], "odd", "odd"),
    ],
)
def test_a_system_frame_before_the_end_is_the_reason_of_the_gap(code, message, reason):
    """It says more than a close code, and the stream comes back all the same."""

    async def says_why(line):
        await line.lets_in()
        await line.says(*events(0, 1), system(code, message))
        await line.closes(1000, "Bye")

    with Scripted(says_why, friendly) as server:
        df = begin(server)
        assert df.kn.wait(1, timeout=20)
        until(lambda: len(server.lines) == 2 and df.kn.status.state == "live")
        df.kn.sync()
        assert df.kn.gaps["reason"].tolist() == [reason]
        check_whole(df)


@pytest.mark.parametrize("code", ["R10002", "R10004", "R99999"])
def test_a_system_frame_alone_ends_nothing(code):
    """A server that announces an end and goes on is listened to."""

    async def only_says_so(line):
        await line.lets_in()
        await line.says(system(code, "x"), *events(0, 2))
        await line.stays()

    with Scripted(only_says_so) as server:
        df = stream(server.url, TOKEN, **OFF)
        assert df.kn.wait(2, timeout=20)
        assert len(server.lines) == 1
        assert len(df.kn.gaps) == 0
        check_whole(df)


@pytest.mark.parametrize("when", ["at once", "after LOGIN", "live"])
def test_a_kick_ends_the_stream_whenever_it_comes(when):
    """R10001: another program has the key. It is never fought for, and what came before it is kept."""

    async def kicks(line):
        if when != "at once":
            await line.hears("LOGIN")
            await line.says(LOGIN_ACK)
        if when == "live":
            await line.hears("REG")
            await line.says(REG_ACK, *events(0, 3))
        await line.says(frames.KICK)
        await line.closes(1000, "Bye")

    with Scripted(kicks) as server:
        df = begin(server)
        with pytest.raises(KickedOut):
            df.kn.wait(4, timeout=20)
        assert df.kn.status.state == "kicked"
        assert len(server.lines) == 1
        assert numbers(df) == ([0, 1, 2] if when == "live" else [])
        assert numbers(kn.load(df.kn.status.journal)) == numbers(df)
