import asyncio
import contextlib
import itertools
import json
import traceback

import pytest
from clock import stand_still, until, virtual_time
from frames import KICK, LOGIN_ACK, OFFICIAL, PING, REG_ACK, REMOVE_ACK, dump, reg_refusal, token_refusal

from kiwoom_nb.errors import (
    AuthenticationError,
    ConnectionFailed,
    IPNotRegistered,
    KickedOut,
    KiwoomError,
    ProtocolError,
    RequestRefused,
)
from kiwoom_nb.holdings import Answer
from kiwoom_nb.session import LONGEST_PAUSE, SHORTEST_PAUSE, Session

START = 1_763_600_400_000_000
GOOD = {"LOGIN": [LOGIN_ACK], "REG": [REG_ACK], "REMOVE": [REMOVE_ACK]}
BYE = "the server closed it (1000 Bye)"


class Line:
    """A socket to a scripted server, which answers each frame by its trnm and sends a PING each 10 seconds."""

    def __init__(self, answers, pings):
        self.answers = {**GOOD, **answers}
        self.sent = []
        self.sent_at = []
        self.closed_at = None
        self.is_down = False
        self.hangs = "hangs" in answers
        self._loop = asyncio.get_running_loop()
        self._frames = asyncio.Queue()
        self._ping = self._loop.call_later(10, self._send_ping) if pings else None

    async def send(self, frame):
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_down:
            raise ConnectionFailed("the server", "the connection broke")
        self.sent.append(frame)
        self.sent_at.append(self._loop.time())
        answers = self.answers.get(json.loads(frame)["trnm"], [])
        self.say(*(answers(frame) if callable(answers) else answers))

    async def receive(self):
        item = await self._frames.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def close(self):
        assert self.closed_at is None, "closed twice"
        await asyncio.sleep(0.01)
        self.closed_at = self._loop.time()
        self.is_down = True
        self.silence()

    def say(self, *items):
        """Let the server send frames; an exception is the end of the line, a number a pause before the rest."""
        for number, item in enumerate(items):
            if isinstance(item, int | float):
                self._loop.call_later(item, self.say, *items[number + 1 :])
                return
            self.is_down = self.is_down or isinstance(item, Exception)
            self._frames.put_nowait(item)

    def drop(self, reason=BYE):
        """End the line after what was said."""
        self.say(ConnectionFailed("the server", reason))

    def silence(self):
        """Send no more PINGs."""
        if self._ping is not None:
            self._ping.cancel()

    def _send_ping(self):
        self.say(PING)
        self._ping = self._loop.call_later(10, self._send_ping)

    @property
    def trnms(self):
        return [json.loads(frame)["trnm"] for frame in self.sent]


class World:
    """A server, a source of tokens, sinks and a session between them."""

    def __init__(
        self,
        *scripts,
        tokens=("secret-token-1", "secret-token-2", "secret-token-3"),
        pings=True,
        jitter=lambda: 0.5,
        read_holdings=None,
    ):
        self.loop = asyncio.get_running_loop()
        self.scripts = iter(scripts)
        self.pings = pings
        self.fresh = iter(tokens)
        self.token = next(self.fresh)
        self.lines = []
        self.tokens_used = []
        self.connected_at = []
        self.told = []
        self.frames = []
        self.fail = {}
        self.session = Session(
            self.connect, self, self, now=self.now, server="the server", read_holdings=read_holdings, jitter=jitter
        )
        self.task = asyncio.ensure_future(self.session.run())

    def now(self):
        return START + round(self.loop.time() * 1_000_000)

    # what the session is handed

    async def connect(self, token):
        self.tokens_used.append(token)
        self.connected_at.append(self.loop.time())
        await asyncio.sleep(0)
        script = next(self.scripts, {})
        if isinstance(script, Exception):
            raise script
        self.lines.append(Line(script, self.pings))
        return self.lines[-1]

    async def get(self):
        await asyncio.sleep(0)
        if self.fail.get("get"):
            raise self.fail["get"].pop(0)
        return self.token

    async def refused(self, token):
        assert token == self.token
        await asyncio.sleep(0)
        if self.fail.get("refused"):
            raise self.fail["refused"].pop(0)
        self.token = next(self.fresh)
        return self.token

    def frame(self, received_at, raw, message):
        self.frames.append((received_at, raw, message))

    def connected(self, at):
        self.told.append(("connected", (at - START) / 1e6))

    def disconnected(self, at, since, reason):
        self.told.append(("disconnected", (at - START) / 1e6, (since - START) / 1e6, reason))

    def connecting(self, attempt, reason):
        self.told.append(("connecting", attempt, reason))

    def stalled(self, seconds):
        self.told.append(("stalled", seconds))

    def holdings(self, at, asked_at, account, pages):
        self.told.append(("holdings", (at - START) / 1e6, (asked_at - START) / 1e6, account, pages))

    def no_holdings(self, reason):
        self.told.append(("no_holdings", (self.now() - START) / 1e6, reason))

    # what a test asks

    @property
    def line(self):
        return self.lines[-1]

    def all(self, name):
        return [tell for tell in self.told if tell[0] == name]

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        assert all(line.closed_at is not None for line in self.lines), "a socket was left open"

    async def end(self):
        """Wait for the error that ends the session, and look at all that a user may see of it."""
        done, _ = await asyncio.wait([self.task], timeout=3600)
        assert done, "the session goes on"
        error = self.task.exception()
        assert isinstance(error, KiwoomError), error
        assert all(line.closed_at is not None for line in self.lines), "a socket was left open"
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        for text in (str(error), repr(error), shown, repr(self.told)):
            assert "secret-token" not in text
        return error


