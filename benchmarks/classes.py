"""A class on the classroom server: a thousand clients, twenty events a second each, for a minute."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe

from websockets.asyncio.client import ClientConnection, connect

from kiwoom_nb.classroom import serve

from .material import frames
from .measure import Row, Size

_INTERVAL = 0.05
_LOGIN = '{"trnm":"LOGIN","token":"%s"}'
_REG = '{"trnm":"REG","grp_no":"1","refresh":"1","data":[{"item":[""],"type":["04"]}]}'


def classroom(size: Size) -> list[Row]:
    """Measure how far the slowest client is behind the first, for each event; none may miss any.

    The server has a process of its own; all clients share this one. ``other`` is the time between two events.
    """
    clients, events = size.of((1000, 1200), (200, 100), (5, 10))
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, clients, events), daemon=True)
    process.start()
    there.close()  # else one would wait for ever for a child that did not start
    url, tokens = here.recv()
    try:
        arrivals = asyncio.run(_attend(url, tokens, events))
    finally:
        process.terminate()
        process.join()
    assert all(len(times) == events for times in arrivals), "an event was dropped"
    lags = [max(column) - min(column) for column in zip(*arrivals, strict=True)]
    name = f"{clients:,} clients x {1 / _INTERVAL:.0f} events/s x {events * _INTERVAL:.0f} s"
    note = f"{clients * events:,} frames, none dropped"
    return [Row(f"{name}: slowest client's lag", max(lags) * 1e6, "between two events", _INTERVAL * 1e6, "", note)]


def _serve(pipe: Pipe, clients: int, events: int) -> None:
    day = [raw for _, raw in frames(5_000)]

    def paced() -> Iterator[tuple[int, bytes]]:
        for number in range(events):
            yield round(number * _INTERVAL * 1e6), day[number % len(day)]

    with serve(list(paced()), wait_for=clients, accounts="each") as server:
        pipe.send((server.url, [server.issue_token(f"student-{number}") for number in range(clients)]))
        time.sleep(3600)


async def _attend(url: str, tokens: list[str], events: int) -> list[list[float]]:
    gate = asyncio.Semaphore(50)  # the door of the class: not all log in within the same moment

    async def client(token: str) -> list[float]:
        async with gate:
            socket = await connect(url, compression=None, ping_interval=None, open_timeout=60)
            await socket.send(_LOGIN % token)
            await socket.recv()
        await socket.send(_REG)
        times = await _receive(socket, events)
        await socket.close()
        return times

    return await asyncio.gather(*map(client, tokens))


async def _receive(socket: ClientConnection, events: int) -> list[float]:
    times: list[float] = []
    while len(times) < events:
        frame = await socket.recv(decode=False)
        if b'"REAL"' in frame:
            times.append(time.perf_counter())
        elif b'"PING"' in frame:
            await socket.send(frame.decode())
    return times
