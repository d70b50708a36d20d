"""The notebooks that ship: each runs top to bottom in a real kernel, and is committed as a reader wants to find it."""

import itertools
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from secret_search import KEYS, secrets_in

from kiwoom_nb import shipped
from kiwoom_nb.exercises import exercises

NOTEBOOKS = sorted(shipped.folder("notebooks").rglob("*.ipynb"))
CONTENTS = shipped.folder("notebooks") / "index.ipynb"
LESSONS = [
    *("00_three_minutes.ipynb", "01_anatomy_of_an_event.ipynb", "02_fills.ipynb", "03_average_cost_and_pnl.ipynb"),
    *("04_costs.ipynb", "05_risk_and_habits.ipynb", "06_many_days.ipynb", "10_go_live.ipynb"),
]
RECALLED = 5
CELL_TIMEOUT = 120  # seconds
LEFT_BEHIND = {"salt", "salt.lock"}  # the only files that a first run makes in the data folder for good
CHECK = re.compile(r"kn\.check\(\"(\d\d-\d)\"")
ABSOLUTE_PATH = re.compile(r"(?<![\w.])/(?:home|Users|root|tmp|work|mnt)/|\b[A-Za-z]:\\\\?(?:Users|Temp)", re.ASCII)

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
each_lesson = pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path != CONTENTS], ids=lambda path: path.name
)


def cells(path):
    return nbformat.read(path, as_version=4).cells


def is_tagged(cell, tag):
    return tag in cell.metadata.get("tags", [])


def checks(cells):
    """Return the exercise that each of the cells checks."""
    return [found[1] for cell in cells if (found := CHECK.search(cell.source))]


def said(cell):
    """Return what the last line of a cell shows, as text."""
    return next(output.data["text/plain"] for output in cell.outputs if output.output_type == "execute_result")


def test_the_course_is_whole():
    """The quickstart, six lessons, and the way to one's own account."""
    assert [path.name for path in NOTEBOOKS if path != CONTENTS] == LESSONS
    assert {cell.cell_type for cell in cells(CONTENTS)} == {"markdown"}, "it is shown rendered, and runs nothing"


@each_lesson
# jupyter_client and zmq leave sockets to the collector when a kernel ends; that is theirs.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:jupyter_client")
def test_it_runs_top_to_bottom(path, tmp_path, monkeypatch):
    """A newcomer who runs every cell sees no error and nothing on stderr; each solution is right, each gap is told.

    Cells that are tagged ``live`` need an account of one's own and are left out. The keys of who runs it are nowhere in
    what is then saved.
    """
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if not is_tagged(cell, "live")]
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
    assert secrets_in(nbformat.writes(notebook)) == []
    asked = [cell for cell in notebook.cells if checks([cell])]
    assert {said(cell)[0] for cell in asked if is_tagged(cell, "solution")} <= {"✓"}
    assert {"아직 답이 없습니다" in said(cell) for cell in asked if not is_tagged(cell, "solution")} <= {True}


@each_lesson
def test_each_exercise_is_asked_and_solved_once_in_order(path):
    """A place for the answer, and a collapsed cell with a solution right after it."""
    code = [cell for cell in cells(path) if cell.cell_type == "code"]
    open_cells = [cell for cell in code if "answer = ..." in cell.source]
    solutions = [cell for cell in code if is_tagged(cell, "solution")]
    assert checks(open_cells) == checks(solutions)
    assert len(checks(solutions)) == len(solutions)
    assert checks(solutions) == [one for one in exercises() if one.startswith(path.name[:2])]
    assert all(cell.metadata.jupyter.source_hidden for cell in solutions)
    for before, cell in itertools.pairwise(code):
        assert not is_tagged(cell, "solution") or before in open_cells


@each_lesson
def test_it_has_the_form_of_a_lesson(path):
    """A title, minutes, what one will be able to do, exercises, pitfalls, five recall questions, and what is next."""
    prose = "\n".join(cell.source for cell in cells(path) if cell.cell_type == "markdown")
    assert prose.startswith("# ")
    for part in ("분", "할 수 있습니다", "## 연습", "## 함정", "## 되짚기", "## 다음"):
        assert part in prose, part
    assert prose.split("## 되짚기")[1].count("<details>") == RECALLED
    for link in re.findall(r"\]\(([^):]+)\)", prose):
        assert (path.parent / link).exists(), link


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


@each_lesson
def test_it_is_listed_for_teachers_and_learners(path):
    """``index.ipynb`` leads learners to it; ``README.md`` tells teachers what it is for and how long it takes."""
    for name in ("index.ipynb", "README.md"):
        assert path.name in (Path(path).parent / name).read_text(encoding="utf-8"), name
