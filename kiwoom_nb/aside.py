"""A blocking call on a thread that nobody waits for: neither the end of a stream nor that of the interpreter.

``asyncio.to_thread`` has its threads waited for by both, and a request may hang for minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


async def aside(call: Callable[[], T]) -> T:
    """Run ``call`` on a thread of its own and return (or raise) what it does; if cancelled, let go of it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            settle = partial(_settle, future, future.set_result, call())
        except Exception as exc:  # noqa: BLE001 - it is raised where it is awaited
            settle = partial(_settle, future, future.set_exception, exc)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=run, name="kiwoom_nb-aside", daemon=True).start()
    return await future


def _settle(future: asyncio.Future[Any], settle: Callable[[Any], None], result: Any) -> None:
    if not future.done():  # cancelled by who waited
        settle(result)
