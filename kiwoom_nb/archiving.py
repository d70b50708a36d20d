"""Recorded sessions as an archive: a folder of Parquet files that pandas, DuckDB, Polars and Dask read as it is.

::

    archive/date=2026-11-20/owner=demo-5f0c9a8b7c6d/2026-11-20-demo-5f0c9a8b7c6d.parquet

One file for a session and KST day. The account stays a column: a partition of the same name would break pandas and
silently replace the column in DuckDB and Polars. Nothing is partitioned by a code: Polars would read it as a number.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import filelock
import pandas as pd

from . import samples, storage
from .errors import SourceError
from .export import read_session
from .identity import Identity, first_line, identify
from .journal import Header, read_header
from .line import Line
from .merging import check_columns, day_of, merged
from .paths import PRIVATE_FILE, home, make_private_folder
from .reading import NothingRecorded
from .shelf import NOBODY, File, Held, Shelf
from .table import RESERVED_ROWS, BalanceTable
from .told import Told, told_by

_OWNER_IN_NAME: Final = re.compile(r"\d{4}-\d{2}-\d{2}-(.+?-[0-9a-f]{12})(-\d+)?")
_BYTES_PER_ROW: Final = 250
_DAY: Final = 24 * 3600 * 1_000_000


def archive(
    folder: str | os.PathLike[str],
    source: str | os.PathLike[str] | None = None,
    *,
    mask_accounts: bool = True,
    anonymize: bool = False,
) -> pd.DataFrame:
    """Add recorded sessions to an archive: a folder of Parquet files, one for each session and KST day.

    Rows are filed under the day of their ``received_at``, so a journal that runs past midnight fills two files; each
    holds the gaps, rejects and holdings of its day (a gap belongs to the day on which it ended). A session is known by
    its content, whatever its file is called: added again it adds nothing, and one that has grown since replaces its
    files as a whole. Of a Parquet file that ``df.kn.to_parquet`` wrote rows that are there already are left out, and
    so are those of a journal that were added from such a file before. Journals are never changed; one that is still
    being written is archived as far as it is. Rows are counted before and after.

    Other programs read the rows alone. Only ``kn.load`` brings gaps, rejects and holdings along, in one frame that
    numbers its rows through: a folder that ``pandas.read_parquet`` read has no opening holdings, and rows of several
    sessions one after the other.

    Parameters
    ----------
    folder
        Of the archive; made if it is missing. A URL that fsspec knows (``s3://...``, extra ``cloud``) will do. There
        a file gets its name by a move, which an object store does as a copy: nobody reads a half-written file, but
        two machines should not add to one archive at the same moment.
    source
        A journal, a Parquet file, a folder of either, or a sample; None: all that this user has recorded.
    mask_accounts
        Show only the last digits of account numbers. An account has the same label in all archives of this user; a
        later one that would look like an earlier one shows more digits (``kn.load`` of one session may show fewer).
    anonymize
        Replace accounts by salted pseudonyms, see :func:`kiwoom_nb.pseudonyms.anonymized`, and name no file after its
        journal. One archive shows accounts in one way.

    Returns
    -------
    pandas.DataFrame
        One row a file that holds these sessions: ``date`` (datetime64[ms]), ``owner``, ``file`` (within the folder),
        ``rows`` (int64), ``status``: ``"added"``, ``"same"`` (nothing was written) or ``"replaced"``.

    Raises
    ------
    SourceError
        There is nothing to archive, or a file of it or of the archive is not readable.
    JournalError
        A journal is damaged in its first line, or of a newer version.
    ValueError
        The archive shows accounts otherwise; or rows were lost on the way to a file, which was then not written.
    MissingExtra
        ``folder`` is a URL and fsspec is not installed.
    """
    accounts = "anonymized" if anonymize else "masked" if mask_accounts else "full"
    with _alone():
        shelf = Shelf(folder, accounts)
        paths = _paths(source)
        files = [
            *(file for group in storage.recorders(paths) for file in _add_journals(shelf, group)),
            *(file for group in _sessions(paths) for file in _add_parquet(shelf, group)),
        ]
    return _report(files)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let no other program of this user add to an archive meanwhile."""
    make_private_folder(home())
    with filelock.FileLock(home() / ".archive.lock", mode=PRIVATE_FILE):
        yield


def _report(files: Sequence[tuple[File, int, str]]) -> pd.DataFrame:
    last = {file: (count, status) for file, count, status in files}
    changed = {file: status for file, _, status in files if status != "same"}
    rows = [(file.day, file.owner, file.path, last[file][0], changed.get(file, "same")) for file in last]
    report = pd.DataFrame(rows, columns=["date", "owner", "file", "rows", "status"])
    dtypes = {"date": "datetime64[ms]", "owner": "str", "file": "str", "rows": "int64", "status": "str"}
    return report.astype(dtypes).sort_values(["date", "file"], ignore_index=True)


# --- what is added ------------------------------------------------------------------------------------------------


def _paths(source: str | os.PathLike[str] | None) -> list[Path]:
    if samples.is_sample(source):
        return [samples.path_of(source)]
    path = home() / "journals" if source is None else Path(source).expanduser()
    if not path.exists():
        todo = (
            "Nothing was recorded yet; give a source, such as a folder of journals."
            if source is None
            else "Give a journal, a Parquet file or a folder of them."
        )
        raise SourceError(str(path), "does not exist", todo)
    return storage.recordings(path)


def _add_journals(shelf: Shelf, paths: list[Path]) -> Iterator[tuple[File, int, str]]:
    """Add the journals of one recorder and yield their files; what has not changed is not read again."""
    before: Path | None = None
    line: Line | None = Line()
    for path in paths:
        identity = identify(path)
        header = read_header(first_line(path))
        name, held = shelf.find(_owner_in(header), storage.name_of(path), identity, _since(header))
        if _is_all_there(held, identity):
            yield from ((one.file, one.rows, "same") for one in held)
            line = None
        else:
            with contextlib.suppress(NothingRecorded):
                if line is None and before is not None:
                    line = _line_after(before)
                frame, line = _read_journal(path, line or Line())
                yield from shelf.add(frame, name, identity, held)
        before = path


def _sessions(paths: list[Path]) -> list[list[Path]]:
    """Return the Parquet files, those of an archive that hold one session together: of each day one."""
    groups: dict[Any, dict[str, Path]] = {}
    for path in filter(storage.is_parquet, paths):
        session = read_session(str(path), path)[1]
        group = path if session is None else (session.session, session.digest, session.accounts)
        groups.setdefault(group, {}).setdefault(path.parent.parent.name, path)
    return [list(group.values()) for group in groups.values()]


def _add_parquet(shelf: Shelf, paths: list[Path]) -> Iterator[tuple[File, int, str]]:
    """Add the session that these files hold, and yield its files."""
    identity = _identity_of(paths)
    session = read_session(str(paths[0]), paths[0])[1]
    since = session.dates[0] if session and identity.is_of_a_journal else None
    called = _owner_of(paths[0]), storage.name_of(paths[0])
    name, held = shelf.find(*called, identity, since)
    if held and not identity.size and not any(one.session.size for one in held):  # two parts: rows tell what is new
        identity = _identity_of_files(paths)
        name, held = shelf.find(*called, identity, None)
    if _is_all_there(held, identity):
        yield from ((one.file, one.rows, "same") for one in held)
        return
    frames = [storage.read_source(path) for path in paths]
    check_columns(paths[0], frames[0])
    yield from shelf.add(frames[0] if len(frames) == 1 else merged(paths[0], frames), name, identity, held)


def _identity_of(paths: list[Path]) -> Identity:
    """Return what files of an archive say of themselves; other files stand for themselves.

    Where files of some days are missing it is less than any journal of the session.
    """
    session = read_session(str(paths[0]), paths[0])[1]
    if session is None:
        return identify(paths[0])
    whole = Identity(session.session, session.digest, session.size)
    if len(paths) == len(session.dates):
        return whole
    if whole.is_of_a_journal:
        return Identity(session.session, "in part", 0)
    return _identity_of_files(paths)


def _identity_of_files(paths: list[Path]) -> Identity:
    return Identity.of_no_journal(*(identify(path).digest.encode() for path in paths))


def _is_all_there(held: list[Held], identity: Identity) -> bool:
    """Tell whether the files hold this much of the session, or more of it."""
    return (
        bool(held)
        and {one.file.day for one in held} == set(held[0].session.dates)
        and all(one.session.digest == identity.digest or one.session.size > identity.size for one in held)
    )


def _line_after(path: Path) -> Line:
    """Return how the line was left at the end of a journal: a gap may have begun there."""
    try:
        return _read_journal(path, Line())[1]
    except NothingRecorded:
        return Line()


def _read_journal(path: Path, line: Line) -> tuple[pd.DataFrame, Line]:
    """Read a journal, with the gaps that were not known before it, and how it left the line."""
    table = BalanceTable(mask_accounts=False, capacity=min(path.stat().st_size // _BYTES_PER_ROW + 1, RESERVED_ROWS))
    known = set(line.gaps())
    table.line = line
    storage.read_journal(path, table)
    frame = table.frame()
    told = told_by(frame)
    new = [gap for gap in told.gaps if gap not in known]
    return Told(new, told.rejected, told.holdings).attach(pd.DataFrame(frame)), table.line


def _since(header: Header | None) -> str:
    """Return the first day on which anything of a journal may be filed: a gap may have begun before midnight."""
    return str(day_of(max(header.created_at - _DAY, 0))) if header else ""


def _owner_in(header: Header | None) -> str:
    return f"{header.server or NOBODY}-{header.owner or NOBODY}" if header else NOBODY


def _owner_of(path: Path) -> str:
    """Return whose the session in a Parquet file is, as its folder or its name says it."""
    if path.parent.name.startswith("owner="):
        return path.parent.name.removeprefix("owner=")
    named = _OWNER_IN_NAME.fullmatch(storage.name_of(path))
    return named[1] if named else NOBODY
