import asyncio
import contextlib
import datetime as dt
import json
import logging
import socket
import sys
from pathlib import Path

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from kiwoom_nb.classroom import serve
from kiwoom_nb.errors import MissingExtra
from kiwoom_nb.simulator import PATH, REFUSALS, REST_ERRORS, SYSTEM, Simulator

LOGIN_ACK = '{"trnm":"LOGIN","return_code":0,"return_msg":"","sor_yn":"Y"}'
REG = '{"trnm":"REG","grp_no":"1","refresh":"1","data":[{"item":[""],"type":["04"]}]}'
REG_ACK = '{"trnm":"REG","return_code":0,"return_msg":""}'
REMOVE = '{"trnm":"REMOVE","grp_no":"1","data":[{"item":[""],"type":["04"]}]}'
REMOVE_ACK = '{"trnm":"REMOVE","return_code":0,"return_msg":""}'
PING = '{"trnm":"PING"}'
REAL = '{"data":[{"values":{"9201":"1111111111","9001":"005930","302":"삼성전자","930":"102"},"type":"04","name":"현물잔고","item":"005930"}],"trnm":"REAL"}'.encode()
BYE = (1000, "Bye")


@pytest.fixture(scope="module")
def server():
    """One server for all tests that leave it as it was."""
    with serve() as running:
        yield running


@pytest.fixture(autouse=True)
def no_traceback(caplog, capfd):
    """Whatever a client does, the server logs no exception and prints nothing."""
    logging.getLogger("uvicorn.error").setLevel("ERROR")
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert capfd.readouterr() == ("", "")


def listening(server, **options):
    """Connect with the server's own log level put back, so that its exceptions would be seen."""
    logging.getLogger("uvicorn.error").setLevel("ERROR")
    return connect(server.url, **options)


def log_in(client: ClientConnection, token: str) -> str:
    client.send(json.dumps({"trnm": "LOGIN", "token": token}))
    return client.recv(timeout=5)


def ask(client: ClientConnection, frame: str | bytes | dict) -> dict:
    client.send(json.dumps(frame) if isinstance(frame, dict) else frame)
    return json.loads(client.recv(timeout=5))


def reg(items=("",), types=("04",), grp_no="1", refresh="1") -> dict:
    return {"trnm": "REG", "grp_no": grp_no, "refresh": refresh, "data": [{"item": list(items), "type": list(types)}]}


def refusal(trnm: str, code: int) -> dict:
    return {"trnm": trnm, "return_code": code, "return_msg": REFUSALS[code]}


def closing(client: ClientConnection) -> tuple[int, str]:
    """Read to the end and return the close code and reason."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            client.recv(timeout=5)
    return client.close_code, client.close_reason


def is_silent(client: ClientConnection) -> bool:
    """Say whether nothing but the answer to a marker comes back."""
    return ask(client, {"trnm": "NOTHING"}) == refusal("NOTHING", 105108)


# LOGIN


def test_a_login_with_an_issued_token_is_acked_as_measured(server):
    """The first frame carries the raw token, no header is needed, and the ack is Kiwoom's, byte for byte."""
    with listening(server) as client:
        assert log_in(client, server.token) == LOGIN_ACK


def test_a_given_token_logs_in():
    """Tokens that the caller names are valid, without the token endpoint."""
    with serve(tokens=["my-token"]) as server, listening(server) as client:
        assert log_in(client, "my-token") == LOGIN_ACK


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
    with serve(handshake="documented") as server:
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
        serve(handshake="documented") as server,
        listening(server, additional_headers={"authorization": "Bearer x"}) as client,
    ):
        assert json.loads(client.recv(timeout=5))["return_code"] == 805004
        assert closing(client) == BYE


def test_a_second_login_with_the_same_key_sends_the_older_session_away(server):
    """One session per app key: the older one hears R10001 and is closed with 1000 "Bye"."""
    with listening(server) as older, listening(server) as newer:
        log_in(older, server.token)
        assert ask(older, REG)["return_code"] == 0
        assert log_in(newer, server.token) == LOGIN_ACK
        kick = {"trnm": "SYSTEM", "code": "R10001", "message": SYSTEM["R10001"]}
        assert json.loads(older.recv(timeout=5)) == kick
        assert closing(older) == BYE
        assert ask(newer, REG)["return_code"] == 0
        server.push(REAL)
        assert newer.recv(timeout=5, decode=False) == REAL


