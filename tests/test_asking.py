import asyncio
import contextlib

from clock import virtual_time

from kiwoom_nb import asking
from kiwoom_nb.holdings import Answer

TOKEN = "t0ken-Zq7"


class Told:
    def __init__(self, *failures):
        self.failures = list(failures)
        self.all = []

    def holdings(self, at, asked_at, account, pages):
        if self.failures:
            raise self.failures.pop(0)
        self.all.append((at, asked_at, account, pages))

    def no_holdings(self, reason):
        self.all.append(reason)


def clock():
    return round(asyncio.get_running_loop().time())


async def ask(read, told, seconds):
    task = asyncio.create_task(asking.ask(read, lambda: TOKEN, told, clock))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(task, seconds)


@virtual_time
async def test_it_ends_once_it_is_told():
    """When it was asked is the moment before the request, when it was told the one after."""
    told = Told()

    async def read(token):
        assert token == TOKEN
        await asyncio.sleep(3)
        return Answer("x", [b"{}"])

    await ask(read, told, 1000)
    assert told.all == [(3, 0, "x", [b"{}"])]
    assert clock() == 3


@virtual_time
async def test_pauses_grow_to_two_minutes_and_stay_there():
    """A server that is down for an hour is not asked hundreds of times."""
    moments = []

    async def read(token):
        moments.append(clock())
        raise OSError(f"down, {token}")

    told = Told()
    await ask(read, told, 400)
    assert moments == [0, 5, 35, 155, 275, 395]
    assert set(told.all) == {"OSError: down, ***"}


@virtual_time
async def test_a_bug_in_a_sink_is_told_too():
    """Not lost in a task that nobody awaits."""

    async def read(token):
        return Answer(token and None, [])

    told = Told(RuntimeError("a bug"))
    await ask(read, told, 100)
    assert told.all == ["RuntimeError: a bug", (5, 5, None, [])]
