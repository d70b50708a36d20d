"""An ASGI app on a socket of its own, served by uvicorn: nothing else here knows that library.

uvicorn can close a connection but not cut it, and a client that does not read never sees a close. So each connection's
transport is noted when uvicorn's HTTP protocol is given it (``asyncio.Protocol.connection_made``) and lent to the app,
which knows the connection by ``scope["client"]``. Where a future uvicorn makes one of the two impossible, there is
nothing to lend, and the app closes what it cannot cut.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakValueDictionary

from .errors import MissingExtra
from .simulator_session import ABORT

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_FRAME_LIMIT = 1024 * 1024  # a larger frame from a client is closed with 1009; a full REG has 30 kB
_BACKLOG = 2048
_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to

_Lent: TypeAlias = "WeakValueDictionary[tuple[str, int], asyncio.Transport]"  # by the client's address and port


class Host:
    """A server for one ASGI app; it listens from now on, and answers while :meth:`run` does.

    Attributes
    ----------
    address
        Where others on this machine reach it: ``127.0.0.1:PORT``.

    Raises
    ------
    MissingExtra
        uvicorn is not installed.
    ValueError
        The port is taken, the certificate cannot be read.
    """

    def __init__(self, app: ASGIApp, host: str, port: int, certfile: str | None, keyfile: str | None) -> None:
        try:
            import uvicorn
        except ImportError as exc:
            raise MissingExtra("The simulator", "starlette and uvicorn", "simulator") from exc
        self._lent: _Lent = WeakValueDictionary()
        config = uvicorn.Config(
            lending_app(app, self._lent),
            http=noting_protocol(self._lent),
            ws=quiet_protocol(),
            ws_max_size=_FRAME_LIMIT,
            ws_ping_interval=None,  # Kiwoom's PING is a frame of its own
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="critical",  # what clients do wrong is answered to them, not printed
            access_log=False,
            server_header=False,
            proxy_headers=False,  # scope["client"] is the connection's own
            timeout_graceful_shutdown=1,
            ssl_certfile=certfile,
            ssl_keyfile=keyfile,
        )
        try:
            config.load()
        except OSError as exc:
            raise ValueError(f"The certificate {certfile} with the key {keyfile} cannot be used: {exc}.") from exc
        self._server = uvicorn.Server(config)
        self._listener = _listen(host, port)
        self.address = _address_of(self._listener)

    async def run(self) -> None:
        """Serve until :meth:`end`, then leave no connection behind."""
        await self._server.serve(sockets=[self._listener])
        for transport in list(self._lent.values()):  # clients that do not read, even now
            transport.abort()

    def end(self) -> None:
        """Let :meth:`run` come to its end; for any thread."""
        self._server.should_exit = True


def lending_app(app: ASGIApp, lent: _Lent) -> ASGIApp:
    """Return ``app`` as it is, but each WebSocket can cut its own connection: the ASGI extension ``ABORT``."""

    async def lending(scope: Scope, receive: Receive, send: Send) -> None:
        transport = lent.get(tuple(scope.get("client") or ())) if scope["type"] == "websocket" else None
        if transport is not None:
            scope = {**scope, "extensions": {**(scope.get("extensions") or {}), ABORT: transport.abort}}
        await app(scope, receive, send)

    return lending


def noting_protocol(lent: _Lent) -> type[asyncio.Protocol] | str:
    """Return uvicorn's h11 protocol, noting in ``lent`` each transport that it is given; or else its mere name."""
    try:
        from uvicorn.protocols.http.h11_impl import H11Protocol
    except ImportError:  # uvicorn finds it by its name, wherever it is now
        return "h11"
    h11_protocol: Any = H11Protocol

    class NotingProtocol(h11_protocol):  # type: ignore[misc] # uvicorn's class is not typed for us
        def connection_made(self, transport: asyncio.Transport) -> None:
            client = transport.get_extra_info("peername")
            if client:
                lent[client[:2]] = transport
            super().connection_made(transport)

    return NotingProtocol


def quiet_protocol() -> Any:
    """Return uvicorn's protocol for WebSockets, which logs no frame, even at DEBUG: a LOGIN holds a token."""
    try:
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
    except ImportError:  # uvicorn finds it by its name, wherever it is now
        return "websockets-sansio"
    sansio_protocol: Any = WebSocketsSansIOProtocol

    class QuietProtocol(sansio_protocol):  # type: ignore[misc] # uvicorn's class is not typed for us
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.conn.debug = False

    return QuietProtocol


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts connections already: whoever connects now waits for the loop, and is not refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as exc:
        raise ValueError(
            f"The simulator cannot listen on {host} port {port} ({exc.strerror or exc}): perhaps another program, "
            "or an earlier server, holds that port. Close it, or pass port=0 for a free one."
        ) from exc
    # asyncio sends small frames at once (TCP_NODELAY) only where a socket says that it is TCP; this one does not yet.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def _address_of(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    address = _LOOPBACK.get(address, address)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
