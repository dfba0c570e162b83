"""Private files and folders, and locks: written whole or not at all, never through a link."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from orchestration.embedded.account import Account
from orchestration.errors import LoyaltyError


def private_directory(path: Path, owner: Account | None = None, *, mode: int = 0o700) -> Path:
    """Makes a folder with exactly this mode, or checks that an existing one is ours.

    Args:
        path: The folder; its parent exists.
        owner: Whose it becomes; None leaves it with the account that runs this process.
        mode: Its permissions, whatever the umask.

    Raises:
        LoyaltyError: Something else is there, or somebody else's folder.
    """
    uid, gid = (owner.uid, owner.gid) if owner else (os.geteuid(), -1)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid:
            raise LoyaltyError(
                f"{path} is in the way: it is not a folder of the account that needs it.",
                remedy="Remove it, or set LOYALTY_HOME to another folder.",
            ) from None
    if owner:
        os.chown(path, uid, gid)
    path.chmod(mode)
    return path


def write_private(path: Path, text: str) -> None:
    """Writes a 0600 file in one step; it belongs to whoever owns its folder."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            _belong_to_folder(file.fileno(), path.parent)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.rename(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes the folder's entries (a rename, say) survive a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_private(path: Path, flags: int = 0) -> int:
    """Opens a file for reading and writing; a new one is 0600 and its folder's owner's.

    Returns:
        The descriptor; programs that are started do not inherit it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | flags, 0o600)
    _belong_to_folder(descriptor, path.parent)
    return descriptor


def try_lock(descriptor: int, kind: int) -> bool:
    """Whether the lock (fcntl.LOCK_EX or LOCK_SH) could be had at once."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(descriptor: int, seconds: float) -> bool:
    """Whether the exclusive lock could be had within some seconds."""
    deadline = time.monotonic() + seconds
    while not try_lock(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def locked(path: Path, *, seconds: float, otherwise: LoyaltyError) -> Iterator[None]:
    """Holds an exclusive lock on a file.

    Raises:
        LoyaltyError: `otherwise`, where someone else holds it for longer than `seconds`.
    """
    descriptor = open_private(path)
    try:
        if not wait_for_lock(descriptor, seconds):
            raise otherwise
        yield
    finally:
        os.close(descriptor)


def _belong_to_folder(descriptor: int, folder: Path) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
