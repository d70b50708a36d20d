"""From the socket to a visible typed row, journal included, against receiving and discarding the same frames."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Frame, Opcode

from kiwoom_nb.stream import Stream
from kiwoom_nb.transport import connect as connect_transport

from .material import frames
from .measure import Row, Size

_ACK = '{"trnm":"%s","return_code":0,"return_msg":""}'


def socket_to_row(size: Size) -> list[Row]:
    """Both sides receive what a child process sends as fast as it is read; processor time of this process counts."""
    events = size.of(100_000, 15_000, 500)
    ours: list[float] = []
    other: list[float] = []
    with _Sender(events) as url:
        for _ in range(size.of(5, 3, 1)):
            other.append(_timed(_discard(url, events), events))
            ours.append(_ours(url, events))
    return [
        Row(
            "socket to visible row, journal included",
            statistics.median(ours),
            "receive and discard",
            statistics.median(other),
            "<= 3",
        )
    ]


def _timed(work: object, events: int) -> float:
    begin = time.process_time()
    asyncio.run(work)  # type: ignore[arg-type]
    return (time.process_time() - begin) / events * 1e6


async def _discard(url: str, events: int) -> None:
    async with connect(url, compression=None, ping_interval=None, max_queue=(4096, 1024)) as socket:
        await socket.send('{"trnm":"LOGIN","token":"x"}')
        await socket.recv()
        await socket.send('{"trnm":"REG","grp_no":"1","refresh":"1","data":[{"item":[""],"type":["04"]}]}')
        await socket.recv()
        for _ in range(events):
            await socket.recv(decode=False)


class _Token:
    async def get(self) -> str:
        return "x"

    async def refused(self, token: str) -> str:
        raise AssertionError(token)


def _ours(url: str, events: int) -> float:
    """Measure a stream on its own loop in this thread, as in a notebook: refreshed at most ten times a second."""

    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            stream = Stream(
                connect=lambda token: connect_transport(url, token),
                tokens=_Token(),
                server="benchmark",
                owner="0" * 12,
                folder=Path(folder),
                loop=asyncio.get_running_loop(),
            )
            assert await stream.changed(events, timeout=120)
            assert len(stream.frame) >= events
            stream.stop()
            await asyncio.sleep(0)

    return _timed(run(), events)


class _Sender:
    """A child process that answers LOGIN and REG, then writes all frames into the socket at once."""

    def __init__(self, events: int) -> None:
        self._events = events

    def __enter__(self) -> str:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        self._process = context.Process(target=_send, args=(there, self._events), daemon=True)
        self._process.start()
        there.close()  # else one would wait for ever for a child that did not start
        return f"ws://127.0.0.1:{here.recv()}"

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _send(pipe: Pipe, events: int) -> None:
    plain = [raw for _, raw in frames(20_000) if raw.count(b'"type":"04"') == 1]
    payload = [Frame(Opcode.TEXT, raw).serialize(mask=False) for raw in plain]
    burst = b"".join(payload[number % len(payload)] for number in range(events))

    async def answer(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(_ACK % "LOGIN")
        await socket.recv()
        await socket.send(_ACK % "REG")
        socket.transport.write(burst)
        await socket.wait_closed()

    async def main() -> None:
        async with serve(answer, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            pipe.send(server.sockets[0].getsockname()[1])
            await server.serve_forever()

    asyncio.run(main())