# --- up and down ---------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_session_logs_in_registers_and_hands_over_each_frame():
    """LOGIN, its ack, REG, its ack; every received frame goes to the sinks, with its time, as it came."""
    world = World()
    await until(1)
    world.line.say(OFFICIAL, b"\xff not JSON", OFFICIAL)
    await until(12)
    assert world.line.trnms == ["LOGIN", "REG", "PING"]
    assert json.loads(world.line.sent[0])["token"] == "secret-token-1"
    assert [raw for _, raw, _ in world.frames] == [LOGIN_ACK, REG_ACK, OFFICIAL, b"\xff not JSON", OFFICIAL, PING]
    assert [at - START for at, _, _ in world.frames] == [0, 0, 1_000_000, 1_000_000, 1_000_000, 10_000_000]
    assert world.told == [("connecting", 0, ""), ("connected", 0.0)]
    await world.stop()


@virtual_time
async def test_a_frame_is_recorded_before_it_is_answered():
    """What was received is on disk before anything else happens."""
    world = World()
    world.frame = lambda _at, raw, _message: world.told.append(("frame", raw, tuple(world.line.trnms)))
    world.session._sinks = world
    await until(11)
    assert world.all("frame") == [
        ("frame", LOGIN_ACK, ("LOGIN",)),
        ("frame", REG_ACK, ("LOGIN", "REG")),
        ("frame", PING, ("LOGIN", "REG")),
    ]
    await world.stop()


@virtual_time
async def test_frames_before_the_login_ack_are_taken_and_answered():
    """On the real server PING, SYSTEM and even REAL may precede the ack."""
    notice = dump({"trnm": "SYSTEM", "code": "R10004", "message": "x"})
    world = World({"LOGIN": [PING, notice, OFFICIAL, LOGIN_ACK]})
    await until(1)
    assert world.line.trnms == ["LOGIN", "PING", "REG"]
    assert len(world.frames) == 5
    await world.stop()


@virtual_time
async def test_stop_takes_the_registration_back_and_closes():
    """The gap that follows begins when something was heard last."""
    world = World()
    await until(25)
    await world.stop()
    assert world.line.trnms == ["LOGIN", "REG", "PING", "PING", "REMOVE"]
    assert world.told[2:] == [("disconnected", 25.0, 20.0, "stopped")]


SILENT = {"LOGIN": []}
_DROPS = {
    "refused": ConnectionFailed("the server", "connection refused"),
    "login_sent": SILENT,
    "login_ack_lost": {"LOGIN": [ConnectionFailed("the server", BYE)]},
    "reg_sent": {"REG": []},
    "reg_ack_lost": {"REG": [ConnectionFailed("the server", BYE)]},
    "live": {},
}