def test_sessions_of_different_keys_live_side_by_side():
    """Only the same app key is kicked, and logging in again on the same socket kicks nobody."""
    with serve() as server, listening(server) as one, listening(server) as other:
        assert log_in(one, server.issue_token("one")) == LOGIN_ACK
        assert log_in(other, server.issue_token("other")) == LOGIN_ACK
        assert log_in(one, server.issue_token("one")) == LOGIN_ACK
        assert server.sessions == 2


def test_who_never_logs_in_is_told_r10004_and_closed():
    """After login_timeout seconds a connection without LOGIN ends."""
    with serve(login_timeout=0.05) as server, listening(server) as client:
        frame = {"trnm": "SYSTEM", "code": "R10004", "message": SYSTEM["R10004"]}
        assert json.loads(client.recv(timeout=5)) == frame
        assert closing(client) == BYE


# REG and REMOVE


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


@pytest.mark.parametrize(
    "data", [[{"type": ["04"]}], [{"item": [], "type": ["04"]}], [{"item": ["005930"], "type": ["00", "04"]}]]
)
def test_04_comes_whatever_the_item(server, data):
    """04 belongs to the account: the item is not looked at."""
    with listening(server) as client:
        log_in(client, server.token)
        assert ask(client, json.loads(REG) | {"data": data})["return_code"] == 0
        server.push(REAL)
        assert client.recv(timeout=5, decode=False) == REAL
        assert ask(client, REMOVE)["return_code"] == 0
        server.push(REAL)
        assert is_silent(client)


def test_other_types_are_acked_and_get_no_04(server):
    """A session that did not ask for 04 never gets one."""
    with listening(server) as client:
        log_in(client, server.token)
        assert ask(client, reg(["005930"], ["0B", "00"]))["return_code"] == 0
        server.push(REAL)
        assert is_silent(client)


def test_refresh_0_drops_what_was_registered_and_1_keeps_it(server):
    """Refresh "0" ends earlier registrations of the session; "1", also by default, adds to them."""
    with listening(server) as client:
        log_in(client, server.token)
        ask(client, reg())
        ask(client, reg(["005930"], ["0B"], grp_no="2"))
        server.push(REAL)
        assert client.recv(timeout=5, decode=False) == REAL
        ask(client, reg(["005930"], ["0B"], grp_no="2", refresh="0"))
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


@pytest.mark.parametrize(
    "change",
    [
        {"data": "04"},
        {"data": []},
        {"data": {"item": [""], "type": ["04"]}},
        {"data": [{"item": "", "type": "04"}]},
        {"data": [{"item": [""], "type": "04"}]},
        {"data": [{"item": "", "type": ["04"]}]},
        {"data": [{"item": [None], "type": ["04"]}]},
        {"data": [{"item": [[""]], "type": ["04"]}]},
        {"data": [{"item": ["x" * 105], "type": ["04"]}]},
        {"data": [{"item": [""], "type": []}]},
        {"data": [{"item": [""], "type": [4]}]},
        {"data": [{"item": [""], "type": ["99"]}]},
        {"data": [{"item": [""]}]},
        {"data": [["04"]]},
        {"data": [{"item": [str(n) for n in range(101)], "type": ["04"]}]},
        {"grp_no": 1},
        {"grp_no": ""},
        {"grp_no": "12345"},
        {"refresh": 1},
        {"refresh": "2"},
    ],
    ids=str,
)
def test_wrong_shapes_are_105111_and_register_nothing(server, change):
    """Arrays are arrays of strings, 100 items at most, and everything is where the page has it."""
    with listening(server) as client:
        log_in(client, server.token)
        assert ask(client, json.loads(REG) | change) == refusal("REG", 105111)
        if "refresh" not in change:
            assert ask(client, json.loads(REMOVE) | change) == refusal("REMOVE", 105111)
        server.push(REAL)
        assert is_silent(client)


