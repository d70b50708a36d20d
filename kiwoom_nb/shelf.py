"""The folder of an archive: what is in it, and how sessions get there."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from .decode import Reject
from .export import Session, read_parquet, read_session, write_parquet
from .identity import Identity, not_among, row_digests
from .merging import days_in, days_of_rows, selected, shown_as
from .paths import filesystem, home, is_url, owner_of, write_private
from .privacy import is_masked, mask_account
from .pseudonyms import anonymized
from .relabelling import accounts_of
from .schema import RECEIVED_AT
from .told import ATTRS_KEY, Told, told_by

NOBODY: Final = "unknown"
"""Stands for an owner of whom nothing is known."""

_FILE: Final = re.compile(r"date=(\d{4}-\d{2}-\d{2})/owner=([^/]+)/([^/]+)\.parquet")
_REFUSED: Final = re.compile(r'[<>:"/\\|?*=%\x00-\x1f]')  # by Windows, or of a meaning in such a folder
_KNOWN_SERVERS: Final = ("real", "demo", "synthetic")
_SHOWN: Final = {"masked": "masked", "anonymized": "as pseudonyms", "full": "in full"}


class File(NamedTuple):
    """A file of the archive."""

    day: str
    owner: str
    name: str

    @property
    def path(self) -> str:
        """Where it is in the folder."""
        return f"date={self.day}/owner={self.owner}/{self.name}.parquet"


class Held(NamedTuple):
    """What a file of the archive holds."""

    file: File
    rows: int
    session: Session

    @property
    def is_of_a_journal(self) -> bool:
        """Tell whether a journal says which session it is."""
        return self.session.session != self.session.digest


class Shelf:
    """The folder of an archive."""

    def __init__(self, folder: str | os.PathLike[str], accounts: str) -> None:
        self._folder: str | Path = folder.rstrip("/") if is_url(folder) else Path(folder).expanduser()
        self._accounts = accounts
        self._files: dict[str, list[File]] = {}  # of each day
        self._days: dict[tuple[str, str], list[str]] = {}  # of each owner and name
        self._known: dict[File, Held | None] = {}  # what was asked already
        self._names: dict[str, File] = {}  # of sessions, as far as they are known
        files = self._list()
        for file in files:
            self._note(file)
        self._unread = files.copy()
        for held in islice((one for file in files if (one := self._held(file)) is not None), 1):
            self._check_accounts(held.session.accounts)

    def _check_accounts(self, accounts: str) -> None:
        if accounts != self._accounts:
            raise ValueError(
                f"The archive {self._folder} shows accounts {_SHOWN[accounts]}, and what is to be added would show "
                f"them {_SHOWN[self._accounts]}. Give another folder, or mask_accounts and anonymize as before."
            )

    def _list(self) -> list[File]:
        """Return the files that are there, in order."""
        if isinstance(self._folder, str):
            system, root = filesystem(self._folder)
            paths = [str(path).removeprefix(root.rstrip("/")).lstrip("/") for path in system.find(root)]
        else:
            found = self._folder.glob("date=*/owner=*/*.parquet")
            paths = [path.relative_to(self._folder).as_posix() for path in found]
        return [File(*named.groups()) for path in sorted(paths) if (named := _FILE.fullmatch(path))]

    def _place(self, file: File) -> str | Path:
        return f"{self._folder}/{file.path}" if isinstance(self._folder, str) else self._folder / file.path

    @contextlib.contextmanager
    def _opened(self, file: File) -> Iterator[BinaryIO]:
        place = self._place(file)
        system, path = filesystem(place) if isinstance(place, str) else (None, place)
        with system.open(path, "rb") if system else Path(path).open("rb") as opened:
            yield opened

    def _held(self, file: File) -> Held | None:
        """Return what a file holds, None where it is none of an archive of ours; only its end is read, and once."""
        if file not in self._known:
            with self._opened(file) as opened:
                rows, session = read_session(str(self._place(file)), opened)
            self._know(file, None if session is None else Held(file, rows, session))
        return self._known[file]

    def _know(self, file: File, held: Held | None) -> None:
        self._known[file] = held
        if held is not None:
            self._names.setdefault(held.session.session, file._replace(day=""))

    def _note(self, file: File) -> None:
        self._files.setdefault(file.day, []).append(file)
        self._days.setdefault((file.owner, file.name), []).append(file.day)

    # --- what is there ------------------------------------------------------------------------------------------------

    def find(self, owner: str, name: str, identity: Identity, since: str | None) -> tuple[File, list[Held]]:
        """Return the name for the files of a session (of no day yet), and those that hold it already.

        A session keeps the name under which it was added first, whatever its copies are called. Other sessions of one
        name, such as those of two folders, are numbered.

        Parameters
        ----------
        owner, name, identity
            Of the file to add.
        since
            The first day of which there may be a file under another name; None where rows must be compared anyway.
        """
        if self._accounts == "anonymized":  # a server may be this machine, and a name may say anything
            server, _, known_by = owner.rpartition("-")
            owner = owner if server in _KNOWN_SERVERS else f"server-{known_by}" if server else NOBODY
            name = f"session-{identity.session[:12]}"
        owner, name = _REFUSED.sub("_", owner), _REFUSED.sub("_", name)
        numbered = [File("", owner, name)]
        while (owner, numbered[-1].name) in self._days:
            numbered.append(File("", owner, f"{name}.{len(numbered) + 1}"))
        elsewhere = None if since is None else self._look_up(identity.session, since)
        for file in [*numbered, *([elsewhere] if elsewhere else [])]:
            held = self._of_name(file)
            if held and all(one.session.session == identity.session for one in held):
                return file, held
        return numbered[-1], []

    def _look_up(self, session: str, since: str) -> File | None:
        while self._unread and self._unread[-1].day >= since:
            self._held(self._unread.pop())
        return self._names.get(session)

    def _of_name(self, name: File) -> list[Held]:
        """Return what the files of a name hold, nothing where one of them is none of an archive of ours."""
        held = [self._held(name._replace(day=day)) for day in self._days.get((name.owner, name.name), [])]
        return [] if None in held else [one for one in held if one is not None]

    def _sharing(
        self, frame: pd.DataFrame, identity: Identity, held: list[Held]
    ) -> Iterator[tuple[Held, pd.DataFrame]]:
        """Yield the files of other sessions that hold rows of ``frame``, and these rows; without rows all of its days.

        Two journals are two recordings, so only what is of no journal can share rows with another session.
        """
        days = np.unique(days_of_rows(frame)).astype(str) if len(frame) else map(str, days_in(frame))
        for file in [file for day in days for file in self._files.get(str(day), [])]:
            other = self._held(file)
            if other is None or other in held or (identity.is_of_a_journal and other.is_of_a_journal):
                continue
            part = self._load(file)
            part = part[part[RECEIVED_AT].isin(frame[RECEIVED_AT])]
            if frame.empty or (len(part) and not not_among(row_digests(part), row_digests(frame)).all()):
                yield other, part

    def _load(self, file: File) -> pd.DataFrame:
        with self._opened(file) as opened:
            return read_parquet(str(self._place(file)), file=opened)

    # --- what is added ------------------------------------------------------------------------------------------------

    def add(
        self, frame: pd.DataFrame, name: File, identity: Identity, held: list[Held]
    ) -> Iterator[tuple[File, int, str]]:
        """Write the files of a session, one for each day, and yield them.

        Rows that files of other sessions hold are left out; where nothing else is left, those files are yielded.
        """
        shown = self._shown(frame)
        sharing = list(self._sharing(shown, identity, held))
        if sharing:
            others = [part for _, part in sharing]
            rest = _without(shown, [*others, *(self._load(one.file) for one in held)])
            if rest.empty and ATTRS_KEY not in rest.attrs:
                yield from ((one.file, one.rows, "same") for one in (*held, *(other for other, _ in sharing)))
                return
            shown = _without(shown, others)
            identity = _part_of(identity, shown)
        yield from self._write(shown, name, identity, held)

    def _write(
        self, shown: pd.DataFrame, name: File, identity: Identity, held: list[Held]
    ) -> Iterator[tuple[File, int, str]]:
        there = {one.file.day for one in held}
        days = sorted({str(day) for day in days_in(shown)} | there)
        session = Session(*identity, tuple(days), self._accounts)
        rows = Counter(days_of_rows(shown).astype(str).tolist())
        for day in days:
            part = selected(name.path, shown, dates=day)
            if len(part) != rows[day]:
                raise ValueError(
                    f"{len(part):,} of {rows[day]:,} rows of {day} would be archived; nothing was written."
                )
            file = name._replace(day=day)
            write_parquet(part, self._place(file), session=session)
            if day not in there:
                self._note(file)
            self._know(file, Held(file, len(part), session))
            yield file, len(part), "replaced" if day in there else "added"

    def _shown(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self._accounts == "full":
            return frame
        if self._accounts == "anonymized":
            return anonymized(frame)
        return shown_as(frame, _labels(accounts_of(frame)))


def _part_of(identity: Identity, rest: pd.DataFrame) -> Identity:
    """Return the identity of what is left of a session: of a journal less than any file of it."""
    if identity.is_of_a_journal:
        return identity._replace(digest="in part", size=0)
    return Identity.of_no_journal(row_digests(rest).tobytes(), told_by(rest).to_json().encode())


def _without(frame: pd.DataFrame, known: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of ``frame`` that are not known, with their labels, and what is told of them or was not told."""
    rows = np.concatenate([row_digests(one) for one in known])
    rest = frame[not_among(row_digests(frame), rows)]
    return _untold(told_by(frame), [told_by(one) for one in known], set(rest.index)).attach(rest)