@pytest.mark.parametrize("state", _DROPS)
@virtual_time
async def test_a_drop_in_any_state_is_followed_by_a_whole_new_login(state):
    """Registrations do not survive a reconnect; close code 1000 is a disconnect like any other."""
    world = World(_DROPS[state])
    await until(0.25)
    if world.lines and not world.line.is_down:
        world.line.drop()
    await until(3)
    assert len(world.tokens_used) == 2
    assert world.line.trnms == ["LOGIN", "REG"]
    assert world.told[-1][0] == "connected"
    assert [tell[1:] for tell in world.all("connecting")] == [
        (0, ""),
        (1, "connection refused" if state == "refused" else BYE),
    ]
    assert world.all("disconnected") == ([("disconnected", 0.25, 0.0, BYE)] if state == "live" else [])
    await world.stop()


@virtual_time
async def test_a_gap_begins_when_something_was_heard_last():
    """Between the last frame and the drop nobody knows what was missed."""
    world = World()
    await until(3)
    world.line.say(OFFICIAL)
    await until(7)
    world.line.drop("the connection broke")
    await until(9)
    assert world.told == [
        ("connecting", 0, ""),
        ("connected", 0.0),
        ("disconnected", 7.0, 3.0, "the connection broke"),
        ("connecting", 1, "the connection broke"),
        ("connected", pytest.approx(7.76)),
    ]
    await world.stop()


@pytest.mark.parametrize(("jitter", "share"), [(lambda: 0.0, 0.0), (lambda: 0.5, 0.5), (lambda: 0.999, 0.999)])
@virtual_time
async def test_pauses_double_up_to_thirty_seconds_with_full_jitter(jitter, share):
    """So that clients do not come in step, nor at a rate that Kiwoom refuses."""
    refusals = [ConnectionFailed("the server", "maintenance")] * 12
    world = World(*refusals, jitter=jitter)
    await until(400)
    pauses = [after - before for before, after in itertools.pairwise(world.connected_at)]
    longest = [1, 2, 4, 8, 16, *[30] * 7]
    assert pauses == pytest.approx([0.5 + (most - 0.5) * share for most in longest])
    assert all(SHORTEST_PAUSE <= pause <= LONGEST_PAUSE for pause in pauses)
    assert [tell[1] for tell in world.all("connecting")] == list(range(13))
    await world.stop()


@virtual_time
async def test_pauses_are_random_by_default():
    """Two clients of one server must not come in step."""
    world = World()
    world.session._attempt = 6
    again = Session(world.connect, world, world, now=world.now, server="x")
    again._attempt = 6
    pauses = {again._pause() for _ in range(100)}
    assert len(pauses) > 90
    assert all(SHORTEST_PAUSE <= pause <= LONGEST_PAUSE for pause in pauses)
    await world.stop()


@virtual_time
async def test_only_a_line_that_stayed_up_makes_the_next_pause_short_again():
    """A server that takes us in and throws us out must not be stormed."""
    world = World()
    for _ in range(3):
        await until(world.loop.time() + 20)
        world.line.drop()
    await until(world.loop.time() + 60)
    world.line.drop()
    await until(world.loop.time() + 5)
    assert [tell[1] for tell in world.all("connecting")] == [0, 1, 2, 3, 1]
    await world.stop()


@virtual_time
async def test_what_waits_in_a_dropped_line_is_read_to_its_end():
    """After a long cell: PINGs, fills and the close wait together, and the echo fails on the dead line."""
    world = World()
    await until(5)
    world.line.say(PING, OFFICIAL, PING, OFFICIAL)
    world.line.drop()
    await until(5.4)
    assert [raw for _, raw, _ in world.frames].count(OFFICIAL) == 2
    assert world.all("disconnected") == [("disconnected", 5.0, 5.0, BYE)]
    await world.stop()


@virtual_time
async def test_a_kick_behind_a_ping_is_read_although_the_line_is_dead():
    """Else we would fight the other program for the key."""
    world = World()
    await until(5)
    world.line.say(PING, KICK)
    world.line.drop()
    assert isinstance(await world.end(), KickedOut)
    assert len(world.lines) == 1