@pytest.mark.parametrize("field", ["grp_no", "data"])
def test_missing_fields_are_105111(server, field):
    """A REG without group or data is refused; a REMOVE needs no refresh, and any will do."""
    with listening(server) as client:
        log_in(client, server.token)
        assert ask(client, {k: v for k, v in json.loads(REG).items() if k != field}) == refusal("REG", 105111)
        assert ask(client, json.loads(REMOVE) | {"refresh": ""})["return_code"] == 0


def test_the_sixth_reg_within_a_second_is_105110(server):
    """Five REG a second are taken; the next one is refused and registers nothing."""
    with listening(server) as client:
        log_in(client, server.token)
        codes = [ask(client, reg(["005930"], ["0B"]))["return_code"] for _ in range(5)]
        assert codes == [0] * 5
        assert ask(client, REG) == refusal("REG", 105110)
        server.push(REAL)
        assert is_silent(client)


def test_more_than_200_items_in_a_group_are_105118_and_in_a_session_105115(server):
    """Both limits hold, a refused REG leaves what was there, and account types are not counted."""
    hundreds = [[f"{n:06}" for n in range(start, start + 100)] for start in (0, 100, 200)]
    with listening(server) as client:
        log_in(client, server.token)
        assert [ask(client, reg(items, ["0B"]))["return_code"] for items in hundreds] == [0, 0, 105118]
        assert ask(client, reg(["000300"], ["0B"], grp_no="2")) == refusal("REG", 105115)
        assert ask(client, reg(hundreds[2], ["00", "04"]))["return_code"] == 0
        server.push(REAL)
        assert client.recv(timeout=5, decode=False) == REAL


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


def test_a_frame_of_more_than_a_mebibyte_is_closed_with_1009(server):
    """A client cannot fill the server's memory with one frame."""
    with listening(server) as client:
        client.send("x" * (1024 * 1024 + 1))
        assert closing(client)[0] == 1009
    with listening(server) as client:
        assert log_in(client, server.token) == LOGIN_ACK


def test_text_that_is_not_utf_8_ends_only_its_own_connection():
    """A broken TEXT frame ends its connection with 1007; the default log level prints nothing."""
    with serve() as server, connect(server.url) as broken, connect(server.url) as client:
        broken.send(b"\xff\xfe", text=True)
        assert closing(broken)[0] == 1007
        assert log_in(client, server.token) == LOGIN_ACK


# PING and time limits


def test_pings_come_from_the_login_on_and_an_echo_keeps_the_session():
    """The PING has no other field, comes each ping_interval, and echoed ones keep the session alive."""
    with serve(ping_interval=0.05, heartbeat_timeout=0.3) as server, listening(server) as client:
        log_in(client, server.token)
        for echo in [PING, '{"trnm": "PING"}'] * 6:
            assert client.recv(timeout=5) == PING
            client.send(echo)
        assert server.sessions == 1


@pytest.mark.parametrize("answer", [None, '{"trnm":"PONG"}', '{"trnm":"PING","more":1}', "PING"])
def test_a_ping_that_is_not_echoed_ends_the_session_with_r10002(answer):
    """Silence and anything but the PING itself are no heartbeat."""
    with serve(ping_interval=0.05) as server, listening(server) as client:
        log_in(client, server.token)
        frames = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                frames.append(client.recv(timeout=5))
                if frames[-1] == PING and answer:
                    client.send(answer)
        assert frames.count(PING) >= 3
        assert json.loads(frames[-1]) == {"trnm": "SYSTEM", "code": "R10002", "message": SYSTEM["R10002"]}
        assert (client.close_code, client.close_reason) == BYE


# Pushes


def test_accounts_each_gives_every_key_an_account_of_its_own_and_changes_nothing_else():
    """Field 9201 is another one per app key, the same at each push, and different accounts stay different."""
    two = REAL.replace(b"]", b"," + REAL[9 : REAL.index(b"]")].replace(b"1111111111", b"2222222222") + b"]")
    with serve(accounts="each") as server, listening(server) as one, listening(server) as other:
        for client, key in ((one, "one"), (other, "other")):
            log_in(client, server.issue_token(key))
            ask(client, REG)
        server.push(two)
        server.push(two)
        seen = [[client.recv(timeout=5) for _ in range(2)] for client in (one, other)]
        assert [again for _, again in seen] == [first for first, _ in seen]
        accounts = [[entry["values"].pop("9201") for entry in json.loads(first)["data"]] for first, _ in seen]
        assert len({account for pair in accounts for account in pair}) == 4
        assert all(len(account) == 10 and account.isdigit() for pair in accounts for account in pair)
        assert seen[0][0].replace(accounts[0][0], "1111111111").replace(accounts[0][1], "2222222222").encode() == two


