"""Where the simulator answers what its account holds: kt00018 and ka00001, their codes and texts.

One app key stands for one account: of a recording with several, the first. An error is HTTP 200 with ``return_code``
and the telling code in ``return_msg``, as at the token endpoints. Where nobody has measured, these are our choices, the
stricter reading wherever there are two:

* the headers are looked at before the body: ``api-id`` (1501 missing, 1504 unknown), then ``authorization`` (1513
  missing, 1514 of another form, 1516 without a token, 8005 unknown);
* a body of more than 64 kB or that is no JSON object is 1517, a missing or empty value 1511, any other one than the
  documented ones 1517; ``cont-yn`` may be missing, and is N or Y;
* ``next-key`` stands for a page of the query it came from, as that was answered; any other one is 1517, and so is one
  with another body;
* requests are counted for each app key and ``api-id``, refused ones not.
"""

from __future__ import annotations

import secrets
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from .account_book import Book
from .account_pages import OK, PAGE_SIZE, write_pages
from .simulator_frames import own_account
from .token_office import Rate, body_of, error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from .token_office import TokenOffice

PATH: Final = "/api/dostk/acnt"

_VALUES: Final = {"qry_tp": ("1", "2"), "dmst_stex_tp": ("KRX", "NXT")}


class _Listing(NamedTuple):
    """The pages of one query of one app key, each under its key; the first one has none."""

    body: dict[str, Any]
    pages: dict[str, dict[str, Any]]


class AccountOffice:
    """The account endpoint and the account behind it.

    Parameters
    ----------
    tokens
        Knows which token stands for which app key, and whether everything is refused.
    accounts
        ``"each"``: every app key has an account number of its own, as in the frames pushed to it.
    page_size
        Rows on a page.
    rate
        Requests a second for each app key and api-id (``None``: any number).
    too_many
        The HTTP status of one too many.

    Attributes
    ----------
    book
        What the account holds.
    """

    def __init__(
        self,
        tokens: TokenOffice,
        *,
        accounts: Literal["same", "each"],
        page_size: int = PAGE_SIZE,
        rate: int | None = None,
        too_many: Literal[429, 200] = 429,
    ) -> None:
        self.book = Book()
        self._tokens = tokens
        self._accounts = accounts
        self._page_size = page_size
        self._rate = rate
        self._too_many = too_many
        self._rates: dict[tuple[str, str], Rate] = {}
        self._listings: dict[str, _Listing] = {}
        self._answers: dict[str, Callable[[str, Request, dict[str, Any]], Response]] = {
            "ka00001": self._number,
            "kt00018": self._holdings,
        }

    async def serve(self, request: Request) -> Response:
        """Answer ``POST /api/dostk/acnt``."""
        body = await body_of(request)
        if self._tokens.refused_with:
            return _respond(error_of(self._tokens.refused_with))
        api_id = request.headers.get("api-id", "")
        app_key = self._tokens.app_key_of(_token_in(request))
        code = _api_refusal(api_id, self._answers) or _token_refusal(request)
        if code or app_key is None:
            return _respond(error_of(code or "8005"))
        if self._rates.setdefault((app_key, api_id), Rate(self._rate)).is_exceeded():
            return _respond(error_of("1700"), status=self._too_many)
        return self._answers[api_id](app_key, request, body)

    def _number(self, app_key: str, request: Request, body: dict[str, Any]) -> Response:
        del request, body  # it asks for nothing
        account = self.book.account
        return _respond({"acctNo": own_account(account, app_key) if self._accounts == "each" else account, **OK})

    def _holdings(self, app_key: str, request: Request, body: dict[str, Any]) -> Response:
        continued = request.headers.get("cont-yn", "") or "N"
        code = _body_refusal(body) or ("" if continued in {"N", "Y"} else "1517")
        if code:
            return _respond(error_of(code))
        key = ""
        if continued == "N":
            self._listings[app_key] = self._list(body)
        else:
            key = request.headers.get("next-key", "")
        listing = self._listings.get(app_key)
        if listing is None or listing.body != body or key not in listing.pages or (continued == "Y" and not key):
            return _respond(error_of("1517"))
        keys = list(listing.pages)
        after = dict(pairwise(keys)).get(key, "")
        return _respond(listing.pages[key], api_id="kt00018", next_key=after)

    def _list(self, body: dict[str, Any]) -> _Listing:
        pages = write_pages(self.book.holdings(), together=body["qry_tp"] == "1", page_size=self._page_size)
        keys = ["", *(secrets.token_hex(8) for _ in pages[1:])]
        return _Listing(body, dict(zip(keys, pages, strict=True)))


def _respond(answer: dict[str, Any], *, status: int = 200, api_id: str = "", next_key: str = "") -> Response:
    from starlette.responses import JSONResponse

    headers = {"cont-yn": "Y" if next_key else "N", "next-key": next_key, "api-id": api_id} if api_id else {}
    return JSONResponse(answer, status, headers)


def _token_in(request: Request) -> str:
    return str(request.headers.get("authorization", "")).partition(" ")[2]


def _api_refusal(api_id: str, known: Mapping[str, object]) -> str:
    if not api_id:
        return "1501"
    return "" if api_id in known else "1504"


def _token_refusal(request: Request) -> str:
    authorization = request.headers.get("authorization")
    if not authorization:
        return "1513"
    kind, _, token = authorization.partition(" ")
    if kind != "Bearer":
        return "1514"
    return "" if token else "1516"


def _body_refusal(body: dict[str, Any]) -> str:
    if not body:
        return "1517"
    for name, allowed in _VALUES.items():
        if not body.get(name):
            return "1511"
        if body[name] not in allowed:
            return "1517"
    return ""