@virtual_time
async def test_what_the_server_said_before_it_closed_is_the_reason():
    """R10002 tells more than a close code; a notice long before says nothing about it."""
    late = dump({"trnm": "SYSTEM", "code": "R10002", "message": "Heartbeat"})
    world = World()
    await until(5)
    world.line.say(late)
    world.line.drop()
    await until(8)
    world.line.say(late, OFFICIAL)
    world.line.drop()
    await until(9)
    assert [tell[3] for tell in world.all("disconnected")] == ["Heartbeat (R10002)", BYE]
    await world.stop()


@virtual_time
async def test_an_unknown_system_frame_is_carried_on_from():
    """Only R10001 ends a session."""
    world = World()
    await until(1)
    world.line.say(
        dump({"trnm": "SYSTEM", "code": "R99999", "message": "점검 예정"}), dump({"trnm": "SYSTEM", "code": []})
    )
    await until(60)
    assert len(world.lines) == 1
    assert not world.all("disconnected")
    await world.stop()


# --- the watchdog --------------------------------------------------------------------------------------------------


@virtual_time
async def test_pings_keep_a_quiet_line_for_hours():
    """An account without fills is heard of each 10 seconds."""
    world = World()
    await until(6 * 3600)
    assert len(world.lines) == 1
    assert world.told == [("connecting", 0, ""), ("connected", 0.0)]
    await world.stop()


@virtual_time
async def test_thirty_seconds_of_silence_are_a_dead_line():
    """Three missed PINGs; nothing is sent into a dead line on leaving it."""
    world = World(pings=False)
    await until(29)
    assert len(world.lines) == 1
    world.pings = True
    await until(33)
    assert len(world.lines) == 2
    (gap,) = world.all("disconnected")
    assert gap[1:] == (pytest.approx(30.1), 0.0, "nothing was heard for 30 seconds")
    assert world.lines[0].trnms == ["LOGIN", "REG"]
    await world.stop()


@virtual_time
async def test_a_line_that_takes_no_frame_is_dead_too():
    """A send that never ends must not hold the watchdog up."""
    world = World()
    await until(5)
    world.line.hangs = True
    await until(60)
    assert len(world.lines) == 2
    await world.stop()


@virtual_time
async def test_a_line_that_does_not_even_take_the_login_is_dead_too():
    """The first send is watched as well."""
    world = World({"hangs": True})
    await until(20)
    assert len(world.lines) == 2
    assert world.all("connecting")[1][2] == "LOGIN was not answered within 15 seconds"
    await world.stop()


@pytest.mark.parametrize("silent_before", [0.5, 9.5, 20.5, 27.5, 28.5, 28.99])
@pytest.mark.parametrize("seconds", [3, 31, 600, 86_400])
@virtual_time
async def test_time_in_which_the_loop_stood_still_is_not_silence(silent_before, seconds):
    """What waits in the socket is read first: dropping the line would lose fills."""
    world = World(pings=False)
    await until(silent_before)
    stand_still(seconds)
    world.loop.call_later(0.05, world.line.say, OFFICIAL, PING)  # the socket is read a moment after the loop runs again
    await until(silent_before + seconds + 25)
    assert len(world.lines) == 1
    assert OFFICIAL in [raw for _, raw, _ in world.frames]
    await until(silent_before + seconds + 40)
    assert len(world.lines) == 2, "a dead line is still found"
    await world.stop()


@virtual_time
async def test_an_answer_that_waits_behind_a_stall_is_read_first():
    """LOGIN was answered while the notebook computed."""
    world = World({"LOGIN": []})
    await until(14.5)
    stand_still(60)
    world.loop.call_later(0.05, world.line.say, LOGIN_ACK)
    await until(80)
    assert len(world.lines) == 1
    assert world.all("connected")
    await world.stop()


@virtual_time
async def test_a_stall_of_the_loop_is_told_once_each():
    """With about how long it was; short ones are everyday life."""
    world = World()
    await until(10.5)
    stand_still(4)
    await until(20.5)
    assert not world.all("stalled")
    stand_still(60)
    await until(100.5)
    assert world.all("stalled") == [("stalled", pytest.approx(60, abs=1))]
    stand_still(7)
    await until(120)
    assert [tell[1] for tell in world.all("stalled")] == pytest.approx([60, 7], abs=1)
    await world.stop()


