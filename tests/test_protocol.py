import json
import sys

import frames
import pytest
from frames import KICK, LOGIN_ACK, OFFICIAL, PING, REG_ACK, REMOVE_ACK, dump, reg_refusal, token_refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kiwoom_nb import protocol
from kiwoom_nb.protocol import (
    TRANSITIONS,
    Connection,
    Kicked,
    LoggedIn,
    Message,
    Notice,
    Refused,
    Registered,
    Removed,
    Send,
    State,
    Step,
    Throttled,
    Unparsed,
    parse,
)

TOKEN = "a-token-that-nobody-may-see"

LEGAL = {
    State.OPEN: {Step.SEND_LOGIN: State.LOGIN_SENT},
    State.LOGIN_SENT: {Step.LOGIN_OK: State.LOGGED_IN, Step.LOGIN_NO: State.REFUSED},
    State.LOGGED_IN: {Step.SEND_REG: State.REG_SENT},
    State.REG_SENT: {Step.REG_OK: State.LIVE, Step.REG_NO: State.REFUSED, Step.REG_LATER: State.LOGGED_IN},
    State.LIVE: {Step.SEND_REMOVE: State.REMOVE_SENT},
    State.REMOVE_SENT: {Step.REMOVE_OK: State.LOGGED_IN},
    State.REFUSED: {},
    State.KICKED: {},
    State.CLOSED: {},
}
"""LOGIN, its ack, REG, its ack, REMOVE, its ack; kicks and closes are added by the test."""
ENDED = {State.REFUSED, State.KICKED, State.CLOSED}


def feed(connection, *raws):
    """Feed frames as they came and return all events."""
    return [event for raw in raws for event in connection.receive(parse(raw), raw)]


def connection_in(state):
    """Return a connection that has got to ``state`` by frames alone."""
    connection = Connection()
    if state is not State.OPEN:
        connection.login(TOKEN)
    if state is State.REFUSED:
        feed(connection, token_refusal())
    if state in {State.LOGGED_IN, State.REG_SENT, State.LIVE, State.REMOVE_SENT}:
        feed(connection, LOGIN_ACK)
    if state in {State.REG_SENT, State.LIVE, State.REMOVE_SENT}:
        connection.register()
    if state in {State.LIVE, State.REMOVE_SENT}:
        feed(connection, REG_ACK)
    if state is State.REMOVE_SENT:
        connection.remove()
    if state is State.KICKED:
        feed(connection, KICK)
    if state is State.CLOSED:
        connection.close()
    assert connection.state is state
    return connection


ACTIONS = {
    Step.SEND_LOGIN: lambda connection: connection.login(TOKEN),
    Step.SEND_REG: Connection.register,
    Step.SEND_REMOVE: Connection.remove,
    Step.CLOSE: Connection.close,
    Step.LOGIN_OK: lambda connection: feed(connection, LOGIN_ACK),
    Step.LOGIN_NO: lambda connection: feed(connection, token_refusal()),
    Step.REG_OK: lambda connection: feed(connection, REG_ACK),
    Step.REG_NO: lambda connection: feed(connection, reg_refusal(105111)),
    Step.REG_LATER: lambda connection: feed(connection, reg_refusal(105110)),
    Step.REMOVE_OK: lambda connection: feed(connection, REMOVE_ACK),
    Step.KICK: lambda connection: feed(connection, KICK),
}


# --- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", Step, ids=lambda step: step.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_each_step_in_each_state_does_what_is_documented(state, step):
    """What is in the table moves the connection; of the rest ours is an error, theirs changes nothing."""
    after = LEGAL[state].get(step)
    if step is Step.KICK and state not in ENDED:
        after = State.KICKED
    if step is Step.CLOSE and state is not State.CLOSED:
        after = State.CLOSED
    assert TRANSITIONS.get((state, step)) is after

    connection = connection_in(state)
    if after is None and step.name.startswith("SEND_"):
        with pytest.raises(RuntimeError, match=f"{step.name} is not possible in state {state.name}") as caught:
            ACTIONS[step](connection)
        assert TOKEN not in str(caught.value)
    else:
        ACTIONS[step](connection)
    assert connection.state is (after or state)


@pytest.mark.parametrize("state", [state for state in State if state is not State.LOGGED_IN])
def test_nothing_is_registered_before_the_login_ack(state):
    """The server drops what comes before it (100013), and nobody would notice."""
    with pytest.raises(RuntimeError):
        connection_in(state).register()


def test_the_way_to_live_sends_login_then_reg():
    """The frames of the page: raw token, item and type as lists."""
    connection = Connection()
    assert json.loads(connection.login(TOKEN).frame) == {"trnm": "LOGIN", "token": TOKEN}
    assert feed(connection, LOGIN_ACK) == [LoggedIn()]
    assert json.loads(connection.register().frame) == {
        "trnm": "REG",
        "grp_no": "1",
        "refresh": "1",
        "data": [{"item": [""], "type": ["04"]}],
    }
    assert feed(connection, REG_ACK) == [Registered()]
    assert json.loads(connection.remove().frame) == {
        "trnm": "REMOVE",
        "grp_no": "1",
        "data": [{"item": [""], "type": ["04"]}],
    }
    assert feed(connection, REMOVE_ACK) == [Removed()]


