import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwoom_nb import latest
from kiwoom_nb.latest import KEY, RECENT, Latest

KEYS = st.lists(st.tuples(*[st.integers(-1, 1)] * len(KEY)), max_size=60)


def reader(keys, *, asked=None):
    def read(start, stop):
        if asked is not None:
            asked.append((start, stop))
        return [list(column) for column in zip(*keys[start:stop], strict=True)]

    return read


def model(keys):
    """Return the last row of each key, how many it has and the first, in order of first sight."""
    last, counts, firsts = {}, {}, {}
    for row, key in enumerate(keys):
        last[key] = row
        counts[key] = counts.get(key, 0) + 1
        firsts.setdefault(key, row)
    return list(last.items()), list(counts.values()), list(firsts.values())


@given(KEYS, st.lists(st.integers(0, 60), max_size=4))
def test_the_latest_row_of_each_position_is_kept_in_whatever_steps(keys, steps):
    """Each row is read once; the order is that of first sight, which never changes."""
    kept, asked = Latest(), []
    for rows in [*sorted(min(step, len(keys)) for step in steps), len(keys)]:
        kept.advance(rows, reader(keys, asked=asked))
        items, counts, firsts = model(keys[:rows])
        assert kept.items() == items
        assert kept.rows().tolist() == [row for _, row in items]
        assert kept.counts().tolist() == counts
        assert kept.firsts().tolist() == firsts
        wanted = [[row for row, other in enumerate(keys[:rows]) if other == key][-RECENT:] for key, _ in items]
        assert kept.recent().tolist() == [row for own in wanted for row in own]
    assert [row for start, stop in asked for row in range(start, stop)] == list(range(len(keys)))


def test_of_each_position_only_the_last_rows_are_remembered():
    """However long the day is."""
    kept = Latest()
    kept.advance(100, reader([(row % 2,) * 4 for row in range(100)]))
    assert kept.recent().tolist() == [*range(100 - 2 * RECENT, 100, 2), *range(101 - 2 * RECENT, 100, 2)]


def test_fewer_rows_than_before_change_nothing():
    """A frame that is held still asks for less than is known."""
    kept = Latest()
    kept.advance(3, reader([(0,) * 4] * 3))
    kept.advance(1, reader([]))
    assert kept.rows().tolist() == [2]


def test_many_rows_are_read_a_piece_at_a_time(monkeypatch):
    """No list of all rows is ever made."""
    monkeypatch.setattr(latest, "_CHUNK", 4)
    asked = []
    kept = Latest()
    kept.advance(10, reader([(row % 3,) * 4 for row in range(10)], asked=asked))
    assert asked == [(0, 4), (4, 8), (8, 10)]
    assert kept.rows().tolist() == [9, 7, 8]


def test_an_interrupt_makes_it_begin_anew(monkeypatch):
    """Half of what was read must not stay behind."""
    monkeypatch.setattr(latest, "_CHUNK", 2)
    keys = [(0,) * 4, (1,) * 4, (0,) * 4]
    kept = Latest()

    def interrupted(start, stop):
        if start:
            raise KeyboardInterrupt
        return reader(keys)(start, stop)

    with pytest.raises(KeyboardInterrupt):
        kept.advance(3, interrupted)
    kept.advance(3, reader(keys))
    assert kept.items() == model(keys)[0]
    assert kept.counts().tolist() == [2, 1]
    assert kept.firsts().tolist() == [0, 1]
