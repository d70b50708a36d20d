"""Where a replay stands, on a clock that the test turns."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwoom_nb.playhead import Playhead

SECOND = 1_000_000
START = 1_763_596_800 * SECOND


def playhead(*seconds: float, **options: float) -> Playhead:
    return Playhead(np.array([START + int(at * SECOND) for at in seconds], np.int64), **options)


def test_rows_come_when_they_came_then():
    """At speed 1 a row is there as many seconds after the first as it was in the recording."""
    head = playhead(0, 1, 5)
    head.play(now=100.0)
    reached = []
    for now in (100.0, 100.9, 101.0, 104.9, 105.0):
        head.advance(now)
        reached.append(head.row)
    assert reached == [1, 1, 2, 2, 3]


def test_a_faster_clock_brings_them_sooner():
    """At speed 10 ten recorded seconds pass in one."""
    head = playhead(0, 10, 20, speed=10)
    head.play(now=0.0)
    head.advance(1.0)
    assert (head.row, head.time) == (2, START + 10 * SECOND)


def test_the_next_row_is_due_at_the_speed_of_the_clock():
    """A host sleeps exactly until the next row, so that nothing polls."""
    head = playhead(0, 10, speed=4)
    head.play(now=0.0)
    head.advance(0.0)
    assert head.due_in() == pytest.approx(2.5)
    head.pause(0.0)
    assert head.due_in() is None


def test_at_infinite_speed_everything_is_there_at_once():
    """speed=float("inf") plays the whole recording in one step."""
    head = playhead(0, 3600, 7200, speed=math.inf)
    head.play(now=0.0)
    assert head.due_in() == 0.0
    assert head.advance(0.0)
    assert (head.row, head.playing) == (3, False)


def test_long_silences_are_cut_short_but_the_virtual_time_is_the_recorded_one():
    """With max_silence=5 an hour without events takes five seconds; the time shown still is that of the row."""
    head = playhead(0, 3600, 3601, max_silence=5)
    head.play(now=0.0)
    head.advance(4.9)
    assert head.row == 1
    head.advance(5.0)
    assert (head.row, head.time) == (2, START + 3600 * SECOND)


def test_playing_again_from_the_end_begins_anew():
    """As any player does."""
    head = playhead(0, 1)
    head.play(0.0)
    head.advance(10.0)
    assert (head.row, head.playing) == (2, False)
    head.play(10.0)
    head.advance(10.0)
    assert (head.row, head.playing) == (1, True)


def test_stepping_goes_both_ways_stands_still_and_stops_at_either_end():
    """A step is a step: the clock does not run on behind it."""
    head = playhead(0, 1, 2)
    head.play(0.0)
    head.advance(0.0)
    head.step(5)
    assert (head.row, head.playing) == (3, False)
    head.step(-1)
    assert (head.row, head.time) == (2, START + SECOND)
    head.step(-9)
    assert head.row == 0


def test_a_change_of_speed_does_not_jump():
    """What was played stays played."""
    head = playhead(0, 10, 20)
    head.play(0.0)
    head.set_speed(2.0, now=8.0)
    head.advance(9.0)
    assert (head.row, head.time) == (2, START + 10 * SECOND)


def test_a_clock_that_ran_backwards_stands_still_instead():
    """Rows keep the order in which they were recorded, and the virtual time never goes back."""
    head = playhead(0, 10, 5, 20)
    head.play(0.0)
    head.advance(10.0)
    assert (head.row, head.time) == (3, START + 10 * SECOND)


@pytest.mark.parametrize("speed", [0, -1, 0.2, math.nan])
def test_a_speed_below_a_quarter_is_refused(speed):
    """Zero or less would never arrive."""
    with pytest.raises(ValueError, match=r"speed must be 0\.25 or more"):
        playhead(0, speed=speed)


@pytest.mark.parametrize("silence", [0, -1, math.nan])
def test_a_silence_of_nothing_is_refused(silence):
    """It would make all rows come at once, which is what speed=inf is for."""
    with pytest.raises(ValueError, match="max_silence must be more than 0"):
        playhead(0, max_silence=silence)


@pytest.mark.parametrize("row", [-1, 4])
def test_a_seek_to_a_row_outside_is_refused(row):
    """And says which rows there are."""
    with pytest.raises(ValueError, match="seek to a row from 0 to 3"):
        playhead(0, 1, 2).seek_row(row)


@pytest.mark.parametrize("seconds", [-1, 3])
def test_a_seek_to_a_time_outside_is_refused(seconds):
    """Rather than going to the nearest end without a word."""
    with pytest.raises(ValueError, match="outside of the recording"):
        playhead(0, 1, 2).seek_time(START + seconds * SECOND)


def test_an_empty_recording_has_nothing_to_play():
    """No row is due, and nothing divides by zero."""
    head = playhead()
    head.play(0.0)
    assert not head.advance(1.0)
    assert (head.row, head.due_in(), head.time, head.playing) == (0, None, 0, False)


MOVES = st.one_of(
    st.tuples(st.just("step"), st.integers(-5, 5)),
    st.tuples(st.just("seek"), st.integers(0, 20)),
    st.tuples(st.just("play"), st.floats(0, 30)),
    st.tuples(st.just("speed"), st.sampled_from([0.25, 1.0, 60.0, math.inf])),
)


@given(
    silences=st.lists(st.integers(0, 20 * SECOND), min_size=1, max_size=20),
    max_silence=st.none() | st.floats(0.1, 30),
    moves=st.lists(MOVES, max_size=30),
)
def test_the_virtual_time_belongs_to_the_row_however_it_was_reached(silences, max_silence, moves):
    """At any position the virtual time lies between the row shown last and the next one."""
    times = START + np.cumsum(np.array(silences, np.int64))
    head = Playhead(times, max_silence=max_silence)
    now = 0.0
    for move, value in moves:
        if move == "step":
            head.step(value)
        elif move == "seek":
            head.seek_row(min(value, head.rows))
        elif move == "speed":
            head.set_speed(value, now)
        else:
            head.play(now)
            now += value
            head.advance(now)
        assert 0 <= head.row <= head.rows
        shown, ahead = times[max(head.row - 1, 0)], times[min(head.row, head.rows - 1)]
        assert shown - 1 <= head.time <= ahead + 1
