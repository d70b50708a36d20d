"""The folder of an archive: what is in it, and how sessions get there."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pandas as pd

from .export import Session, read_session, write_parquet
from .identity import Identity
from .merging import days_in, days_of_rows, selected, shown_as
from .paths import filesystem, home, is_url, owner_of, write_private
from .privacy import is_masked, mask_account
from .pseudonyms import anonymized
from .relabelling import accounts_of

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


class Shelf:
    """The folder of an archive."""

    def __init__(self, folder: str | os.PathLike[str], accounts: str) -> None:
        self._folder: str | Path = folder.rstrip("/") if is_url(folder) else Path(folder).expanduser()
        self._accounts = accounts
        self._days: dict[tuple[str, str], list[str]] = {}
        for day, owner, name in self._list():
            self._days.setdefault((owner, name), []).append(day)
        for held in islice((one for file in self._list() if (one := self._read(file)) is not None), 1):
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

    def _read(self, file: File) -> Held | None:
        """Return what a file holds, None where it is none of an archive of ours."""
        place = self._place(file)
        if isinstance(place, str):
            system, path = filesystem(place)
            with system.open(path, "rb") as opened:
                rows, session = read_session(place, opened)
        else:
            rows, session = read_session(str(place), place)
        return None if session is None else Held(file, rows, session)

    def find(self, owner: str, name: str, identity: Identity) -> tuple[File, list[Held]]:
        """Return the name for the files of a session (of no day yet), and those that hold it already.

        Sessions of one name, such as those of two folders, are numbered.
        """
        if self._accounts == "anonymized":  # a server may be this machine, and a name may say anything
            server, _, known_by = owner.rpartition("-")
            owner = owner if server in _KNOWN_SERVERS else f"server-{known_by}" if server else NOBODY
            name = f"session-{identity.session[:12]}"
        owner, name = _REFUSED.sub("_", owner), _REFUSED.sub("_", name)
        numbered = (name, *(f"{name}.{number}" for number in range(2, len(self._days) + 3)))
        return next(
            (file, held)
            for file in (File("", owner, one) for one in numbered)
            if (held := self._held(file)) is not None and all(one.session.session == identity.session for one in held)
        )

    def _held(self, name: File) -> list[Held] | None:
        """Return what the files of a name hold, None where one of them is none of an archive of ours."""
        held = [self._read(name._replace(day=day)) for day in self._days.get((name.owner, name.name), [])]
        return None if None in held else [one for one in held if one is not None]

    def add(
        self, frame: pd.DataFrame, name: File, identity: Identity, held: list[Held]
    ) -> Iterator[tuple[File, int, str]]:
        """Write the files of a session, one for each day, and yield them."""
        there = {one.file.day for one in held}
        days = sorted({str(day) for day in days_in(frame)} | there)
        session = Session(*identity, tuple(days), self._accounts)
        rows = Counter(days_of_rows(frame).astype(str).tolist())
        shown = self._shown(frame)
        for day in days:
            part = selected(name.path, shown, dates=day)
            if len(part) != rows[day]:
                raise ValueError(
                    f"{len(part):,} of {rows[day]:,} rows of {day} would be archived; nothing was written."
                )
            file = name._replace(day=day)
            write_parquet(part, self._place(file), session=session)
            yield file, len(part), "replaced" if day in there else "added"
        self._days[name.owner, name.name] = days

    def _shown(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self._accounts == "full":
            return frame
        if self._accounts == "anonymized":
            return anonymized(frame)
        return shown_as(frame, _labels(accounts_of(frame)))


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
