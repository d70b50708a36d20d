"""The two READMEs: their commands stand where CI and people look for them, and what they say about the code is so."""

import ast
import re
from pathlib import Path

import pytest

import kiwoom_nb as kn
from kiwoom_nb import schema
from kiwoom_nb.accessor import Accessor

ROOT = Path(__file__).parents[1]
READMES = ["README.md", "README.ko.md"]
PROSE = [*READMES, "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md", "sample_data/README.md", "notebooks/README.md"]

DEMO = 'python3 -m venv .venv && .venv/bin/python -m pip install -e ".[lab]" && .venv/bin/kiwoom-nb demo'
TESTS = 'python3 -m venv .venv && .venv/bin/python -m pip install -e ".[test]" && .venv/bin/pytest'
# Columns that no field of its own fills, and what the table says about where they come from.
DERIVED = {"received_at": "-", "venue": "item, 9001", "price_direction": "10"}

each_readme = pytest.mark.parametrize("name", READMES)
each_text = pytest.mark.parametrize("name", PROSE)


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def snippets(name):
    return re.findall(r"^```python\n(.*?)^```$", read(name), re.MULTILINE | re.DOTALL)


@each_readme
@pytest.mark.parametrize("command", [DEMO, TESTS], ids=["demo", "tests"])
def test_the_two_commands_stand_on_lines_of_their_own(name, command):
    """CI takes the test command from the README, and people copy whole lines."""
    assert read(name).splitlines().count(command) == 1


@each_readme
def test_the_python_in_it_compiles(name):
    """A snippet with a typo is worse than none."""
    assert snippets(name)
    for snippet in snippets(name):
        compile(snippet, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@each_readme
def test_the_python_in_it_runs_from_top_to_bottom(name, tmp_path, monkeypatch):
    """What needs no account does what the README says it does, in the order in which one reads it."""
    monkeypatch.chdir(tmp_path)
    variables = {}
    try:
        for snippet in snippets(name):
            if "set_credentials" not in snippet:
                exec(compile(snippet, name, "exec"), variables)  # noqa: S102 - our own snippets
                check_what_the_comments_promise(snippet, variables)
    finally:
        for value in variables.values():
            if isinstance(value, kn.frame.LiveFrame):
                value.kn.stop()
        variables["server"].close()


def check_what_the_comments_promise(snippet, variables):
    for line in snippet.splitlines():
        expression, _, comment = line.partition("  # ")
        if comment.startswith("True") and "wait" not in expression:
            assert eval(expression, variables) is True, line  # noqa: S307 - our own snippets


@each_text
def test_every_name_of_ours_in_it_exists(name):
    """Nothing is described that is not there."""
    text = read(name)
    on_frames = set(re.findall(r"\bdf\.kn\.(\w+)", text))
    top = set(re.findall(r"(?<![\w.])kn\.(\w+)", text))
    assert {word for word in on_frames if not hasattr(Accessor, word)} == set()
    assert {word for word in top if not hasattr(kn, word)} == set()


@each_readme
def test_its_table_of_columns_is_that_of_the_schema(name):
    """The 30 columns in order, with their FIDs and dtypes."""
    fids = {field.column: field.fid for field in schema.FIELDS} | DERIVED
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| `([^|`]+)` \| .+ \|$", read(name), re.MULTILINE)
    assert rows == [(column, fids[column], dtype) for column, dtype in schema.COLUMNS.items()]


@each_text
def test_its_links_within_the_repository_lead_somewhere(name):
    """No link is dead in a clone."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", read(name))
    assert [link for link in links if not (ROOT / name).parent.joinpath(link).exists()] == []


def test_both_languages_show_the_same_code():
    """The Korean README is no step behind the English one; only comments differ."""
    bare = [[re.sub(r"  # .*", "", snippet) for snippet in snippets(name)] for name in READMES]
    assert bare[0] == bare[1]
