import json

import pytest
from frames import OFFICIAL, PING
from holding_pages import page, row

from kiwoom_nb.intake import Intake
from kiwoom_nb.line import Gap
from kiwoom_nb.protocol import parse
from kiwoom_nb.recording import Recorder
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.told import told_by

NOON = 1_763_600_400_000_000


def bug():
    raise RuntimeError("a bug")


class World:
    """An intake with a journal, and the frame's side of it."""

    def __init__(self, folder):
        self.rung = 0
        self.table = BalanceTable(capacity=4)
        self.recorder = Recorder(folder, server="demo", owner="x", at=NOON)
        self.intake = Intake(self.table, self.recorder, self.ring)

    def ring(self):
        self.rung += 1

    def recorded(self):
        lines = self.recorder.path.read_text("utf-8").splitlines()[1:]
        return [json.loads(line).get("event", "frame") for line in lines]

    def decode(self):
        while self.intake.arrived:
            self.intake.arrived.popleft()()
        return self.table.frame()


def test_everything_is_in_the_journal_before_it_is_queued_and_in_that_order(tmp_path):
    """What was recorded is what the frame will show, gaps and holdings among it."""
    world = World(tmp_path)
    world.intake.connected(NOON)
    world.intake.frame(NOON + 1, OFFICIAL, parse(OFFICIAL))
    world.intake.holdings(NOON + 3, NOON + 2, None, [page(row())])
    world.intake.disconnected(NOON + 5, NOON + 4, "closed")
    world.intake.connected(NOON + 6)
    assert world.recorded() == ["connected", "frame", "holdings", "disconnected", "connected"]
    assert world.table.rows == 0
    frame = world.decode()
    assert len(frame) == 1
    assert told_by(frame).gaps == [Gap(NOON + 4, NOON + 6, "closed")]
    assert [held.row for held in told_by(frame).holdings] == [1]
    assert world.rung == 5
    world.intake.end(NOON + 7, "stopped", None)


def test_nothing_comes_in_after_the_end(tmp_path):
    """A query or a frame that was under way belongs to nobody any more."""
    world = World(tmp_path)
    world.intake.connected(NOON)
    world.intake.end(NOON + 1, "stopped", None)
    world.intake.frame(NOON + 2, PING, parse(PING))
    world.intake.holdings(NOON + 2, NOON, None, [page(row())])
    world.intake.disconnected(NOON + 2, NOON, "closed")
    assert world.recorded() == ["connected", "disconnected", "stopped"]
    assert told_by(world.decode()).holdings == []
    assert world.intake.held is None


def test_what_is_known_of_the_holdings_is_the_last_word(tmp_path):
    """Read, or why not."""
    world = World(tmp_path)
    assert world.intake.held is None
    world.intake.no_holdings("no answer")
    assert world.intake.held == "no answer"
    world.intake.holdings(NOON, NOON, None, [page()])
    assert world.intake.held == "read"
    world.intake.end(NOON + 1, "stopped", None)


def test_what_ended_it_has_no_frames_that_could_show_the_token(tmp_path):
    """Of a bug the lines are kept as a note."""
    world = World(tmp_path)
    with pytest.raises(RuntimeError) as caught:
        bug()
    world.intake.end(NOON, "failed", caught.value)
    assert world.intake.error.__traceback__ is None
    assert "test_intake.py" in world.intake.error.__notes__[0]
