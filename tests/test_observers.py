"""Who looks at a source hears of each change, seldom enough, and harms nobody."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading

import pytest
from clock import stand_still, until, virtual_time

from kiwoom_nb import observers as observers_module
from kiwoom_nb.observers import PAUSE, Observers


class Looker:
    """Keeps when it was called, by the loop's clock where there is one."""

    def __init__(self):
        self.calls = []
        self.failures = []

    def seen(self):
        self.calls.append(asyncio.get_running_loop().time())

    def failed(self, error):
        self.failures.append(error)


def here():
    return Observers(asyncio.get_running_loop())


# On a loop


@virtual_time
async def test_who_looks_is_called_in_a_step_of_its_own():
    """Never from inside what changed: a cell goes on undisturbed."""
    observers, looker = here(), Looker()
    observers.add(looker.seen, None, 0)
    observers.tell(1)
    assert looker.calls == []
    await asyncio.sleep(0.01)
    assert len(looker.calls) == 1


@virtual_time
async def test_changes_are_told_ten_times_a_second_at_the_most_and_the_last_one_always():
    """A burst costs one call each PAUSE, and what came last is seen."""
    observers, versions, seen = here(), [0], []
    observers.add(lambda: seen.append((asyncio.get_running_loop().time(), versions[-1])), None, 0)
    for version in range(1, 501):
        versions.append(version)
        observers.tell(version)
        await asyncio.sleep(0.002)
    await asyncio.sleep(1)
    moments = [moment for moment, _ in seen]
    assert all(later - earlier >= PAUSE - 1e-9 for earlier, later in itertools.pairwise(moments))
    assert 10 <= len(seen) <= 12
    assert seen[-1][1] == 500


@virtual_time
async def test_nothing_is_told_while_nothing_changes():
    """The same version again is no news, and no timer runs: the loop's clock would have to turn for one."""
    observers, looker = here(), Looker()
    observers.add(looker.seen, None, "a")
    for _ in range(5):
        observers.tell("a")
        await asyncio.sleep(0.3)
    assert looker.calls == []
    assert not asyncio.get_running_loop()._scheduled


@virtual_time
async def test_after_a_silence_the_first_change_is_told_at_once():
    """The pause is between two calls, it is no delay."""
    observers, looker = here(), Looker()
    observers.add(looker.seen, None, 0)
    observers.tell(1)
    await until(5)
    observers.tell(2)
    await asyncio.sleep(0.001)
    assert looker.calls[1:] == [pytest.approx(5, abs=1e-6)]


@virtual_time
async def test_who_waits_for_the_end_hears_of_nothing_else():
    """It does not count as somebody who looks; of the end it hears once, and of another end again."""
    observers, looker = here(), Looker()
    observers.add(looker.seen, None, 0, only_end=True)
    assert not observers
    assert not observers.hear(is_over=False)
    assert observers.hear(is_over=True)
    for version in (1, 2, 3):
        observers.tell(version)
        await asyncio.sleep(1)
    assert looker.calls == []
    for _ in range(3):
        observers.tell(3, is_over=True)
        await asyncio.sleep(1)
    assert len(looker.calls) == 1
    observers.tell(4)
    observers.tell(5, is_over=True)
    await asyncio.sleep(1)
    assert len(looker.calls) == 2


@virtual_time
async def test_who_looks_hears_of_the_end_as_of_any_change():
    """Beside who waits for it; who has begun to wait when it was over hears of nothing."""
    observers, looker, waiter, late = here(), Looker(), Looker(), Looker()
    observers.add(looker.seen, None, 0)
    observers.add(waiter.seen, None, 0, only_end=True)
    observers.tell(1, is_over=True)
    await asyncio.sleep(1)
    observers.add(late.seen, None, 1, only_end=True)
    observers.tell(1, is_over=True)
    await asyncio.sleep(1)
    assert (len(looker.calls), len(waiter.calls), len(late.calls)) == (1, 1, 0)


@virtual_time
async def test_an_exception_is_given_to_who_raised_it_and_harms_nobody_else():
    """It is kept, the others are called, the next change is told again; nothing reaches the loop's handler."""
    observers, looker, bad = here(), Looker(), Looker()

    def broken():
        raise ZeroDivisionError

    observers.add(broken, bad.failed, 0)
    observers.add(broken, None, 0)
    observers.add(looker.seen, None, 0)
    for version in (1, 2):
        observers.tell(version)
        await asyncio.sleep(0.2)
    assert [type(error) for error in bad.failures] == [ZeroDivisionError] * 2
    assert len(looker.calls) == 2
    assert isinstance(observers.error, ZeroDivisionError)


