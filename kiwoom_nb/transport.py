"""The WebSocket: the only module that knows ``websockets``.

WebSocket-level pings are no part of Kiwoom's protocol (it sends its own), so none are sent. The official page asks
for the headers ``api-id`` and ``authorization``; they are sent, and the LOGIN frame that live servers want as well.
"""

from __future__ import annotations

import logging
import ssl
from typing import Final, Never

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as _websocket
from websockets.exceptions import ConnectionClosed, InvalidProxy, InvalidStatus, InvalidURI, WebSocketException

from . import codes
from .addresses import is_loopback, refuse_plaintext, shown
from .errors import ConnectionFailed
from .protocol import BALANCE

MAX_FRAME: Final = 64 * 2**20
"""Bytes; frames of several events are large, and a library's default limit would end the session."""
OPEN_TIMEOUT: Final = 10.0
CLOSE_TIMEOUT: Final = 2.0

# At DEBUG the library logs headers and frames, and with them the token: it is given a logger that stays above, and
# that nobody finds who turns on all loggers there are.
_logger: Final = logging.Logger("kiwoom_nb.websockets", logging.WARNING)  # noqa: LOG001 - getLogger() would list it
_logger.parent = logging.getLogger("kiwoom_nb")


class WebSocketTransport:
    """An open WebSocket; made by :func:`connect`."""

    def __init__(self, socket: ClientConnection, url: str, token: str) -> None:
        self._socket = socket
        self._server = shown(url)
        self._token = token

    def __repr__(self) -> str:
        """Name the server."""
        return f"<WebSocketTransport {self._server}>"

    async def send(self, frame: str) -> None:
        """Send a text frame; raise ConnectionFailed if the line is down."""
        try:
            await self._socket.send(frame)
        except (ConnectionClosed, OSError) as exc:
            self._fail(exc)

    async def receive(self) -> bytes:
        """Wait for a frame and return its bytes; raise ConnectionFailed once the line is down, however politely."""
        try:
            return await self._socket.recv(decode=False)
        except (ConnectionClosed, OSError) as exc:
            self._fail(exc)

    async def close(self) -> None:
        """Close the socket. Waits at most two seconds for the server, and never raises."""
        await self._socket.close()

    def _fail(self, exc: Exception) -> Never:
        raise ConnectionFailed(self._server, codes.scrubbed(_reason_of_close(exc), [self._token])) from exc


class _Socket(ClientConnection):
    """Ends when the closing handshake began, also with a peer that says it closes and leaves its socket open.

    The library waits for such a peer until somebody calls ``close()``; who receives would be deaf that long.
    """

    _ends = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._ends and self.protocol.close_expected():
            self._ends = True
            self.loop.call_later(CLOSE_TIMEOUT, self.transport.abort)


class _NoRedirect(_websocket):
    """A redirect would carry the token to an address that nobody chose."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def connect(url: str, token: str, *, allow_plaintext: bool = False) -> WebSocketTransport:
    """Open a WebSocket to ``url`` with the headers of the official page.

    Raises
    ------
    InsecureURL
        ``url`` is not encrypted, not on this machine, and ``allow_plaintext`` is not set.
    ConnectionFailed
        There is no connection: address, network, TLS certificate, or the server refuses the handshake.
    """
    refuse_plaintext(url, allow_plaintext=allow_plaintext)
    try:
        socket = await _NoRedirect(
            url,
            additional_headers={"api-id": BALANCE, "authorization": f"Bearer {token}"},
            compression=None,  # measured: it costs half of what a frame costs otherwise
            ping_interval=None,
            open_timeout=OPEN_TIMEOUT,
            close_timeout=CLOSE_TIMEOUT,
            max_size=MAX_FRAME,
            max_queue=(4096, 1024),
            proxy=None if is_loopback(url) else True,
            logger=_logger,
            create_connection=_Socket,
        )
    except (OSError, TimeoutError, WebSocketException) as exc:
        # Raised outside the handler: the library's frames hold the request, and the request holds the token.
        failure = ConnectionFailed(shown(url), codes.scrubbed(_reason(exc), [token]))
    else:
        return WebSocketTransport(socket, url, token)
    raise failure


def _reason(exc: Exception) -> str:
    if isinstance(exc, InvalidStatus):
        return f"the server answered the handshake with HTTP {exc.response.status_code}"
    if isinstance(exc, TimeoutError):
        return f"no answer within {OPEN_TIMEOUT:.0f} seconds"
    if isinstance(exc, ConnectionRefusedError):
        return "nothing answers there (connection refused)"
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not accepted ({exc.verify_message})"
    if isinstance(exc, InvalidURI | InvalidProxy):  # their texts hold the whole address, and it a password or token
        return f"the address of the {'proxy' if isinstance(exc, InvalidProxy) else 'server'} is not valid: {exc.msg}"
    return str(exc) or type(exc).__name__


def _reason_of_close(exc: Exception) -> str:
    if not isinstance(exc, ConnectionClosed):
        return str(exc) or type(exc).__name__
    if exc.sent is not None and not exc.rcvd_then_sent:
        return f"it was closed from here ({exc.sent.code}{' ' if exc.sent.reason else ''}{exc.sent.reason})"
    if exc.rcvd is None:
        return "the connection broke"
    return f"the server closed it ({exc.rcvd.code}{' ' if exc.rcvd.reason else ''}{exc.rcvd.reason})"