@pytest.mark.parametrize(("script", "what"), [({"LOGIN": []}, "LOGIN"), ({"REG": []}, "REG")])
@virtual_time
async def test_an_ack_that_never_comes_is_a_dead_line(script, what):
    """PINGs go on, but nothing would ever be pushed: a server that never acks is left after 15 seconds."""
    world = World(script)
    await until(18)
    assert len(world.lines) == 2
    assert world.all("connecting")[1:] == [("connecting", 1, f"{what} was not answered within 15 seconds")]
    assert not world.all("disconnected")
    await world.stop()


@virtual_time
async def test_login_and_reg_have_fifteen_seconds_each():
    """A slow server is not a dead one."""
    world = World({"LOGIN": [12, LOGIN_ACK], "REG": [12, REG_ACK]})
    await until(30)
    assert len(world.lines) == 1
    assert world.all("connected") == [("connected", 24.0)]
    await world.stop()


# --- the token -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["8005", "8103"])
@virtual_time
async def test_a_refused_token_is_issued_anew_once_and_the_session_goes_on(code):
    """At once, without a pause: a token lives for 24 hours, a stream longer."""
    world = World({"LOGIN": [token_refusal(code), ConnectionFailed("the server", BYE)]})
    await until(1)
    assert world.tokens_used == ["secret-token-1", "secret-token-2"]
    assert world.told[1:] == [
        ("connecting", 0, "the token was refused and is issued anew"),
        ("connected", pytest.approx(0.01)),
    ]
    assert world.lines[0].closed_at is not None
    await world.stop()


@virtual_time
async def test_a_refusal_that_names_no_inner_code_is_about_the_token_too():
    """805004 is the code of the LOGIN ack of a bad token."""
    refusal = dump({"trnm": "LOGIN", "return_code": "805004", "return_msg": "토큰 인증에 실패했습니다"})
    world = World({"LOGIN": [refusal]})
    await until(1)
    assert world.tokens_used == ["secret-token-1", "secret-token-2"]
    await world.stop()


@virtual_time
async def test_a_token_refused_twice_ends_the_session():
    """No storm of tokens: once anew, then the user is told."""
    world = World({"LOGIN": [token_refusal("8005")]}, {"LOGIN": [token_refusal("8005")]})
    error = await world.end()
    assert type(error) is AuthenticationError
    assert error.code == "8005"
    assert len(world.tokens_used) == 2
    assert not world.all("disconnected")


@virtual_time
async def test_after_a_login_a_token_may_be_issued_anew_again():
    """The next day's refusal is another one."""
    refused = {"LOGIN": [token_refusal("8005")]}
    world = World(refused, {}, refused)
    await until(100)
    world.line.drop()
    await until(110)
    assert world.tokens_used == [f"secret-token-{number}" for number in (1, 2, 2, 3)]
    await world.stop()


@virtual_time
async def test_the_same_token_again_ends_the_session():
    """The token endpoint hands a valid token out again: nothing would change."""
    world = World({"LOGIN": [token_refusal("8005")]}, tokens=["secret-token-1", "secret-token-1"])
    assert type(await world.end()) is AuthenticationError
    assert len(world.lines) == 1


@virtual_time
async def test_a_token_endpoint_that_is_down_while_issuing_anew_is_tried_again():
    """And the new token is still the first new one, not a second refusal."""
    world = World({"LOGIN": [token_refusal("8005")]})
    world.fail["refused"] = [ConnectionFailed("the token endpoint", "HTTP 503")] * 2
    await until(10)
    assert world.tokens_used == ["secret-token-1", "secret-token-2"]
    assert [tell[1:] for tell in world.all("connecting")] == [
        (0, ""),
        (0, "the token was refused and is issued anew"),
        (1, "HTTP 503"),
        (2, "HTTP 503"),
    ]
    assert world.told[-1][0] == "connected"
    await world.stop()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionFailed("the token endpoint", "HTTP 503"), "HTTP 503"),
        (
            RequestRefused("the token request", "1700", "too many"),
            "Kiwoom did not carry out the token request (code 1700: too many)",
        ),
    ],
)
@virtual_time
async def test_a_token_endpoint_that_is_out_of_order_is_tried_again(error, reason):
    """At night it is down for maintenance like the rest."""
    world = World()
    world.fail["get"] = [error]
    await until(5)
    assert world.all("connecting")[1:] == [("connecting", 1, reason)]
    assert world.told[-1][0] == "connected"
    await world.stop()


