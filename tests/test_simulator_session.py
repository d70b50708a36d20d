import contextlib
import json

import pytest
import simulator_client
from simulator_client import (
    BYE,
    LOGIN_ACK,
    PING,
    REAL,
    REG,
    REG_ACK,
    REMOVE,
    REMOVE_ACK,
    ask,
    closing,
    is_silent,
    listening,
    log_in,
    refusal,
    serving,
)
from websockets.exceptions import ConnectionClosed

from kiwoom_nb.simulator_frames import SYSTEM

all_closed = simulator_client.all_closed
no_traceback = simulator_client.no_traceback
server = simulator_client.server


def test_a_login_with_an_issued_token_is_acked_as_measured(server):
    """The first frame carries the raw token, no header is needed, and the ack is Kiwoom's, byte for byte."""
    with listening(server) as client:
        assert log_in(client, server.token) == LOGIN_ACK


@pytest.mark.parametrize("disguise", ["{}x", "Bearer {}", " {}", "nonsense"])
def test_any_other_token_is_refused_and_the_server_closes(server, disguise):
    """Only a token as it was issued is accepted; "Bearer " in front makes it another one."""
    with listening(server) as client:
        assert log_in(client, disguise.format(server.token)) == (
            '{"trnm":"LOGIN","return_code":805004,"return_msg":"토큰 인증에 실패했습니다. 접속을 종료합니다'
            ' [CODE=8005, MESSAGE=Token이 유효하지 않습니다]"}'
        )
        assert closing(client) == BYE


@pytest.mark.parametrize("frame", [{"trnm": "LOGIN"}, {"trnm": "LOGIN", "token": ""}, {"trnm": "LOGIN", "token": 7}])
def test_a_login_without_a_token_is_805002_and_may_be_repeated(server, frame):
    """The token field is missing: told, and not closed."""
    with listening(server) as client:
        assert ask(client, frame) == refusal("LOGIN", 805002)
        assert log_in(client, server.token) == LOGIN_ACK


@pytest.mark.parametrize("trnm", ["REG", "REMOVE", "PING", "ELSE"])
def test_frames_before_the_login_are_ignored_with_a_literal_percent_s(server, trnm):
    """The real text holds an unfilled %s; the frame has no effect."""
    with listening(server) as client:
        answer = ask(client, json.loads(REG) | {"trnm": trnm})
        assert answer == refusal(trnm, 100013)
        assert answer["return_msg"].endswith("(TRNM=%s)")
        log_in(client, server.token)
        server.push(REAL)
        assert is_silent(client)


def test_a_header_does_not_log_in_by_default(server):
    """The measured server does not look at the headers of the official page."""
    headers = {"authorization": f"Bearer {server.token}", "api-id": "04"}
    with listening(server, additional_headers=headers) as client:
        assert ask(client, REG) == refusal("REG", 100013)


def test_the_documented_handshake_takes_the_header_alone():
    """With handshake="documented" REG works at once, and a LOGIN is still answered."""
    with serving(handshake="documented") as server:
        headers = {"authorization": f"Bearer {server.token}"}
        with listening(server, additional_headers=headers) as client:
            assert ask(client, REG) == json.loads(REG_ACK)
            assert log_in(client, server.token) == LOGIN_ACK
        with listening(server) as client:
            assert ask(client, REG) == refusal("REG", 100013)
            assert log_in(client, server.token) == LOGIN_ACK


def test_the_documented_handshake_refuses_a_wrong_header():
    """A bad token in the header is refused as in a LOGIN."""
    with (
        serving(handshake="documented") as server,
        listening(server, additional_headers={"authorization": "Bearer x"}) as client,
    ):
        assert json.loads(client.recv(timeout=5))["return_code"] == 805004
        assert closing(client) == BYE


