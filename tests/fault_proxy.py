"""A TCP proxy that does to a line what networks do: it cuts, resets, halves, holds, delays and throttles.

``Proxy(server.url)`` listens on a port of its own and forwards to the server's, in both directions and in order. What
the server sends is forwarded unit by unit: the answer to the handshake, each WebSocket frame after it, each chunk of
the answer to a request. ``plan(Fault(...))`` says what to do at a unit still to come, ``cut()``, ``reset()`` and
``hold()`` do it now. All methods may be called from any thread.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

HANDSHAKE = b"101 Switching"
_NOW_AND_THEN = 0.02  # seconds
_NO_LINGER = struct.pack("ii", 1, 0)  # close() then sends RST instead of FIN


@dataclass
class Fault:
    """What happens once, at the first unit that holds ``at``; of an answer to a request, or whose path holds it.

    ``act`` is ``cut`` (FIN), ``reset`` (RST), ``hold`` (the server is heard no more, and nothing says so) or ``drip``
    (instead of it there comes a byte now and then). It happens before the unit, ``within`` (half of it came) or
    ``after`` it; ``skip`` units that match are let by first.
    """

    act: str
    at: bytes
    place: str = "before"
    skip: int = 0

    def matches(self, text):
        if self.at not in text:
            return False
        self.skip -= 1
        return self.skip < 0


class Proxy:
    """A proxy for one server; a context manager.

    Attributes
    ----------
    url
        The server's URL with the port of the proxy.
    asked
        The first line of each connection: ``GET /api/dostk/websocket`` for a WebSocket.
    delay
        Seconds that each unit is kept back.
    bytewise
        Whether everything the server sends is forwarded one byte at a time.
    """

    def __init__(self, url):
        parts = urlsplit(url)
        self._target = (parts.hostname, parts.port)
        self.asked = []
        self.delay = 0.0
        self.bytewise = False
        self._faults = []
        self._lines = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._server = self._do(self._listen)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = parts._replace(netloc=f"127.0.0.1:{self.port}").geturl()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._do(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def websockets(self):
        """How many WebSockets were asked for so far."""
        return sum("websocket" in line for line in self.asked)

    @property
    def planned(self):
        """How many faults are still to come."""
        return len(self._faults)

    def plan(self, *faults):
        self._faults += faults

    def cut(self):
        self._do(self._each, "cut")

    def reset(self):
        self._do(self._each, "reset")

    def hold(self):
        self._do(self._each, "hold")

    # --- on the loop of the proxy ---

    def _do(self, action, *args):
        return asyncio.run_coroutine_threadsafe(action(*args), self._loop).result(20)

    async def _listen(self):
        return await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def _close(self):
        self._server.close()
        tasks = [task for line in self._lines for task in line.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for line in self._lines:
            line.end("cut")

    async def _each(self, act):
        for line in self._lines:
            line.end(act)

    async def _serve(self, reader, writer):
        try:
            server = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        line = _Line(self, (reader, writer), server)
        self._lines.append(line)
        line.tasks = [asyncio.current_task(), asyncio.ensure_future(line.forward_up())]
        # Cancelled by close(): asyncio's streams would log it as an error.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await line.forward_down()
        line.tasks[1].cancel()
        await asyncio.gather(line.tasks[1], return_exceptions=True)
        line.end("cut")

    def fault_at(self, text):
        fault = next((fault for fault in self._faults if fault.matches(text)), None)
        if fault is not None:
            self._faults.remove(fault)
        return fault


class _Line:
    """One connection through the proxy."""

    def __init__(self, proxy, client, server):
        self.tasks = []
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._asked = asyncio.get_running_loop().create_future()
        self._held = False
        self._ended = False

    def end(self, act):
        """Do ``act`` to the connection; what ends it, ends it once."""
        if act == "hold":
            self._held = True
        elif not self._ended:
            self._ended = True
            self._to_server.transport.abort()
            if act == "reset":
                sock = self._to_client.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                self._to_client.transport.abort()
            else:
                self._to_client.close()

    async def forward_up(self):
        with contextlib.suppress(OSError):
            while chunk := await self._from_client.read(65536):
                if not self._asked.done():
                    self._asked.set_result(chunk.partition(b" HTTP")[0])
                    self._proxy.asked.append(self._asked.result().decode(errors="replace"))
                self._to_server.write(chunk)
                await self._to_server.drain()
        self.end("cut")  # the client has left

    async def forward_down(self):
        head = await self._from_server.readuntil(b"\r\n\r\n")
        is_websocket = HANDSHAKE in head
        await self._forward(head)
        while not self._ended:
            unit = await (self._frame() if is_websocket else self._from_server.read(65536))
            if not unit:
                return
            await self._forward(unit)

    async def _frame(self):
        """Read one frame as it came; a server does not mask."""
        head = await self._from_server.readexactly(2)
        size = head[1] & 127
        more = await self._from_server.readexactly({126: 2, 127: 8}.get(size, 0))
        return head + more + await self._from_server.readexactly(int.from_bytes(more) if more else size)

    async def _forward(self, unit):
        if self._proxy.delay:
            await asyncio.sleep(self._proxy.delay)
        fault = self._proxy.fault_at(await self._asked + b"\n" + unit)
        if fault is None:
            await self._pass_on(unit)
            return
        await self._pass_on({"before": b"", "within": unit[: len(unit) // 2], "after": unit}[fault.place])
        if fault.act == "drip":
            await self._drip()
        self.end(fault.act)

    async def _drip(self):
        """Send a space now and then, for ever: amid an answer the reader goes on waiting for the rest."""
        while True:
            await self._pass_on(b" ")
            await asyncio.sleep(_NOW_AND_THEN)

    async def _pass_on(self, unit):
        if self._held or self._ended:
            return
        pieces = [unit[at : at + 1] for at in range(len(unit))] if self._proxy.bytewise else [unit]
        for piece in pieces:
            self._to_client.write(piece)
            await self._to_client.drain()
            await asyncio.sleep(0)
