"""A classroom: the simulator on a thread of its own, playing a recording to everyone who registers.

``kn.serve()`` binds to this machine only. Any other ``host=`` is an explicit choice, and without ``ssl_certfile``
and ``ssl_keyfile`` the tokens then travel in clear: the simulator's own tokens open nothing at Kiwoom, but never log
in there with a real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeAlias, TypeVar, cast

from .errors import ConnectionFailed, MissingExtra
from .simulator import ABORT, PATH, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    import uvicorn

T = TypeVar("T")
TimedFrame: TypeAlias = tuple[int, bytes]

_BURST = 64  # frames that are late go out in bursts of at most this many; the clients' writers run in between
_BREATH = 0.002  # seconds between two looks at clients that are to catch up
_FRAME_LIMIT = 1024 * 1024  # a larger frame from a client is closed with 1009; a full REG has 30 kB
_BACKLOG = 2048
_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to
_DEFAULT_APP_KEY = "classroom"
_LAST_WORDS = 0.5  # seconds that clients have for the close frame when the server ends


class Recording(Protocol):
    """What can be played: each call of ``frames`` starts at the first frame again."""

    def frames(self) -> Iterable[TimedFrame]:
        """Return (microseconds since the epoch UTC, raw frame) pairs."""


Source: TypeAlias = "Iterable[TimedFrame] | Recording | None"


async def play(
    simulator: Simulator,
    source: Source,
    *,
    speed: float = 1.0,
    loop: bool = False,
    stall_timeout: float = 5.0,
) -> None:
    """Push the frames of ``source`` at the pace of their times, from when enough sessions are registered.

    There is one clock for all: whoever registers later joins in the middle. A frame whose time lies before the one
    ahead of it goes out at once. With ``speed=float("inf")`` the clients set the pace, and one that takes nothing for
    ``stall_timeout`` seconds is closed; at any other speed no client is waited for. The iterable is read on the event
    loop and must not block.

    Raises
    ------
    TypeError, ValueError
        ``source`` or ``speed`` is not of the kind described, or ``loop=True`` asks for an iterator twice.
    """
    frames = _frames_of(source, speed, loop)
    if source is None:
        return
    await simulator.enough.wait()
    clock = _Clock(simulator, speed, stall_timeout)
    again = await clock.play(frames())
    while again and loop:
        again = await clock.play(frames())


class _Clock:
    """The pace of one broadcast."""

    def __init__(self, simulator: Simulator, speed: float, stall_timeout: float) -> None:
        self._simulator = simulator
        self._speed = speed
        self._stall_timeout = stall_timeout
        self._burst = max(1, min(_BURST, simulator.max_queued // 2))

    async def play(self, frames: Iterable[TimedFrame]) -> bool:
        """Push all frames once; return whether there was any."""
        first = None
        now = asyncio.get_running_loop().time
        start = now()
        await asyncio.sleep(0)  # a recording of one instant, in a loop, must not hold the event loop
        for received_at, raw in frames:
            first = received_at if first is None else first
            await self._wait(start + (received_at - first) / 1e6 / self._speed - now())
            self._simulator.push(raw)
        return first is not None

    async def _wait(self, delay: float) -> None:
        if delay > 0:
            await asyncio.sleep(delay)
        elif self._simulator.sent % self._burst == 0:
            await asyncio.sleep(0)
            await self._let_clients_read()

    async def _let_clients_read(self) -> None:
        backlog = self._simulator.max_queued // 2
        while self._speed == float("inf") and self._simulator.close_stalled(self._stall_timeout, backlog):  # noqa: ASYNC110
            await asyncio.sleep(_BREATH)  # one look at all clients is cheaper than an event from each


def _frames_of(source: Source, speed: float, loop: bool) -> Callable[[], Iterable[TimedFrame]]:
    """Return what gives the frames from the first one on, or say why ``source`` cannot be played like that."""
    if not speed > 0:
        raise ValueError(f"speed={speed!r} is not above zero: 1.0 is the recorded pace, float('inf') no pause at all.")
    if source is None:
        return tuple
    frames = getattr(source, "frames", None)
    if callable(frames):
        return cast("Callable[[], Iterable[TimedFrame]]", frames)
    if isinstance(source, str | bytes) or not hasattr(source, "__iter__"):
        raise TypeError(
            f"A {type(source).__name__} cannot be played: source is an iterable of (microseconds, raw frame) pairs, "
            "an object whose frames() returns one, or None."
        )
    if loop and isinstance(source, Iterator):
        raise ValueError("loop=True needs a source that starts over, and an iterator does not: pass a list of it.")
    return cast("Iterable[TimedFrame]", source).__iter__


def serve(
    source: Source = None,
    *,
    speed: float = 1.0,
    loop: bool = False,
    host: str = "127.0.0.1",
    port: int = 0,
    wait_for: int = 1,
    accounts: Literal["same", "each"] = "same",
    ping_interval: float = 10.0,
    heartbeat_timeout: float | None = None,
    login_timeout: float = 10.0,
    handshake: Literal["measured", "documented"] = "measured",
    tokens: Iterable[str] = (),
    app_keys: Mapping[str, str] | None = None,
    ssl_certfile: str | None = None,
    ssl_keyfile: str | None = None,
    max_queued: int = 10_000,
    stall_timeout: float = 5.0,
    refuse: str | None = None,
    token_lifetime: float = 86_400.0,
    token_rate: int | None = None,
    too_many: Literal[429, 200] = 429,
) -> Server:
    """Start a server that speaks Kiwoom's protocol and plays ``source`` to its clients; return when it accepts them.

    ``source`` is an iterable of (microseconds since the epoch UTC, raw frame) pairs, an object whose ``frames()``
    returns one, or ``None``: then only :meth:`Server.push` sends. ``port=0`` takes a free one. The options of the
    broadcast are those of :func:`play`, all others those of :class:`~kiwoom_nb.simulator.Simulator`.

    Raises
    ------
    MissingExtra
        Starlette or uvicorn is not installed.
    ValueError, TypeError
        An option is out of its range, the port is taken, the certificate cannot be read.
    """
    simulator = Simulator(
        handshake=handshake,
        tokens=tokens,
        app_keys=app_keys,
        accounts=accounts,
        wait_for=wait_for,
        ping_interval=ping_interval,
        heartbeat_timeout=heartbeat_timeout,
        login_timeout=login_timeout,
        max_queued=max_queued,
        refuse=refuse,
        token_lifetime=token_lifetime,
        token_rate=token_rate,
        too_many=too_many,
    )
    _frames_of(source, speed, loop)  # refuse here, not on the thread
    broadcast = _Broadcast(lambda: play(simulator, source, speed=speed, loop=loop, stall_timeout=stall_timeout))
    app_host = _uvicorn_for(simulator, ssl_certfile, ssl_keyfile)
    return Server(simulator, broadcast, app_host, _listen(host, port), secure=ssl_certfile is not None)


class Server:
    """A running simulator, from :func:`serve`: a context manager whose methods may be called from any thread.

    Attributes
    ----------
    url, rest_url
        Where it listens: ``ws://127.0.0.1:PORT/api/dostk/websocket`` and ``http://127.0.0.1:PORT`` (``wss``, ``https``
        with a certificate). Where it is bound to every address, others reach it by this machine's own one.
    finished
        A ``threading.Event``: the source has been pushed to its end (at once without one, never with ``loop=True``).
    """

    def __init__(
        self,
        simulator: Simulator,
        broadcast: _Broadcast,
        host: uvicorn.Server,
        listener: socket.socket,
        *,
        secure: bool,
    ) -> None:
        where = _address_of(listener)
        self.url = f"ws{'s' * secure}://{where}{PATH}"
        self.rest_url = f"http{'s' * secure}://{where}"
        self.finished = broadcast.finished
        self._simulator = simulator
        self._broadcast = broadcast
        ready: Future[asyncio.AbstractEventLoop] = Future()
        main = functools.partial(_host, host, listener, broadcast, ready)
        self._thread = threading.Thread(target=lambda: asyncio.run(main()), name="kiwoom_nb-server", daemon=True)
        self._thread.start()
        self._loop = ready.result()
        # Not a method: a forgotten server is stopped when it is collected, and at exit.
        self._end = weakref.finalize(self, _shut_down, simulator, host, self._loop, self._thread)

    @property
    def token(self) -> str:
        """A valid token of a default app key; its holders kick each other, so a class wants one key each."""
        return self.issue_token(_DEFAULT_APP_KEY)

    @property
    def sessions(self) -> int:
        """How many sessions are logged in."""
        return self._simulator.sessions

    @property
    def sent(self) -> int:
        """How many frames were pushed, each counted once for all clients."""
        return self._simulator.sent

    @property
    def error(self) -> Exception | None:
        """What the source raised, if it did; ``finished`` is set then too."""
        return self._broadcast.error

    @property
    def mute(self) -> bool:
        """Whether LOGIN, REG, REMOVE and refusals go unanswered (they take effect, PINGs and pushes go on)."""
        return self._simulator.mute

    @mute.setter
    def mute(self, mute: bool) -> None:
        self._simulator.mute = mute

    def issue_token(self, app_key: str) -> str:
        """Return the valid token of ``app_key``, without asking for its secret key."""
        return self._do(lambda: self._simulator.issue_token(app_key))

    def expire(self, token: str | None = None) -> None:
        """End a token (``None``: all): the next LOGIN with it gets 8005, the next request for one a new one."""
        self._do(lambda: self._simulator.expire(token))

    def refuse(self, code: str | None) -> None:
        """Refuse every LOGIN and token request with this error code (``"8010"``, ...) until ``refuse(None)``."""
        self._do(lambda: self._simulator.refuse(code))

    def push(self, raw: bytes) -> None:
        """Send one REAL frame now, byte for byte, to every session registered for 04."""
        self._do(lambda: self._simulator.push(raw))

    def system(self, code: str, message: str | None = None) -> None:
        """Send a SYSTEM frame to every session that is logged in; known codes have their text."""
        self._do(lambda: self._simulator.system(code, message))

    def close_sessions(self, code: int = 1000, reason: str = "Bye") -> None:
        """Close every connection, by default as Kiwoom does at the end of the day."""
        self._do(lambda: self._simulator.close_sessions(code, reason))

    def drop(self) -> None:
        """Cut every connection without a close frame, as a network does."""
        self._do(self._simulator.drop)

    def close(self) -> None:
        """Close every connection ("Bye") and end the thread; a second call does nothing."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = f"sessions={self.sessions} sent={self.sent}" if self._end.alive else "closed"
        return f"<kiwoom_nb Server {self.url} {state}>"

    def _do(self, action: Callable[[], T]) -> T:
        """Run ``action`` on the server's loop and return what it returns."""
        if not self._end.alive:
            raise ConnectionFailed(self.url, "this server was closed")
        if threading.current_thread() is self._thread:
            return action()

        async def act() -> T:
            return action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result()


