"""``import kiwoom_nb`` against ``import pandas``, each in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

from .measure import Row, Side, Size, in_turn


def importing(size: Size) -> list[Row]:
    """Measure both; what is heavy is imported only where it is used."""
    cost = in_turn(size.of(11, 3, 1), ours=_starter("kiwoom_nb"), other=_starter("pandas"))
    return [Row("import kiwoom_nb", cost["ours"], "import pandas", cost["other"], "< 2")]


def _starter(module: str) -> Side:
    def start(_: int) -> int:
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)  # noqa: S603 - our own interpreter
        return 1

    return start