@pytest.mark.parametrize("code", ["8001", "8030", "8031", "8002", "8020"])
@virtual_time
async def test_wrong_keys_are_never_issued_anew(code):
    """Misconfiguration does not pass by itself."""
    world = World({"LOGIN": [token_refusal(code, "투자구분이 다릅니다")]})
    error = await world.end()
    assert type(error) is AuthenticationError
    assert (error.code, world.tokens_used) == (code, ["secret-token-1"])


@pytest.mark.parametrize("code", ["8010", "8040", "8050"])
@virtual_time
async def test_an_address_that_is_not_registered_is_named(code):
    """The cure is on Kiwoom's site."""
    world = World({"LOGIN": [token_refusal(code, "지정단말기 인증에 실패했습니다")]})
    assert isinstance(await world.end(), IPNotRegistered)
    assert len(world.lines) == 1


@virtual_time
async def test_keys_that_the_token_endpoint_refuses_end_the_session():
    """Before there is any socket."""
    world = World()
    world.fail["get"] = [AuthenticationError("8001", "App Key와 Secret Key 검증에 실패했습니다")]
    assert (await world.end()).code == "8001"
    assert world.lines == []


@pytest.mark.parametrize(
    "refusal",
    [
        dump({"trnm": "LOGIN", "return_code": 900001, "return_msg": "시스템 점검 중입니다"}),
        dump({"trnm": "LOGIN", "return_code": 1, "return_msg": "[1700:허용된 요청 개수를 초과하였습니다]"}),
        dump({"trnm": "LOGIN"}),
        reg_refusal(100013, "로그인 인증이 들어오기 전에 다른 전문이 들어왔습니다. 해당 전문은 무시됩니다. (TRNM=%s)"),
    ],
)
@virtual_time
async def test_a_refusal_that_is_not_about_keys_is_tried_again_later(refusal):
    """Maintenance ends: with a pause that grows, and for as long as it takes."""
    script = {"LOGIN": [refusal]} if b'"LOGIN"' in refusal else {"REG": [refusal]}
    world = World(*[script] * 8)
    await until(300)
    assert len(world.lines) == 9
    assert world.told[-1][0] == "connected"
    pauses = [after - before for before, after in itertools.pairwise(world.connected_at)]
    assert pauses == pytest.approx(sorted(pauses))
    await world.stop()


@virtual_time
async def test_a_server_that_echoes_the_token_does_not_leak_it():
    """Into no text, no traceback with its variables, no sink."""
    said = "secret-token-1 is not good"
    maintenance = dump({"trnm": "LOGIN", "return_code": "secret-token-1", "return_msg": said})
    notice = dump({"trnm": "SYSTEM", "code": "secret-token-1", "message": said})
    world = World(
        {"LOGIN": [maintenance]},
        {"LOGIN": [notice, ConnectionFailed("the server", BYE)]},
        {"REG": [dump({"trnm": "REG", "return_code": "secret-token-1", "return_msg": said})]},
    )
    error = await world.end()
    assert "*** is not good" in str(error)
    assert "***" in world.all("connecting")[1][2]
    assert "***" in world.all("connecting")[2][2]


# --- kicks and refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [{"LOGIN": [KICK]}, {"REG": [KICK]}, {"REG": [REG_ACK, KICK]}])
@virtual_time
async def test_a_kick_ends_the_session_and_is_not_fought(script):
    """One key holds one connection: two programs that both reconnect would kick each other for ever."""
    world = World(script)
    error = await world.end()
    assert isinstance(error, KickedOut)
    await until(3000)
    assert len(world.lines) == 1
    assert [tell[3] for tell in world.all("disconnected")] == (["kicked"] if world.all("connected") else [])
    assert "REMOVE" not in world.line.trnms


