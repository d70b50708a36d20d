import copy
import json
import logging
import os
import pickle
import pprint
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import filelock
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwoom_nb import request, rest
from kiwoom_nb.credentials import Credentials
from kiwoom_nb.errors import AuthenticationError, ConnectionFailed, InsecureURL, IPNotRegistered, RequestRefused
from kiwoom_nb.rest import KST, Token, TokenSource

KEY, SECRET = "App/Key+X7fQ", "Secret-Key_Q9zV"
KEYS = Credentials(KEY, SECRET, "demo")
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=KST)
REFUSED = {"return_code": 3, "return_msg": "인증에 실패했습니다[8005:Token이 유효하지 않습니다]"}
TOO_MANY = {"return_code": 5, "return_msg": "허용된 요청 개수를 초과하였습니다[1700:허용된 요청 개수를 초과하였습니다]"}


PAGE = {
    "expires_dt": "20261121083713",
    "token_type": "bearer",
    "token": "Token/One+aB3",
    "return_code": 0,
    "return_msg": "정상적으로 처리되었습니다",
}


def issued(*changes, **fields):
    """Return the answer of the official page with another token, and another time of expiry."""
    return PAGE | dict(zip(("token", "expires_dt"), changes, strict=False)) | fields


class Kiwoom(ThreadingHTTPServer):
    """Both token endpoints: gives the next of ``answers`` (the last one for ever) and keeps what was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Endpoint)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.answers = [issued()]
        self.asked = []
        self.open = threading.Event()
        self.open.set()

    def answer(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        self.server.open.wait(10)
        answer = self.server.answer()
        status, content = answer if isinstance(answer, tuple) else (200, answer)
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@pytest.fixture
def kiwoom():
    with Kiwoom() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KIWOOM_NB_HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(request, "_WAITS", (0, 0))
    return tmp_path / "home"


class Clock:
    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, **time):
        self.now += timedelta(**time)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def new_source(kiwoom, clock):
    """Return a maker of sources, each as another kernel would have it."""
    return lambda: TokenSource(KEYS, base_url=kiwoom.url, now=clock)


def issue(kiwoom):
    return rest.issue(KEYS, base_url=kiwoom.url)


def cache(home):
    return [path for path in home.rglob("*.json") if path.is_file()]


def secrets_in(text):
    return [secret for secret in (KEY, SECRET, "Token/One+aB3", "Token/Two") if secret.lower() in text.lower()]


# --- the two endpoints


def test_a_token_is_asked_for_as_the_page_says(kiwoom):
    """POST /oauth2/token, api-id au10001, the field is ``secretkey`` (fact sheet, section 6)."""
    assert issue(kiwoom).value == "Token/One+aB3"
    ((path, headers, body),) = kiwoom.asked
    assert path == "/oauth2/token"
    assert (headers["api-id"], headers["content-type"]) == ("au10001", "application/json;charset=UTF-8")
    assert "authorization" not in headers
    assert body == {"grant_type": "client_credentials", "appkey": KEY, "secretkey": SECRET}


def test_a_token_is_revoked_as_the_page_says(kiwoom):
    """POST /oauth2/revoke, api-id au10002."""
    kiwoom.answers = [{"return_code": 0, "return_msg": "정상적으로 처리되었습니다"}]
    rest.revoke(KEYS, Token("t1", NOW), base_url=f"{kiwoom.url}/")
    ((path, headers, body),) = kiwoom.asked
    assert (path, headers["api-id"]) == ("/oauth2/revoke", "au10002")
    assert body == {"appkey": KEY, "secretkey": SECRET, "token": "t1"}


@pytest.mark.parametrize(("mode", "host"), [("demo", "mockapi.kiwoom.com"), ("real", "api.kiwoom.com")])
def test_the_mode_chooses_the_server(mode, host, monkeypatch):
    """Over TLS, with certificates verified; keys of one mode go to no other server by default."""
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(200, json=issued())

    monkeypatch.setattr(request, "_client", lambda url: httpx.Client(transport=httpx.MockTransport(answer)))
    rest.issue(Credentials(KEY, SECRET, mode))
    assert asked == [f"https://{host}/oauth2/token"]


def test_the_end_of_a_token_is_in_korean_time(kiwoom):
    """Read as UTC it would be trusted for nine hours too long."""
    assert issue(kiwoom).expires_at == datetime(2026, 11, 20, 23, 37, 13, tzinfo=UTC)


@pytest.mark.parametrize("return_code", [0, "0", "00", None])
def test_zero_is_success_in_each_spelling(kiwoom, return_code):
    """Numbers come as numbers and as text; without any, the token speaks for itself."""
    answer = issued() | {"return_code": return_code}
    if return_code is None:
        del answer["return_code"]
    kiwoom.answers = [answer]
    assert issue(kiwoom).value == "Token/One+aB3"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (REFUSED, AuthenticationError, "8005"),
        (
            {"return_code": 3, "return_msg": "[CODE=8001, MESSAGE=App Key와 Secret Key 검증에 실패]"},
            AuthenticationError,
            "8001",
        ),
        ({"return_code": "3", "return_msg": "투자구분이 다릅니다[8030:x]"}, AuthenticationError, "8030"),
        ({"return_code": 3, "return_msg": "[8050:지정단말기 인증에 실패했습니다]"}, IPNotRegistered, "8050"),
        ({"return_code": 7, "return_msg": "?"}, AuthenticationError, "7"),
        ({"return_code": 7}, AuthenticationError, "7"),
        ((401, REFUSED), AuthenticationError, "8005"),
        ({"return_code": 2, "return_msg": "입력 값 오류[1511:필수 입력 값에 값이 없습니다]"}, RequestRefused, "1511"),
        ({"return_code": 20, "return_msg": "예기치 못한 에러[1999:x]"}, RequestRefused, "1999"),
        (TOO_MANY, RequestRefused, "1700"),
        ((429, b"slow down"), RequestRefused, "429"),
        (b"<html>hello</html>", RequestRefused, "HTTP 200"),
        (b"", RequestRefused, "HTTP 200"),
        (b"\xb0\xa1", RequestRefused, "HTTP 200"),
        (b"[" * 100_000, RequestRefused, "HTTP 200"),
        (["a"], RequestRefused, "HTTP 200"),
        ((404, {"error": "Not Found"}), RequestRefused, "HTTP 404"),
        ((302, b""), RequestRefused, "HTTP 302"),
        ({"return_code": 0}, RequestRefused, "0"),
        (issued(token=None), RequestRefused, "0"),
        (issued(token=""), RequestRefused, "0"),
        (issued(token="a\r\nx: b"), RequestRefused, "0"),
        (issued(expires_dt="2026-11-21 08:37"), RequestRefused, "0"),
        (issued(expires_dt="20261341083713"), RequestRefused, "0"),
        (issued(expires_dt=20261121083713), RequestRefused, "0"),
    ],
)
def test_a_refusal_becomes_one_error(kiwoom, answer, kind, code):
    """The inner code decides: about the keys, about this machine's address, or about the request."""
    kiwoom.answers = [answer]
    with pytest.raises((AuthenticationError, RequestRefused)) as caught:
        issue(kiwoom)
    assert (type(caught.value), caught.value.code) == (kind, code)


