"""Where the embedded server of a LOYALTY_HOME keeps its files, and who runs it."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
from pathlib import Path

from orchestration.embedded.account import Account, can, server_account
from orchestration.embedded.files import private_directory
from orchestration.errors import LoyaltyError

logger = logging.getLogger(__name__)

SYSTEM_FOLDERS = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 (both survive a restart)
"""Where root puts the files of a server whose account cannot reach LOYALTY_HOME."""
SOCKET_PATH_BYTES = 103
"""The longest path of a socket that macOS takes; Linux takes four bytes more."""

_MARKS = ("pgpass", "running.lock", "server.json")
_MADE = ("data", "programs", "socket", "server.log", "server.log.old")
_LEFTOVERS = ("initdb-*", ".pgpass.*", ".server.json.*")
"""What is ours in the folder: the marks that tell so, what a start makes, what a kill leaves."""


def folder(home: Path) -> Path:
    """The folder of the server's files: `postgres` in the home, or where that link leads."""
    return (home / "postgres").resolve()


def prepare(home: Path) -> tuple[Path, Account | None]:
    """Makes the folder where it is missing; the caller holds the home's lock.

    Returns:
        The folder, and the account that runs the server (None: this process's).

    Raises:
        LoyaltyError: The folder cannot be made, or belongs to somebody else.
    """
    here = home / "postgres"
    _refuse_anothers(folder(home))
    account = server_account(folder(home) / "data")
    if account is None:
        return private_directory(folder(home) if here.exists() else here), None
    if here.exists() and here.stat().st_uid == account.uid:
        return folder(home), account  # an ordinary user's, who now runs a command as root
    if here.is_symlink():
        if here.exists():
            return _make(folder(home), account), account
        logger.warning("The embedded PostgreSQL's data in %s are gone.", folder(home))
        here.unlink()
    _make(here, account)
    if can(account, "-x", here):
        return here.resolve(), account
    # A folder that only root may enter: the account gets one that it can reach, outside.
    if any(here.iterdir()):
        raise LoyaltyError(
            f"The account {account.name}, which runs the embedded PostgreSQL, can no longer reach "
            f"{here}.",
            remedy="Give back what was taken from the permissions of the folders above it, or set "
            "LOYALTY_HOME to another folder.",
        )
    here.rmdir()
    elsewhere = _outside(home, account)
    here.symlink_to(elsewhere)
    return elsewhere, account


def _outside(home: Path, account: Account) -> Path:
    for base in SYSTEM_FOLDERS:
        try:
            shelf = private_directory(base / "loyalty-warehouse", mode=0o711)
            place = _make(shelf / _fingerprint(home), account)
        except OSError:
            continue
        if can(account, "-x", place):
            return place
    tried = " and ".join(str(base) for base in SYSTEM_FOLDERS)
    raise LoyaltyError(
        f"PostgreSQL does not run as root, and the account {account.name}, which runs it instead, "
        f"can reach neither {home} nor a folder in {tried}.",
        remedy="Set LOYALTY_HOME to a folder that every account can reach, such as /srv/loyalty.",
    )


def _make(path: Path, account: Account) -> Path:
    """A folder of root's that the account may pass through, to its own folders inside."""
    private_directory(path, mode=0o710)
    os.chown(path, os.geteuid(), account.gid)
    return path


def socket_directory(place: Path, account: Account | None, port: int) -> Path:
    """Makes the 0700 folder of the server's socket; a short one elsewhere where it is too long.

    Raises:
        LoyaltyError: Every path is too long, or somebody else's folder is in the way.
    """
    owner = account.uid if account else os.geteuid()
    short = f"loyalty-{owner}-{_fingerprint(place)}"
    candidates = [place / "socket", Path(tempfile.gettempdir()) / short, Path("/tmp") / short]  # noqa: S108
    for candidate in candidates:
        if len(os.fsencode(candidate / f".s.PGSQL.{port}")) <= SOCKET_PATH_BYTES:
            return private_directory(candidate, account)
    raise LoyaltyError(
        f"The path of the embedded server's socket would be too long: {candidates[0]} has "
        f"{len(os.fsencode(candidates[0]))} bytes, and sockets take {SOCKET_PATH_BYTES} in all.",
        remedy="Set LOYALTY_HOME to a shorter path.",
    )


def remove(home: Path) -> bool:
    """Removes the server's own files, wherever they are; the server does not run.

    Whatever else is in the folder stays, and so do targets of links in it.

    Returns:
        Whether there were any.

    Raises:
        LoyaltyError: The folder holds the data of a server that is not ours.
    """
    place = folder(home)
    link = home / "postgres"
    if not _is_ours(place):
        if (place / "data").exists():
            _refuse_anothers(place)
        return False
    leftovers = [found for pattern in _LEFTOVERS for found in place.glob(pattern)]
    # The marks go last, so that a removal that was killed can be run again.
    for path in (*leftovers, *(place / name for name in (*_MADE, *_MARKS))):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody's files may be there too
        place.rmdir()
    if link.is_symlink() and not place.exists():
        link.unlink()
        with contextlib.suppress(OSError):  # other homes' servers may be there
            place.parent.rmdir()
    return True


def _is_ours(place: Path) -> bool:
    return any((place / mark).exists() for mark in _MARKS)


def _refuse_anothers(place: Path) -> None:
    """Raises where the folder is somebody else's: another server's, or a user's own `postgres`."""
    if not place.is_dir() or _is_ours(place):
        return
    known = {"programs", *(found.name for each in _LEFTOVERS for found in place.glob(each))}
    if others := sorted(found.name for found in place.iterdir() if found.name not in known):
        raise LoyaltyError(
            f"{place} is in the way: it holds {others[0]}, which is not the embedded server's. "
            "Nothing was changed.",
            remedy="Set LOYALTY_HOME to a folder of its own.",
        )


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