def test_a_frame_that_cannot_be_text_is_pushed_as_binary(server):
    """What came as BINARY goes out as BINARY: the bytes stay the same."""
    with listening(server) as client:
        log_in(client, server.token)
        ask(client, REG)
        server.push(b"\xff\x00")
        assert client.recv(timeout=5) == b"\xff\x00"


# The token endpoints

KEYS = {"appkey": "key-1", "secretkey": "secret-1"}
GRANT = {"grant_type": "client_credentials", **KEYS}
KST = dt.timezone(dt.timedelta(hours=9))


def post(server, path, **request):
    if "body" in request:
        request["json"] = request.pop("body")
    return httpx.post(f"{server.rest_url}/oauth2/{path}", **request)


def rest_code(response) -> str:
    """Check the form of a REST error and return its code."""
    assert response.status_code == 200
    body = response.json()
    code = body["return_msg"].partition("[")[2][:4]
    return_code, text = REST_ERRORS[code]
    kind = {2: "입력 값 오류입니다", 3: "인증에 실패했습니다", 5: "허용된 요청 개수를 초과하였습니다"}[return_code]
    assert body == {"return_code": return_code, "return_msg": f"{kind}[{code}:{text}]"}
    return code


def test_a_token_is_issued_once_and_handed_out_again_while_it_is_valid(server):
    """The response has Kiwoom's fields; expires_dt is 24 h ahead in KST; the same token comes back."""
    first, again = (post(server, "token", body=GRANT).json() for _ in range(2))
    assert first == again
    assert {k: v for k, v in first.items() if k not in ("token", "expires_dt")} == {
        "token_type": "bearer",
        "return_code": 0,
        "return_msg": "정상적으로 처리되었습니다",
    }
    expires = dt.datetime.strptime(first["expires_dt"], "%Y%m%d%H%M%S").replace(tzinfo=KST)
    assert abs((expires - dt.datetime.now(KST)).total_seconds() - 86_400) < 30
    assert first["token"] == server.issue_token("key-1")
    with listening(server) as client:
        assert log_in(client, first["token"]) == LOGIN_ACK


def test_revoke_ends_the_token_and_the_next_one_is_new(server):
    """A revoked token logs nobody in; the session that it opened goes on."""
    token = post(server, "token", body=GRANT).json()["token"]
    with listening(server) as client, listening(server) as late:
        log_in(client, token)
        revoked = post(server, "revoke", body={**KEYS, "token": token}).json()
        assert revoked == {"return_code": 0, "return_msg": "정상적으로 처리되었습니다"}
        assert "CODE=8005" in log_in(late, token)
        assert is_silent(client)
    assert rest_code(post(server, "revoke", body={**KEYS, "token": token})) == "8015"
    assert post(server, "token", body=GRANT).json()["token"] != token


def test_a_token_lives_as_long_as_it_is_said_to():
    """After its lifetime a token is refused, and a request gives another one."""
    with serve(token_lifetime=0) as server, listening(server) as client:
        token = server.issue_token("key-1")
        assert "CODE=8005" in log_in(client, token)
        assert server.issue_token("key-1") != token


