"""Some seconds of what ``python -m benchmarks.soak`` does for ten minutes: nothing lost untold, nothing left behind."""

import asyncio
import dataclasses
import itertools

import pytest

from benchmarks.pushing import numbered
from benchmarks.soak import Sample, bytes_per_row, faults, needed_per_row, report, soak, swollen

DROPS = 2


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return asyncio.run(soak(tmp_path_factory.mktemp("soak"), count=1_200, rate=300, drops=DROPS, every=0.5))


def test_the_journal_is_what_was_sent_and_nothing_leaks(outcome):
    """Each event that was sent is a row as it was sent, or lies in a gap that the stream told.

    The journal loads as the frame that was live, and no task, no thread and no open file is left.
    """
    assert faults(outcome) == []
    assert len(outcome.sent) > 1_200
    assert len(outcome.live) + outcome.missing == len(outcome.sent)
    assert f"{len(outcome.sent):,} events sent, {len(outcome.live):,} rows" in report(outcome)


def without_a_middle_one(outcome):
    """Forget an event whose neighbours came right before and after it."""
    numbers = [event.number for event in outcome.recorded]
    at = next(at for at in range(1, len(numbers) - 1) if numbers[at - 1] + 2 == numbers[at + 1])
    row = outcome.live.index[at]
    recorded = outcome.recorded[:at] + outcome.recorded[at + 1 :]
    return {"recorded": recorded, "live": outcome.live.drop(row), "loaded": outcome.loaded.drop(row)}


def with_another_content(outcome):
    return {"recorded": [outcome.recorded[0]._replace(digest=1), *outcome.recorded[1:]]}


def without_the_last(outcome):
    return {"recorded": outcome.recorded[:-1], "live": outcome.live.iloc[:-1], "loaded": outcome.loaded.iloc[:-1]}


def doubled(outcome):
    return {"recorded": [outcome.recorded[0], *outcome.recorded]}


def loaded_otherwise(outcome):
    return {"loaded": outcome.loaded.iloc[:-1]}


def leaking(outcome):
    return {"after": dataclasses.replace(outcome.after, handles=outcome.before.handles + 1)}


def never_dropped(outcome):
    """More gaps are told than there can have been."""
    return {"drops": -1}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_a_middle_one, "are missing, and no gap tells it"),
        (with_another_content, "1 events are not as they were sent"),
        (without_the_last, "missing at the beginning or at the end"),
        (doubled, "out of order or doubled"),
        (loaded_otherwise, "the journal loads as another frame"),
        (leaking, "handles before"),
        (never_dropped, "-1 drops, but"),
    ],
)
def test_what_is_wrong_is_found(outcome, change, told):
    """A soak that cannot fail would tell nothing."""
    wrong = dataclasses.replace(outcome, **change(outcome))
    assert any(told in fault for fault in faults(wrong))


def samples(per_row, rows=20_000):
    return [Sample(float(n), n * rows, 10**8 + n * rows * per_row, 4, 2, 16, 0) for n in range(20)]


def test_memory_that_grows_with_the_rows_by_more_than_their_buffers_is_found(outcome):
    """What a row needs is allowed, twice that is not; of few rows nobody can tell."""
    needed = round(needed_per_row(outcome.live))
    assert bytes_per_row(samples(per_row=200)) == pytest.approx(200)
    assert swollen(dataclasses.replace(outcome, samples=samples(per_row=needed))) == []
    assert swollen(dataclasses.replace(outcome, samples=samples(per_row=2 * needed)))
    assert swollen(dataclasses.replace(outcome, samples=samples(per_row=2 * needed, rows=100))) == []


def test_the_events_of_a_soak_differ_in_their_numbers():
    """So that each one that is missing can be named."""
    events = list(itertools.islice(numbered(), 6_000))
    assert len(set(events)) == 6_000
    assert b'"932":"5999"' in events[-1]
