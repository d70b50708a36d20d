import asyncio
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from kiwoom_nb.aside import aside


async def test_it_gives_what_the_call_gives_while_the_loop_goes_on():
    """The call blocks its own thread and no other."""
    go = threading.Event()
    asyncio.get_running_loop().call_later(0.05, go.set)
    assert await aside(lambda: go.wait(10)) is True


async def test_it_raises_what_the_call_raises():
    """As if it had been called here."""
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0)


async def test_a_call_that_nobody_waits_for_any_more_is_let_go_of(caplog):
    """Its result or error comes to nothing, and is not complained about."""
    for result in (1, 0):
        go = threading.Event()
        call = partial(lambda go, result: go.wait(10) and 1 // result, go, result)
        waiting = asyncio.create_task(aside(call))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        go.set()
        await asyncio.sleep(0.02)
    assert caplog.text == ""


def test_neither_the_loop_nor_the_interpreter_waits_for_it():
    """A request that hangs must not hold up who wants to go."""
    script = """
import asyncio, time
from kiwoom_nb.aside import aside
async def main():
    task = asyncio.create_task(aside(lambda: time.sleep(60)))
    await asyncio.sleep(0.05)
asyncio.run(main())
"""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=50, check=True)
    assert time.monotonic() - begun < 30
    assert done.stderr == b""
