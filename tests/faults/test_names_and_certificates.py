import datetime as dt
import socket
import ssl
import subprocess
import sys
import time

import pytest
import trustme
from fault_checks import push
from fault_server import Scripted, friendly
from lines import until

import kiwoom_nb as kn
from kiwoom_nb import addresses, request
from kiwoom_nb.classroom import serve
from kiwoom_nb.paths import home

TOKEN = "t0ken-Zq7"
KEYS = ("fault-app-key", "fault-secret-key")
HOST = "127.0.0.1"
REFUSED = "its TLS certificate is not accepted ("


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    """Let this machine trust the authority, as SSL_CERT_FILE tells Python."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    request._tls.cache_clear()
    yield
    request._tls.cache_clear()


def days_from_now(days):
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)


def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


CERTIFICATES = {
    "self-signed": lambda _: trustme.CA().issue_cert(HOST),
    "of another host": lambda authority: authority.issue_cert("mockapi.kiwoom.com"),
    "expired": lambda authority: authority.issue_cert(HOST, not_before=days_from_now(-9), not_after=days_from_now(-1)),
    "not valid yet": lambda authority: authority.issue_cert(HOST, not_before=days_from_now(1)),
}
SAYS = {
    "self-signed": "self-signed certificate in certificate chain|unable to get local issuer certificate",
    "of another host": "IP address mismatch",
    "expired": "certificate has expired",
    "not valid yet": "certificate is not yet valid",
}


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_a_certificate_that_proves_nothing_is_refused_each_time_and_the_state_line_says_why(kind, authority, trusted):
    """Nothing is ever sent to such a server, and nothing is tried in its place: no ws://, no unchecked wss://."""
    heard = []

    async def listens(line):
        heard.append(await line.hears("LOGIN"))

    with Scripted(listens, ssl=tls(CERTIFICATES[kind](authority))) as server:
        df = kn.stream_balances(url=server.url, token=TOKEN, holdings=False)
        until(lambda: df.kn.status.attempt >= 3)
        status = df.kn.status
        assert status.state == "connecting"
        assert status.reason.startswith(REFUSED)
        assert any(words in status.reason for words in SAYS[kind].split("|")), status.reason
        assert f"last attempt: {status.reason}" in str(status)
        assert server.lines == []
        df.kn.stop()
    assert heard == []


@pytest.mark.parametrize("kind", CERTIFICATES)
def test_keys_are_sent_to_no_server_whose_certificate_proves_nothing(kind, authority, trusted, monkeypatch):
    """The same for the token endpoint: the keys stay here."""
    with Scripted(friendly, ssl=tls(CERTIFICATES[kind](authority))) as server:
        monkeypatch.setitem(addresses.REST_URLS, "demo", server.url.replace("wss:", "https:").partition("/api")[0])
        df = kn.stream_balances(credentials=KEYS, holdings=False)
        until(lambda: df.kn.status.attempt >= 2)
        reason = df.kn.status.reason
        assert "certificate" in reason
        assert not [secret for secret in KEYS if secret in reason]
        assert df.kn.status.state == "connecting"
        df.kn.stop()


def test_a_certificate_that_is_renewed_lets_the_stream_in(authority, trusted):
    """The server was at fault for a while: the same stream comes up once it is not."""
    with Scripted(friendly, ssl=tls(CERTIFICATES["expired"](authority))) as server:
        df = kn.stream_balances(url=server.url, token=TOKEN, holdings=False)
        until(lambda: df.kn.status.attempt >= 2)
        tls_now = authority.issue_cert(HOST)
        server.do(_renew(server, tls_now))
        until(lambda: df.kn.status.state == "live")
        assert len(df.kn.gaps) == 0
        df.kn.stop()


async def _renew(server, certificate):
    certificate.configure_cert(server.ssl)


def test_a_simulator_with_a_trusted_certificate_is_streamed_from(authority, trusted, tmp_path):
    """wss:// and https:// from end to end: rows and holdings."""
    certificate = authority.issue_cert(HOST)
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with serve(ssl_certfile=str(tmp_path / "server.pem")) as server:
        df = kn.stream_balances(url=server.url, token=server.token)
        until(lambda: df.kn.status.holdings)
        assert df.kn.status.holdings == "read"
        push(server, 0, 1)
        assert df.kn.wait(1, timeout=20)


# Names


@pytest.mark.parametrize("mode", ["url", "keys"])
def test_a_name_that_does_not_resolve_is_tried_again_and_told(mode, monkeypatch):
    """A machine without a network: the state line names the trouble, and the stream waits for the network to come."""
    nowhere = "nowhere.invalid"
    if mode == "url":
        df = kn.stream_balances(url=f"wss://{nowhere}/api/dostk/websocket", token=TOKEN, holdings=False)
    else:
        monkeypatch.setitem(addresses.REST_URLS, "demo", f"https://{nowhere}")
        df = kn.stream_balances(credentials=KEYS, holdings=False)
    until(lambda: df.kn.status.attempt >= 2, 60)
    status = df.kn.status
    assert status.state == "connecting"
    assert "name" in status.reason.lower(), status.reason
    assert "last attempt: " in str(status)
    df.kn.stop()
    assert df.kn.status.state == "stopped"


def test_a_name_that_resolves_again_brings_the_stream_up(monkeypatch):
    """Wi-Fi comes back: nobody has to run the cell again."""
    resolve = socket.getaddrinfo
    is_away = [True]

    def sometimes(host, *args, **kwargs):
        if is_away[0]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **kwargs)

    with serve() as server:
        monkeypatch.setattr(socket, "getaddrinfo", sometimes)
        df = kn.stream_balances(url=server.url.replace(HOST, "localhost"), token=server.token, holdings=False)
        until(lambda: df.kn.status.attempt >= 2)
        assert "Name or service not known" in df.kn.status.reason
        is_away[0] = False
        until(lambda: df.kn.status.state == "live")
        push(server, 0, 1)
        assert df.kn.wait(1, timeout=20)
        df.kn.stop()
    assert next((home() / "journals").iterdir()).name.startswith("localhost-")


def test_neither_stop_nor_the_end_of_the_process_waits_for_a_name(tmp_path):
    """A resolver that does not answer for a minute, as in a train: the thread is let go of."""
    script = """
import socket, sys, threading, time, kiwoom_nb as kn
asked = threading.Event()

def hangs(*_, **__):
    asked.set()
    time.sleep(60)

socket.getaddrinfo = hangs
df = kn.stream_balances(url="wss://nowhere.invalid/api", token="token", record=False, holdings=False)
assert asked.wait(20)
begun = time.monotonic()
df.kn.stop()
print(df.kn.status.state, time.monotonic() - begun < 4)
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=90, check=False)
    assert (done.stdout, done.stderr) == ("stopped True\n", "")
    assert time.monotonic() - begun < 50
