"""One REST request to Kiwoom, and what a refusal means: what the token endpoints and the account queries share.

Facts: fact sheet, section 6. A refusal comes as HTTP 200 with a ``return_code`` other than 0, too many requests also as
HTTP 429; those are tried again.

Requests block: an event loop runs them on a thread. No error raised here is chained to another library's, because
those carry the request (and, in a verbose traceback, the keys in it) along.
"""

from __future__ import annotations

import functools
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .addresses import is_encrypted, refuse_plaintext, shown
from .codes import TOO_MANY_REQUESTS, authentication_error, inner_code, is_about_request, is_rate_limit, scrubbed
from .errors import ConnectionFailed, KiwoomError, RequestRefused

if TYPE_CHECKING:
    import ssl

    import httpx

BUSY: Final = "429"
"""The code of a refusal that says no more than HTTP 429."""
WHAT: Final = {
    "au10001": "the request for a token (au10001)",
    "au10002": "the revocation of a token (au10002)",
    "ka00001": "the query of the account number (ka00001)",
    "kt00018": "the query of the holdings (kt00018)",
}
"""What each request is called in errors."""

_TIMEOUT: Final = 10.0
_LONGEST = 30.0  # seconds for a whole answer: a byte now and then keeps each single wait short
_WAITS = (1.0, 2.0)  # seconds before the second and the third try; mock allows one request a second
_OK: Final = 200
_NOT_OK: Final = 300
_SERVER_ERROR: Final = 500
_VERDICT: Final = ("return_code", "return_msg")


class Hidden(dict[str, Any]):
    """A mapping with secrets in it, whose repr (in a verbose traceback, say) shows none of them."""

    def __repr__(self) -> str:
        return "<hidden>"


@dataclass(frozen=True, slots=True)
class Server:
    """Where requests go, and what no text about them may hold."""

    url: str
    secrets: tuple[str, ...] = field(repr=False)


def address(base_url: str, *, allow_plaintext: bool = False) -> str:
    """Return where requests to ``base_url`` go; raise InsecureURL where what they hold would travel in clear."""
    url = shown(base_url)
    refuse_plaintext(url, allow_plaintext=allow_plaintext)
    return url


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """An answer that is no refusal: the JSON object, the bytes it was read from, and the headers (lower case)."""

    answer: Hidden
    content: bytes
    headers: Hidden


def post(server: Server, path: str, api_id: str, body: Hidden, headers: Hidden | None = None) -> Reply:
    """Send a request, again where there were too many of them, and return what came back.

    Raises ``AuthenticationError`` (or its ``IPNotRegistered``) where keys or token are refused, ``RequestRefused``
    where the request is (an answer that is no JSON object, too: its code is then ``"HTTP 404"`` or the like), and
    ``ConnectionFailed`` where there is no answer or a 5xx one.
    """
    sent = Hidden({"api-id": api_id, "content-type": "application/json;charset=UTF-8", **(headers or {})})
    for wait in _WAITS:
        try:
            return _read(server, api_id, _send(server, path, body, sent))
        except RequestRefused as refusal:
            if not is_busy(refusal):
                raise
        time.sleep(wait)
    return _read(server, api_id, _send(server, path, body, sent))


def is_busy(refusal: RequestRefused) -> bool:
    """Tell whether there were too many requests, so that waiting helps."""
    return refusal.code in (BUSY, TOO_MANY_REQUESTS)


def json_object(content: bytes) -> Hidden | None:
    """Return the JSON object in ``content``, None if it is anything else."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return Hidden(found) if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True, repr=False)
class _Received:
    """What came back, read to its end."""

    status: int
    content: bytes
    headers: Hidden


def _send(server: Server, path: str, body: Hidden, headers: Hidden) -> _Received:
    import httpx

    try:
        with _client(server.url) as client, client.stream("POST", server.url + path, json=body, headers=headers) as got:
            return _Received(got.status_code, _content(got, time.monotonic() + _LONGEST), Hidden(got.headers.items()))
    except _TooLongError:
        reason = f"no whole answer within {_LONGEST:.0f} s"
    except httpx.TimeoutException:
        reason = f"no answer within {_TIMEOUT:.0f} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as exc:
        reason = scrubbed(f"{type(exc).__name__}: {exc}", server.secrets)  # h11 quotes what the server sent
    raise ConnectionFailed(server.url, reason)


class _TooLongError(Exception):
    """The answer has not ended in time."""


def _content(response: httpx.Response, ends_at: float) -> bytes:
    content = b""
    for chunk in response.iter_bytes():
        content += chunk
        if time.monotonic() > ends_at:
            raise _TooLongError
    return content


def _client(url: str) -> httpx.Client:
    import httpx

    # A proxy of the environment sees only encrypted requests: a plain one would carry the keys off this machine.
    return httpx.Client(timeout=_TIMEOUT, trust_env=is_encrypted(url), verify=_tls())


@functools.cache  # it takes 0.1 s: the certificates are read and parsed
def _tls() -> ssl.SSLContext:
    import httpx

    return httpx.create_ssl_context()


def _read(server: Server, api_id: str, received: _Received) -> Reply:
    """Return what came back, or raise what a refusal means."""
    what, status = WHAT[api_id], received.status
    if status == int(BUSY):
        raise RequestRefused(what, BUSY, "too many requests")
    if status >= _SERVER_ERROR:
        raise ConnectionFailed(server.url, f"it answered HTTP {status}")
    answer = json_object(received.content)
    if answer is None:
        raise RequestRefused(what, f"HTTP {status}", "the answer is not a JSON object")
    return_code, message = (scrubbed(str(answer.get(name, "")), server.secrets) for name in _VERDICT)
    if return_code.strip("0"):
        raise _refusal(what, return_code, message)
    if not _OK <= status < _NOT_OK:
        raise RequestRefused(what, f"HTTP {status}", "the server knows no such request")
    return Reply(answer, received.content, received.headers)


def _refusal(what: str, return_code: str, message: str) -> KiwoomError:
    if is_rate_limit(message):
        return RequestRefused(what, TOO_MANY_REQUESTS, message)
    code = inner_code(message) or return_code
    if is_about_request(code):
        return RequestRefused(what, code, message)
    return authentication_error(code, message)
