import ast
import importlib
import json
import pkgutil
import subprocess
import sys

import pytest

import kiwoom_nb as kn

HEAVY = [
    *("httpx", "keyring", "plotly", "ipywidgets", "anywidget", "websockets", "starlette", "uvicorn", "typer", "tqdm"),
    *("nest_asyncio2", "platformdirs", "IPython", "ipykernel", "pyarrow.parquet", "pyarrow.dataset", "duckdb"),
    *("dask", "distributed", "fsspec", "polars"),
]


def test_the_public_list_is_sorted_and_each_name_is_there():
    """`from kiwoom_nb import *` and tab completion give the same short list."""
    assert kn.__all__ == sorted(set(kn.__all__))
    assert len(kn.__all__) <= 20
    for name in kn.__all__:
        assert callable(getattr(kn, name))
        assert getattr(kn, name).__doc__


def test_dir_offers_what_is_not_imported_yet():
    """Names that are found at their first use are offered before it."""
    assert set(kn.__all__) | {"errors", "__version__"} <= set(dir(kn))


def test_an_unknown_name_is_an_attribute_error():
    """As of any module; hasattr works."""
    assert not hasattr(kn, "place_order")
    with pytest.raises(AttributeError, match="module 'kiwoom_nb' has no attribute 'replays'"):
        kn.replays  # noqa: B018


def test_no_module_bears_a_public_name():
    """A lazy import of a submodule would rebind the function of that name to the module."""
    modules = {module.name for module in pkgutil.iter_modules(kn.__path__)}
    assert not modules & set(kn.__all__)
    for name in kn.__all__:
        getattr(kn, name)
    for name in modules - {"__main__", "cli"}:
        importlib.import_module(f"kiwoom_nb.{name}")
    assert [name for name in kn.__all__ if not callable(getattr(kn, name))] == []


def imported_by(program):
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys, json; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == b""
    return set(json.loads(done.stdout))


def test_the_import_is_about_as_quick_as_that_of_pandas():
    """Nothing heavy that pandas does not import itself comes along; it is imported where it is used."""
    ours = imported_by("import kiwoom_nb") - imported_by("import pandas")
    assert sorted(ours & set(HEAVY)) == []
    assert len([name for name in ours if name.startswith("pyarrow")]) == 0


def test_a_stream_needs_no_widgets_and_no_nesting():
    """`stream_balances` itself imports the socket's library, and nothing that draws or patches."""
    ours = imported_by("import kiwoom_nb; kiwoom_nb.stream_balances")
    assert "websockets" in ours
    assert sorted(ours & {"nest_asyncio2", "plotly", "ipywidgets", "anywidget", "uvicorn", "starlette"}) == []


def test_every_public_function_names_its_errors():
    """A public docstring gives what is raised, in the order of numpydoc."""
    source = ast.parse(importlib.import_module("kiwoom_nb.notebook").__loader__.get_source("kiwoom_nb.notebook"))
    [function] = [node for node in source.body if getattr(node, "name", "") == "stream_balances"]
    text = ast.get_docstring(function)
    assert text.index("Parameters\n") < text.index("Returns\n") < text.index("Raises\n")
