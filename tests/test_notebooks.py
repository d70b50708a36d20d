"""The notebooks that ship: each runs top to bottom in a real kernel, and is committed as a reader wants to find it."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from kiwoom_nb import shipped

NOTEBOOKS = sorted(shipped.folder("notebooks").rglob("*.ipynb"))
CELL_TIMEOUT = 120  # seconds
LEFT_BEHIND = {"salt", "salt.lock"}  # the only files that a first run makes in the data folder for good
ABSOLUTE_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root|tmp|work|mnt)/|\b[A-Za-z]:\\\\?(?:Users|Temp)", re.ASCII)

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def cells(path):
    return nbformat.read(path, as_version=4).cells


def test_the_quickstart_is_among_them():
    """There is something to check."""
    assert "00_three_minutes.ipynb" in [path.name for path in NOTEBOOKS]


@each_notebook
# jupyter_client and zmq leave sockets to the collector when a kernel ends; that is theirs.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:jupyter_client")
def test_it_runs_top_to_bottom(path, tmp_path):
    """A newcomer who runs every cell sees no error and nothing on stderr."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    outputs = [(cell.id, output) for cell in notebook.cells for output in cell.get("outputs", [])]
    trouble = [
        (cell, output) for cell, output in outputs if output.output_type == "error" or output.get("name") == "stderr"
    ]
    assert trouble == []
    assert [cell.id for cell in notebook.cells if cell.cell_type == "code" and cell.execution_count is None] == []
    left = {file.name for file in tmp_path.rglob("*") if file.is_file()}
    assert left <= LEFT_BEHIND, "a lesson does not litter its reader's disk"


@each_notebook
def test_it_is_committed_without_outputs(path):
    """Outputs make diffs unreadable and may hold what is nobody's business."""
    code = [cell for cell in cells(path) if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []


@each_notebook
def test_it_names_no_path_of_the_machine_it_was_written_on(path):
    """The notebook means the same on every machine."""
    assert ABSOLUTE_PATH.findall(path.read_text(encoding="utf-8")) == []


@each_notebook
def test_it_is_a_valid_notebook_of_a_kernel_that_everyone_has(path):
    """It opens without a question about its format or its kernel."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    nbformat.validate(notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


@each_notebook
def test_it_is_listed_for_teachers_and_learners(path):
    """``notebooks/README.md`` says what each notebook is for."""
    assert path.name in (Path(path).parent / "README.md").read_text(encoding="utf-8")
