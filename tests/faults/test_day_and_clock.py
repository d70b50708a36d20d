import asyncio
import datetime as dt
import json
import random

import pandas as pd
import pytest
from clock import until, virtual_time
from frames import PING, event
from lines import TOKEN, Line, Server, Tokens

import kiwoom_nb as kn
from kiwoom_nb import session
from kiwoom_nb.errors import ConnectionFailed
from kiwoom_nb.recording import KST
from kiwoom_nb.stream import Stream

SECOND = 1_000_000
HOUR = 3600
BYE = "the server closed it (1000 Bye)"
MAINTENANCE = "the server answered the handshake with HTTP 503"
BEGIN = dt.datetime(2026, 11, 20, 4, tzinfo=KST)
PAUSES = session.SHORTEST_PAUSE, session.LONGEST_PAUSE


@pytest.fixture
def real_pauses(monkeypatch):
    """The clock is turned: pauses need not be short. A watchdog that looks each five seconds saves time of ours."""
    monkeypatch.setattr(session, "_TICK", 5.0)
    monkeypatch.setattr(session, "_LONGEST_COUNTED", 10.0)
    monkeypatch.setattr(session, "SHORTEST_PAUSE", PAUSES[0])
    monkeypatch.setattr(session, "LONGEST_PAUSE", PAUSES[1])
    random.seed(5)


class Pinging(Line):
    """A line on which the server sends a PING each ten seconds and keeps the echoes."""

    def __init__(self, server):
        super().__init__(server)
        self._ping = self._loop.call_later(10, self._send_ping)

    def _send_ping(self):
        self._queue.put_nowait(PING)
        self._ping = self._loop.call_later(10, self._send_ping)

    async def send(self, frame):
        if "PING" not in frame:
            await super().send(frame)
        else:
            self._server.echoes += 1

    async def close(self):
        self._ping.cancel()
        await super().close()


class Kiwoom(Server):
    """A server that says Bye each night at five and is in maintenance for half an hour."""

    def __init__(self):
        super().__init__()
        self.echoes = 0
        self.attempts = 0

    async def connect(self, token):
        assert token == TOKEN
        self.attempts += 1
        await asyncio.sleep(0.02)
        if self.refusal is not None:
            raise self.refusal
        self.lines.append(Pinging(self))
        return self.lines[-1]

    def close_for_the_night(self):
        self.refusal = ConnectionFailed("test", MAINTENANCE)
        self.drop(BYE)

    def open_again(self):
        self.refusal = None


def microseconds(moment):
    return int(moment.timestamp()) * SECOND


def after(seconds):
    return BEGIN + dt.timedelta(seconds=seconds)


@virtual_time
async def test_two_nights_in_a_row_lose_nothing_but_what_the_gaps_tell(real_pauses, tmp_path):
    """Twenty-six hours at an account that fills each ten minutes, with two nightly disconnects and a midnight.

    The journal begins a new file at midnight in Korea, without a gap there. Each night is one gap, from the last
    frame heard to the moment when the line is up. Every row that was pushed while it was up has the very microsecond at
    which it came, the last as the first: nothing drifts.
    """
    loop = asyncio.get_running_loop()
    server = Kiwoom()
    stream = Stream(
        connect=server.connect,
        tokens=Tokens(),
        server="demo",
        owner="0123456789ab",
        folder=tmp_path,
        loop=loop,
        now=lambda: microseconds(BEGIN) + round(loop.time() * SECOND),
    )
    stream.pause()  # a frame that is shown anew for each PING would take most of the test's time
    pushed = []
    nights = [after(night * 24 * HOUR + HOUR) for night in range(2)]  # at five
    for night in range(2):
        loop.call_later(night * 24 * HOUR + HOUR, server.close_for_the_night)
        loop.call_later(night * 24 * HOUR + 1.5 * HOUR, server.open_again)
    for number in range(26 * 6):
        moment = number * 600 + 300.25
        await until(moment)
        if server.refusal is None:
            pushed.append((number, after(moment)))
            server.push(event(f930=str(number)))
    await until(26 * HOUR)
    assert stream.status.state == "live"
    stream.stop()
    await asyncio.sleep(5)
    df = stream.frame
    assert df["quantity"].tolist() == [number for number, _ in pushed]
    assert df["received_at"].tolist() == [pd.Timestamp(at) for _, at in pushed]
    gaps = df.kn.gaps
    assert gaps["reason"].tolist() == [BYE, BYE]
    for gap, night in zip(gaps.itertuples(), nights, strict=True):
        assert dt.timedelta(0) <= night - gap.start <= dt.timedelta(seconds=10)
        up_again = gap.end - night - dt.timedelta(minutes=30)
        assert dt.timedelta(0) <= up_again <= dt.timedelta(seconds=PAUSES[1] + 1)
    assert len(server.lines) == 3
    assert 120 <= server.attempts <= 500, "half an hour of pauses of half a minute at most"
    up = (26 * HOUR - sum((gap.end - gap.start).total_seconds() for gap in gaps.itertuples())) / 10
    assert up - 8 <= server.echoes <= up + 1
    check_days(tmp_path, df)