# --- PING ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        PING,
        b"PING",
        b" PING\r\n",
        b'{ "trnm" : "PING" }',
        b'{"trnm":"PING","\xec\x8b\x9c\xea\xb0\x81":"1"}',
        b'{"trnm":"PING","return_code":0}',
    ],
)
@pytest.mark.parametrize("state", State)
def test_a_ping_is_echoed_verbatim_in_any_state(state, raw):
    """Also the bare word, also before the LOGIN ack; else the server hangs up (R10002)."""
    connection = connection_in(state)
    (send,) = feed(connection, raw)
    assert send.frame.encode() == raw
    assert connection.state is state


def test_a_complaint_about_an_echo_is_not_echoed():
    """A frame sent too early comes back with 100013 under its own trnm: echoed, it would come back for ever."""
    raw = dump({"trnm": "PING", "return_code": 100013, "return_msg": "로그인 인증이 들어오기 전에 ..."})
    assert feed(connection_in(State.LOGIN_SENT), raw) == []


# --- acks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, "0", "00", "0000", " 0 "])
@pytest.mark.parametrize(
    ("state", "trnm", "expected"),
    [
        (State.LOGIN_SENT, "LOGIN", LoggedIn()),
        (State.REG_SENT, "REG", Registered()),
        (State.REMOVE_SENT, "REMOVE", Removed()),
    ],
)
def test_success_is_zero_as_number_or_text(state, trnm, expected, code):
    """It was measured as a number; the page says it is a string."""
    connection = connection_in(state)
    assert feed(connection, dump({"trnm": trnm, "return_code": code, "return_msg": ""})) == [expected]


@pytest.mark.parametrize("code", [1, "1", 805004, "805004", "100", -1, "", None, True, False, 0.0, 0.5, [0], {}])
@pytest.mark.parametrize(("state", "trnm"), [(State.LOGIN_SENT, "LOGIN"), (State.REG_SENT, "REG")])
def test_anything_but_zero_is_a_refusal(state, trnm, code):
    """With the code as text, whatever its type was."""
    connection = connection_in(state)
    (refused,) = feed(connection, dump({"trnm": trnm, "return_code": code, "return_msg": " no "}))
    shown = str(code) if isinstance(code, str | int) else ""
    assert refused == Refused(trnm, shown, "no")
    assert connection.state is State.REFUSED


@pytest.mark.parametrize(("state", "trnm"), [(State.LOGIN_SENT, "LOGIN"), (State.REG_SENT, "REG")])
def test_an_ack_without_a_code_is_a_refusal(state, trnm):
    """Silence about success is no success."""
    assert feed(connection_in(state), dump({"trnm": trnm})) == [Refused(trnm, "", "")]


def test_a_refused_removal_changes_nothing():
    """The session is about to close anyway."""
    connection = connection_in(State.REMOVE_SENT)
    assert feed(connection, dump({"trnm": "REMOVE", "return_code": 105115})) == []
    assert connection.state is State.REMOVE_SENT


def test_too_many_registrations_may_be_tried_again():
    """105110: the same connection, later; as number and as text."""
    connection = connection_in(State.REG_SENT)
    assert feed(connection, reg_refusal(105110, "요청 건수 초과")) == [Throttled()]
    connection.register()
    assert feed(connection, reg_refusal("105110")) == [Throttled()]
    connection.register()
    assert feed(connection, REG_ACK) == [Registered()]


@pytest.mark.parametrize("raw", [LOGIN_ACK, REG_ACK, REMOVE_ACK, KICK, token_refusal(), reg_refusal(105111)])
@pytest.mark.parametrize("state", State)
def test_a_frame_that_comes_twice_says_nothing_the_second_time(state, raw):
    """No second LOGIN, REG or kick follows from a repeated ack."""
    connection = connection_in(state)
    feed(connection, raw)
    before = connection.state
    assert feed(connection, raw) == []
    assert connection.state is before


def test_balance_events_say_nothing_to_the_protocol():
    """In any state: they may precede the acks."""
    for state in State:
        assert feed(connection_in(state), OFFICIAL) == []


# --- SYSTEM --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_a_kick_ends_a_living_connection_in_any_state(state):
    """R10001: another program logged in with the same app key."""
    connection = connection_in(state)
    assert feed(connection, KICK) == ([] if state in ENDED else [Kicked()])
    assert connection.state is (state if state in ENDED else State.KICKED)


