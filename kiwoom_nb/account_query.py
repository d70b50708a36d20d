"""What the account holds, asked by REST: kt00018, and ka00001 for the number that its answer leaves out.

Facts: fact sheet, section 7 (kt00018 with ``qry_tp`` 2: one row for each lot; pages by the headers ``cont-yn`` and
``next-key``, sent back as they came; mock trading has it). ka00001 계좌번호조회, which answers ``{"acctNo": ..}`` to an
empty body, is not in the fact sheet: several independent public clients use it. Where it is refused or missing, the
account is not known.

Requests block: an event loop runs them on a thread.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from . import journal
from .errors import AuthenticationError, RequestRefused
from .holdings import Answer
from .request import WHAT, Hidden, Server, address, is_busy, post

PATH: Final = "/api/dostk/acnt"
PAUSES: Final = {"demo": 1.0, "real": 0.2}
"""Seconds between two pages: queries are limited to 1 (mock) and 5 (real) a second for each api-id."""

_HOLDINGS: Final = "kt00018"
_ACCOUNT: Final = "ka00001"
_KRX: Final = {"qry_tp": "2", "dmst_stex_tp": "KRX"}
_MOST_PAGES: Final = 100
_NOT_OFFERED: Final = ("HTTP 404", "HTTP 405", "1504", "1505")  # no such path, method or api-id (there)


def read_holdings(base_url: str, token: str, *, pause: float, allow_plaintext: bool = False) -> Answer | None:
    """Ask what the account of ``token`` holds, page by page; None where the server offers no such query.

    ``pause`` is the time between two pages in seconds. Raises ``AuthenticationError`` where the token is refused,
    ``RequestRefused`` where the query is (too many, after three tries; an answer that is no JSON object on one line;
    pages without end), ``ConnectionFailed`` where there is no answer, and ``InsecureURL`` where the token would travel
    in clear.
    """
    secrets = Hidden(token=token)
    del token  # a verbose traceback shows the variables of each frame
    server = Server(address(base_url, allow_plaintext=allow_plaintext), tuple(secrets.values()))
    headers = Hidden(authorization=f"Bearer {secrets['token']}")
    pages = _Pages()
    try:
        pages.extend(_read_pages(server, headers, pause))
    except RequestRefused as refusal:
        if refusal.code in _NOT_OFFERED:
            return None
        raise
    return Answer(_account(server, headers), list(pages))


class _Pages(list[bytes]):
    """Pages whose repr (in a verbose traceback, say) shows none of them: a server may echo the token."""

    def __repr__(self) -> str:
        return f"<{len(self)} pages>"


def _read_pages(server: Server, headers: Hidden, pause: float) -> Iterator[bytes]:
    body = Hidden(_KRX)
    place = Hidden({"cont-yn": "N", "next-key": ""})
    seen = Hidden()
    while True:
        reply = post(server, PATH, _HOLDINGS, body, Hidden({**headers, **place}))
        if not journal.is_object(reply.content):
            raise RequestRefused(WHAT[_HOLDINGS], "0", "the answer is not a JSON object on one line")
        yield reply.content
        place = Hidden({name: reply.headers.get(name, "") for name in place})
        if place["cont-yn"] != "Y":
            return
        if place["next-key"] in seen or len(seen) >= _MOST_PAGES - 1:
            raise RequestRefused(WHAT[_HOLDINGS], "0", "its pages do not end")
        seen[place["next-key"]] = True
        time.sleep(pause)


def _account(server: Server, headers: Hidden) -> str | None:
    try:
        answer = post(server, PATH, _ACCOUNT, Hidden(), headers).answer
    except AuthenticationError:
        return None
    except RequestRefused as refusal:
        if is_busy(refusal):  # that passes: the next try of the whole query will tell
            raise
        return None
    number = answer.get("acctNo")
    return number.strip() or None if isinstance(number, str) else None
