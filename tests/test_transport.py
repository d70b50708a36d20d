import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import socket
import ssl
import time
import traceback

import pytest
import trustme
import websockets.asyncio.server as ws

from kiwoom_nb import transport
from kiwoom_nb.errors import ConnectionFailed, InsecureURL
from kiwoom_nb.protocol import Connection
from kiwoom_nb.transport import connect

TOKEN = "t0ken-Zq7/+secret"
PATH = "/api/dostk/websocket"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def url_of(server, scheme="ws", host="127.0.0.1"):
    return f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}{PATH}"


@contextlib.asynccontextmanager
async def websocket_server(handler, **options):
    """Serve WebSockets with ``handler`` and give the address."""
    logger = logging.getLogger("test server")
    logger.setLevel(logging.CRITICAL)
    async with ws.serve(handler, "127.0.0.1", 0, logger=logger, **options) as server:
        yield url_of(server, "wss" if "ssl" in options else "ws")


@contextlib.asynccontextmanager
async def raw_server(talk, *, upgrade=True):
    """Serve one TCP connection byte by byte: answer the handshake if ``upgrade``, then do what ``talk`` does."""
    requests, writers = [], []

    async def serve(reader, writer):
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            if upgrade:
                writer.write(_acceptance(requests[-1]))
            await talk(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield url_of(server), requests
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


def _acceptance(request):
    key = next(line.split()[1] for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324 - RFC 6455 wants it
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


async def keep_silent(*_):
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(60)


@pytest.fixture
def impatient(monkeypatch):
    """A peer that announces its end and leaves its socket open is waited for only shortly."""
    assert transport.CLOSE_TIMEOUT == 2
    monkeypatch.setattr(transport, "CLOSE_TIMEOUT", 0.1)


async def failure(url, **options):
    """Connect in vain and return the error."""
    with pytest.raises(ConnectionFailed) as caught:
        await connect(url, TOKEN, **options)
    return caught.value


async def ending(line):
    """Receive to the end and return the frames and the error."""
    received = []
    try:
        while True:
            received.append(await line.receive())
    except ConnectionFailed as error:
        return received, error


def whole_text(error):
    """Return all that a traceback with the variables of its frames shows."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


# The request


async def test_the_request_has_the_headers_of_the_official_page_and_the_token_raw_in_the_login_frame():
    """The page of type 04 asks for api-id and authorization: Bearer; live servers want LOGIN with the raw token."""
    seen = {}

    async def handler(client):
        seen.update({name.lower(): value for name, value in client.request.headers.raw_items()})
        seen["path"], seen["login"] = client.request.path, await client.recv()

    async with websocket_server(handler) as url:
        line = await connect(url, TOKEN)
        await line.send(Connection().login(TOKEN).frame)
        await ending(line)
        await line.close()
    assert seen["api-id"] == "04"
    assert seen["authorization"] == f"Bearer {TOKEN}"
    assert seen["path"] == PATH
    assert json.loads(seen["login"]) == {"trnm": "LOGIN", "token": TOKEN}
    assert "sec-websocket-extensions" not in seen, "no compression: it costs half of what a frame costs"


async def test_a_token_is_not_sent_in_clear_to_another_machine(monkeypatch):
    """ws:// outside loopback is refused before a name is looked up; allow_plaintext=True is an explicit choice."""
    asked = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: asked.append(args))
    with pytest.raises(InsecureURL, match=r"ws://classroom\.example:8765 is not encrypted"):
        await connect("ws://classroom.example:8765", TOKEN)
    assert asked == []


async def test_no_pings_of_the_library_are_sent():
    """Kiwoom has PINGs of its own; a WebSocket ping is no part of its protocol."""
    heard = []

    async def talk(reader, _):
        heard.append(await reader.read(1))

    async with raw_server(talk) as (url, _):
        line = await connect(url, TOKEN)
        assert line._socket.ping_interval is None
        await asyncio.sleep(0.05)
        assert heard == []
        line._socket.transport.abort()


# What does not become a connection


async def test_a_redirect_is_not_followed():
    """The token goes to the address that was asked for, and nowhere else."""
    visited = []

    async def elsewhere(client):
        visited.append(client)

    async with websocket_server(elsewhere) as other:

        async def redirect(_, writer):
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {other}\r\nContent-Length: 0\r\n\r\n".encode())

        async with raw_server(redirect, upgrade=False) as (url, _):
            error = await failure(url)
    assert error.reason == "the server answered the handshake with HTTP 302"
    assert visited == []


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
async def test_a_refused_handshake_names_the_status(status):
    """The reason is what the server answered, in a sentence that names the server."""

    async def refuse(_, writer):
        writer.write(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())

    async with raw_server(refuse, upgrade=False) as (url, _):
        error = await failure(url)
    assert str(error).startswith(f"No connection to {url}: the server answered the handshake with HTTP {status}. ")


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nhello"])
async def test_what_is_no_websocket_server_is_a_failed_connection(answer):
    """A server that hangs up, or speaks something else, is told like any other."""

    async def talk(_, writer):
        writer.write(answer)
        writer.close()

    async with raw_server(talk, upgrade=False) as (url, _):
        assert (await failure(url)).reason


async def test_a_port_where_nobody_listens_is_a_failed_connection():
    """The reason is a sentence, not an error number."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert (await failure(f"ws://127.0.0.1:{port}{PATH}")).reason == "nothing answers there (connection refused)"


async def test_an_unknown_name_is_a_failed_connection(monkeypatch):
    """So is a machine without a network."""

    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "Name or service not known" in (await failure("wss://nowhere.invalid:10000")).reason


async def test_a_server_that_does_not_answer_is_given_up(monkeypatch):
    """Ten seconds are enough for a handshake; the text says how long it was waited."""
    assert transport.OPEN_TIMEOUT == 10
    monkeypatch.setattr(transport, "OPEN_TIMEOUT", 0.1)
    async with raw_server(keep_silent, upgrade=False) as (url, _):
        assert (await failure(url)).reason == "no answer within 0 seconds"


@pytest.mark.parametrize("url", [f"ws://127.0.0.1:1/a?token={TOKEN}#part", f"ws://127.0.0.1:1/a?x={TOKEN}"])
async def test_a_query_is_never_shown(url):
    """People put tokens into addresses; a text has the address without its query."""
    error = await failure(url)
    assert TOKEN not in str(error)
    assert TOKEN not in whole_text(error).replace(repr(url), "").replace(repr(TOKEN), "")


async def test_a_bad_proxy_is_told_without_its_password(monkeypatch):
    """The environment's proxy is used outside loopback; its address may hold a password."""
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://user:hunter2@proxy.example")
    error = await failure("wss://api.example:10000")
    assert "proxy" in error.reason
    assert "hunter2" not in str(error)


async def test_no_proxy_is_asked_for_this_machine(monkeypatch):
    """A classroom server on loopback is reached although the environment names a proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def handler(client):
        await client.send("hello")

    async with websocket_server(handler) as url:
        line = await connect(url, TOKEN)
        assert await line.receive() == b"hello"
        await line.close()


# TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


def tls(authority, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def greet(client):
    await client.send("hello")
    await client.wait_closed()


async def test_wss_works_where_the_certificate_is_trusted(authority, tmp_path, monkeypatch):
    """The trust is that of Python's default context, which SSL_CERT_FILE moves."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with websocket_server(greet, ssl=tls(authority, "127.0.0.1")) as url:
        line = await connect(url, TOKEN)
        assert await line.receive() == b"hello"
        await line.close()


async def test_an_untrusted_certificate_is_refused_with_a_sentence(authority):
    """Nothing of the request, and so no token, is sent to who cannot prove who it is."""
    async with websocket_server(greet, ssl=tls(authority, "127.0.0.1")) as url:
        error = await failure(url)
    assert error.reason.startswith("its TLS certificate is not accepted (")
    assert str(error).startswith(f"No connection to {url}: ")


async def test_the_certificate_of_another_host_is_refused_with_a_sentence(authority, tmp_path, monkeypatch):
    """A trusted authority's certificate for another name is no proof."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with websocket_server(greet, ssl=tls(authority, "mockapi.kiwoom.com")) as url:
        error = await failure(url)
    assert error.reason.startswith("its TLS certificate is not accepted (")
    assert "127.0.0.1" in error.reason


async def test_a_server_without_tls_is_a_failed_connection():
    """wss:// to a plain server fails; it is never tried again in clear."""
    heard = []

    async def serve(reader, writer):
        heard.append(await reader.read(2000))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert (await failure(url_of(server, "wss"))).reason
    assert len(heard) == 1
    assert TOKEN.encode() not in heard[0]


# Frames


async def test_frames_come_as_bytes_whole_and_in_order():
    """Text, fragments of a text and binary frames: each is the bytes that were sent."""

    async def handler(client):
        await client.send("삼성전자")
        await client.send(["frag", "men", "ted"])
        await client.send(b"\xff\x00")
        await client.send("")

    async with websocket_server(handler) as url:
        line = await connect(url, TOKEN)
        received, _ = await ending(line)
        await line.close()
    assert received == ["삼성전자".encode(), b"fragmented", b"\xff\x00", b""]


async def test_64_mib_are_taken_and_a_byte_more_is_refused(impatient):
    """A burst of events is one large frame: the default limit of 1 MiB would end the session."""
    limit = 64 * 2**20

    async def talk(_, writer):
        writer.write(b"\x82\x7f" + limit.to_bytes(8, "big"))
        writer.write(bytes(limit))
        writer.write(b"\x82\x7f" + (limit + 1).to_bytes(8, "big"))
        await keep_silent()

    async with raw_server(talk) as (url, _):
        line = await connect(url, TOKEN)
        assert len(await line.receive()) == limit
        _, error = await ending(line)
        await line.close()
    assert error.reason.startswith("it was closed from here (1009")


async def test_frames_that_arrived_before_the_end_are_read_before_it_is_told():
    """After a long cell frames are waiting in the socket; they are events, and the close comes after them."""

    async def handler(client):
        for number in range(500):
            await client.send(str(number))

    async with websocket_server(handler) as url:
        line = await connect(url, TOKEN)
        await asyncio.sleep(0.2)
        received, error = await ending(line)
        await line.close()
    assert received == [b"%d" % number for number in range(500)]
    assert error.reason == "the server closed it (1000)"


# Ends


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (1000, "Bye", "the server closed it (1000 Bye)"),
        (1001, "", "the server closed it (1001)"),
        (1011, "internal error", "the server closed it (1011 internal error)"),
        (4000, "점검", "the server closed it (4000 점검)"),
    ],
)
async def test_every_close_that_we_did_not_ask_for_is_a_failed_connection(code, reason, told):
    """Code 1000 included: Kiwoom says "Bye" too when it sends someone away."""

    async def handler(client):
        await client.close(code, reason)

    async with websocket_server(handler) as url:
        line = await connect(url, TOKEN)
        _, error = await ending(line)
        assert error.reason == told
        with pytest.raises(ConnectionFailed):
            await line.send("{}")
        await line.close()


