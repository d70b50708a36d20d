import asyncio

import pandas as pd
import pytest
from frames import event
from lines import Server, Tokens, until

import kiwoom_nb as kn
from kiwoom_nb.errors import NotLive
from kiwoom_nb.stream import Stream
from kiwoom_nb.table import empty_frame

LIVE_ONLY = ("wait", "sync", "pause", "resume", "stop")


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def df(server):
    """A live frame of two rows."""
    stream = Stream(connect=server.connect, tokens=Tokens(), server="test", owner="0123456789ab")
    until(lambda: stream.status.state == "live")
    server.push(event(f930="1"), event(f930="2x", f777="?"))
    assert stream.wait(2, timeout=20)
    yield stream.frame
    stream.stop()


def derived(df):
    return {
        "head": df.head(),
        "mask": df[df["quantity"] > 0],
        "copy": df.copy(),
        "columns": df[["symbol", "quantity"]],
        "made by hand": pd.DataFrame({"a": [1]}),
        "empty": empty_frame(),
    }


@pytest.mark.parametrize("call", [*LIVE_ONLY, "status"])
def test_a_frame_with_nothing_behind_it_says_so(df, call):
    """NotLive is a sentence that names the call and the two functions whose frames have something."""
    for frame in derived(df).values():
        with pytest.raises(NotLive, match=rf"df\.kn\.{call}") as caught:
            getattr(frame.kn, call) if call == "status" else getattr(frame.kn, call)()
        assert "kn.stream_balances()" in str(caught.value)


async def test_awaiting_a_plain_frame_says_so():
    """changed() raises when it is awaited."""
    with pytest.raises(NotLive, match=r"df\.kn\.changed\(\)"):
        await empty_frame().kn.changed()


def test_the_calls_reach_the_stream(df, server):
    """wait, sync, pause, resume and stop do what the stream does."""
    server.push(event(f930="3"))
    until(lambda: df.kn.status.events == 3)
    assert len(df) == 2
    df.kn.sync()
    assert len(df) == 3
    df.kn.pause()
    assert df.kn.status.paused
    df.kn.resume()
    assert not df.kn.status.paused
    assert df.kn.wait(3)
    assert asyncio.run(df.kn.changed(3))
    df.kn.stop()
    assert df.kn.status.state == "stopped"
    assert not df.kn.wait()


def test_gaps_and_rejects_are_on_every_frame_as_of_its_moment(df, server):
    """What is derived from a live frame carries them along; a frame without any has empty ones of the same columns."""
    head = df.head()
    server.push(event(f930="?"))
    df.kn.wait(3)
    assert list(df.kn.rejected["reason"]) == ["unreadable", "unknown_fid", "unreadable"]
    assert list(head.kn.rejected["reason"]) == ["unreadable", "unknown_fid"]
    pd.testing.assert_frame_equal(empty_frame().kn.rejected, df.kn.rejected.head(0))
    pd.testing.assert_frame_equal(pd.DataFrame({"a": [1]}).kn.gaps, df.kn.gaps)
    assert list(df.kn.gaps.columns) == ["start", "end", "reason", "missed"]


def test_attrs_of_another_program_are_no_gaps():
    """Somebody else may have put anything there."""
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["kiwoom_nb"] = {"gaps": 1}
    assert len(frame.kn.gaps) == len(frame.kn.rejected) == 0


@pytest.mark.parametrize("export", ["to_parquet", "to_csv", "to_excel"])
def test_an_export_returns_the_path_of_its_file(df, tmp_path, export):
    """The Parquet file gives back an equal frame, rejects included."""
    suffix = {"to_parquet": "parquet", "to_csv": "csv", "to_excel": "xlsx"}[export]
    path = getattr(df.kn, export)(str(tmp_path / f"day.{suffix}"))
    assert path == tmp_path / f"day.{suffix}"
    assert path.stat().st_size > 0
    if export == "to_parquet":
        loaded = kn.load(path)
        pd.testing.assert_frame_equal(loaded, df.copy())
        pd.testing.assert_frame_equal(loaded.kn.rejected, df.kn.rejected)


def test_the_accessor_keeps_nothing_but_the_frame(df):
    """A new one is made by pandas at each access."""
    assert vars(df.kn) == {"_frame": df.kn._frame}
    assert df.kn._frame is df
