"""Asking what the account holds, until it is told: after each REG, and again after failures, while the line is up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from . import codes
from .errors import AuthenticationError, ConnectionFailed, RequestRefused
from .holdings import Answer

AGAIN_AFTER: Final = (5.0, 30.0, 120.0)
"""Seconds before the second, the third, and each later try."""
NOT_OFFERED: Final = "the server does not offer kt00018"

ReadHoldings = Callable[[str], Awaitable[Answer | None]]
"""Asks with a token; None where the server offers no such query."""


class Sinks(Protocol):
    """Who is told what the account holds, or why that is not known. None of these may raise."""

    def holdings(self, at: int, asked_at: int, account: str | None, pages: Sequence[bytes]) -> None:
        """Take what the account held when it was asked (microseconds since the epoch), as it was answered."""
        ...

    def no_holdings(self, reason: str) -> None:
        """Note that what the account holds is not known, and why."""
        ...


async def ask(read: ReadHoldings, token: Callable[[], str], sinks: Sinks, now: Callable[[], int]) -> None:
    """Ask, and tell ``sinks`` what came of it; after a failure again later, unless the server offers no such query.

    Whatever goes wrong is told and nothing else: the stream goes on without holdings. ``token`` gives the token, so
    that no variable here holds it.
    """
    tries = 0
    while True:
        try:
            asked_at = now()
            answer = await read(token())
            if answer is None:
                sinks.no_holdings(NOT_OFFERED)
            else:
                sinks.holdings(now(), asked_at, answer.account, answer.pages)
        except Exception as exc:  # noqa: BLE001 - a failure of ours or a bug: never the end of the stream
            sinks.no_holdings(codes.scrubbed(_reason(exc), [token()]))
        else:
            return
        await asyncio.sleep(AGAIN_AFTER[min(tries, len(AGAIN_AFTER) - 1)])
        tries += 1


def _reason(exc: Exception) -> str:
    if isinstance(exc, ConnectionFailed):
        return exc.reason
    if isinstance(exc, RequestRefused | AuthenticationError):
        return f"code {exc.code}: {exc.message}"
    return f"{type(exc).__name__}: {exc}"