def test_who_never_logs_in_is_told_r10004_and_closed():
    """After login_timeout seconds a connection without LOGIN ends."""
    with serving(login_timeout=0.05) as server, listening(server) as client:
        frame = {"trnm": "SYSTEM", "code": "R10004", "message": SYSTEM["R10004"]}
        assert json.loads(client.recv(timeout=5)) == frame
        assert closing(client) == BYE


def test_reg_and_remove_are_acked_bare_and_steer_the_pushes(server):
    """Acks carry neither group nor data; 04 is pushed only between REG and REMOVE, byte for byte, as TEXT."""
    with listening(server) as client:
        log_in(client, server.token)
        server.push(REAL)
        client.send(REG)
        assert client.recv(timeout=5) == REG_ACK
        server.push(REAL)
        assert client.recv(timeout=5) == REAL.decode()
        client.send(REMOVE)
        assert client.recv(timeout=5) == REMOVE_ACK
        server.push(REAL)
        assert is_silent(client)


def test_registrations_do_not_survive_the_connection(server):
    """After a reconnect nothing is pushed until REG comes again."""
    with listening(server) as client:
        log_in(client, server.token)
        ask(client, REG)
    with listening(server) as client:
        log_in(client, server.token)
        server.push(REAL)
        assert is_silent(client)


def test_an_unknown_trnm_is_105108(server):
    """What this service does not offer is named, at most as long as a trnm can be."""
    with listening(server) as client:
        log_in(client, server.token)
        assert ask(client, {"trnm": "CNSRLST"}) == refusal("CNSRLST", 105108)
        assert ask(client, {"trnm": "X" * 1000}) == refusal("X" * 10, 105108)


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "PING",
        "null",
        "7",
        '"LOGIN"',
        "[]",
        '[{"trnm":"LOGIN"}]',
        "{}",
        '{"trnm":null}',
        '{"trnm":""}',
        '{"trnm":["REG"]}',
        '{"trnm":{"a":1}}',
        '{"trnm":"REG"',
        '{"trnm":"REG","a":NaN}',
        '{"trnm":"\\ud800"}',
        '{"a":' + "9" * 5000 + "}",
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"trnm": "' + "x" * 500_000,
        b"",
        b"\xff\x00",
        REG.encode(),
    ],
    ids=lambda garbage: repr(garbage[:24]),
)
def test_garbage_is_100002_and_the_session_goes_on(server, garbage):
    """Binary, broken, nested, huge and non-object frames are answered and never break the server."""
    with listening(server) as client:
        assert ask(client, garbage) == refusal("", 100002)
        assert log_in(client, server.token) == LOGIN_ACK
        assert ask(client, garbage) == refusal("", 100002)
        assert ask(client, REG)["return_code"] == 0


def test_pings_come_from_the_login_on_and_an_echo_keeps_the_session():
    """The PING has no other field, comes each ping_interval, and echoed ones keep the session alive."""
    with serving(ping_interval=0.02, heartbeat_timeout=0.3) as server, listening(server) as client:
        log_in(client, server.token)
        for echo in [PING, '{"trnm": "PING"}'] * 9:
            assert client.recv(timeout=5) == PING
            client.send(echo)
        assert server.sessions == 1


@pytest.mark.parametrize("answer", [None, '{"trnm":"PONG"}', '{"trnm":"PING","more":1}', "PING"])
def test_a_ping_that_is_not_echoed_ends_the_session_with_r10002(answer):
    """Silence and anything but the PING itself are no heartbeat."""
    with serving(ping_interval=0.02) as server, listening(server) as client:
        log_in(client, server.token)
        frames = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                frames.append(client.recv(timeout=5))
                if frames[-1] == PING and answer:
                    with contextlib.suppress(ConnectionClosed):  # it may be closed already, with frames still unread
                        client.send(answer)
        assert PING in frames
        assert json.loads(frames[-1]) == {"trnm": "SYSTEM", "code": "R10002", "message": SYSTEM["R10002"]}
        assert (client.close_code, client.close_reason) == BYE
