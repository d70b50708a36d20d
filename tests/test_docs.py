"""The public docstrings: complete, in the sections of numpydoc, and about what is there."""

import ast
import builtins
import importlib
import inspect
import re
import textwrap
import tomllib
from pathlib import Path

import pytest

import kiwoom_nb as kn
from kiwoom_nb import errors, figures
from kiwoom_nb.accessor import Accessor
from kiwoom_nb.classroom import Server
from kiwoom_nb.dashboard import Dashboard
from kiwoom_nb.status import Status
from kiwoom_nb.trading_day import TradingDay

# What kn. and df.kn. offer, what they give back, and where their docstrings send a reader for more.
FUNCTIONS = [
    *(getattr(kn, name) for name in kn.__all__),
    *(getattr(figures, name) for name in figures.__all__),
    *(
        getattr(importlib.import_module(f"kiwoom_nb.{module}"), name)
        for module, names in {
            "books": ["reconcile"],
            "fills": ["fills"],
            "metrics": ["metrics"],
            "pnl": ["realized_pnl", "summary"],
            "positions": ["positions"],
        }.items()
        for name in names
    ),
]
CLASSES = [Accessor, Server, TradingDay, Status, kn.Costs]
ERRORS = [value for value in vars(errors).values() if inspect.isclass(value) and value.__module__ == errors.__name__]
MADE_BY_US = [Accessor, Server, TradingDay]  # nobody else calls these classes
# Of a widget only what is ours: the rest is documented by ipywidgets.
METHODS = [
    *(getattr(owner, name) for owner in CLASSES for name in vars(owner) if not name.startswith("_")),
    Dashboard.html,
    Dashboard.snapshot,
    Dashboard.close,
]
# What is given back by a property or set by a dataclass is told in the docstring of the class.
PUBLIC = {
    f"{thing.__module__}.{thing.__qualname__}": thing
    for thing in [*FUNCTIONS, *CLASSES, Dashboard, *METHODS]
    if callable(thing)
}
PROPERTIES = {
    f"{owner.__qualname__}.{name}": value
    for owner in [Accessor, Server, TradingDay, Status]
    for name, value in vars(owner).items()
    if isinstance(value, property)
}
NOT_LISTED = {"bench", "dev", "docs", "test"}  # nobody gets these with the package
DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))
UNDERLINED = re.compile(r"^([A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)

each_callable = pytest.mark.parametrize("thing", [pytest.param(thing, id=name) for name, thing in PUBLIC.items()])
each_property = pytest.mark.parametrize("thing", [pytest.param(thing, id=name) for name, thing in PROPERTIES.items()])
each_page = pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
each_error = pytest.mark.parametrize("error", [pytest.param(error, id=error.__name__) for error in ERRORS])


def sections(thing):
    """Return the underlined sections of a docstring by their titles, each as its unindented lines."""
    parts = UNDERLINED.split(inspect.getdoc(thing) or "")
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def terms(section):
    """Return the names that a section explains: of ``url, token`` both."""
    lines = [line.partition(" : ")[0] for line in section.splitlines() if line and not line.startswith(" ")]
    return [name.strip().lstrip("*") for line in lines for name in line.split(",")]


def parameters(thing):
    return [name for name in inspect.signature(thing).parameters if name != "self"]


@each_callable
def test_its_docstring_explains_every_parameter_and_no_other(thing):
    """What can be given is told; a parameter that went is told no more."""
    told = sections(thing)
    where = "Attributes" if thing is Status else "Parameters"
    given = [] if thing in MADE_BY_US else parameters(thing)
    assert sorted(terms(told.get(where, ""))) == sorted(given)


@each_callable
def test_its_docstring_tells_what_it_gives_back(thing):
    """Where it gives something back there is a section for that, and where it does not there is none."""
    if inspect.isclass(thing):
        return
    gives = inspect.signature(thing).return_annotation not in {"None", None}
    assert gives == bool({"Returns", "Yields"} & set(sections(thing)))


@each_callable
def test_its_docstring_names_what_it_raises(thing):
    """Whatever its own code, or a private helper beside it, raises is named, itself or a class above it."""
    named = [known(name) for name in terms(sections(thing).get("Raises", ""))]
    raised = [known(name) for name in raised_by(thing)]
    assert [one for one in raised if issubclass(one, Exception) and not issubclass(one, tuple(named))] == []


@each_callable
def test_the_errors_it_names_exist(thing):
    """Each is one of ours or of Python's."""
    told = sections(thing)
    for name in [*terms(told.get("Raises", "")), *terms(told.get("Warns", ""))]:
        assert issubclass(known(name), Exception)


@each_property
def test_a_property_says_what_it_is_and_what_using_it_raises(thing):
    """It begins with a noun, not with an order, and names its errors."""
    text = inspect.getdoc(thing)
    assert text
    assert not text.startswith(("Return", "Get"))
    named = tuple(known(name) for name in terms(sections(thing).get("Raises", "")))
    raised = [known(name) for name in raised_by(thing.fget)]
    assert [one for one in raised if not issubclass(one, named)] == []


@each_error
def test_an_error_explains_the_parts_of_its_sentence(error):
    """They are attributes, so that a program need not read the sentence."""
    text = inspect.getdoc(error)
    own = vars(error).get("__init__")
    names = [] if own is None else [name for name in inspect.signature(own).parameters if name != "self"]
    assert [name for name in names if f"``{name}``" not in text] == []


@each_error
def test_an_error_is_in_the_tree_at_the_top_of_its_module(error):
    """Whoever looks for what can go wrong finds all of it in one place."""
    assert re.search(rf"\b{error.__name__}\b", errors.__doc__)


def test_the_pages_show_every_public_name():
    """What is offered is in the reference; ``sphinx-build -W`` in CI then sees to the rest of it."""
    api = (DOCS / "api.md").read_text("utf-8")
    accessor = (DOCS / "accessor.md").read_text("utf-8")
    assert sorted(re.findall(r"^\.\. auto\w+:: (\w+)$", api, re.MULTILINE)) == kn.__all__
    told = re.findall(r"^\.\. auto\w+:: Accessor\.(\w+)$", accessor, re.MULTILINE)
    assert sorted(told) == sorted(name for name in vars(Accessor) if not name.startswith("_"))


def test_the_list_of_dependencies_has_what_the_package_requires():
    """Licences are looked up there; ``docs/dependencies.py`` writes it anew."""
    project = tomllib.loads((DOCS.parent / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {name: wanted for name, wanted in project["optional-dependencies"].items() if name not in NOT_LISTED}
    wanted = [*project["dependencies"], *(one for some in extras.values() for one in some)]
    names = {re.match(r"[\w.-]+", one)[0].lower() for one in wanted if "sys_platform" not in one} - {"kiwoom-nb"}
    listed = re.findall(r"^\| ([\w.-]+) \|", (DOCS / "dependencies.md").read_text("utf-8"), re.MULTILINE)
    assert names - {name.lower() for name in listed} == set()


@each_page
def test_a_page_names_only_what_exists(page):
    """Nothing is described that is not there, and no link within the pages is dead."""
    text = page.read_text("utf-8")
    assert {word for word in re.findall(r"\bdf\.kn\.(\w+)", text) if not hasattr(Accessor, word)} == set()
    assert {word for word in re.findall(r"(?<![\w.])kn\.(\w+)", text) if not hasattr(kn, word)} == set()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


def known(name):
    return getattr(errors, name, None) or getattr(builtins, name)


def raised_by(thing):
    """Return the names of what the code of ``thing`` raises, and that of private helpers of its module or class."""
    function = getattr(thing, "__post_init__", None) if inspect.isclass(thing) else inspect.unwrap(thing)
    if function is None:
        return set()
    module = inspect.getmodule(function)
    owner = vars(module).get(function.__qualname__.partition(".")[0])
    seen, waiting, raised = set(), [function], set()
    while waiting:
        one = waiting.pop()
        if one in seen or inspect.getmodule(one) is not module:
            continue
        seen.add(one)
        tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        caught = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.Try | ast.With)
            for statement in node.body
            for inner in ast.walk(statement)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                raised.add(node.exc.func.id)
            elif isinstance(node, ast.Call) and id(node) not in caught:
                waiting += helper(node.func, module, owner)
    return raised


def helper(called, module, owner):
    """Return the private function or method that is called, in a list; an empty one where it is something else."""
    if isinstance(called, ast.Name) and called.id.startswith("_"):
        found = vars(module).get(called.id)
    elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "self":
        found = inspect.getattr_static(owner, called.attr, None)
    else:
        found = None
    return [found] if inspect.isfunction(found) else []