@pytest.mark.parametrize("way", ["abort", "half-close", "empty close frame"])
async def test_a_line_that_ends_without_a_word_is_a_failed_connection(way, impatient):
    """A cut cable, a server that shuts down its half, a close frame without a code and a socket left open."""

    async def talk(_, writer):
        await writer.drain()
        if way == "abort":
            writer.transport.abort()
        elif way == "half-close":
            writer.write_eof()
        else:
            writer.write(b"\x88\x00")
        await keep_silent()

    async with raw_server(talk) as (url, _):
        line = await connect(url, TOKEN)
        _, error = await ending(line)
        await line.close()
    assert error.reason == ("the server closed it (1005)" if way == "empty close frame" else "the connection broke")


async def test_a_frame_that_is_none_ends_the_line_with_a_reason(impatient):
    """Bytes that are no WebSocket frame close the connection from here, and that is said."""

    async def talk(_, writer):
        writer.write(b"\xf3\x00")
        await keep_silent()

    async with raw_server(talk) as (url, _):
        line = await connect(url, TOKEN)
        _, error = await ending(line)
        await line.close()
    assert error.reason.startswith("it was closed from here (1002")


async def test_close_waits_a_moment_for_a_server_that_is_gone_and_never_raises(impatient):
    """A server that answers no close frame holds a stop() up for two seconds at the most."""
    async with raw_server(keep_silent) as (url, _):
        line = await connect(url, TOKEN)
        start = time.monotonic()
        await line.close()
        await line.close()
        assert time.monotonic() - start < 2


# Secrets


async def test_debug_logging_of_everything_shows_no_token(caplog):
    """Who turns on all loggers there are, root and by name, still finds no token in what is logged."""

    async def handler(client):
        await client.recv()
        await client.close(1008, f"bad token {TOKEN}")

    caplog.set_level(logging.DEBUG)
    names = set(logging.root.manager.loggerDict) - {"test server"}
    before = {name: logging.getLogger(name).level for name in names}
    for name in before:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        async with websocket_server(handler) as url:
            line = await connect(url, TOKEN)
            await line.send(Connection().login(TOKEN).frame)
            _, error = await ending(line)
            await line.close()
            await failure("ws://127.0.0.1:1")
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
    logged = [f"{record.getMessage()} {record.args!r}" for record in caplog.records]
    assert not any(TOKEN in line for line in logged)
    assert error.reason == "the server closed it (1008 bad token ***)"


async def test_a_repr_holds_no_token():
    """Neither the line's nor an error's."""
    async with websocket_server(greet) as url:
        line = await connect(url, TOKEN)
        assert repr(line) == f"<WebSocketTransport {url}>"
        await line.close()
        _, error = await ending(line)
    assert TOKEN not in repr(error)
