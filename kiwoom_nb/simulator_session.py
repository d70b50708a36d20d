"""One client's session with the simulator: LOGIN, REG, REMOVE, PING, and how it ends.

Where nobody has measured, these are our choices, the stricter reading wherever there are two:

* BINARY frames, broken JSON and anything but an object are 100002. A refused frame changes nothing.
* R10004 comes ``login_timeout`` after the connection; R10002 when no PING was echoed for ``heartbeat_timeout``
  (3 x ``ping_interval``). An echo is a frame equal to the PING as JSON: the official sample re-serializes it.
* Every close after a refusal or a SYSTEM frame is 1000 "Bye". Of the refusals only 805004 closes, 805002 does not.
* A token is looked at when a session logs in: one that expires or is revoked later ends no session.
* A client that does not read is closed with 1008, and its connection is cut ``LINGER`` seconds later. To cut is up to
  the ASGI server: where it lends no ``ABORT``, the session ends and the server closes the connection in its own way.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .outbox import Outbox
from .registrations import Registrations
from .simulator_frames import PING, REFUSALS, answer_frame, object_of, ping_frame, system_frame
from .token_office import REST_ERRORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message
    from starlette.websockets import WebSocket

ABORT = "kiwoom_nb.abort"  # the ASGI extension by which a host lends out its transport's abort()
LINGER = 5.0  # seconds that a closed client has to take its close frame


class Broker(Protocol):
    """What a session needs of the server that it belongs to; ``Simulator`` is one."""

    handshake: Literal["measured", "documented"]
    ping_interval: float
    heartbeat_timeout: float
    login_timeout: float
    max_queued: int
    mute: bool

    def app_key_of(self, token: str) -> str | None:
        """Return the app key that this token logs in, or ``None`` if it logs nobody in."""

    def token_error(self) -> str:
        """Return the error code that a LOGIN is refused with."""

    def enter(self, session: Session, app_key: str) -> None:
        """Log ``session`` in."""

    def leave(self, session: Session) -> None:
        """Forget who was logged in and what was registered."""

    def listen(self, session: Session, listens: bool) -> None:
        """Take note of whether ``session`` is registered for 04."""


class Session:
    """One WebSocket: who is logged in, what is registered, what is still to be sent."""

    def __init__(self, broker: Broker, websocket: WebSocket) -> None:
        self.app_key: str | None = None
        self._broker = broker
        self._websocket = websocket
        self._registrations = Registrations()
        self._outbox = Outbox()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def waiting(self) -> int:
        """How many messages this client has not taken yet."""
        return len(self._outbox)

    @property
    def stalled_for(self) -> float:
        """For how many seconds the client has taken nothing, though something waits."""
        return self._outbox.stalled_for

    async def run(self) -> None:
        """Serve this client until either side closes."""
        from starlette.websockets import WebSocketDisconnect

        await self._websocket.accept()
        self._set_timer("login", self._broker.login_timeout, lambda: self.dismiss("R10004"))
        reader = asyncio.create_task(self._read())
        reader.add_done_callback(lambda _: self._outbox.end())
        try:
            self._greet()
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: the server closed by itself
                await self._outbox.deliver(self._websocket.send)
        finally:
            self._closing = True
            self._clear_timers()
            self._broker.leave(self)
            reader.cancel()
            await asyncio.wait([reader])

    def put(self, message: Message) -> None:
        """Queue a message; a client with too many waiting is closed instead."""
        if self._closing:
            return
        if self.waiting >= self._broker.max_queued:
            self.close_slow()
            return
        self._outbox.put(message)

    def close(self, code: int = 1000, reason: str = "Bye") -> None:
        """Close after what is queued, and cut the line if the client does not take it in time."""
        if self._closing:
            return
        self._closing = True
        self._clear_timers()
        self._broker.leave(self)
        self._outbox.put({"type": "websocket.close", "code": code, "reason": reason})
        self._loop.call_later(LINGER, self.abort)

    def close_slow(self) -> None:
        """Close a client that does not read, and let go of what waits for it."""
        waiting = self.waiting
        self._outbox.clear()
        self.close(1008, f"too slow: {waiting} frames were not read")

    def dismiss(self, code: str) -> None:
        """Say why with a SYSTEM frame, then close."""
        self.put(system_frame(code))
        self.close()

    def abort(self) -> None:
        """Cut the connection without a close frame."""
        self._outbox.clear()
        self._outbox.end()
        self._websocket.scope.get("extensions", {}).get(ABORT, lambda: None)()

    async def _read(self) -> None:
        while (message := await self._websocket.receive())["type"] == "websocket.receive":
            if not self._closing:
                self._hear(object_of(message.get("text") or ""))

    def _greet(self) -> None:
        # The official page asks for this header; the measured server does not look at it.
        kind, _, token = self._websocket.headers.get("authorization", "").partition(" ")
        if self._broker.handshake == "documented" and kind == "Bearer":
            self._log_in_with(token)

    def _hear(self, request: dict[str, Any]) -> None:
        trnm = request.get("trnm")
        if not isinstance(trnm, str) or not trnm:
            self._answer("", 100002)
        elif trnm == "LOGIN":
            self._log_in(request)
        elif self.app_key is None:
            self._answer(trnm, 100013)
        elif trnm == "REG":
            self._register(request)
        elif trnm == "REMOVE":
            self._remove(request)
        elif trnm == "PING":
            self._take_echo(request)
        else:
            self._answer(trnm, 105108)

    def _answer(self, trnm: str, code: int, text: str | None = None, **more: str) -> None:
        if not self._broker.mute:
            self.put(answer_frame(trnm, code, text, **more))

    def _log_in(self, request: dict[str, Any]) -> None:
        token = request.get("token")
        if not isinstance(token, str) or not token:
            self._answer("LOGIN", 805002)
        elif self._log_in_with(token):
            self._answer("LOGIN", 0, sor_yn="Y")

    def _log_in_with(self, token: str) -> bool:
        """Enter with a raw token (so "Bearer ..." is unknown), or refuse and close."""
        app_key = self._broker.app_key_of(token)
        if app_key is None:
            code = self._broker.token_error()
            self._answer("LOGIN", 805004, REFUSALS[805004].format(code=code, text=REST_ERRORS[code][1]))
            self.close()
            return False
        self._broker.enter(self, app_key)
        self._clear_timers()
        self._set_timer("ping", self._broker.ping_interval, self._ping)
        return True

    def _register(self, request: dict[str, Any]) -> None:
        code = self._registrations.register(request, self._loop.time())
        self._broker.listen(self, self._registrations.has_balances)
        self._answer("REG", code)

    def _remove(self, request: dict[str, Any]) -> None:
        code = self._registrations.remove(request)
        self._broker.listen(self, self._registrations.has_balances)
        self._answer("REMOVE", code)

    def _ping(self) -> None:
        self.put(ping_frame())
        self._set_timer("ping", self._broker.ping_interval, self._ping)
        if "heartbeat" not in self._timers:
            self._set_timer("heartbeat", self._broker.heartbeat_timeout, lambda: self.dismiss("R10002"))

    def _take_echo(self, request: dict[str, Any]) -> None:
        """Take a PING that came back; a PING is never answered."""
        if request == PING and "heartbeat" in self._timers:
            self._timers.pop("heartbeat").cancel()

    def _set_timer(self, name: str, delay: float, then: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(delay, then)

    def _clear_timers(self) -> None:
        while self._timers:
            self._timers.popitem()[1].cancel()
