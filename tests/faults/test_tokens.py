import subprocess
import sys
import time

import pytest
from fault_checks import check_whole, numbers, push
from fault_proxy import HANDSHAKE, Fault, Proxy
from lines import until

import kiwoom_nb as kn
from kiwoom_nb import addresses, request
from kiwoom_nb.classroom import serve
from kiwoom_nb.errors import AuthenticationError, IPNotRegistered, TokenNotAccepted
from kiwoom_nb.paths import home

KEYS = ("fault-app-key", "fault-secret-key")
LOGIN = b'"trnm":"LOGIN"'
TOKEN = b"/oauth2/token"
ANEW = "the token was refused and is issued anew"


@pytest.fixture
def server():
    with serve(ping_interval=0.2, app_keys={KEYS[0]: KEYS[1]}) as server:
        yield server


@pytest.fixture
def proxy(server, monkeypatch):
    """Kiwoom's servers for mock trading are behind this proxy."""
    with Proxy(server.url) as proxy:
        monkeypatch.setitem(addresses.WEBSOCKET_URLS, "demo", proxy.url)
        monkeypatch.setitem(addresses.REST_URLS, "demo", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setattr(request, "_WAITS", (0.0, 0.0))
        yield proxy


def begin(**options):
    return kn.stream_balances(credentials=KEYS, holdings=False, **options)


def live(proxy, connection=1, **options):
    df = begin(**options)
    until(lambda: proxy.websockets == connection and df.kn.status.state == "live")
    return df


def asked_for_tokens(proxy):
    return sum("oauth2/token" in line for line in proxy.asked)


def secrets_in(text):
    return [secret for secret in KEYS if secret in text]


# Refused


def test_a_token_that_ended_while_the_line_was_up_is_issued_anew_once(server, proxy, reasons):
    """The stream goes on with the new one; the gap is that of the drop."""
    df = live(proxy)
    push(server, 0, 2)
    assert df.kn.wait(2, timeout=20)
    server.expire()
    proxy.reset()
    until(lambda: proxy.websockets == 3 and df.kn.status.state == "live")
    push(server, 2, 4)
    assert df.kn.wait(4, timeout=20)
    assert numbers(df) == [0, 1, 2, 3]
    assert reasons[-1] == ANEW
    assert asked_for_tokens(proxy) == 2
    assert len(df.kn.gaps) == 1
    check_whole(df)


def test_a_token_that_ends_between_its_issue_and_the_login_is_issued_anew(server, proxy, reasons):
    """Expired in flight, on the very first connection."""
    begin(record=False).kn.stop()
    until(lambda: server.sessions == 0)
    before = proxy.websockets
    proxy.delay = 0.3
    df = begin()
    until(lambda: proxy.websockets > before)  # the token is on its way, the handshake is not answered yet
    server.expire()
    proxy.delay = 0.0
    until(lambda: df.kn.status.state == "live")
    assert ANEW in reasons
    assert len(df.kn.gaps) == 0
    check_whole(df)


@pytest.mark.parametrize(
    ("code", "error"), [("8005", AuthenticationError), ("8030", AuthenticationError), ("8050", IPNotRegistered)]
)
def test_a_token_refused_for_good_stops_the_stream(server, proxy, code, error):
    """No storm of logins: the state line and the waits say what Kiwoom said, and no key."""
    df = live(proxy)
    server.refuse(code)
    proxy.reset()
    with pytest.raises(error) as caught:
        df.kn.wait(timeout=20)
    assert caught.value.code == code
    assert df.kn.status.state == "failed"
    assert proxy.websockets == 2
    assert not secrets_in(f"{caught.value!r} {caught.value} {df.kn.status}")
    assert len(df.kn.gaps) == 1


def test_keys_that_are_refused_stop_the_stream_before_there_is_a_line(server, proxy):
    """A typing error in the secret key."""
    df = kn.stream_balances(credentials=(KEYS[0], "another"), holdings=False)
    with pytest.raises(AuthenticationError, match="8001"):
        df.kn.wait(timeout=20)
    assert proxy.websockets == 0


def test_a_given_token_that_is_refused_stops_the_stream(server, proxy):
    """There are no keys to get another one with, and the text says so."""
    df = kn.stream_balances(url=proxy.url, token="a-token-of-yesterday", holdings=False)
    with pytest.raises(TokenNotAccepted):
        df.kn.wait(timeout=20)
    assert proxy.websockets == 1


# The token endpoint in trouble


@pytest.mark.parametrize("act", ["cut", "reset", "hold"])
@pytest.mark.parametrize("place", ["before", "within"])
def test_an_answer_with_a_token_that_breaks_off_is_asked_for_again(proxy, reasons, act, place, monkeypatch):
    """The state line says why there is no line yet, without a key in it."""
    if act == "hold":
        monkeypatch.setattr(request, "_TIMEOUT", 1.5)  # long enough for the second answer on a busy machine
    proxy.plan(Fault(act, TOKEN, place))
    df = live(proxy)
    assert len(reasons) == 2
    assert reasons[1]
    assert not secrets_in(reasons[1])
    check_whole(df)


def test_a_token_endpoint_that_sends_for_ever_is_given_up(proxy, reasons, monkeypatch):
    """A byte now and then keeps each single wait short, and yet nobody waits for ever."""
    assert request._LONGEST == 30
    monkeypatch.setattr(request, "_LONGEST", 1.5)
    proxy.plan(Fault("drip", TOKEN, "after"))
    df = live(proxy)
    assert reasons == ["", "no whole answer within 2 s"]
    check_whole(df)


def test_too_many_requests_for_tokens_are_waited_out():
    """The endpoint takes one request a second: the stream is live in the end."""
    with pytest.MonkeyPatch.context() as patch, serve(token_rate=1) as server:
        patch.setitem(addresses.WEBSOCKET_URLS, "demo", server.url)
        patch.setitem(addresses.REST_URLS, "demo", server.rest_url)
        kn_keys = [(f"{KEYS[0]}-{number}", KEYS[1]) for number in range(2)]
        frames = [kn.stream_balances(credentials=keys, holdings=False, record=False) for keys in kn_keys]
        for df in frames:
            until(lambda df=df: df.kn.status.state == "live")


@pytest.mark.parametrize("trouble", ["a file is in the way", "the folder is gone"])
def test_a_data_folder_that_is_gone_does_not_end_a_stream_that_needs_a_token(server, proxy, trouble):
    """The cache saves requests, no more: without it the token is asked for and kept in memory."""
    df = live(proxy, record=False)
    folder = home() / "tokens"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    if trouble == "a file is in the way":
        folder.write_text("x")
    server.expire()
    proxy.reset()
    until(lambda: proxy.websockets == 3 and df.kn.status.state in {"live", "failed"})
    assert df.kn.status.state == "live", df.kn.status
    push(server, 0, 1)
    assert df.kn.wait(1, timeout=20)


def test_neither_stop_nor_the_end_of_the_process_waits_for_a_token(tmp_path):
    """The endpoint takes the request and never answers."""
    script = """
import socket, time, kiwoom_nb as kn
from kiwoom_nb import addresses, request
deaf = socket.create_server(("127.0.0.1", 0))
request._TIMEOUT = 60.0
addresses.REST_URLS["demo"] = f"http://127.0.0.1:{deaf.getsockname()[1]}"
df = kn.stream_balances(mode="demo", credentials=("key", "secret"), record=False)
connection, _ = deaf.accept()
connection.recv(1)
begun = time.monotonic()
df.kn.stop()
print(df.kn.status.state, time.monotonic() - begun < 4)
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=80, check=False)
    assert (done.stdout, done.stderr) == ("stopped True\n", "")
    assert time.monotonic() - begun < 30


# By the way


def test_a_drop_between_token_and_login_costs_no_second_token(proxy):
    """The token is good: only the connection is made anew."""
    proxy.plan(Fault("reset", HANDSHAKE), Fault("reset", LOGIN))
    df = live(proxy, 3)
    assert asked_for_tokens(proxy) == 1
    check_whole(df)
