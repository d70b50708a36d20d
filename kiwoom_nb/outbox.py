"""What one client of the simulator has still to take, so that a slow one holds up nobody else."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message


class Outbox:
    """The ASGI messages that wait for one client, in their order. It belongs to the running event loop."""

    def __init__(self) -> None:
        self._messages: deque[Message | None] = deque()  # None: the end, without a close frame
        self._wake = asyncio.Event()
        self._now = asyncio.get_running_loop().time
        self._moved = 0.0

    def __len__(self) -> int:
        """How many messages the client has not taken yet."""
        return len(self._messages)

    @property
    def stalled_for(self) -> float:
        """For how many seconds the client has taken nothing, though something waits."""
        return self._now() - self._moved if self._messages else 0.0

    def put(self, message: Message) -> None:
        """Let a message wait; nothing is delivered after a close."""
        self._append(message)

    def end(self) -> None:
        """Deliver what waits and no more."""
        self._append(None)

    def clear(self) -> None:
        """Let go of what waits."""
        self._messages.clear()

    async def deliver(self, send: Callable[[Message], Awaitable[None]]) -> None:
        """Give ``send`` one message after the other, up to and including a close, or up to the end."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._messages:
                message = self._messages.popleft()
                if message is None:
                    return
                await send(message)
                self._moved = self._now()
                if message["type"] == "websocket.close":
                    return

    def _append(self, message: Message | None) -> None:
        if not self._messages:
            self._moved = self._now()
        self._messages.append(message)
        self._wake.set()