@virtual_time
async def test_an_exception_of_the_hook_itself_is_kept():
    """Whoever is told of a failure may fail, too."""
    observers, looker = here(), Looker()

    def broken(error=None):
        raise KeyError(str(error))

    observers.add(broken, broken, 0)
    observers.add(looker.seen, None, 0)
    observers.tell(1)
    await asyncio.sleep(0.01)
    assert isinstance(observers.error, KeyError)
    assert isinstance(observers.error.__context__, KeyError)
    assert len(looker.calls) == 1


@virtual_time
async def test_who_ended_hears_no_more():
    """Ending twice is ending once; one observer may end another in the midst of it."""
    observers, looker = here(), Looker()
    ends = []
    observers.add(lambda: [end() for end in ends], None, 0)
    ends.append(observers.add(looker.seen, None, 0))
    observers.tell(1)
    await asyncio.sleep(0.2)
    ends[0]()
    assert looker.calls == []
    assert observers


@virtual_time
async def test_a_bound_method_ends_with_its_object():
    """A widget that nobody holds any more is not kept alive by the stream, and is gone from the list."""
    observers, looker = here(), Looker()
    observers.add(looker.seen, looker.failed, 0)
    del looker
    gc.collect()
    observers.tell(1)
    await asyncio.sleep(0.01)
    assert not observers
    assert observers.error is None


@virtual_time
async def test_who_begins_to_look_has_seen_what_was_there():
    """Only what changes afterwards is news to it."""
    observers, looker = here(), Looker()
    observers.tell(1)
    observers.add(looker.seen, None, 1)
    observers.tell(1)
    await asyncio.sleep(0.2)
    assert looker.calls == []


@virtual_time
async def test_a_change_while_looking_is_told_again():
    """Also where the observer makes it: a button that moves the replay."""
    observers, calls = here(), []

    def seen():
        calls.append(asyncio.get_running_loop().time())
        if len(calls) < 3:
            observers.tell(f"by itself {len(calls)}")

    observers.add(seen, None, 0)
    observers.tell(1)
    await asyncio.sleep(1)
    assert calls == [pytest.approx(number * PAUSE) for number in range(3)]


@virtual_time
async def test_a_cell_that_computes_delays_the_call_and_gathers_the_changes():
    """One call afterwards."""
    observers, looker = here(), Looker()
    observers.add(looker.seen, None, 0)
    for version in range(1, 9):
        observers.tell(version)
        stand_still(1)
    await asyncio.sleep(0.3)
    assert len(looker.calls) == 1


async def test_another_thread_is_never_the_one_that_calls():
    """The session may live on a thread of its own."""
    observers, threads = here(), []
    observers.add(lambda: threads.append(threading.get_ident()), None, 0)
    await asyncio.to_thread(observers.tell, 1)
    await asyncio.sleep(0.05)
    assert threads == [threading.get_ident()]


def test_an_interrupt_passes_and_the_others_are_called_later():
    """The user's Ctrl-C belongs to the user; nobody misses the change for it."""
    loop = asyncio.new_event_loop()
    observers, calls = Observers(loop), []

    def interrupted():
        if not calls:
            calls.append("interrupted")
            raise KeyboardInterrupt

    observers.add(interrupted, None, 0)
    observers.add(lambda: calls.append("other"), None, 0)
    observers.tell(1)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.call_later(0.3, loop.stop)
    loop.run_forever()
    loop.close()
    assert calls == ["interrupted", "other"]
    observers.tell(2)  # the kernel is going: quiet


# In a script


def test_in_a_script_it_is_called_by_who_asks_at_once():
    """Each sync that shows something new is told, the same one again is not."""
    observers, calls = Observers(None), []
    observers.add(lambda: calls.append(threading.get_ident()), None, 0)
    for version in (1, 1, 2, 2, 2):
        observers.tell(version)
    assert calls == [threading.get_ident()] * 2


def test_in_a_script_a_wait_tells_now_and_then_and_the_end_of_it(monkeypatch):
    """It looks again and again: what it finds is told once a while, and the last of it when the wait is over."""
    now = [100.0]
    monkeypatch.setattr(observers_module.time, "monotonic", lambda: now[0])
    observers, seen, version = Observers(None), [], 0
    observers.add(lambda: seen.append(version), None, 0)
    for version in range(1, 101):
        observers.tell(version, is_hurried=False)
        now[0] += 0.01
    assert 9 <= len(seen) <= 11
    version = 101
    observers.tell(version)
    assert seen[-1] == 101


def test_in_a_script_an_observer_may_ask_for_rows_itself():
    """It is not called from inside itself; what changed meanwhile is told the next time."""
    observers, calls = Observers(None), []

    def seen():
        calls.append(len(calls))
        observers.tell(f"new {len(calls)}")

    observers.add(seen, None, 0)
    observers.tell(1)
    assert calls == [0]
    observers.tell(2)
    assert calls == [0, 1]