@pytest.mark.parametrize("answer", [(500, REFUSED), (502, b"<html>"), (503, b"")])
def test_a_server_in_trouble_is_no_connection(kiwoom, answer):
    """Waiting helps, and no key is blamed."""
    kiwoom.answers = [answer]
    with pytest.raises(ConnectionFailed, match=f"{kiwoom.url}: it answered HTTP {answer[0]}"):
        issue(kiwoom)


def test_no_server_is_no_connection():
    """The reason is in the sentence."""
    with pytest.raises(ConnectionFailed, match=r"http://127.0.0.1:1: ConnectError: .+\. Check"):
        rest.issue(KEYS, base_url="http://127.0.0.1:1")


def test_a_silent_server_is_given_up(kiwoom, monkeypatch):
    """After ten seconds; here they are shorter."""
    monkeypatch.setattr(request, "_TIMEOUT", 0.05)
    kiwoom.open.clear()
    with pytest.raises(ConnectionFailed, match="no answer within"):
        issue(kiwoom)
    kiwoom.open.set()


@pytest.mark.parametrize(
    "busy", [TOO_MANY, (429, b""), {"return_code": 5, "return_msg": "허용된 요청[유량=1, API ID=au10001]"}]
)
def test_too_many_requests_are_tried_again(kiwoom, busy):
    """Two kernels of one class may meet in one second."""
    kiwoom.answers = [busy, busy, issued()]
    assert issue(kiwoom).value == "Token/One+aB3"


