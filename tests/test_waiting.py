"""Who waits for rows: nobody misses them, nobody spins."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time

import pytest
from lines import until, until_async

from kiwoom_nb import waiting
from kiwoom_nb.waiting import Waits, runs_in


class Rows:
    """A source whose rows the test adds; it counts how often somebody looks."""

    def __init__(self, pause=lambda: waiting.LOOK_AGAIN):
        self.n = 0
        self.looks = 0
        self.ended = False
        self.error = None
        self.on_look = lambda: None
        self.waits = Waits(lambda: self.n, self.settle, pause)

    def settle(self, wanted):
        self.looks += 1
        result = True if self.n >= wanted else (False if self.ended else None)
        self.on_look()  # what happens here comes after the look: only a ring can tell of it
        if self.error is not None:
            raise self.error
        return result

    def add(self, n=1):
        self.n += n
        self.waits.ring()

    def end(self):
        self.ended = True
        self.waits.ring()


@pytest.fixture(params=["block", "changed"])
def wait(request):
    """Wait on a thread or in a coroutine."""

    def block(rows, n=None, timeout=None):
        return rows.waits.block(n, timeout)

    def changed(rows, n=None, timeout=None):
        return asyncio.run(rows.waits.changed(n, timeout))

    return {"block": block, "changed": changed}[request.param]


def test_with_no_time_to_wait_it_looks_once(wait):
    """timeout=0 is a question; so is a timeout that is over already."""
    rows = Rows()
    assert wait(rows, 0, timeout=0)
    assert not wait(rows, 1, timeout=0)
    assert not wait(rows, None, timeout=-1)
    rows.n = 3
    assert wait(rows, 3, timeout=0)
    assert rows.looks == 4


def test_by_default_it_waits_for_one_more_row_than_now(wait):
    """However many there are."""
    rows = Rows()
    rows.n = 7
    threading.Timer(0.05, rows.add).start()
    assert wait(rows, timeout=20)
    assert rows.n == 8


def test_a_ring_from_another_thread_wakes_it_before_its_next_look(wait, monkeypatch):
    """It waits for the bell, not for the clock."""
    monkeypatch.setattr(waiting, "LOOK_AGAIN", 60.0)
    rows = Rows(pause=lambda: 60.0)
    threading.Timer(0.05, rows.add).start()
    begun = time.monotonic()
    assert wait(rows, 1, timeout=60)
    assert time.monotonic() - begun < 10


def test_a_ring_between_the_look_and_the_wait_is_not_lost(wait, monkeypatch):
    """What comes just after the look rings for the wait that begins then."""
    monkeypatch.setattr(waiting, "LOOK_AGAIN", 60.0)
    rows = Rows(pause=lambda: 60.0)

    def comes_just_now():
        rows.on_look = lambda: None
        rows.add()

    rows.on_look = comes_just_now
    begun = time.monotonic()
    assert wait(rows, 1, timeout=60)
    assert time.monotonic() - begun < 10
    assert rows.looks == 2


def test_one_who_begins_to_wait_does_not_take_the_ring_of_another(monkeypatch):
    """A ring that came for one thread wakes it, also where another begins to wait at that very moment."""
    monkeypatch.setattr(waiting, "LOOK_AGAIN", 60.0)
    rows = Rows(pause=lambda: 60.0)

    def another_begins_just_after_the_ring():
        rows.on_look = lambda: None
        rows.add()
        assert rows.waits.block(1, 0)

    rows.on_look = another_begins_just_after_the_ring
    begun = time.monotonic()
    assert rows.waits.block(1, 60)
    assert time.monotonic() - begun < 10


def test_it_gives_false_when_nothing_will_come_any_more(wait):
    """At once where that is known, and as soon as it is."""
    rows = Rows()
    threading.Timer(0.05, rows.end).start()
    assert not wait(rows, 1, timeout=20)
    looks = rows.looks
    assert not wait(rows, 1)
    assert rows.looks == looks + 1


def test_it_gives_false_when_the_time_is_over(wait):
    """A timeout of less than a look is kept too."""
    begun = time.monotonic()
    assert not wait(Rows(), 1, timeout=0.05)
    assert 0.05 <= time.monotonic() - begun < 5


def test_what_ended_the_source_is_raised_to_who_waits(wait):
    """And nothing of the wait is left behind."""
    rows = Rows()
    rows.error = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError, match="a bug"):
        wait(rows, 1, timeout=20)
    assert (rows.waits._bells, rows.waits._waiters) == (set(), set())


def test_nothing_is_left_of_a_wait_that_is_over(wait):
    """Whether it came true or not: a stream may see millions of waits."""
    rows = Rows()
    wait(rows, 0)
    wait(rows, 1, timeout=0.01)
    assert (rows.waits._bells, rows.waits._waiters) == (set(), set())


async def test_nothing_is_left_of_a_wait_that_was_cancelled():
    """An interrupt ends the wait; a later ring meets nobody."""
    rows = Rows()
    task = asyncio.create_task(rows.waits.changed(1, None))
    await until_async(lambda: rows.looks)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rows.waits._waiters == set()
    rows.add()


def test_many_wait_at_once_and_all_are_woken(monkeypatch):
    """On threads and on several loops, by one ring, long before they would look by themselves."""
    monkeypatch.setattr(waiting, "LOOK_AGAIN", 60.0)
    rows = Rows(pause=lambda: 60.0)
    results = []

    async def ten():
        results.extend(await asyncio.gather(*(rows.waits.changed(1, 60) for _ in range(10))))

    waiters = [threading.Thread(target=lambda: results.append(rows.waits.block(1, 60))) for _ in range(10)]
    waiters += [threading.Thread(target=lambda: asyncio.run(ten())) for _ in range(2)]
    for waiter in waiters:
        waiter.start()
    until(lambda: rows.looks >= 30)
    begun = time.monotonic()
    rows.add()
    for waiter in waiters:
        waiter.join(20)
    assert results == [True] * 30
    assert time.monotonic() - begun < 10


def test_rings_while_many_come_and_go_wake_everyone():
    """Waiters that begin and end while another thread rings disturb nobody."""
    rows = Rows()
    failures = []

    def wait_often():
        try:
            for _ in range(3):
                rows.waits.block(None, 0.001)
                asyncio.run(rows.waits.changed(None, 0.001))
        except Exception as exc:  # noqa: BLE001 - it is what is looked for
            failures.append(exc)

    waiters = [threading.Thread(target=wait_often) for _ in range(5)]
    for waiter in waiters:
        waiter.start()
    while any(waiter.is_alive() for waiter in waiters):
        rows.add()
        time.sleep(0.001)
    assert failures == []


def test_a_wait_on_a_thread_looks_about_once_a_pause():
    """It does not spin: in 0.3 s with pauses of 0.1 s there are a handful of looks."""
    rows = Rows(pause=lambda: 0.1)
    assert not rows.waits.block(1, 0.3)
    assert rows.looks <= 5


async def test_a_wait_in_a_coroutine_looks_about_once_a_pause():
    """The same on a loop."""
    rows = Rows(pause=lambda: 0.1)
    assert not await rows.waits.changed(1, 0.3)
    assert rows.looks <= 5


def test_a_pause_of_nothing_and_a_storm_of_rings_are_no_busy_loop(wait):
    """Between two looks there always is a breath, so that what comes in a burst is decoded together."""
    rows = Rows(pause=lambda: 0.0)
    done = threading.Event()

    def storm():
        while not done.is_set():
            rows.waits.ring()
            time.sleep(0)

    thread = threading.Thread(target=storm)
    thread.start()
    wait(rows, 1, timeout=0.2)
    done.set()
    thread.join()
    assert rows.looks <= 25


def test_a_ring_for_a_loop_that_was_closed_is_nobodys(recwarn):
    """Who waited there is gone; the others are woken all the same, and nothing is raised or warned of."""
    rows = Rows()
    loop = asyncio.new_event_loop()
    task = loop.create_task(rows.waits.changed(1, None))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    threading.Timer(0.05, rows.add).start()
    assert rows.waits.block(1, 20)
    task._log_destroy_pending = False  # that it was never finished is what this test is about
    del task
    gc.collect()
    assert not recwarn.list
    assert rows.waits._waiters == set()


def test_threads_are_rung_for_without_waking_coroutines():
    """ring_threads() is for what is only received; coroutines are woken once it can be shown."""

    async def main():
        waiting_task = asyncio.create_task(rows.waits.changed(1, 20))
        await until_async(lambda: rows.looks == 1)
        rows.n = 1
        rows.waits.ring_threads()
        await asyncio.sleep(0.03)
        assert rows.looks == 1
        rows.waits.ring()
        assert await waiting_task

    rows = Rows(pause=lambda: 60.0)
    asyncio.run(main())


def test_ringing_for_nobody_costs_next_to_nothing():
    """It is asked for each frame received: no lock is taken where nobody waits."""
    calls = []
    rows = Rows()
    sys.setprofile(lambda frame, event, arg: calls.append(event))
    try:
        rows.waits.ring_threads()
    finally:
        sys.setprofile(None)
    assert len(calls) <= 5


async def test_a_step_of_a_loop_is_told_from_any_other_place():
    """Only inside a step of that very loop must blocking be nested."""
    loop = asyncio.get_running_loop()
    assert runs_in(loop)
    assert not runs_in(None)
    other = asyncio.new_event_loop()
    assert not runs_in(other)
    other.close()
    assert not await asyncio.to_thread(runs_in, loop)
