import asyncio
import socket
import ssl
import sys
import threading
import time

import pytest
import simulator_client
import trustme
import uvicorn
from simulator_client import FAST, LOGIN_ACK, closing, frame, join, listening, log_in, read, recording, serving
from uvicorn.protocols.http import h11_impl
from websockets.sync.client import connect

from kiwoom_nb import classroom, hosting
from kiwoom_nb.classroom import serve
from kiwoom_nb.errors import MissingExtra
from kiwoom_nb.simulator_session import ABORT

all_closed = simulator_client.all_closed
no_traceback = simulator_client.no_traceback
server = simulator_client.server


def test_a_frame_of_more_than_a_mebibyte_is_closed_with_1009(server):
    """A client cannot fill the server's memory with one frame."""
    with listening(server) as client:
        client.send("x" * (1024 * 1024 + 1))
        assert closing(client)[0] == 1009
    with listening(server) as client:
        assert log_in(client, server.token) == LOGIN_ACK


def test_text_that_is_not_utf_8_ends_only_its_own_connection():
    """A broken TEXT frame ends its connection with 1007; the default log level prints nothing."""
    with serving() as server, connect(server.url) as broken, connect(server.url) as client:
        broken.send(b"\xff\xfe", text=True)
        assert closing(broken)[0] == 1007
        assert log_in(client, server.token) == LOGIN_ACK


def test_closing_the_server_does_not_wait_for_a_client_that_does_not_read(monkeypatch):
    """close() is done within seconds, whatever a client does."""
    monkeypatch.setattr(classroom, "_LAST_WORDS", 0.1)
    with serve() as server, connect(server.url, max_queue=1) as sleeper:
        join(sleeper, server.token)
        for n in range(300):
            server.push(frame(n, 65_536))
        start = time.monotonic()
        server.close()
        assert time.monotonic() - start < 5
        assert closing(sleeper)[0] == 1006


def test_a_port_in_use_is_a_clear_error():
    """The text names host and port and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"127\.0\.0\.1 port {port} .* pass port=0"):
            serve(port=port)


def test_a_server_on_all_addresses_names_the_loopback_one():
    """The URL of a wildcard binding can be used on this machine."""
    with serving(host="0.0.0.0") as server, connect(server.url) as client:  # noqa: S104 - the case
        assert server.url.startswith("ws://127.0.0.1:")
        join(client, server.token)


def test_with_a_certificate_it_speaks_tls(tmp_path):
    """ssl_certfile and ssl_keyfile make it wss and https; faults work there too."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certfile, keyfile = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(certfile)
    certificate.private_key_pem.write_to_path(keyfile)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with (
        serving(recording(3), speed=FAST, ssl_certfile=str(certfile), ssl_keyfile=str(keyfile)) as server,
        connect(server.url, ssl=context) as client,
    ):
        assert server.url.startswith("wss://")
        assert server.rest_url.startswith("https://")
        assert read(join(client, server.token), 3) == [frame(n) for n in range(3)]
        server.drop()
        assert closing(client)[0] == 1006


def test_a_certificate_that_cannot_be_read_is_a_value_error(tmp_path):
    """The text names the file; nothing was started."""
    before = set(threading.enumerate())
    with pytest.raises(ValueError, match=r"cert\.pem"):
        serve(ssl_certfile=str(tmp_path / "cert.pem"), ssl_keyfile=str(tmp_path / "key.pem"))
    assert set(threading.enumerate()) <= before


def test_without_uvicorn_the_error_names_the_extra(monkeypatch):
    """An optional dependency that is missing says what to install."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtra, match=r"kiwoom-nb\[simulator\]"):
        serve()


def test_small_frames_are_not_held_back(monkeypatch):
    """Each connection has TCP_NODELAY: without it a frame waits 40 ms for the acknowledgement of the one before."""
    noted = {}
    monkeypatch.setattr(hosting, "WeakValueDictionary", lambda: noted)
    with serving() as server, connect(server.url) as client:
        join(client, server.token)
        (transport,) = noted.values()
        assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_where_uvicorn_moved_its_protocol_sessions_end_all_the_same(monkeypatch):
    """Without the class there is no transport to lend: drop() ends the sessions, and the rest works as ever."""
    monkeypatch.setattr(h11_impl, "MovedProtocol", h11_impl.H11Protocol, raising=False)
    monkeypatch.delattr(h11_impl, "H11Protocol")
    monkeypatch.setitem(uvicorn.config.HTTP_PROTOCOLS, "h11", f"{h11_impl.__name__}:MovedProtocol")
    assert hosting.noting_protocol({}) == "h11"
    with serving() as server, connect(server.url) as client, connect(server.url) as idle:
        join(client, server.token)
        server.push(frame(1))
        assert read(client, 1) == [frame(1)]
        server.drop()
        assert closing(client)[0] == closing(idle)[0] == 1006
        assert server.sessions == 0


@pytest.mark.parametrize("scope", [{"client": None}, {}, {"client": ("10.0.0.1", 1)}, {"client": ["10.0.0.1", 1]}])
async def test_a_connection_that_is_not_known_is_served_without_the_extension(scope):
    """The scope of such a connection reaches the app as it is."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    scope = {"type": "websocket", **scope}
    await hosting.lending_app(app, {})(scope, None, None)
    assert seen == [scope]


async def test_a_connection_that_is_known_gets_the_means_to_cut_it():
    """A WebSocket's scope has the extension besides those that it had; other requests are left alone."""
    seen, transport = [], asyncio.Transport()

    async def app(scope, receive, send):
        seen.append(scope)

    lending = hosting.lending_app(app, {("10.0.0.1", 1): transport})
    websocket = {"type": "websocket", "client": ("10.0.0.1", 1), "extensions": {"else": {}}}
    request = {"type": "http", "client": ("10.0.0.1", 1)}
    await lending(websocket, None, None)
    await lending(request, None, None)
    assert seen[0]["extensions"] == {"else": {}, ABORT: transport.abort}
    assert websocket["extensions"] == {"else": {}}
    assert seen[1] == request
