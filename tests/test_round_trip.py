import gzip

import pandas as pd
import pyarrow as pa
from frames import balance_frames, hostile_frames
from holding_pages import ACCOUNTS, page_lists
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from kiwoom_nb import journal
from kiwoom_nb.frame import LiveFrame
from kiwoom_nb.protocol import parse
from kiwoom_nb.recording import Recorder
from kiwoom_nb.schema import COLUMNS
from kiwoom_nb.storage import load, write_parquet
from kiwoom_nb.table import BalanceTable

NOON = 1_763_600_400_123_456

LINE = st.sampled_from(
    [(journal.CONNECTED, {}), (journal.DISCONNECTED, {"reason": "closed"}), (journal.STOPPED, {"reason": "stopped"})]
)
HELD = st.tuples(ACCOUNTS, page_lists(), st.integers(0, 3000))
RECEIVED = st.lists(balance_frames(2) | hostile_frames() | LINE | HELD, max_size=10)


def live_and_journal(received, folder, *, mask_accounts):
    """Do what a stream does: the journal first, then the table."""
    table = BalanceTable(mask_accounts=mask_accounts, capacity=4)
    recorder = Recorder(folder, server="demo", owner="x", at=NOON)
    at = NOON
    for what in received:
        at += 1000
        if isinstance(what, bytes):
            recorder.frame(at, what)
            table.receive(parse(what), at)
            continue
        if len(what) == len(("account", "pages", "ago")):
            account, pages, ago = what
            recorder.holdings(at, at - ago, account, pages)
            table.hold(at - ago, account, pages)
            continue
        name, details = what
        if name == journal.CONNECTED:
            recorder.event(at, name)
            table.line.connected(at)
        else:
            recorder.event(at, name, since=at - 500, **details)
            table.line.disconnected(at - 500, details["reason"])
    recorder.close()
    return LiveFrame(table.frame(), None), recorder.path


def check_equal(loaded, live):
    """Compare cells, dtypes, categories in their order, gaps and rejects."""
    assert type(loaded) is pd.DataFrame
    assert_frame_equal(loaded, pd.DataFrame(live))
    assert {name: str(dtype) for name, dtype in loaded.dtypes.items()} == COLUMNS
    for name in (name for name, dtype in COLUMNS.items() if dtype == "category"):
        assert loaded[name].cat.categories.equals(live[name].cat.categories)
        assert loaded[name].cat.categories.dtype == "str"
        assert not loaded[name].cat.ordered
    assert loaded.attrs == live.attrs


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECEIVED, st.booleans())
def test_live_journal_compressed_and_parquet_are_one_frame(tmp_path_factory, received, mask):
    """What was live comes back from its journal, from compressed copies and from Parquet: cell for cell.

    So do the gaps, what could not be read, and what the account held whenever it was asked.
    """
    folder = tmp_path_factory.mktemp("journal")
    live, path = live_and_journal(received, folder / "j", mask_accounts=mask)
    check_equal(load(path, mask_accounts=mask), live)
    check_equal(load(folder, mask_accounts=mask), live)

    packed = folder / "day.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    check_equal(load(packed, mask_accounts=mask), live)
    squeezed = folder / "day.jsonl.zst"
    squeezed.write_bytes(pa.compress(path.read_bytes(), codec="zstd", asbytes=True))
    check_equal(load(squeezed, mask_accounts=mask), live)

    check_equal(load(write_parquet(live, folder / "a.parquet"), mask_accounts=mask), live)
    loaded = load(path, mask_accounts=mask)
    check_equal(load(write_parquet(loaded, folder / "b.parquet"), mask_accounts=mask), live)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RECEIVED)
def test_a_parquet_file_with_account_numbers_is_masked_when_it_is_loaded(tmp_path_factory, received):
    """Exported in full, loaded masked: the same frame as the journal gives, rejected texts included."""
    folder = tmp_path_factory.mktemp("journal")
    live, path = live_and_journal(received, folder, mask_accounts=True)
    whole = load(path, mask_accounts=False)
    check_equal(load(write_parquet(whole, folder / "a.parquet")), live)
    check_equal(load(path), live)
