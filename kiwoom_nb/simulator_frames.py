"""What the simulator says: the frames, codes and texts of its WebSocket, and how it reads a client's.

Frames, codes and texts are the measured ones. Where nobody has measured, these are our choices: the texts of 100002,
105108, 105115, 105118 and R10004; the ``trnm`` that an answer echoes is cut to 10 characters, and is ``""`` where the
request had none.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from starlette.types import Message

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
PING = {"trnm": "PING"}

_TRNM_LENGTH = 10
_ACCOUNT = re.compile(rb'("9201"\s*:\s*")([^"\\]*)')


def object_of(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object that a client sent; anything else is an empty one."""
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or nested too deeply
        return {}
    return value if isinstance(value, dict) else {}


def answer_frame(trnm: str, code: int, text: str | None = None, **more: str) -> Message:
    """Return the answer to a request: an ack (0), or a refusal with the text of its code unless another is given."""
    text = REFUSALS.get(code, "") if text is None else text
    return _text_frame(trnm=trnm[:_TRNM_LENGTH], return_code=code, return_msg=text, **more)


def ping_frame() -> Message:
    """Return a PING, which has no other field."""
    return _text_frame(**PING)


def system_frame(code: str, message: str | None = None) -> Message:
    """Return a SYSTEM frame; known codes have their text."""
    return _text_frame(trnm="SYSTEM", code=code, message=SYSTEM.get(code, "") if message is None else message)


def raw_frame(raw: bytes) -> Message:
    """Return the frame that carries these very bytes: TEXT, or BINARY where they cannot be text."""
    try:
        return {"type": "websocket.send", "text": raw.decode()}
    except UnicodeDecodeError:
        return {"type": "websocket.send", "bytes": raw}


def with_own_account(raw: bytes, app_key: str | None) -> bytes:
    """Replace each account in a frame by one of this app key's own; different accounts stay different."""
    return _ACCOUNT.sub(lambda match: match[1] + _own(match[2], app_key), raw)


def own_account(account: str, app_key: str | None) -> str:
    """Return what :func:`with_own_account` puts in the place of ``account``."""
    return _own(account.encode(), app_key).decode()


def _own(account: bytes, app_key: str | None) -> bytes:
    digest = hashlib.blake2b(f"{app_key}\0".encode() + account, digest_size=6).digest()
    return b"%010d" % (int.from_bytes(digest) % 10**10)


def _text_frame(**fields: Any) -> Message:
    return {"type": "websocket.send", "text": json.dumps(fields, ensure_ascii=False, separators=(",", ":"))}