def test_trying_again_waits_and_ends(kiwoom, monkeypatch):
    """Three requests, with more than a second between them (mock trading allows one a second)."""
    naps = []
    monkeypatch.undo()
    monkeypatch.setattr(time, "sleep", naps.append)
    kiwoom.answers = [TOO_MANY]
    with pytest.raises(RequestRefused) as caught:
        issue(kiwoom)
    assert naps == [1.0, 2.0]
    assert len(kiwoom.asked) == 3
    assert caught.value.__context__ is None


@pytest.mark.parametrize("answer", [REFUSED, {"return_code": 5, "return_msg": "허용된 요청[1634:x]"}, b"<html>"])
def test_nothing_else_is_tried_again(kiwoom, answer):
    """A wrong key stays wrong, and a server counts the attempts."""
    kiwoom.answers = [answer]
    with pytest.raises((AuthenticationError, RequestRefused)):
        issue(kiwoom)
    assert len(kiwoom.asked) == 1


# --- secrets travel encrypted, and show nowhere


@pytest.mark.parametrize(
    "call",
    [
        lambda url: rest.issue(KEYS, base_url=url),
        lambda url: rest.revoke(KEYS, Token("t1", NOW), base_url=url),
        lambda url: TokenSource(KEYS, base_url=url),
    ],
)
def test_keys_do_not_travel_in_clear(call):
    """Only this machine may be asked without TLS."""
    with pytest.raises(InsecureURL, match=r"http://10.0.0.5:1 is not encrypted"):
        call("http://10.0.0.5:1/")


def test_plain_text_is_allowed_on_request(kiwoom, monkeypatch):
    """A classroom server; the permission reaches each request of a source."""
    monkeypatch.setattr("kiwoom_nb.addresses.is_loopback", lambda url: False)
    source = TokenSource(KEYS, base_url=kiwoom.url, allow_plaintext=True)
    source.refused(Token("other", NOW))
    source.revoke()
    assert [path for path, _, _ in kiwoom.asked] == ["/oauth2/token", "/oauth2/revoke"]


