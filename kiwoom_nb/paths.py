"""Where kiwoom_nb keeps its files, and how it writes a private one.

``KIWOOM_NB_HOME`` is read at each call and moves everything; else it is the user's data folder of the platform.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeGuard

from .errors import MissingExtra

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def home() -> Path:
    """Return the folder of everything that kiwoom_nb writes by itself (it may not exist yet)."""
    moved = os.environ.get("KIWOOM_NB_HOME")
    if moved:
        return Path(moved).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("kiwoom_nb", appauthor=False))


def make_private_folder(folder: Path) -> Path:
    """Create ``folder`` (and what is missing above it), readable by this user only, and return it."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):  # mkdir(parents=True) would leave those above to the umask
        one.mkdir(exist_ok=True, mode=PRIVATE_FOLDER)
    folder.mkdir(exist_ok=True)  # raises where it is a file
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Replace the file ``path`` by ``content`` in one step, readable by this user only (``0600``)."""
    make_private_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def is_url(where: object) -> TypeGuard[str]:
    """Tell whether ``where`` names a place that fsspec reaches: ``s3://...``, ``memory://...``."""
    return isinstance(where, str) and "://" in where


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of ``url`` and the path in it.

    Raises
    ------
    MissingExtra
        fsspec, or what it needs for this kind of URL, is not installed (extra ``cloud``).
    ValueError
        There is no such kind of URL.
    """
    if find_spec("fsspec") is None:
        raise MissingExtra(f"Reaching {url}", "fsspec", "cloud")
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as exc:
        raise MissingExtra(f"Reaching {url}", str(exc).removeprefix("Install ").split()[0], "cloud") from exc
    return system, str(path)


def owner_of(secret: str) -> str:
    """Return 12 hex digits that stand for ``secret`` (an app key or a token) on this machine only.

    They name the connection owner in file names and headers. The salt is made once, so the digits cannot be
    compared across machines nor searched for a known key.
    """
    salt = _salt()
    return hashlib.blake2b(secret.encode(), key=salt, digest_size=6).hexdigest()


def pseudonym_of(account: str) -> str:
    """Return ``account-`` and 8 hex digits that stand for ``account`` in all that this user exports anonymized.

    The key is the salt of :func:`owner_of`, which stays in the user's data folder: without it the few digits of an
    account number cannot be found by trying them all.
    """
    digest = hashlib.blake2b(account.encode(), key=_salt(), person=b"kiwoom_account", digest_size=4)
    return f"account-{digest.hexdigest()}"


def _salt() -> bytes:
    path = home() / "salt"
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    import filelock

    make_private_folder(path.parent)
    with filelock.FileLock(path.with_suffix(".lock"), mode=PRIVATE_FILE):  # two kernels may start at once
        if not path.exists():
            write_private(path, secrets.token_bytes(32))
        return path.read_bytes()
