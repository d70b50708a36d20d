"""The folders that come with the package: lessons and sample data, in a wheel as in a clone."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """Return the shipped folder ``name`` (``"notebooks"``, ``"sample_data"``).

    A wheel carries it inside the package; in a clone (an editable install) it stands beside the package.
    """
    inside = _PACKAGE / "shipped_files" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def is_clone() -> bool:
    """Tell whether the package runs from a clone, whose notebooks are the user's to work in."""
    return not (_PACKAGE / "shipped_files").is_dir()
