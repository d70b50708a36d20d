"""The server that speaks Kiwoom: LOGIN, REG, REMOVE, PING, 04 pushes, refusals, and the token endpoints.

:class:`Simulator` is an ASGI app (Starlette) for any ASGI server; ``kiwoom_nb.classroom`` hosts it on a thread and
plays recordings through it. Frames, codes and texts are the measured ones. Where nobody has measured, these are our
choices, the stricter reading wherever there are two:

* Texts of 100002, 105108, 105115, 105118, R10004's close; a frame without ``trnm`` is answered with ``"trnm":""``.
  BINARY frames, broken JSON and anything but an object are 100002. A refused frame changes nothing.
* R10004 comes ``login_timeout`` after the connection; R10002 when no PING was echoed for ``heartbeat_timeout``
  (3 x ``ping_interval``). An echo is a frame equal to the PING as JSON: the official sample re-serializes it.
  A close after a refusal or a SYSTEM frame is 1000 "Bye". 805002 does not close.
* ``refresh`` "0" drops what the whole session registered. ``grp_no`` has 1 to 4 characters. A type outside the
  19 domestic ones is 105111. ``item`` may be missing or empty; for 00 and 04 it does not matter (official page).
  Limits count (type, item) pairs other than those of 00 and 04. Each REG counts for 105110, a refused one too.
* A token is looked at when a session logs in: one that expires or is revoked later ends no session. Unknown keys
  are 8001. Revoking a token that is not the key's own is 8015.
* A client that does not read is closed with 1008, and its connection is cut ``LINGER`` seconds later.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import secrets
import time
from collections import deque
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeGuard

import msgspec

from .errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Message, Receive, Scope, Send
    from starlette.websockets import WebSocket

PATH = "/api/dostk/websocket"
ABORT = "kiwoom_nb.abort"  # the ASGI extension by which a host lends out its transport's abort()
LINGER = 5.0  # seconds that a closed client has to take its close frame

REFUSALS = {
    100002: "TRNM 값이 존재하지 않습니다",
    100013: "로그인 인증이 들어오기 전에 다른 전문이 들어왔습니다. 해당 전문은 무시됩니다. (TRNM=%s)",  # sic
    105108: "정의되지 않은 TRNM 입니다",
    105110: "요청 건수 초과",
    105111: "실시간 항목 등록에 실패했습니다",
    105115: "실시간 등록 총 건수를 초과하였습니다",
    105118: "그룹당 실시간 등록 건수를 초과하였습니다",
    805002: "인증을 체크하기 위한 Token 값이 없습니다",
    805004: "토큰 인증에 실패했습니다. 접속을 종료합니다 [CODE={code}, MESSAGE={text}]",
}
SYSTEM = {
    "R10001": "동일한 App key로 접속이 되었습니다. 기존 세션은 종료가 됩니다",
    "R10002": "사용자 프로그램으로부터 Heartbeat(연결유지) 메시지가 오지않아서 접속을 종료합니다",
    "R10004": "접속허용요청(토큰)이 들어오지 않았습니다",
}
# REST errors come with HTTP 200: the code, its return_code and its text.
REST_ERRORS = {
    "1517": (2, "입력 값 형식이 올바르지 않습니다"),
    "1700": (5, "허용된 요청 개수를 초과하였습니다"),
    "8001": (3, "App Key와 Secret Key 검증에 실패했습니다"),
    "8005": (3, "Token이 유효하지 않습니다"),
    "8010": (3, "Token을 발급받은 IP와 서비스를 요청한 IP가 동일하지 않습니다"),
    "8011": (2, "Access Token을 발급하는데 실패했습니다. 입력값에 grant_type이 들어오지 않았습니다"),
    "8012": (2, "Access Token을 발급하는데 실패했습니다. grant_type의 값이 맞지 않습니다"),
    "8015": (2, "Access Token을 폐기하는데 실패했습니다"),
    "8016": (2, "Access Token을 폐기하는데 실패했습니다. 입력값에 Token이 들어오지 않았습니다"),
    "8020": (2, "입력파라미터로 appkey 또는 secretkey가 들어오지 않았습니다"),
    "8030": (2, "투자구분(실전/모의)이 달라서 Appkey를 사용할수가 없습니다"),
    "8031": (2, "투자구분(실전/모의)이 달라서 Token를 사용할수가 없습니다"),
    "8040": (3, "단말기 인증에 실패했습니다"),
    "8050": (3, "지정단말기 인증에 실패했습니다"),
    "8103": (3, "토큰 인증 또는 단말기인증에 실패했습니다"),
}
_REST_KINDS = {2: "입력 값 오류입니다", 3: "인증에 실패했습니다", 5: "허용된 요청 개수를 초과하였습니다"}
_REST_OK = {"return_code": 0, "return_msg": "정상적으로 처리되었습니다"}
_REST_BODY_LIMIT = 64 * 1024
_KST = timezone(timedelta(hours=9))
_PING = {"trnm": "PING"}
_ACCOUNT_TYPES = {"00", "04"}
_PAIR_LIMIT = 200
_REG_PER_SECOND = 5
_TRNM_LENGTH = 10
_ACCOUNT = re.compile(rb'("9201"\s*:\s*")([^"\\]*)')

_RealTimeType = Literal[
    "00", "04", "0A", "0B", "0C", "0D", "0E", "0F", "0G", "0H", "0I", "0J", "0U", "0g", "0m", "0s", "0u", "0w", "1h"
]  # fmt: skip


class _Entry(msgspec.Struct):
    """One element of ``data`` in a REG or REMOVE: arrays, though the official page says String."""

    type: Annotated[list[_RealTimeType], msgspec.Meta(min_length=1)]
    item: Annotated[list[Annotated[str, msgspec.Meta(max_length=104)]], msgspec.Meta(max_length=100)] = []


class _Removal(msgspec.Struct):
    """A REMOVE in the shape that is not refused; its ``refresh`` does not matter."""

    grp_no: Annotated[str, msgspec.Meta(min_length=1, max_length=4)]
    data: Annotated[list[_Entry], msgspec.Meta(min_length=1)]

    def pairs(self) -> set[tuple[str, str]]:
        return {
            (kind, "" if kind in _ACCOUNT_TYPES else item)
            for entry in self.data
            for kind in entry.type
            for item in entry.item or [""]
        }


class _Registration(_Removal):
    """A REG in the shape that is not refused."""

    refresh: Literal["0", "1"] = "1"


class _Issuer:
    """The token endpoints (au10001, au10002) and what they know: which token stands for which app key."""

    def __init__(
        self,
        given: Iterable[str],
        app_keys: Mapping[str, str] | None,
        lifetime: float,
        rate: int | None,
        too_many: Literal[429, 200],
    ) -> None:
        self._app_keys = app_keys
        self._lifetime = lifetime
        self._owners = {token: (token, float("inf")) for token in given}  # a given token is its own app key
        self._issued: dict[str, str] = {}
        self._rate = rate
        self._too_many = too_many
        self._times: deque[float] = deque(maxlen=rate)
        self.refused_with: str | None = None

    def issue(self, app_key: str) -> tuple[str, float]:
        """Return (token, expiry): while one is valid the same again, as Kiwoom does."""
        token = self._issued.get(app_key, "")
        if self._owner(token) is None:
            token = self._issued[app_key] = secrets.token_urlsafe(64)
            self._owners[token] = (app_key, float(int(time.time() + self._lifetime)))
        return token, self._owners[token][1]

    def app_key_of(self, token: str) -> str | None:
        """Return the app key that this token logs in, or ``None`` if it logs nobody in."""
        return None if self.refused_with else self._owner(token)

    def expire(self, token: str | None) -> None:
        """End one token (``None``: all of them)."""
        for ended in list(self._owners) if token is None else [token]:
            self._owners.pop(ended, None)

    async def serve_token(self, request: Request) -> Response:
        """Answer ``POST /oauth2/token``."""
        return await self._respond(request, self._token)

    async def serve_revoke(self, request: Request) -> Response:
        """Answer ``POST /oauth2/revoke``."""
        return await self._respond(request, self._revoke)

    async def _respond(self, request: Request, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
        from starlette.responses import JSONResponse

        if self._is_hasty():
            return JSONResponse(_rest_error("1700"), self._too_many)
        body = await _body_of(request)
        return JSONResponse(_rest_error(self.refused_with) if self.refused_with else answer(body))

    def _token(self, body: dict[str, Any]) -> dict[str, Any]:
        code = _grant_refusal(body) or self._key_refusal(body)
        if code:
            return _rest_error(code)
        token, expiry = self.issue(body["appkey"])
        expires_dt = datetime.fromtimestamp(expiry, _KST).strftime("%Y%m%d%H%M%S")
        return {"expires_dt": expires_dt, "token_type": "bearer", "token": token} | _REST_OK

    def _revoke(self, body: dict[str, Any]) -> dict[str, Any]:
        code = self._key_refusal(body) or self._revoke_refusal(body)
        if code:
            return _rest_error(code)
        self.expire(body["token"])
        return dict(_REST_OK)

    def _key_refusal(self, body: dict[str, Any]) -> str:
        app_key, secret_key = body.get("appkey"), body.get("secretkey")
        if not (_is_filled(app_key) and _is_filled(secret_key)):
            return "8020"
        known = self._app_keys is None or self._app_keys.get(app_key) == secret_key
        return "" if known else "8001"

    def _revoke_refusal(self, body: dict[str, Any]) -> str:
        if not _is_filled(body.get("token")):
            return "8016"
        return "" if self._owner(body["token"]) == body["appkey"] else "8015"

    def _owner(self, token: str) -> str | None:
        app_key, expiry = self._owners.get(token, (None, 0.0))
        return app_key if time.time() < expiry else None

    def _is_hasty(self) -> bool:
        if self._rate is None:
            return False
        now = time.monotonic()
        hasty = len(self._times) == self._rate and now - self._times[0] < 1
        if not hasty:
            self._times.append(now)
        return hasty


def _grant_refusal(body: dict[str, Any]) -> str:
    if not body:
        return "1517"
    if "grant_type" not in body:
        return "8011"
    return "" if body["grant_type"] == "client_credentials" else "8012"


def _is_filled(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


def _rest_error(code: str) -> dict[str, Any]:
    return_code, text = REST_ERRORS[code]
    return {"return_code": return_code, "return_msg": f"{_REST_KINDS[return_code]}[{code}:{text}]"}


async def _body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request body; anything else is an empty one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _REST_BODY_LIMIT:
            return {}
    return _decoded(body)


class _Session:
    """One WebSocket: who is logged in, what is registered, and a bounded queue of what is still to be sent."""

    def __init__(self, simulator: Simulator, websocket: WebSocket) -> None:
        self.app_key: str | None = None
        self._simulator = simulator
        self._websocket = websocket
        self._groups: dict[str, set[tuple[str, str]]] = {}
        self._reg_times: deque[float] = deque(maxlen=_REG_PER_SECOND)
        self._queue: deque[Message | None] = deque()  # None ends the session without a close frame
        self._wake = asyncio.Event()
        self._moved = 0.0
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._timers: dict[str, asyncio.TimerHandle] = {}

    @property
    def waiting(self) -> int:
        """How many messages this client has not taken yet."""
        return len(self._queue)

    @property
    def stalled_for(self) -> float:
        """For how many seconds the client has taken nothing, though something waits."""
        return self._loop.time() - self._moved if self._queue else 0.0

    async def run(self) -> None:
        """Serve this client until either side closes."""
        from starlette.websockets import WebSocketDisconnect

        await self._websocket.accept()
        self._set_timer("login", self._simulator.login_timeout, lambda: self.dismiss("R10004"))
        reader = asyncio.create_task(self._read())
        reader.add_done_callback(lambda _: self._append(None))
        try:
            self._greet()
            with contextlib.suppress(
                WebSocketDisconnect, RuntimeError
            ):  # RuntimeError: the ASGI server closed by itself
                await self._write()
        finally:
            self._closing = True
            self._clear_timers()
            self._simulator.leave(self)
            reader.cancel()
            await asyncio.wait([reader])

    def put(self, message: Message) -> None:
        """Queue a message; a client with too many waiting is closed instead."""
        if self._closing:
            return
        if len(self._queue) >= self._simulator.max_queued:
            self.close_slow()
            return
        self._append(message)

    def close(self, code: int = 1000, reason: str = "Bye") -> None:
        """Close after what is queued, and cut the line if the client does not take it in time."""
        if self._closing:
            return
        self._closing = True
        self._clear_timers()
        self._simulator.leave(self)
        self._append({"type": "websocket.close", "code": code, "reason": reason})
        self._loop.call_later(LINGER, self.abort)

    def close_slow(self) -> None:
        """Close a client that does not read, and let go of what waits for it."""
        waiting = len(self._queue)
        self._queue.clear()
        self.close(1008, f"too slow: {waiting} frames were not read")

    def dismiss(self, code: str) -> None:
        """Say why with a SYSTEM frame, then close."""
        self.put(_system(code))
        self.close()

    def abort(self) -> None:
        """Cut the connection without a close frame."""
        self._queue.clear()
        self._append(None)
        self._websocket.scope.get("extensions", {}).get(ABORT, lambda: None)()

    def _append(self, message: Message | None) -> None:
        if not self._queue:
            self._moved = self._loop.time()
        self._queue.append(message)
        self._wake.set()

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                message = self._queue.popleft()
                if message is None:
                    return
                await self._websocket.send(message)
                self._moved = self._loop.time()
                if message["type"] == "websocket.close":
                    return

    async def _read(self) -> None:
        while (message := await self._websocket.receive())["type"] == "websocket.receive":
            if not self._closing:
                self._hear(_object_of(message))

    def _greet(self) -> None:
        # The official page asks for this header; the measured server does not look at it.
        kind, _, token = self._websocket.headers.get("authorization", "").partition(" ")
        if self._simulator.handshake == "documented" and kind == "Bearer":
            self._log_in_with(token)

    def _hear(self, request: dict[str, Any]) -> None:
        trnm = request.get("trnm")
        if not isinstance(trnm, str) or not trnm:
            self._answer("", 100002)
        elif trnm != "LOGIN" and self.app_key is None:
            self._answer(trnm, 100013)
        else:
            _ANSWERS.get(trnm, _Session.refuse_unknown)(self, trnm, request)

    def _answer(self, trnm: str, code: int, text: str | None = None, **more: str) -> None:
        if not self._simulator.mute:
            text = REFUSALS.get(code, "") if text is None else text
            self.put(_text(trnm=trnm[:_TRNM_LENGTH], return_code=code, return_msg=text, **more))

    def refuse_unknown(self, trnm: str, _request: dict[str, Any]) -> None:
        """Answer a trnm that does not exist here."""
        self._answer(trnm, 105108)

    def log_in(self, trnm: str, request: dict[str, Any]) -> None:
        """Answer a LOGIN."""
        token = request.get("token")
        if not isinstance(token, str) or not token:
            self._answer(trnm, 805002)
        elif self._log_in_with(token):
            self._answer(trnm, 0, sor_yn="Y")

    def _log_in_with(self, token: str) -> bool:
        """Enter with a raw token (so "Bearer ..." is unknown), or refuse and close."""
        app_key = self._simulator.app_key_of(token)
        if app_key is None:
            code = self._simulator.token_error()
            self._answer("LOGIN", 805004, REFUSALS[805004].format(code=code, text=REST_ERRORS[code][1]))
            self.close()
            return False
        self._simulator.enter(self, app_key)
        self._clear_timers()
        self._set_timer("ping", self._simulator.ping_interval, self._ping)
        return True

    def register(self, trnm: str, request: dict[str, Any]) -> None:
        """Answer a REG."""
        self._answer(trnm, self._refusal_of(request))

    def _refusal_of(self, request: dict[str, Any]) -> int:
        """Carry a REG out and return 0, or return why not."""
        if self._is_hasty():
            return 105110
        try:
            wanted = msgspec.convert(request, _Registration)
        except msgspec.ValidationError:
            return 105111
        kept = {} if wanted.refresh == "0" else self._groups
        groups = kept | {wanted.grp_no: kept.get(wanted.grp_no, set()) | wanted.pairs()}
        if _counted(groups[wanted.grp_no]) > _PAIR_LIMIT:
            return 105118
        if sum(map(_counted, groups.values())) > _PAIR_LIMIT:
            return 105115
        self._set_groups(groups)
        return 0

    def _is_hasty(self) -> bool:
        now = self._loop.time()
        hasty = len(self._reg_times) == _REG_PER_SECOND and now - self._reg_times[0] < 1
        self._reg_times.append(now)
        return hasty

    def remove(self, trnm: str, request: dict[str, Any]) -> None:
        """Answer a REMOVE; what was not registered is no error."""
        try:
            unwanted = msgspec.convert(request, _Removal)
        except msgspec.ValidationError:
            self._answer(trnm, 105111)
            return
        left = self._groups.get(unwanted.grp_no, set()) - unwanted.pairs()
        self._set_groups(self._groups | {unwanted.grp_no: left})
        self._answer(trnm, 0)

    def _set_groups(self, groups: dict[str, set[tuple[str, str]]]) -> None:
        self._groups = groups
        listens = any(kind == "04" for group in groups.values() for kind, _ in group)
        self._simulator.listen(self, listens)

    def _ping(self) -> None:
        self.put(_text(**_PING))
        self._set_timer("ping", self._simulator.ping_interval, self._ping)
        if "heartbeat" not in self._timers:
            self._set_timer("heartbeat", self._simulator.heartbeat_timeout, lambda: self.dismiss("R10002"))

    def echo(self, _trnm: str, request: dict[str, Any]) -> None:
        """Take a PING that came back; a PING is never answered."""
        if request == _PING and "heartbeat" in self._timers:
            self._timers.pop("heartbeat").cancel()

    def _set_timer(self, name: str, delay: float, then: Callable[[], None]) -> None:
        self._timers[name] = self._loop.call_later(delay, then)

    def _clear_timers(self) -> None:
        while self._timers:
            self._timers.popitem()[1].cancel()


_ANSWERS = {
    "LOGIN": _Session.log_in,
    "REG": _Session.register,
    "REMOVE": _Session.remove,
    "PING": _Session.echo,
}


class Simulator:
    """An ASGI app that speaks Kiwoom's protocol, and the state of all its sessions.

    Its methods belong to the event loop that serves it (``kiwoom_nb.classroom.Server`` has the same ones for other
    threads).

    Parameters
    ----------
    handshake
        ``"measured"``: only the LOGIN frame counts. ``"documented"``: the header ``authorization: Bearer <token>`` of
        the official page logs in too, without a LOGIN frame and so without its ack.
    tokens
        Tokens that are valid besides the issued ones, for ever, each as an app key of its own.
    app_keys
        App key -> secret key pairs that get a token. ``None``: any pair does.
    accounts
        ``"same"``: pushes are sent byte for byte. ``"each"``: field 9201 is another account for every app key.
    wait_for
        How many sessions must have registered for 04 until :attr:`enough` is set.
    ping_interval, heartbeat_timeout, login_timeout
        Seconds; ``heartbeat_timeout`` is 3 x ``ping_interval`` unless given.
    max_queued
        Frames that may wait for one client; one more and it is closed (1008).
    refuse
        An error code (8005, 8010, 8030, 8050, ...) by which every LOGIN and token request is refused.
    token_lifetime, token_rate, too_many
        Seconds that a token lives; requests a second that the token endpoints take (``None``: any number); the HTTP
        status (429, or 200 with ``return_code`` 5) of one too many.

    Raises
    ------
    MissingExtra
        Starlette is not installed.
    """

    def __init__(
        self,
        *,
        handshake: Literal["measured", "documented"] = "measured",
        tokens: Iterable[str] = (),
        app_keys: Mapping[str, str] | None = None,
        accounts: Literal["same", "each"] = "same",
        wait_for: int = 1,
        ping_interval: float = 10.0,
        heartbeat_timeout: float | None = None,
        login_timeout: float = 10.0,
        max_queued: int = 10_000,
        refuse: str | None = None,
        token_lifetime: float = 86_400.0,
        token_rate: int | None = None,
        too_many: Literal[429, 200] = 429,
    ) -> None:
        _require("handshake", handshake, ("measured", "documented"))
        _require("accounts", accounts, ("same", "each"))
        _require("too_many", too_many, (429, 200))
        self.handshake = handshake
        self.ping_interval = ping_interval
        self.heartbeat_timeout = 3 * ping_interval if heartbeat_timeout is None else heartbeat_timeout
        self.login_timeout = login_timeout
        self.max_queued = max_queued
        self.mute = False
        self.sent = 0
        self.enough = asyncio.Event()
        self._accounts = accounts
        self._wait_for = wait_for
        self._issuer = _Issuer(tokens, app_keys, token_lifetime, token_rate, too_many)
        self._open: set[_Session] = set()
        self._by_key: dict[str, _Session] = {}
        self._listeners: dict[_Session, None] = {}  # a set that keeps its order
        self.refuse(refuse)
        self._app = self._routes()
        if wait_for <= 0:
            self.enough.set()

    def _routes(self) -> Callable[[Scope, Receive, Send], Any]:
        try:
            from starlette.applications import Starlette
            from starlette.routing import Route, WebSocketRoute
        except ImportError as exc:
            raise MissingExtra("The simulator", "starlette and uvicorn", "simulator") from exc
        return Starlette(
            routes=[
                WebSocketRoute(PATH, self._serve_session),
                Route("/oauth2/token", self._issuer.serve_token, methods=["POST"]),
                Route("/oauth2/revoke", self._issuer.serve_revoke, methods=["POST"]),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection or request, as ASGI asks."""
        await self._app(scope, receive, send)

    @property
    def sessions(self) -> int:
        """How many sessions are logged in."""
        return len(self._by_key)

    # What a lesson or a test does to its clients

    def push(self, raw: bytes) -> None:
        """Send one REAL frame now, byte for byte, to every session registered for 04."""
        self.sent += 1
        whole = _frame(raw)  # made once: a thousand clients share it
        for session in list(self._listeners):
            session.put(whole if self._accounts == "same" else _frame(_with_account(raw, session.app_key)))

    def system(self, code: str, message: str | None = None) -> None:
        """Send a SYSTEM frame to every session that is logged in; known codes have their text."""
        for session in list(self._by_key.values()):
            session.put(_system(code, message))

    def close_sessions(self, code: int = 1000, reason: str = "Bye") -> None:
        """Close every connection, by default as Kiwoom does at the end of the day."""
        for session in list(self._open):
            session.close(code, reason)

    def drop(self) -> None:
        """Cut every connection without a close frame, as a network does."""
        for session in list(self._open):
            session.abort()

    def close_stalled(self, timeout: float, backlog: int) -> bool:
        """Close clients that took nothing for ``timeout`` s; return whether one still has over ``backlog`` waiting."""
        crowded = [session for session in self._listeners if session.waiting > backlog]
        for session in crowded:
            if session.stalled_for > timeout:
                session.close_slow()
        return bool(crowded)

    def issue_token(self, app_key: str) -> str:
        """Return the valid token of ``app_key``."""
        return self._issuer.issue(app_key)[0]

    def expire(self, token: str | None = None) -> None:
        """End a token (``None``: all): the next LOGIN with it gets 8005, the next request for one a new one."""
        self._issuer.expire(token)

    def refuse(self, code: str | None) -> None:
        """Refuse every LOGIN and token request with this error code from now on; ``None`` ends that."""
        _require("refuse", code, (None, *REST_ERRORS))
        self._issuer.refused_with = code

    # What sessions tell

    def app_key_of(self, token: str) -> str | None:
        """Return the app key that this token logs in, or ``None`` if it logs nobody in."""
        return self._issuer.app_key_of(token)

    def token_error(self) -> str:
        """Return the error code that a LOGIN is refused with."""
        return self._issuer.refused_with or "8005"

    def enter(self, session: _Session, app_key: str) -> None:
        """Log ``session`` in; one key holds one session, so an older one is sent away (R10001)."""
        older = self._by_key.get(app_key)
        if older is not None and older is not session:
            older.dismiss("R10001")
        self._forget_key(session)
        session.app_key = app_key
        self._by_key[app_key] = session

    def leave(self, session: _Session) -> None:
        """Forget who was logged in and what was registered."""
        self._forget_key(session)
        self._listeners.pop(session, None)

    def listen(self, session: _Session, listens: bool) -> None:
        """Take note of whether ``session`` is registered for 04."""
        if listens:
            self._listeners[session] = None
        else:
            self._listeners.pop(session, None)
        if len(self._listeners) >= self._wait_for:
            self.enough.set()

    def _forget_key(self, session: _Session) -> None:
        if session.app_key is not None and self._by_key.get(session.app_key) is session:
            del self._by_key[session.app_key]

    async def _serve_session(self, websocket: WebSocket) -> None:
        session = _Session(self, websocket)
        self._open.add(session)
        try:
            await session.run()
        finally:
            self._open.discard(session)


