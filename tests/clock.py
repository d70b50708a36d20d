"""Virtual time: an event loop whose clock jumps to the next timer as soon as nothing is ready.

A test decorated with ``@virtual_time`` runs on such a loop: hours of it pass at once, and in the same way each time.
``stand_still(seconds)`` lets time pass in which the loop does not run, as a long computation in a cell does.
"""

import asyncio
import functools
import selectors


class _Selector(selectors.DefaultSelector):
    """Waits by turning the clock."""

    turn = None

    def select(self, timeout=None):
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("Nothing is ready and no timer is set: this would wait for ever.")
        self.turn(timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at time 0 and never waits."""

    def __init__(self):
        self._now = 0.0
        selector = _Selector()
        selector.turn = self.turn
        super().__init__(selector)

    def time(self):
        return self._now

    def turn(self, seconds):
        self._now += max(0.0, seconds)


def stand_still(seconds):
    """Let time pass in which the running loop does nothing."""
    asyncio.get_running_loop().turn(seconds)


async def until(moment):
    """Wait until the clock of the loop shows ``moment``."""
    await asyncio.sleep(moment - asyncio.get_running_loop().time())


def virtual_time(test):
    """Run an async test on a VirtualTimeLoop; it fails where it leaves a task or an unheard exception behind."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        unheard = []

        async def main():
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: unheard.append(context))
            await test(*args, **kwargs)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(main())
        assert not unheard, unheard

    return run
