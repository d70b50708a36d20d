"""Frames to give away. All accounts and names are made up."""

from __future__ import annotations

import getpass
import re
import socket
from pathlib import Path

import pandas as pd
import pytest
from frames import event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from kiwoom_nb import paths
from kiwoom_nb.holdings import Holding, Holdings
from kiwoom_nb.line import Gap
from kiwoom_nb.protocol import parse
from kiwoom_nb.pseudonyms import REMOVED, anonymized
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.told import Told, told_by

ACCOUNTS = ("1234561111", "6543211111")
PSEUDONYM = re.compile(r"account-[0-9a-f]{8}")
HELD = Holding("005930", "삼성전자", "00", None, 1, 1, 1, 1, 1, 1, 0, 0)


@pytest.fixture(autouse=True)
def kims_machine(monkeypatch):
    """A machine with names that can be searched for."""
    monkeypatch.setattr(socket, "gethostname", lambda: "kims-pc.home.arpa")
    monkeypatch.setattr(getpass, "getuser", lambda: "kim")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/kim"))


def frame(*, masked=False, gaps=(), texts=()):
    """Return two rows of two accounts, with what else a frame may carry."""
    table = BalanceTable(mask_accounts=masked, capacity=4)
    for account in ACCOUNTS:
        table.receive(parse(event(f9201=account)), 1)
    for text in texts:
        table.reject(2, text, "not_json")
    made = table.frame().copy()
    labels = list(made["account"].cat.categories)
    told = told_by(made)
    held = [Holdings(1, 0, labels[1], [HELD]), Holdings(2, 1, None, [])]
    return Told([Gap(1, 2, reason) for reason in gaps], told.rejected, held).attach(made)


def said(shown):
    return shown.to_csv() + str(shown.attrs) + str(list(shown["account"].cat.categories))


@pytest.mark.parametrize("masked", [False, True])
def test_each_account_becomes_a_pseudonym_of_its_own(masked):
    """In rows, categories, texts and holdings; nothing of the number is left, not even its last digits."""
    original = frame(masked=masked, texts=[f"a {ACCOUNTS[0]} b 9999999999", "x" * 190 + ACCOUNTS[1]])
    shown = anonymized(original)
    pseudonyms = shown["account"].tolist()
    assert all(map(PSEUDONYM.fullmatch, pseudonyms))
    assert len(set(pseudonyms)) == 2
    assert [held.account for held in told_by(shown).holdings] == [pseudonyms[1], None]
    assert told_by(shown).rejected[0].text.startswith(f"a {pseudonyms[0]} b account-")
    assert re.search("1111|9999", said(shown)) is None


def test_nothing_else_changes():
    """Not a number, a time, a dtype, the order of accounts, the row of a reject; and not the frame itself."""
    original = frame(gaps=["closed"], texts=["not a number: 5"]).assign(mine=[1.5, 2.5])
    original.attrs["saved"] = "20261120153000"
    before = original.copy()
    shown = anonymized(original)
    assert_frame_equal(shown.drop(columns="account"), original.drop(columns="account"))
    assert str(shown["account"].dtype) == "category"
    assert shown["account"].cat.codes.equals(original["account"].cat.codes)
    assert told_by(shown).gaps == told_by(original).gaps
    assert told_by(shown).rejected == told_by(original).rejected
    assert [held.holdings for held in told_by(shown).holdings] == [[HELD], []]
    assert_frame_equal(original, before)
    assert original.attrs == before.attrs


def test_an_account_has_one_pseudonym_in_all_exports_of_a_user(monkeypatch, tmp_path):
    """Whatever else is in the frame; another user's is another, and so it cannot be found by trying all numbers."""
    first = anonymized(frame())["account"].tolist()
    assert anonymized(frame().iloc[1:])["account"].tolist() == first[1:]
    monkeypatch.setenv("KIWOOM_NB_HOME", str(tmp_path / "another user"))
    assert not set(anonymized(frame())["account"]) & set(first)
    assert paths.pseudonym_of(ACCOUNTS[0]) not in first


def test_a_pseudonym_stays_as_it_is():
    """A frame that was anonymized before is not made another."""
    shown = anonymized(frame(gaps=["closed"], texts=["1234561111"]))
    assert_frame_equal(anonymized(shown), shown)
    assert anonymized(shown).attrs == shown.attrs


@pytest.mark.parametrize(
    "reason",
    [
        "[Errno 111] Connect call failed ('192.168.0.7', 8765)",
        "[Errno 111] Connect call failed ('::1', 8765, 0, 0)",
        "no route from kims-pc to KIMS-PC.home.arpa:10000",
        "cannot read /home/kim/certificates/ca.pem",
        "kim is not allowed",
        "[fe80::1ff:fe23:4567:890a]:443 is down",
    ],
)
def test_names_of_the_machine_go_from_the_reasons_of_gaps(reason):
    """Host, user, home folder and addresses; the rest of the sentence stays."""
    [gap] = told_by(anonymized(frame(gaps=[reason]))).gaps
    assert REMOVED in gap.reason
    assert re.search(r"kim|KIM|192|8765|10000|::|443", gap.reason) is None
    assert set(re.findall(r"[a-z]{4,}", gap.reason)) <= set(re.findall(r"[a-z]{4,}", f"{reason} removed"))