def test_a_proxy_sees_no_plain_request(kiwoom, monkeypatch):
    """With HTTP_PROXY set, keys for a server on this machine would leave it in clear."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert issue(kiwoom)
    with request._client("https://api.kiwoom.com") as client:
        assert client.trust_env


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!s:>99}".format, pprint.pformat, lambda each: f"{[each]}"])
def test_no_text_of_a_token_shows_it(show):
    """A notebook saves what a cell displays."""
    text = show(Token("Token/One+aB3", NOW))
    assert not secrets_in(text)
    assert "2026" in text


@pytest.mark.parametrize("save", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_token_is_not_saved_by_accident(save):
    """A notebook store or a job queue would write it to a disk."""
    with pytest.raises(TypeError, match="never pickled") as caught:
        save(Token("Token/One+aB3", NOW))
    assert not secrets_in(str(caught.value))


ECHO = f"{KEY} {SECRET.upper()} App%2FKey%2BX7fQ Token/One+aB3"
LEAKS = [
    {"return_code": 3, "return_msg": f"[8001:{ECHO}]"},
    {"return_code": f"3{SECRET}", "return_msg": ECHO},
    {"return_code": 5, "return_msg": f"{ECHO}[1700:{ECHO}]"},
    {"return_code": 20, "return_msg": f"[1999:{ECHO}]"},
    (404, {"error": ECHO}),
    (500, ECHO.encode()),
    ECHO.encode(),
    issued(expires_dt=ECHO),
]


def everything_told(error):
    """Return all that a verbose traceback of ``error`` shows: texts, chain, and the variables of our own frames."""
    told = []
    while error is not None:
        told += [str(error), repr(error), repr(error.args), repr(vars(error))]
        frame = error.__traceback__
        while frame is not None:
            if "test_rest" not in frame.tb_frame.f_code.co_filename:
                told += map(repr, frame.tb_frame.f_locals.values())
            frame = frame.tb_next
        error = error.__cause__ or error.__context__
    return "\n".join(told)


def issue_and_revoke(kiwoom):
    rest.revoke(KEYS, Token("Token/One+aB3", NOW), base_url=kiwoom.url)
    issue(kiwoom)


@pytest.mark.parametrize("answer", LEAKS, ids=range(len(LEAKS)))
def test_no_error_shows_what_a_server_echoes(kiwoom, answer, caplog):
    """Neither its text, its chain, its frames nor any log line, however the server repeats the request."""
    caplog.set_level(logging.DEBUG)
    kiwoom.answers = [answer]
    with pytest.raises((AuthenticationError, RequestRefused, ConnectionFailed)) as caught:
        issue_and_revoke(kiwoom)
    told = everything_told(caught.value) + caplog.text
    assert not secrets_in(told)
    assert "App%2FKey" not in told


def test_no_error_shows_what_a_broken_answer_echoes(monkeypatch, caplog):
    """The HTTP library quotes a line that it cannot read."""

    def answer(request):
        raise httpx.RemoteProtocolError(f"illegal status line: {request.content!r}", request=request)

    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(request, "_client", lambda url: httpx.Client(transport=httpx.MockTransport(answer)))
    with pytest.raises(ConnectionFailed, match="illegal status line") as caught:
        rest.issue(KEYS)
    assert not secrets_in(everything_told(caught.value) + caplog.text)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_nothing_logged_or_written_shows_a_secret(kiwoom, new_source, home, caplog, capfd):
    """A good day: one file holds the token, and no other place holds anything."""
    caplog.set_level(logging.DEBUG)
    source = new_source()
    token = source.get()
    assert f"{kiwoom.url}/oauth2/token" in caplog.text
    assert not secrets_in("".join([caplog.text, *capfd.readouterr(), repr(source), repr(vars(source)), f"{token}"]))
    for path in home.rglob("*"):
        held = secrets_in(str(path)) + (secrets_in(path.read_bytes().decode("latin-1")) if path.is_file() else [])
        assert held == (["Token/One+aB3"] if path in cache(home) else [])


# --- one token for all


def test_a_source_asks_once(kiwoom, new_source):
    """Memory serves the same kernel, the disk the next one."""
    source = new_source()
    assert source.get() == source.get() == new_source().get()
    assert len(kiwoom.asked) == 1


def test_the_cache_is_this_users_alone(new_source, home):
    """It is named after the server and the key's digits, and nobody else can read it."""
    new_source().get()
    (path,) = cache(home)
    assert path.parent == home / "tokens"
    assert path.name.startswith("127.0.0.1-")
    assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600


def test_keys_and_servers_do_not_share_a_token(kiwoom, new_source, clock):
    """Two accounts of one user, on one machine."""
    kiwoom.answers = [issued("t1"), issued("t2")]
    other = TokenSource(Credentials("other", SECRET, "demo"), base_url=kiwoom.url, now=clock)
    assert [new_source().get().value, other.get().value] == ["t1", "t2"]


def test_a_cache_that_others_can_read_is_not_trusted(kiwoom, new_source, home):
    """Somebody may have written it; it is replaced by a private one."""
    new_source().get()
    (path,) = cache(home)
    path.chmod(0o644)
    new_source().get()
    if os.name == "posix":  # on Windows there are no such permissions
        assert len(kiwoom.asked) == 2
        assert path.stat().st_mode & 0o777 == 0o600


CORRUPT = [b"", b"{", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"token": 1, "expires_dt": "20261121083713"}']


@pytest.mark.parametrize("content", CORRUPT, ids=range(len(CORRUPT)))
def test_a_corrupt_cache_is_rewritten(kiwoom, new_source, home, content):
    """A power cut costs one request."""
    new_source().get()
    (path,) = cache(home)
    path.write_bytes(content)
    assert new_source().get() == new_source().get()
    assert len(kiwoom.asked) == 2