@pytest.mark.parametrize(
    ("code", "message", "notice"),
    [
        ("R10002", "Heartbeat", Notice("R10002", "Heartbeat")),
        ("R10004", None, Notice("R10004", "")),
        ("R99999", "점검", Notice("R99999", "점검")),
        (5, 6, Notice("5", "6")),
        (["R10001"], {}, Notice("", "")),
        (None, None, Notice("", "")),
    ],
)
@pytest.mark.parametrize("state", State)
def test_any_other_system_frame_is_a_notice_and_changes_nothing(state, code, message, notice):
    """It may say why the server is about to close."""
    connection = connection_in(state)
    assert feed(connection, dump({"trnm": "SYSTEM", "code": code, "message": message})) == [notice]
    assert connection.state is state


# --- whatever comes ------------------------------------------------------------------------------------------------


@given(st.binary() | frames.hostile_frames())
def test_parsing_never_raises_and_loses_nothing(raw):
    """What is no JSON object comes back whole, with a reason."""
    message = parse(raw)
    if isinstance(message, Unparsed):
        assert message.raw == raw
        assert message.reason in {"not_json", "not_utf8", "not_an_object"}
    else:
        assert isinstance(message, Message)


@pytest.mark.parametrize("depth", [500, 900, 980, 1100])
def test_deep_nesting_breaks_nothing(depth):
    """However near it is to Python's limit."""
    deep = b"[" * depth + b"]" * depth
    for trnm in ("LOGIN", "REG", "SYSTEM"):
        for key in ("trnm", "return_code", "return_msg", "code", "message"):
            raw = dump({"trnm": trnm, key: "<>"}).replace(b'"<>"', deep)
            for state in (State.LOGIN_SENT, State.REG_SENT):
                feed(connection_in(state), raw)


@pytest.mark.parametrize("digits", [19, 4000, 4300, 5000])
def test_a_number_of_thousands_of_digits_breaks_nothing(digits):
    """Python refuses to make text of such numbers."""
    assert digits < 4301 or sys.get_int_max_str_digits() < digits
    raw = b'{"trnm":"LOGIN","return_code":' + b"9" * digits + b"}"
    feed(connection_in(State.LOGIN_SENT), raw)


class Life(RuleBasedStateMachine):
    """A connection between a session that keeps to the events and a server that does as it likes."""

    def __init__(self):
        super().__init__()
        self.connection = Connection()
        self.sent = []
        self.logged_in = self.registered = False

    def react(self, raw):
        before = self.connection.state
        events = self.connection.receive(parse(raw), raw)
        after = self.connection.state
        assert before is after or after in {TRANSITIONS.get((before, step)) for step in Step}
        for event in events:
            if isinstance(event, LoggedIn):
                assert not self.logged_in
                self.logged_in = True
            elif isinstance(event, Registered):
                assert self.logged_in
                assert self.sent[-1] in {"REG", "PING"}
                self.registered = True
            elif isinstance(event, Send):
                self.sent.append("PING")
                assert event.frame == raw.decode("utf-8", "replace")

    @rule(raw=frames.hostile_frames())
    def receive_anything(self, raw):
        self.react(raw)

    @rule(
        raw=st.sampled_from(
            [
                LOGIN_ACK,
                REG_ACK,
                REMOVE_ACK,
                PING,
                b"PING",
                KICK,
                OFFICIAL,
                token_refusal(),
                reg_refusal(1),
                reg_refusal(105110),
            ]
        )
    )
    def receive_something_likely(self, raw):
        self.react(raw)

    @precondition(lambda self: self.connection.state is State.OPEN)
    @rule()
    def login(self):
        self.connection.login(TOKEN)
        self.sent.append("LOGIN")

    @precondition(lambda self: self.connection.state is State.LOGGED_IN)
    @rule()
    def register(self):
        self.connection.register()
        self.sent.append("REG")

    @precondition(lambda self: self.connection.state is State.LIVE)
    @rule()
    def remove(self):
        self.connection.remove()
        self.sent.append("REMOVE")

    @rule()
    def close(self):
        self.connection.close()
        assert self.connection.state is State.CLOSED

    @invariant()
    def nothing_but_login_is_sent_before_its_ack(self):
        ours = [trnm for trnm in self.sent if trnm != "PING"]
        assert ours[:1] in ([], ["LOGIN"])
        assert self.logged_in or ours in ([], ["LOGIN"])

    @invariant()
    def live_means_registered(self):
        assert self.registered or self.connection.state not in {State.LIVE, State.REMOVE_SENT}


test_a_connection_stays_legal_whatever_the_server_does = Life.TestCase
test_a_connection_stays_legal_whatever_the_server_does.settings = settings(max_examples=30, stateful_step_count=12)


def test_no_repr_holds_the_token():
    """Reprs land in logs, tracebacks and saved notebooks."""
    connection = Connection()
    send = connection.login(TOKEN)
    assert TOKEN in send.frame
    assert TOKEN not in repr(send) + str(send) + repr(connection) + repr(vars(connection)) + f"{[send]}"


def test_the_known_system_codes_are_three():
    """Others are told by name."""
    assert set(protocol.SYSTEM_CODES) == {"R10001", "R10002", "R10004"}
