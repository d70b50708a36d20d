import datetime as dt

import pytest
import simulator_client
from simulator_client import (
    BYE,
    GRANT,
    KEYS,
    KST,
    LOGIN_ACK,
    closing,
    is_silent,
    listening,
    log_in,
    post,
    rest_code,
    serving,
)

from kiwoom_nb.token_office import REST_ERRORS

all_closed = simulator_client.all_closed
no_traceback = simulator_client.no_traceback
server = simulator_client.server


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
    with serving(token_lifetime=0) as server, listening(server) as client:
        token = server.issue_token("key-1")
        assert "CODE=8005" in log_in(client, token)
        assert server.issue_token("key-1") != token


@pytest.fixture(scope="module")
def strict():
    with serving(app_keys={"key-1": "secret-1"}) as running:
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
    with serving(token_rate=2, too_many=status) as server:
        answers = [post(server, "token", body=GRANT) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, status]
    assert [answer.json()["return_code"] for answer in answers] == [0, 0, 5]
    assert "[1700:" in answers[2].json()["return_msg"]