SECONDS = st.integers(min_value=0, max_value=10**10)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), SECONDS)
def test_the_cache_gives_back_what_was_put_in(value, seconds):
    """Round trip, to the second, whatever the zone."""
    token = Token(value, datetime.fromtimestamp(seconds, UTC))
    assert rest._token_in(json.loads(rest._cache_line(token))) == token


def test_a_disk_that_takes_no_cache_stops_nobody(kiwoom, new_source, monkeypatch):
    """The token is in memory."""

    def full(path, content):
        raise OSError(28, "No space left on device")

    source = new_source()
    source._file()  # the salt is there already
    monkeypatch.setattr("kiwoom_nb.paths.write_private", full)
    assert source.get() == source.get()
    assert len(kiwoom.asked) == 1


# --- when it ends


@pytest.mark.parametrize("zone", [KST, UTC], ids=str)
def test_a_token_is_renewed_ten_minutes_early(kiwoom, new_source, clock, zone):
    """The clock's zone does not matter, only the moment."""
    kiwoom.answers = [issued("t1", "20261121083713"), issued("t2", "20261122083713")]
    source = new_source()
    source.get()
    clock.now = datetime(2026, 11, 21, 8, 27, 12, tzinfo=KST).astimezone(zone)
    assert source.get().value == "t1"
    clock.advance(seconds=1)
    assert source.get().value == new_source().get().value == "t2"


def test_a_day_that_has_not_ended_in_utc_has_ended_in_korea(kiwoom, new_source, clock):
    """08:37 KST is 23:37 UTC of the day before: read as UTC, a dead token would be used for nine hours."""
    kiwoom.answers = [issued("t1", "20261121083713"), issued("t2", "20261122083713")]
    source = new_source()
    source.get()
    clock.now = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
    assert source.get().value == "t2"


def test_the_same_token_in_its_last_minutes_is_not_asked_for_at_each_call(kiwoom, new_source, clock):
    """The server hands it out until it ends; asking once a minute is enough."""
    source = new_source()
    source.get()
    clock.now = datetime(2026, 11, 21, 8, 30, tzinfo=KST)
    for _ in range(5):
        source.get()
    assert len(kiwoom.asked) == 2
    clock.advance(minutes=1)
    source.get()
    assert len(kiwoom.asked) == 3


def test_a_wrong_clock_gets_a_token_all_the_same(kiwoom, new_source, clock):
    """The server knows the time; a machine that is a week ahead asks once a minute, not at each call."""
    clock.advance(days=7)
    source = new_source()
    assert [source.get().value, source.get().value] == ["Token/One+aB3"] * 2
    assert len(kiwoom.asked) == 1


@pytest.mark.parametrize("trouble", [(503, b""), TOO_MANY])
def test_renewing_early_may_fail_while_the_token_lives(kiwoom, new_source, clock, trouble):
    """Kiwoom's nightly maintenance stops nobody who has a token; the next try is a minute later."""
    kiwoom.answers = [issued(), trouble]
    source = new_source()
    source.get()
    clock.now = datetime(2026, 11, 21, 8, 30, tzinfo=KST)
    assert [source.get().value, source.get().value] == ["Token/One+aB3"] * 2
    clock.advance(minutes=10)
    with pytest.raises((ConnectionFailed, RequestRefused)):
        source.get()


def test_refused_keys_are_told_even_while_the_token_lives(kiwoom, new_source, clock):
    """A user who has withdrawn a key wants it to stop."""
    kiwoom.answers = [issued(), REFUSED]
    source = new_source()
    source.get()
    clock.now = datetime(2026, 11, 21, 8, 30, tzinfo=KST)
    with pytest.raises(AuthenticationError):
        source.get()


# --- when the server refuses it


def test_a_refused_token_is_replaced(kiwoom, new_source):
    """Once, by a request, and for every kernel."""
    kiwoom.answers = [issued("t1"), issued("t2")]
    source = new_source()
    assert source.refused(source.get()).value == "t2"
    assert source.get().value == new_source().get().value == "t2"
    assert len(kiwoom.asked) == 2