@pytest.mark.parametrize("code", [105111, "105111", 105118, 1, ""])
@virtual_time
async def test_a_refused_registration_ends_the_session(code):
    """Trying again would change nothing, and without it nothing is ever pushed."""
    world = World({"REG": [reg_refusal(code, "실시간 항목 등록에 실패했습니다")]})
    error = await world.end()
    assert isinstance(error, ProtocolError)
    assert f"code {code}" in str(error)
    assert len(world.lines) == 1


@virtual_time
async def test_too_many_registrations_are_tried_again_on_the_same_line():
    """105110: about five a second are allowed."""
    answers = iter([reg_refusal(105110), reg_refusal("105110"), REG_ACK])
    world = World({"REG": lambda _frame: [next(answers)]})
    await until(5)
    assert world.line.trnms == ["LOGIN", "REG", "REG", "REG"]
    assert world.line.sent_at == [0.0, 0.0, 1.0, 2.0]
    assert world.all("connected") == [("connected", 2.0)]
    await world.stop()


@virtual_time
async def test_a_server_that_always_has_too_many_registrations_is_left():
    """After 15 seconds, for a new line and a longer and longer pause."""
    world = World({"REG": [reg_refusal(105110)]})
    await until(17)
    assert len(world.lines) == 2
    await world.stop()


# --- stop ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "moment", "sent"),
    [
        ({}, 0, []),
        ({"LOGIN": []}, 1, ["LOGIN"]),
        ({"REG": []}, 1, ["LOGIN", "REG"]),
        ({"REG": [reg_refusal(105110)]}, 0.5, ["LOGIN", "REG"]),
        ({}, 1, ["LOGIN", "REG", "REMOVE"]),
        ({"REMOVE": []}, 1, ["LOGIN", "REG", "REMOVE"]),
        ({"REG": [REG_ACK, 0.5, ConnectionFailed("the server", BYE)]}, 0.9, ["LOGIN", "REG"]),
        (ConnectionFailed("the server", "refused"), 0.3, []),
    ],
)
@virtual_time
async def test_stop_in_any_state_closes_the_line_and_leaves_nothing_behind(script, moment, sent):
    """No socket, no task; REMOVE is sent where there is a registration to take back."""
    world = World(script)
    await until(moment)
    await world.stop()
    assert [trnm for line in world.lines for trnm in line.trnms] == sent
    assert world.task.cancelled()


@virtual_time
async def test_stop_at_any_moment_of_the_first_steps_closes_the_line():
    """Cancelled after any number of steps of the loop."""
    for steps in range(40):
        world = World()
        for _ in range(steps):
            await asyncio.sleep(0)
        await world.stop()
        assert len(world.all("disconnected")) == len(world.all("connected"))


@virtual_time
async def test_stop_does_not_wait_for_a_line_that_takes_no_frame():
    """A second at most, and it is closed all the same."""
    world = World()
    await until(1)
    world.line.hangs = True
    await world.stop()
    assert world.loop.time() == pytest.approx(2.01)


@virtual_time
async def test_stopping_twice_closes_all_the_same():
    """An impatient user interrupts the stop."""
    world = World()
    await until(1)
    world.line.hangs = True
    world.task.cancel()
    await asyncio.sleep(0.1)
    await world.stop()
    assert world.all("disconnected") == [("disconnected", 1.0, 0.0, "stopped")]


@virtual_time
async def test_a_sink_that_raises_ends_the_session_with_its_error():
    """None may raise; if one does, it is not taken for a drop, and the line is closed."""
    world = World()
    world.connected = None
    done, _ = await asyncio.wait([world.task], timeout=60)
    assert done
    assert isinstance(world.task.exception(), TypeError)
    assert world.line.closed_at is not None


# --- what the account holds ----------------------------------------------------------------------------------------


class Desk:
    """Answers what the account holds: the next of ``answers`` (the last for ever), each after ``takes`` seconds."""

    def __init__(self, *answers, takes=0.0):
        self.answers = list(answers)
        self.takes = takes
        self.asked = []

    async def __call__(self, token):
        self.asked.append((asyncio.get_running_loop().time(), token))
        await asyncio.sleep(self.takes)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


HELD = Answer("1111111111", [b"{}", b"{}"])