def _object_of(message: Message) -> dict[str, Any]:
    """Return the JSON object of a TEXT frame; anything else is an empty one."""
    return _decoded(message.get("text") or "")


def _decoded(text: str | bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or nested too deeply
        return {}
    return value if isinstance(value, dict) else {}


def _text(**fields: Any) -> Message:
    return {"type": "websocket.send", "text": json.dumps(fields, ensure_ascii=False, separators=(",", ":"))}


def _system(code: str, message: str | None = None) -> Message:
    return _text(trnm="SYSTEM", code=code, message=SYSTEM.get(code, "") if message is None else message)


def _frame(raw: bytes) -> Message:
    """Return the ASGI message that carries these very bytes: TEXT, or BINARY where they cannot be text."""
    try:
        return {"type": "websocket.send", "text": raw.decode()}
    except UnicodeDecodeError:
        return {"type": "websocket.send", "bytes": raw}


def _with_account(raw: bytes, app_key: str | None) -> bytes:
    """Replace each account in a frame by one of this app key's own; different accounts stay different."""

    def own(match: re.Match[bytes]) -> bytes:
        digest = hashlib.blake2b(f"{app_key}\0".encode() + match[2], digest_size=6).digest()
        return match[1] + b"%010d" % (int.from_bytes(digest) % 10**10)

    return _ACCOUNT.sub(own, raw)


def _counted(group: set[tuple[str, str]]) -> int:
    return sum(kind not in _ACCOUNT_TYPES for kind, _ in group)


def _require(option: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{option}={value!r} is not one of {', '.join(map(repr, allowed))}.")