@pytest.fixture(scope="module")
def strict():
    with serve(app_keys={"key-1": "secret-1"}) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("token", KEYS, "8011"),
        ("token", {**KEYS, "grant_type": "password"}, "8012"),
        ("token", {"grant_type": "client_credentials", "appkey": "key-1", "appsecret": "secret-1"}, "8020"),
        ("token", {**GRANT, "appkey": 7}, "8020"),
        ("token", {**GRANT, "secretkey": ""}, "8020"),
        ("token", {**GRANT, "secretkey": "wrong"}, "8001"),
        ("token", {**GRANT, "appkey": "unknown"}, "8001"),
        ("token", [], "1517"),
        ("token", None, "1517"),
        ("revoke", {"token": "x"}, "8020"),
        ("revoke", KEYS, "8016"),
        ("revoke", {**KEYS, "token": ["x"]}, "8016"),
        ("revoke", {**KEYS, "token": "x"}, "8015"),
        ("revoke", {**KEYS, "secretkey": "wrong", "token": "x"}, "8001"),
    ],
)
def test_wrong_requests_are_http_200_with_the_code_in_the_text(strict, path, body, code):
    """Errors come as Kiwoom's: return_code 2 or 3 and "...[8001:...]"."""
    assert rest_code(post(strict, path, body=body)) == code


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[" * 50_000, b'{"a":"' + b"x" * 70_000 + b'"}'])
def test_a_body_that_is_no_json_object_or_too_large_is_1517(server, content):
    """Garbage on HTTP is an error answer, not a crash."""
    assert rest_code(post(server, "token", content=content)) == "1517"


@pytest.mark.parametrize("code", sorted(REST_ERRORS))
def test_a_refusal_can_be_simulated_for_tokens_and_logins(server, code):
    """refuse("8050") and the like hold for the endpoints and, in brackets, for the LOGIN, until refuse(None)."""
    token = server.token
    server.refuse(code)
    assert rest_code(post(server, "token", body=GRANT)) == code
    with listening(server) as client:
        assert f"[CODE={code}, MESSAGE={REST_ERRORS[code][1]}]" in log_in(client, token)
        assert closing(client) == BYE
    server.refuse(None)
    assert post(server, "token", body=GRANT).json()["return_code"] == 0


@pytest.mark.parametrize("status", [429, 200])
def test_too_many_token_requests_are_1700(status):
    """token_rate requests a second pass; the next has HTTP 429, or 200, with return_code 5."""
    with serve(token_rate=2, too_many=status) as server:
        answers = [post(server, "token", body=GRANT) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, status]
    assert [answer.json()["return_code"] for answer in answers] == [0, 0, 5]
    assert "[1700:" in answers[2].json()["return_msg"]


def test_other_paths_and_methods_are_not_there(server):
    """There is no order endpoint, nor any other."""
    assert httpx.get(f"{server.rest_url}/oauth2/token").status_code == 405
    assert httpx.post(f"{server.rest_url}/api/dostk/ordr").status_code == 404


# The app by itself


async def test_the_app_runs_under_any_asgi_server_and_drops_without_its_help():
    """Simulator is an ASGI app; where the server lends no abort, drop still ends without a close frame."""
    app = Simulator(tokens=["t"])
    listener = socket.create_server(("127.0.0.1", 0))
    host = uvicorn.Server(uvicorn.Config(app, ws="websockets-sansio", lifespan="off", log_config=None))
    running = asyncio.create_task(host.serve(sockets=[listener]))
    async with connect_async(f"ws://127.0.0.1:{listener.getsockname()[1]}{PATH}") as client:
        await client.send('{"trnm":"LOGIN","token":"t"}')
        assert await client.recv() == LOGIN_ACK
        await client.send(REG)
        assert await client.recv() == REG_ACK
        app.push(REAL)
        assert await client.recv(decode=False) == REAL
        app.drop()
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1006
    assert app.sessions == 0
    host.should_exit = True
    await running


def test_enough_is_set_when_that_many_sessions_registered():
    """wait_for counts registrations for 04; with 0 nobody is waited for."""

    async def is_set(**options):
        return Simulator(**options).enough.is_set()

    assert asyncio.run(is_set(wait_for=0))
    assert not asyncio.run(is_set(wait_for=1))


@pytest.mark.parametrize("option", [{"handshake": "else"}, {"accounts": "all"}, {"too_many": 500}, {"refuse": "1"}])
def test_an_option_out_of_its_range_is_a_value_error(option):
    """The text names the option and what it can be."""
    with pytest.raises(ValueError, match="is not one of"):
        Simulator(**option)


def test_without_starlette_the_error_names_the_extra(monkeypatch):
    """An optional dependency that is missing says what to install."""
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    with pytest.raises(MissingExtra, match=r"kiwoom-nb\[simulator\]"):
        Simulator()


def test_every_refusal_code_has_its_text_and_is_tested_here():
    """The table is the whole of what this server refuses with."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(str(code) in source for code in REFUSALS)
    assert set(SYSTEM) == {"R10001", "R10002", "R10004"}
