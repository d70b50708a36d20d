"""Where the simulator issues and revokes tokens: the endpoints au10001 and au10002, their codes and texts.

An error is HTTP 200 with ``return_code`` and the telling code in ``return_msg``. Where nobody has measured, these are
our choices, the stricter reading wherever there are two:

* ``return_code`` is 2 for errors of the input, 3 for those of keys, tokens and devices, 5 for too many requests.
* A body of more than 64 kB or that is no JSON object is 1517. A value that is not a string, or empty, is a missing one.
* Unknown keys are 8001. Revoking a token that is not the key's own is 8015.
* ``expires_dt`` is in KST. A token that the caller named is an app key of its own, and lives for ever.
"""

from __future__ import annotations

import secrets
import time
from collections import deque
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from .simulator_frames import object_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

# The code, its return_code and its text.
REST_ERRORS = {
    "1501": (2, "API ID가 Null이거나 값이 없습니다"),
    "1504": (2, "해당 URI에서는 지원하는 API ID가 아닙니다"),
    "1511": (2, "필수 입력 값에 값이 존재하지 않습니다"),
    "1513": (2, "Http Header에 authorization 필드가 설정되어 있어야 합니다"),
    "1514": (2, "입력으로 들어온 Http Header의 authorization 필드 형식이 맞지 않습니다"),
    "1516": (2, "Http Header의 authorization 필드 내 Token이 정의되어 있지 않습니다"),
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
_KINDS = {2: "입력 값 오류입니다", 3: "인증에 실패했습니다", 5: "허용된 요청 개수를 초과하였습니다"}
_OK = {"return_code": 0, "return_msg": "정상적으로 처리되었습니다"}
_BODY_LIMIT = 64 * 1024
_KST = timezone(timedelta(hours=9))


class TokenOffice:
    """The token endpoints and what they know: which token stands for which app key.

    Parameters
    ----------
    given
        Tokens that are valid besides the issued ones.
    app_keys
        App key -> secret key pairs that get a token. ``None``: any pair does.
    lifetime
        Seconds that an issued token lives.
    rate
        Requests a second that the endpoints take together (``None``: any number).
    too_many
        The HTTP status of one too many.

    Attributes
    ----------
    refused_with
        The error code by which everything is refused; ``None``: nothing is.
    """

    def __init__(
        self,
        given: Iterable[str],
        app_keys: Mapping[str, str] | None,
        lifetime: float,
        rate: int | None,
        too_many: Literal[429, 200],
    ) -> None:
        self.refused_with: str | None = None
        self._app_keys = app_keys
        self._lifetime = lifetime
        self._owners = {token: (token, float("inf")) for token in given}
        self._issued: dict[str, str] = {}
        self._rate = Rate(rate)
        self._too_many = too_many

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

        if self._rate.is_exceeded():
            return JSONResponse(error_of("1700"), self._too_many)
        body = await body_of(request)
        return JSONResponse(error_of(self.refused_with) if self.refused_with else answer(body))

    def _token(self, body: dict[str, Any]) -> dict[str, Any]:
        code = _grant_refusal(body) or self._key_refusal(body)
        if code:
            return error_of(code)
        token, expiry = self.issue(body["appkey"])
        expires_dt = datetime.fromtimestamp(expiry, _KST).strftime("%Y%m%d%H%M%S")
        return {"expires_dt": expires_dt, "token_type": "bearer", "token": token} | _OK

    def _revoke(self, body: dict[str, Any]) -> dict[str, Any]:
        code = self._key_refusal(body) or self._revoke_refusal(body)
        if code:
            return error_of(code)
        self.expire(body["token"])
        return dict(_OK)

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


class Rate:
    """A limit on requests a second; ``None`` is none."""

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._times: deque[float] = deque(maxlen=rate)

    def is_exceeded(self) -> bool:
        """Count one request, and tell whether it is one too many; such a one does not count."""
        if self._rate is None:
            return False
        now = time.monotonic()
        exceeded = len(self._times) == self._rate and now - self._times[0] < 1
        if not exceeded:
            self._times.append(now)
        return exceeded


def _grant_refusal(body: dict[str, Any]) -> str:
    if not body:
        return "1517"
    if "grant_type" not in body:
        return "8011"
    return "" if body["grant_type"] == "client_credentials" else "8012"


def _is_filled(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


def error_of(code: str) -> dict[str, Any]:
    """Return the answer that refuses with ``code``, one of :data:`REST_ERRORS`."""
    return_code, text = REST_ERRORS[code]
    return {"return_code": return_code, "return_msg": f"{_KINDS[return_code]}[{code}:{text}]"}


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request body; anything else is an empty one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT:
            return {}
    return object_of(body)
