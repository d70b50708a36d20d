"""The recorded days that ship with the package."""

from __future__ import annotations

import json

import pytest

from kiwoom_nb import samples, shipped
from kiwoom_nb.errors import SourceError
from kiwoom_nb.storage import load
from kiwoom_nb.told import told_by
from kiwoom_nb.trading_day import simulate


@pytest.mark.parametrize("name", sorted(samples.DAYS))
def test_the_generator_still_makes_exactly_the_sample(name, tmp_path):
    """Lessons quote figures of these days: a change of the generator must not change them unnoticed."""
    day = samples.DAYS[name]()
    folder = shipped.folder("sample_data")
    assert samples.journal_of(day) == (folder / f"{name}.jsonl").read_bytes()
    day.truth.write(tmp_path / "truth.json")
    assert (tmp_path / "truth.json").read_bytes() == (folder / f"{name}.truth.json").read_bytes()


def test_make_writes_all_of_them(tmp_path):
    """One call makes the folder anew."""
    samples.make(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{name}{ending}" for name in samples.DAYS for ending in (".jsonl", ".truth.json")
    )


def test_together_they_are_small():
    """They are in every clone and every wheel: less than 5 MB."""
    assert sum(path.stat().st_size for path in shipped.folder("sample_data").iterdir()) < 5 * 2**20


def test_the_busy_day_is_the_default_sample():
    """The name "sample" means a day with several hundred events."""
    assert samples.path_of("sample") == samples.path_of("sample:busy")
    assert len(load(samples.path_of("sample"))) >= 300


def test_the_day_of_oddities_has_them_all():
    """A gap, a value that cannot be read, another venue, an alphanumeric code and a sum of loan lots."""
    frame = load(samples.path_of("sample:oddities"))
    assert len(frame.kn.gaps) == 1
    assert frame.kn.rejected["reason"].tolist() == ["unreadable"]
    assert "NXT" in set(frame["venue"])
    assert {"03", "99"} <= set(frame["credit_type"])
    assert frame["symbol"].str.contains("[A-Z]").any()
    assert frame.duplicated().any()


def test_a_calm_day_has_nothing_to_tell():
    """No gap, no reject."""
    frame = load(samples.path_of("sample:calm"))
    assert frame.kn.gaps.empty
    assert frame.kn.rejected.empty


def test_an_unknown_sample_names_the_known_ones():
    """A typing error is answered with what there is."""
    with pytest.raises(SourceError, match='"sample:busy"'):
        samples.path_of("sample:quiet")


@pytest.mark.parametrize(
    ("source", "expected"), [("sample", True), ("sample:calm", True), ("samples", False), (3, False)]
)
def test_a_sample_is_told_from_a_path(source, expected):
    """Only the word itself, with or without a day, is a sample."""
    assert samples.is_sample(source) is expected


def test_the_truth_says_that_it_is_synthetic():
    """Whoever opens the file must not take it for a person's trades."""
    truth = json.loads((shipped.folder("sample_data") / "busy.truth.json").read_text("utf-8"))
    assert set(truth["accounts"]) == {"1111111111"}


@pytest.mark.parametrize("name", sorted(samples.DAYS))
def test_each_day_tells_what_was_held_before_its_first_event(name):
    """For each account, lot by lot, as in its truth; nothing of it is a row."""
    day = samples.DAYS[name]()
    held = told_by(load(samples.path_of(f"sample:{name}"), mask_accounts=False)).holdings
    opening = held[: len(day.accounts)]
    assert [one.account for one in opening] == list(day.accounts)
    assert {one.row for one in opening} == {0}
    assert _states(opening) == _truth(day, None)


def test_the_day_of_oddities_tells_what_was_held_after_its_gap():
    """The fills that were missed in it are among that: they changed one position."""
    day = samples.DAYS["oddities"]()
    frame = load(samples.path_of("sample:oddities"), mask_accounts=False)
    ((_, end),) = day.gaps
    after = told_by(frame).holdings[len(day.accounts) :]
    assert _states(after) == _truth(day, end)
    missed = day.truth.fills[day.truth.fills["missed"]]
    assert frame.kn.gaps["missed"].tolist() == [
        len(missed.groupby(["account", "symbol", "credit_type", "loan_date"], dropna=False))
    ]


def test_a_day_without_an_event_has_a_journal_too():
    """With what was held on it."""
    day = simulate(events=0)
    lines = samples.journal_of(day).splitlines()
    assert [json.loads(line).get("event") for line in lines] == [None, "connected", "holdings", "stopped"]


def _states(held):
    return {
        (one.account, holding.symbol, holding.credit_type, holding.quantity, holding.cost)
        for one in held
        for holding in one.holdings
    }


def _truth(day, at):
    return {(one.account, one.symbol, one.credit_type, one.quantity, one.cost) for one in day.holdings(at)}