@pytest.mark.parametrize("reason", ["closed", "the server closed it (1006)", "no answer within 10 seconds", "at 12:30"])
def test_other_reasons_stay(reason):
    """What names nobody."""
    assert told_by(anonymized(frame(gaps=[reason]))).gaps[0].reason == reason


def test_texts_of_rejects_and_attrs_of_the_user_are_cleaned():
    """Names of the machine and accounts go, also inside of lists and dicts; numbers stay."""
    original = frame(texts=['{"path":"/home/kim/x"}'])
    original.attrs["note"] = {"by": ["kim", 3], "1234561111": "kims-pc, not kimono"}
    shown = anonymized(original)
    pseudonym = shown["account"].iloc[0]
    assert told_by(shown).rejected[0].text == f'{{"path":"{REMOVED}/x"}}'
    assert shown.attrs["note"] == {"by": [REMOVED, 3], pseudonym: f"{REMOVED}, not kimono"}


@pytest.mark.parametrize(
    "derive",
    [
        lambda frame: frame.set_index("account"),
        lambda frame: frame.set_index(["account", "symbol"]),
        lambda frame: frame.astype({"account": "str"}),
        lambda frame: frame.groupby(["account", "symbol"], observed=True)[["quantity"]].last(),
        lambda frame: frame[["price", "quantity"]],
        lambda frame: frame.iloc[:0],
    ],
)
def test_derived_frames_hide_accounts_too(derive):
    """Wherever the accounts are: in an index, as plain texts, or nowhere."""
    original = derive(frame())
    shown = anonymized(original)
    assert re.search("1111", f"{shown.to_csv()}{shown.attrs}") is None
    assert shown.index.names == original.index.names
    assert len(shown) == len(original)
    assert list(shown.columns) == list(original.columns)


def test_texts_elsewhere_lose_what_is_known_and_what_looks_so():
    """Ten digits by themselves in columns of the user's own; a time, a code and our own columns keep theirs."""
    texts = ["1234561111", "id 9876543210.", "20261120153000", "005930 and 12345678"]
    original = (
        frame()
        .iloc[[0, 1, 0, 1]]
        .assign(mine=texts, extra_924=pd.Categorical(["9876543210", "of 6543211111", None, "0"]))
    )
    shown = anonymized(original)
    known, other = paths.pseudonym_of("1234561111"), paths.pseudonym_of("9876543210")
    assert shown["mine"].tolist() == [known, f"id {other}.", *texts[2:]]
    assert shown["extra_924"].tolist()[:2] == ["9876543210", f"of {paths.pseudonym_of('6543211111')}"]
    assert shown["extra_924"].isna().tolist() == original["extra_924"].isna().tolist()
    assert shown["mine"].dtype == original["mine"].dtype
    assert anonymized(shown).equals(shown)


def test_a_short_account_is_no_part_of_a_code():
    """It is replaced where accounts stand, but 1234 is in many a price and symbol."""
    table = BalanceTable(mask_accounts=False, capacity=4)
    table.receive(parse(event(f9201="5930")), 1)
    shown = anonymized(table.frame().assign(mine=["005930"]))
    assert shown["account"].tolist() == [paths.pseudonym_of("5930")]
    assert shown[["symbol", "mine"]].to_numpy().tolist() == [["005930", "005930"]]


def test_an_account_and_its_pseudonym_become_one():
    """Of a frame that was put together from one to give away and one in full."""
    both = pd.concat([frame().astype({"account": "str"}), anonymized(frame()).astype({"account": "str"})])
    for one in (both, both.astype({"account": "category"}), both.set_index("account")):
        shown = anonymized(one).reset_index()["account"]
        assert shown.tolist() == anonymized(frame())["account"].tolist() * 2


@pytest.mark.parametrize("account", ["0000000000", "00000000", "0000000042", "9" * 30, "1" * 5000])
def test_an_account_that_is_a_small_number_or_none_is_not_found_in_numbers(account):
    """Each frame has a row of the number 0, and a count of 42 is not the account 0000000042."""
    table = BalanceTable(mask_accounts=False, capacity=4)
    table.receive(parse(event(f9201=account)), 1)
    shown = anonymized(table.frame().assign(mine=[42]))
    assert shown["account"].tolist() == [paths.pseudonym_of(account)]
    assert shown["mine"].tolist() == [42]


@pytest.mark.parametrize(
    ("account", "dtype"), [("1234561111", "int64"), ("9" * 18, "Int64"), ("1" + "7" * 19, "uint64")]
)
def test_an_account_in_a_column_of_numbers_is_refused_however_long_it_is(account, dtype):
    """Up to the greatest number that a column holds."""
    table = BalanceTable(mask_accounts=False, capacity=4)
    table.receive(parse(event(f9201=account)), 1)
    with pytest.raises(ValueError, match="holds account numbers as numbers"):
        anonymized(table.frame().assign(mine=pd.Series([int(account)], dtype=dtype)))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.text(alphabet="0123456789", min_size=4, max_size=12), min_size=1, max_size=4, unique=True))
def test_accounts_of_any_length_stay_apart(accounts):
    """As many pseudonyms as accounts, in their order."""
    table = BalanceTable(mask_accounts=False, capacity=4)
    for account in accounts:
        table.receive(parse(event(f9201=account)), 1)
    shown = anonymized(table.frame())["account"]
    assert isinstance(shown.dtype, pd.CategoricalDtype)
    assert shown.tolist() == [paths.pseudonym_of(account) for account in accounts]
    assert shown.nunique() == len(accounts)