def _untold(told: Told, known: list[Told], labels: set[Any]) -> Told:
    """Return what is told of the rows with these labels, and what else was not told, however accounts are shown."""
    gaps = {(gap.start, end) for one in known for gap in one.gaps for end in (gap.end, None)}
    noise = {_noise(reject) for one in known for reject in one.rejected}
    asked = {(held.at, *held.holdings) for one in known for held in one.holdings}
    return Told(
        [gap for gap in told.gaps if (gap.start, gap.end) not in gaps],
        [one for one in told.rejected if (_noise(one) not in noise if one.row is None else one.row in labels)],
        [held for held in told.holdings if (held.at, *held.holdings) not in asked],
    )


def _noise(reject: Reject) -> tuple[int, str | None, str, bool]:
    return reject.received_at, reject.fid, reject.reason, reject.row is None


def _labels(accounts: Iterable[str]) -> dict[str, str]:
    """Return the label of each account in all archives of this user, and remember the new ones.

    Two accounts may look alike though no file holds both, so labels are given once for all, in order of first sight.
    What is remembered names no account: a keyed hash of it, and the label.
    """
    path = home() / "archived_accounts.json"
    known: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    before = len(known)
    labels = {}
    for account in accounts:
        who = owner_of(f"account {account}")
        if not is_masked(account) and who not in known:
            known[who] = mask_account(account, set(known.values()))
        labels[account] = known.get(who, account)
    if len(known) > before:
        write_private(path, msgspec.json.encode(known))
    return labels
