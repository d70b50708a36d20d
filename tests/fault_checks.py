"""What the tests of faults share: streaming, pushing numbered rows, and what must hold whatever happened."""

import pandas as pd
from frames import event
from lines import until

import kiwoom_nb as kn


def stream(url, token, **options):
    """Start a stream in the background, as a script does, and wait until it is live."""
    df = kn.stream_balances(url=url, token=token, **options)
    until(lambda: df.kn.status.state == "live")
    return df


def push(server, first, last):
    """Push rows whose quantity is their number."""
    for number in range(first, last):
        server.push(event(f930=str(number)))


def numbers(df):
    return df["quantity"].tolist()


def check_whole(df):
    """Check what must hold of any stream: the journal loads as what was seen, and no row lies in a gap.

    Gaps are in order, each has ended and says why. The stream is stopped for it.
    """
    path = df.kn.status.journal
    df.kn.stop()
    loaded = kn.load(path)
    pd.testing.assert_frame_equal(loaded, df.copy())
    gaps = df.kn.gaps
    pd.testing.assert_frame_equal(loaded.kn.gaps, gaps)
    assert gaps["end"].notna().all()
    assert (gaps["end"] >= gaps["start"]).all()
    assert (gaps["reason"] != "").all()
    assert gaps["start"].is_monotonic_increasing
    for gap in gaps.itertuples():
        assert not ((df["received_at"] > gap.start) & (df["received_at"] < gap.end)).any()
