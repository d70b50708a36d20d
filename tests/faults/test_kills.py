import json
import os
import random

import pytest
from fault_checks import check_whole, numbers, push, stream
from fault_kernel import Nursery
from frames import event

import kiwoom_nb as kn
from kiwoom_nb.classroom import serve

KILLS = 60
MOST_AHEAD = 40  # rows that are pushed before the kernel has shown them


class World:
    """A server, the kernels that stream from it, and what must be in the journal by now."""

    def __init__(self, server, nursery, folder):
        self.server = server
        self.nursery = nursery
        self.folder = folder
        self.next_number = 0
        self.seen = []
        self.torn = []
        self.lives = 0  # that were seen to be live

    @property
    def path(self):
        [path] = self.folder.glob("*.jsonl")
        return path

    def live_and_die(self, rows, extra):
        """Let a kernel be born, show so many rows while more are coming, and be killed; None: at its birth."""
        kernel = self.nursery.born()
        while rows is not None and len(kernel.seen) < rows:
            if kernel.was_live:
                self.push_more(kernel)
            kernel.hears_anything()
        if rows is not None:
            push(self.server, self.next_number, self.next_number + extra)  # it is killed with these on their way
            self.next_number += extra
        kernel.kill()
        self.note(kernel)

    def push_more(self, kernel):
        """Keep the kernel supplied, but not by more than it can be asked to show."""
        if not kernel.seen or self.next_number - kernel.seen[-1] < MOST_AHEAD:
            push(self.server, self.next_number, self.next_number + 6)
            self.next_number += 6

    def note(self, kernel):
        if kernel.loaded is not None:
            assert kernel.loaded >= len(self.seen), "a row that had been visible was not loaded again"
        self.lives += kernel.was_live
        self.seen += kernel.seen

    def tear(self, chance):
        """Leave half a line at the journal's end, as a power cut does, where there is none yet."""
        if not self.path.read_bytes().endswith(b"\n"):
            return
        line = b'{"received_at":1795302000000000,"frame":' + event(f930="77") + b"}"
        torn = line[: chance.randrange(1, len(line))]
        with self.path.open("ab") as file:
            file.write(torn)
        self.torn.append(torn.decode(errors="replace"))


def lines_of(path):
    raw = path.read_bytes()
    assert raw.endswith(b"\n")
    return [json.loads(line) for line in raw.splitlines()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kernels are forked here")
def test_sixty_kills_lose_no_row_that_was_visible(tmp_path):
    """SIGKILL at any moment, sixty times on one journal, now and then with a torn end behind it.

    Each row that was ever visible is in the journal, in the order in which it was pushed, and none twice; each life
    that was cut off is a gap, with no row inside it; each torn end is told. And a last kernel sees all of it.
    """
    chance = random.Random(7)  # noqa: S311 - when to kill, no secret
    folder = tmp_path / "journals"
    with serve() as server, Nursery(server.url, server.token, folder) as nursery:
        world = World(server, nursery, folder)
        for kill in range(KILLS):
            at_birth = kill and chance.random() < 0.15
            world.live_and_die(None if at_birth else chance.randrange(0, 20), chance.randrange(0, 12))
            if chance.random() < 0.15:
                world.tear(chance)
        df = stream(server.url, server.token, holdings=False, record=folder)
        push(server, world.next_number, world.next_number + 1)
        df.kn.sync()
        assert df.kn.wait(len(df) + (world.next_number not in numbers(df)), timeout=20)
        recorded = numbers(df)
        gaps = df.kn.gaps
        rejected = df.kn.rejected
        check_whole(df)
    assert nursery.errors == ""
    assert len(world.seen) > KILLS
    assert recorded == sorted(set(recorded))
    assert [number for number in recorded if number in set(world.seen)] == world.seen
    lines = lines_of(world.path)
    events = [line["event"] for line in lines if "event" in line]
    assert events.count("connected") - 1 == len(gaps) >= world.lives
    assert set(gaps["reason"]) == {"interrupted"}
    told = rejected["text"].tolist()
    assert rejected["reason"].tolist() == ["torn_line"] * len(told)
    assert events.count("repaired") == len(told) >= len(world.torn) > 0
    assert [
        line["text"] for line in lines if line.get("event") == "repaired" and line["text"] in world.torn
    ] == world.torn
    assert numbers(kn.load(folder)) == recorded
