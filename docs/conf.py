"""The documentation: pages from the docstrings, the schema, the command line and the READMEs; needs no network.

Built by ``sphinx-build -W --keep-going -b html docs docs/_build/html`` (extra ``docs``). What the code knows is
generated from it here, never copied: the columns from ``kiwoom_nb.schema``, the commands from typer.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import kiwoom_nb
from kiwoom_nb import schema
from kiwoom_nb.accessor import Accessor

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]

project = "kiwoom_nb"
author = "The kiwoom_nb authors"
copyright = author  # noqa: A001 - the name that Sphinx reads
version = release = kiwoom_nb.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"kiwoom_nb {release}"
html_show_sourcelink = False
# The system's fonts, so that a page asks nobody else for anything; those of furo lack Hangul.
_FONTS = "Pretendard, 'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans KR', 'Noto Sans CJK KR', sans-serif"
html_theme_options = {
    "light_css_variables": {"font-stack": _FONTS},
    "dark_css_variables": {"font-stack": _FONTS},
}

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_preprocess_types = False
python_use_unqualified_type_names = True
# A reference to a name of ours that is not there fails the build; pandas and the others are not looked up.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!kiwoom_nb\.).*"), (r"py:(class|data)", r"kiwoom_nb\.[a-z_]+\._?[A-Z]\w*")]

myst_enable_extensions = ["substitution"]
myst_heading_anchors = 3


# --- from the code ------------------------------------------------------------------------------------------------

# Columns without a field of their own: what fills them, and what they are.
_DERIVED = {
    schema.RECEIVED_AT: ("–", "", "", "When it arrived, by the clock of this machine (04 carries no time)"),
    schema.VENUE: ("item, 9001", "", "", "`KRX`, `NXT` or `SOR`, from the suffix of the code"),
    schema.PRICE_DIRECTION: ("10", "", "", "-1, 0 or 1: the sign of the price, against the base price"),
}


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _columns() -> str:
    """Return the columns of a frame, read from the schema."""
    fields = {field.column: (field.fid, field.unit, field.ko, field.en) for field in schema.FIELDS}
    rows = []
    for number, (column, dtype) in enumerate(schema.COLUMNS.items(), 1):
        fid, unit, korean, english = (fields | _DERIVED)[column]
        rows.append([str(number), f"`{column}`", fid, f"`{dtype}`", unit, korean, english])
    return _table(["", "Column", "FID", "dtype", "Unit", "Kiwoom's name", "What it is"], rows)


def _rules() -> str:
    """Return how the text of each kind of field is read, from the docstrings of the rules."""
    rows = []
    for kind, rule in schema.RULES.items():
        columns = ", ".join(f"`{field.column}`" for field in schema.FIELDS if field.kind is kind)
        said = re.sub(r":\w+:`(\w+)`", r"`\1`", " ".join((rule.__doc__ or "").split())).replace("``", "`")
        rows.append([kind.value, said, columns])
    return _table(["Kind", "Rule", "Columns"], rows)


def _commands() -> str:
    """Return the page that typer writes of the command line, without its first line."""
    made = subprocess.run(
        [sys.executable, "-m", "typer", "kiwoom_nb.cli", "utils", "docs", "--name", "kiwoom-nb"],
        check=True,
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
    )
    return made.stdout.partition("\n")[2]


myst_substitutions = {
    "columns": _columns(),
    "rules": _rules(),
    "commands": _commands(),
}


# --- pages that lie outside of this folder ----------------------------------------------------------------------------

_PAGES = {
    "README.md": "index.md",
    "README.ko.md": "index.ko.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}


def _relink(_app: Sphinx, _path: Path, _parent: str, content: list[str]) -> None:
    """Let links between files of the repository lead to pages here; what is none is named in words."""

    def target(match: re.Match[str]) -> str:
        said, where = match[1], match[2]
        inside = _PAGES.get(where, where.removeprefix("docs/"))
        return f"[{said}]({inside})" if (ROOT / "docs" / inside).exists() else f"{said} (`{where}`)"

    content[0] = re.sub(r"\[([^\]]+)\]\((?!https?:|#)([^)#]+)\)", target, content[0])


def _call_it_df_kn(_app: Sphinx, doctree: nodes.document) -> None:
    """Write ``df.kn.positions``, as one types it, where autodoc writes the name of a class that nobody types."""
    from sphinx import addnodes

    names = {f"{Accessor.__name__}.", f"{Accessor.__module__}.{Accessor.__name__}."}
    for prefix in doctree.findall(addnodes.desc_addname):
        if prefix.astext() in names:
            prefix.clear()
            prefix.append(addnodes.desc_sig_space("df.kn.", "df.kn."))


def _made_by_us(
    _app: Sphinx, kind: str, name: str, _thing: object, _options: object, _signature: str | None, _returns: str | None
) -> tuple[str, None] | None:
    """Leave out what a class is made with where nobody but our functions makes one."""
    made = {"Server", "TradingDay", "Status", "Dashboard"}
    return ("", None) if kind == "class" and name.rpartition(".")[2] in made else None


def setup(app: Sphinx) -> None:
    """Connect them."""
    app.connect("include-read", _relink)
    app.connect("autodoc-process-signature", _made_by_us)
    app.connect("doctree-read", _call_it_df_kn)