@virtual_time
async def test_holdings_are_asked_for_after_reg_while_receiving_goes_on():
    """It was asked before the first request went out; what is pushed and pinged meanwhile is taken and answered."""
    desk = Desk(HELD, takes=12)
    world = World({"REG": [3, REG_ACK]}, read_holdings=desk)
    await until(10)
    world.line.say(OFFICIAL)
    await until(20.5)
    assert desk.asked == [(3.0, "secret-token-1")]
    assert world.told[1:] == [("connected", 3.0), ("holdings", 15.0, 3.0, "1111111111", [b"{}", b"{}"])]
    assert world.line.trnms == ["LOGIN", "REG", "PING", "PING"]
    assert OFFICIAL in [raw for _, raw, _ in world.frames]
    await world.stop()


@virtual_time
async def test_holdings_are_asked_for_again_after_each_reconnect():
    """What was missed while the line was down shows as a difference; the token may be another one by then."""
    desk = Desk(HELD)
    world = World(read_holdings=desk)
    await until(1)
    world.token = next(world.fresh)
    world.line.drop()
    await until(5)
    assert [token for _, token in desk.asked] == ["secret-token-1", "secret-token-2"]
    up = ["connected", "holdings"]
    assert [tell[0] for tell in world.told[1:]] == [*up, "disconnected", "connecting", *up]
    await world.stop()


@virtual_time
async def test_a_drop_ends_the_query_of_that_connection():
    """An answer that belongs to the time before the gap is never told after it."""
    desk = Desk(HELD, takes=5)
    world = World(read_holdings=desk)
    await until(4)
    world.line.drop()
    await until(30)
    assert len(desk.asked) == 2
    assert [tell[2] for tell in world.all("holdings")] == [desk.asked[1][0]]
    await world.stop()


@virtual_time
async def test_a_failed_query_is_told_and_tried_again_ever_more_rarely():
    """After 5, 30, then each 120 seconds; the stream does not mind."""
    desk = Desk(*[ConnectionFailed("x", "no answer")] * 4, HELD)
    world = World(read_holdings=desk)
    await until(600)
    assert [at for at, _ in desk.asked] == [0.0, 5.0, 35.0, 155.0, 275.0]
    assert world.all("no_holdings") == [("no_holdings", at, "no answer") for at in (0.0, 5.0, 35.0, 155.0)]
    assert world.all("holdings") == [("holdings", 275.0, 275.0, *HELD)]
    assert len(world.lines) == 1
    await world.stop()


@virtual_time
async def test_a_server_that_does_not_offer_it_is_not_asked_again_on_that_line():
    """Another connection may end at another server behind the same name."""
    desk = Desk(None, HELD)
    world = World(read_holdings=desk)
    await until(1000)
    assert len(desk.asked) == 1
    assert world.all("no_holdings") == [("no_holdings", 0.0, "the server does not offer kt00018")]
    world.line.drop()
    await until(1010)
    assert len(world.all("holdings")) == 1
    await world.stop()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AuthenticationError("8005", "secret-token-1"), "code 8005: ***"),
        (IPNotRegistered("8050", "x"), "code 8050: x"),
        (RequestRefused("the query", "1999", "x"), "code 1999: x"),
        (ConnectionFailed("x", "secret-token-1 broke"), "*** broke"),
        (ProtocolError("x"), "ProtocolError: " + str(ProtocolError("x"))),
        (RuntimeError("a bug with secret-token-1"), "RuntimeError: a bug with ***"),
    ],
)
@virtual_time
async def test_no_failure_of_the_query_ends_the_stream(error, reason):
    """A refused token included: the one that is logged in stays so. No reason holds the token."""
    world = World(read_holdings=Desk(error))
    await until(100)
    assert {tell[2] for tell in world.all("no_holdings")} == {reason}
    assert not world.all("disconnected")
    assert world.tokens_used == ["secret-token-1"]
    await world.stop()


@virtual_time
async def test_a_stop_does_not_wait_for_a_query_that_hangs():
    """It is let go of, and nothing is told of it any more."""
    world = World(read_holdings=Desk(HELD, takes=1000))
    await until(20)
    await world.stop()
    assert world.loop.time() < 21
    assert not [*world.all("holdings"), *world.all("no_holdings")]