class _Broadcast:
    """A broadcast that tells other threads how it ended."""

    def __init__(self, play_all: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.finished = threading.Event()
        self.error: Exception | None = None
        self._play_all = play_all

    async def run(self) -> None:
        try:
            await self._play_all()
        except Exception as exc:  # noqa: BLE001 - whatever the source raised: there is nobody to raise it to here
            self.error = exc
        self.finished.set()


async def _host(
    host: uvicorn.Server, listener: socket.socket, broadcast: _Broadcast, ready: Future[asyncio.AbstractEventLoop]
) -> None:
    """Run the server until it is told to exit, then leave nothing behind."""
    player = asyncio.create_task(broadcast.run())
    ready.set_result(asyncio.get_running_loop())
    await host.serve(sockets=[listener])
    player.cancel()
    for connection in list(host.server_state.connections):  # clients that do not read, even now
        connection.transport.abort()
    await asyncio.wait([player])


def _shut_down(
    simulator: Simulator, host: uvicorn.Server, loop: asyncio.AbstractEventLoop, thread: threading.Thread
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed if the thread died of something else
        loop.call_soon_threadsafe(simulator.close_sessions)
        loop.call_soon_threadsafe(loop.call_later, _LAST_WORDS, simulator.drop)
    host.should_exit = True
    if thread is not threading.current_thread():  # the collector may run anywhere
        thread.join()


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts connections already: whoever connects now waits for the loop, and is not refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as exc:
        raise ValueError(
            f"The simulator cannot listen on {host} port {port} ({exc.strerror or exc}): perhaps another program, "
            "or an earlier server, holds that port. Close it, or pass port=0 for a free one."
        ) from exc


def _address_of(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    address = _LOOPBACK.get(address, address)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _uvicorn_for(simulator: Simulator, certfile: str | None, keyfile: str | None) -> uvicorn.Server:
    try:
        import uvicorn
    except ImportError as exc:
        raise MissingExtra("The simulator", "starlette and uvicorn", "simulator") from exc
    config = uvicorn.Config(
        simulator,
        ws=_lending_protocol(),
        ws_max_size=_FRAME_LIMIT,
        ws_ping_interval=None,  # Kiwoom's PING is a frame of its own
        ws_per_message_deflate=False,
        http="h11",
        lifespan="off",
        log_config=None,
        log_level="critical",  # what clients do wrong is answered to them, not printed
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
    )
    try:
        config.load()
    except OSError as exc:
        raise ValueError(f"The certificate {certfile} with the key {keyfile} cannot be used: {exc}.") from exc
    return uvicorn.Server(config)


def _lending_protocol() -> type[asyncio.Protocol]:
    """Return uvicorn's sans-I/O WebSocket, lending each session the means to cut its own connection."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    class Lending(WebSocketsSansIOProtocol):
        def handle_connect(self, event: Any) -> None:
            super().handle_connect(event)
            if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                extensions = cast("dict[str, object]", self.scope["extensions"])
                extensions[ABORT] = self.transport.abort  # in time: the app's first step comes later

    return Lending
