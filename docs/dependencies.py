"""Write ``dependencies.md``: what kiwoom_nb installs, in which version and under which licence.

Run it where everything is installed with the constraints: ``.venv/bin/python docs/dependencies.py``. It reads the
metadata of what is installed and asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution, metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "kiwoom-nb"
NOT_SHIPPED = {"bench", "dev", "docs", "test"}
TARGET = Path(__file__).with_name("dependencies.md")
HEAD = """# Dependencies

What `pip install kiwoom-nb` brings, and what each extra adds to it, with the versions with which the tests last passed
(`constraints.txt`) and the licence that each package states. Written by `docs/dependencies.py` on {date}. Left out is
what only tests, benchmarks, checks and this documentation need: {left_out}.

Nothing here is under a licence of the GPL family; `certifi`, `fqdn` and parts of `tqdm` are under the Mozilla Public
License 2.0, the rest is permissive.

A search for known vulnerabilities (`pip-audit -r constraints.txt`) was **not possible** on that day: where this was
written neither PyPI's nor OSV's service could be reached. Run it yourself before you rely on a list like this:

```sh
python -m pip install pip-audit
pip-audit -r constraints.txt --no-deps --disable-pip
```

| Package | Version | Licence | Needed by |
| --- | --- | --- | --- |
"""


def requirements(name: str, extra: str = "") -> Iterator[tuple[str, set[str]]]:
    """Yield what ``name`` (with ``extra``) requires here, each with the extras asked for."""
    for text in distribution(name).requires or []:
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": extra}):
            yield canonicalize_name(needed.name), needed.extras


def closure(name: str, extras: set[str], found: dict[str, set[str]], why: str) -> None:
    """Note in ``found`` all that ``name`` brings, for the reason ``why``."""
    for extra in ("", *sorted(extras)):
        for needed, more in requirements(name, extra):
            if needed == OURS:
                closure(OURS, more, found, why)
            elif why not in found.setdefault(needed, set()):
                found[needed].add(why)
                closure(needed, more, found, why)


def licence(name: str) -> str:
    """Return the licence as the package states it: its expression, else its classifier, else its first words."""
    about = metadata(name)
    stated = about.get("License-Expression") or ""
    lines = [line for line in about.get_all("Classifier") or [] if line.startswith("License ::")]
    classes = [line.rpartition(" :: ")[2] for line in lines]
    classes = [line for line in classes if line != "OSI Approved"]
    return str(stated or " or ".join(classes) or (about.get("License") or "not stated").splitlines()[0])


def main() -> None:
    """Write the page."""
    extras = sorted(set(distribution(OURS).metadata.get_all("Provides-Extra") or []) - NOT_SHIPPED)
    found: dict[str, set[str]] = {}
    closure(OURS, set(), found, "core")
    for extra in extras:
        added: dict[str, set[str]] = {}
        closure(OURS, {extra}, added, f"[{extra}]")
        for name in added.keys() - {one for one, why in found.items() if "core" in why}:
            found.setdefault(name, set()).add(f"[{extra}]")
    rows, missing = [], []
    for name, why in sorted(found.items()):
        try:
            about = metadata(name)
        except PackageNotFoundError:  # for another platform
            missing.append(name)
            continue
        shown = re.sub(r"\s+", " ", licence(name)).replace("|", "/")
        rows.append(f"| {about['Name']} | {about['Version']} | {shown} | {', '.join(sorted(why))} |")
    assert not missing, f"not installed here: {missing}"  # noqa: S101 - a list with holes is none
    left_out = ", ".join(f"`[{one}]`" for one in sorted(NOT_SHIPPED))
    text = HEAD.format(date=f"{datetime.now(UTC):%Y-%m-%d}", left_out=left_out)
    TARGET.write_text(text + "\n".join(rows) + "\n", "utf-8")


if __name__ == "__main__":
    main()