def test_a_token_that_another_kernel_got_meanwhile_is_taken(kiwoom, new_source):
    """Two kernels are refused at the same time; one request is enough."""
    kiwoom.answers = [issued("t1"), issued("t2")]
    first, second = new_source(), new_source()
    old = first.get()
    assert second.get() == old
    assert first.refused(old) == second.refused(old)
    assert len(kiwoom.asked) == 2


def test_the_same_token_again_is_the_end(kiwoom, new_source, home):
    """The endpoint believes the token valid and the server does not: asking on would never end."""
    source = new_source()
    old = source.get()
    with pytest.raises(AuthenticationError, match="gave the same one") as caught:
        source.refused(old)
    assert caught.value.code == "8005"
    assert len(kiwoom.asked) == 2
    assert cache(home) == []


def test_a_token_is_revoked_only_on_request(kiwoom, new_source, home):
    """The user's trading program may hold the same one, so the end of a source ends nothing."""
    source = new_source()
    source.get()
    del source
    assert len(kiwoom.asked) == 1
    kiwoom.answers = [{"return_code": 0}, issued("t2")]
    other = new_source()
    other.revoke()
    assert kiwoom.asked[1][2]["token"] == "Token/One+aB3"
    assert cache(home) == []
    assert other.get().value == "t2"


def test_nothing_to_revoke_is_no_request(kiwoom, new_source):
    """No token is asked for in order to end it."""
    new_source().revoke()
    assert kiwoom.asked == []


def test_a_failed_revocation_keeps_the_token(kiwoom, new_source, home):
    """It is still valid, and can be revoked later."""
    kiwoom.answers = [issued(), (503, b"")]
    source = new_source()
    source.get()
    with pytest.raises(ConnectionFailed):
        source.revoke()
    assert len(cache(home)) == 1


# --- at the same time


def test_threads_that_ask_at_once_get_one_token(kiwoom, new_source):
    """Of one source and of several; issuing at the same time would be answered with 429."""
    kiwoom.open.clear()
    shared = new_source()
    found = []
    sources = [shared, shared, new_source(), new_source()]
    threads = [threading.Thread(target=lambda source=source: found.append(source.get())) for source in sources]
    for thread in threads:
        thread.start()
    kiwoom.open.set()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 4
    assert len(kiwoom.asked) == 1


ANOTHER_KERNEL = """
import os, sys
from kiwoom_nb.credentials import Credentials
from kiwoom_nb.rest import TokenSource
source = TokenSource(Credentials(os.environ["K"], os.environ["S"], "demo"), base_url=sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(source.get().expires_at.isoformat())
"""


def test_processes_that_ask_at_once_get_one_token(kiwoom):
    """Two kernels, started together, issue one token."""
    ends = datetime.now(KST) + timedelta(days=1)
    kiwoom.answers = [issued(expires_dt=f"{ends:%Y%m%d%H%M%S}")]
    kiwoom.open.clear()
    program = [sys.executable, "-c", ANOTHER_KERNEL, kiwoom.url]
    place = {"cwd": Path(__file__).parents[1], "env": os.environ | {"K": KEY, "S": SECRET}}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(program, **place, **pipes) as one, subprocess.Popen(program, **place, **pipes) as two:
        assert [one.stdout.readline(), two.stdout.readline()] == ["ready\n"] * 2
        for kernel in (one, two):
            kernel.stdin.write("go\n")
            kernel.stdin.flush()
        while not kiwoom.asked:
            time.sleep(0.01)
        time.sleep(0.3)  # the second one is at the lock, or would be asking too
        kiwoom.open.set()
        told = [one.communicate(timeout=20)[0], two.communicate(timeout=20)[0]]
    assert told == [f"{ends.replace(microsecond=0).isoformat()}\n"] * 2
    assert len(kiwoom.asked) == 1


def test_a_kernel_that_hangs_does_not_stop_the_others_for_ever(new_source, home, monkeypatch):
    """The sentence says what is in the way."""
    monkeypatch.setattr(rest, "_PATIENCE", 0.05)
    source = new_source()
    lock = source._file().with_suffix(".lock")
    lock.parent.mkdir(parents=True)
    with filelock.FileLock(lock), pytest.raises(ConnectionFailed, match="another program on this machine"):
        source.get()