def check_days(folder, df):
    """There is a file for each KST day, with the rows of that day; together they are what was seen."""
    files = sorted(folder.glob("*.jsonl"))
    assert [file.name[:10] for file in files] == ["2026-11-20", "2026-11-21"]
    for file in files:
        rows = kn.load(file)
        assert {f"{day:%Y-%m-%d}" for day in rows["received_at"]} == {file.name[:10]}
        times = [line["received_at"] for line in lines_of(file)]
        assert times == sorted(times)
    loaded = kn.load(folder)
    pd.testing.assert_frame_equal(loaded, df.copy())
    pd.testing.assert_frame_equal(loaded.kn.gaps, df.kn.gaps)


def lines_of(file):
    return [json.loads(line) for line in file.read_bytes().splitlines()[1:]]


# A clock that jumps


class Wrong:
    """The clock of the machine: the loop's, put forward or back."""

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self.by = 0

    def __call__(self):
        return microseconds(BEGIN) + round((self._loop.time() + self.by) * SECOND)


JUMPS = {
    "a second back": [-1],
    "an hour forward and back": [HOUR, -HOUR],
    "back over midnight and forward again": [21 * HOUR, -3 * HOUR, 3 * HOUR],
    "a day back": [-24 * HOUR],
    "years forward and back": [5 * 365 * 24 * HOUR, -5 * 365 * 24 * HOUR],
    "many times": [7, -100, HOUR, -3000, 5 * HOUR, -5 * HOUR, 86_400, -86_400, 1],
}


@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS)
@virtual_time
async def test_a_clock_that_jumps_disturbs_neither_the_line_nor_the_order(jumps, tmp_path):
    """A row has the time that the clock showed when it came; rows and lines stay in the order in which they came.

    The line is not taken for dead: silence is counted by a clock that nobody sets. Gaps never end before they begin.
    """
    server = Kiwoom()
    clock = Wrong()
    stream = Stream(
        connect=server.connect,
        tokens=Tokens(),
        server="demo",
        owner="0123456789ab",
        folder=tmp_path,
        loop=asyncio.get_running_loop(),
        now=clock,
    )
    await until(1)
    expected = []
    for number, jump in enumerate([0, *jumps]):
        clock.by += jump
        for again in (2 * number, 2 * number + 1):
            server.push(event(f930=str(again)))
            expected.append((again, clock()))
            await asyncio.sleep(20)
        if number % 2:
            server.drop()
            await asyncio.sleep(5)
    stream.stop()
    await asyncio.sleep(5)
    df = stream.frame
    assert df["quantity"].tolist() == [number for number, _ in expected]
    assert df["received_at"].astype("int64").tolist() == [at for _, at in expected]
    gaps = df.kn.gaps
    assert len(gaps) == len(server.lines) - 1 == (len(jumps) + 1) // 2
    assert (gaps["end"] >= gaps["start"]).all()
    assert gaps["start"].is_monotonic_increasing
    recorded = [raw["frame"]["data"][0]["values"]["930"] for raw in frames_by_file(tmp_path)]
    assert sorted(map(int, recorded)) == list(range(len(expected)))
    for file in tmp_path.glob("*.jsonl"):
        rows = kn.load(file)["quantity"].tolist()
        assert rows == sorted(rows), "lines of one file are in the order in which they came"


def frames_by_file(folder):
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in lines_of(file)]
    return [line for line in lines if line.get("frame", {}).get("trnm") == "REAL"]


@virtual_time
async def test_a_clock_that_was_years_ahead_for_a_while_does_not_misname_the_days_that_follow(tmp_path):
    """Once it is right again, rows go into the file of their own day; they are loaded together in order of time."""
    server = Kiwoom()
    clock = Wrong()
    stream = Stream(
        connect=server.connect,
        tokens=Tokens(),
        server="demo",
        owner="0123456789ab",
        folder=tmp_path,
        loop=asyncio.get_running_loop(),
        now=clock,
    )
    await until(1)
    for number, by in enumerate([0, 4 * 365 * 24 * HOUR, 0, 24 * HOUR]):
        clock.by = by
        server.push(event(f930=str(number)))
        await asyncio.sleep(1)
    stream.stop()
    await asyncio.sleep(5)
    assert {file.name[:10]: kn.load(file)["quantity"].tolist() for file in tmp_path.glob("*.jsonl")} == {
        "2026-11-20": [0, 2],
        "2030-11-19": [1],
        "2026-11-21": [3],
    }
    assert len(stream.frame.kn.gaps) == 0
