"""What went wrong, in plain words: told from what PostgreSQL logged, or the system refused."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestration.errors import LoyaltyError

LINES = 6
"""How many of the last lines an error quotes."""

CORRUPTION = (
    "PANIC:",
    "could not locate a valid checkpoint record",
    "incorrect checksum in control file",
    "could not find the database system",
    "is not a valid data directory",
    "database files are incompatible with server",
    "invalid data in file",
    "could not open directory",
    "could not open file",
)
"""What damaged data make the server say."""


class PortTaken(LoyaltyError):  # noqa: N818 (what happened, like FileExistsError's siblings)
    """Someone else listens at the port."""


def explain(problem: str, output: str, directory: Path) -> LoyaltyError:
    """The error to raise, with its cause and remedy where the output gives them away.

    Args:
        problem: What did not work, as the beginning of a sentence.
        output: What the program or the server's log said.
        directory: Where the server keeps its files.
    """
    kind: type[LoyaltyError] = LoyaltyError
    if "shared memory segment" in output or "semaphores" in output:
        cause = "the system gives it too little shared memory"
        remedy = (
            "Raise the limits kernel.shmmax, kernel.shmall or kernel.sem; in Docker, --shm-size."
        )
    elif "No space left on device" in output or "Disk quota exceeded" in output:
        cause = f"the disk of {directory} ran full"
        remedy = (
            "Make room (an empty server takes some 150 MiB), or set LOYALTY_HOME to a folder on "
            "another disk."
        )
    elif "Read-only file system" in output:
        cause = f"{directory} is on a read-only file system"
        remedy = "Set LOYALTY_HOME to a folder that can be written."
    elif "Address already in use" in output:
        kind = PortTaken
        cause, remedy = "its port is taken by another program", "Try again."
    elif "is too long" in output and "socket" in output:
        cause = "the path of its socket is too long"
        remedy = "Set LOYALTY_HOME to a shorter path."
    elif "pre-existing shared memory block" in output:
        cause = "processes of a server that was killed still work on its data"
        remedy = (
            "Wait until they end, or end the `postgres` processes of that folder; then try again."
        )
    elif "postmaster.pid" in output and "already exists" in output:
        cause = "another server holds its lock file postmaster.pid"
        remedy = "Stop that server; if there is none, remove the file and try again."
    elif "could not look up effective user ID" in output:
        cause = "the account that runs this command has no entry in the system's list of users"
        remedy = "Run it as a user that /etc/passwd lists, or as root."
    elif "error while loading shared libraries" in output or "version `GLIBC" in output:
        cause = "its programs do not fit this system"
        remedy = (
            "Install the library named below, or use your own server: set LOYALTY_OPERATIONAL_URL "
            "and LOYALTY_WAREHOUSE_URL."
        )
    elif any(sign in output for sign in CORRUPTION):
        cause = "its data are damaged"
        remedy = (
            "Restore them from a backup; or remove them with `loyalty db stop --remove-data` and "
            "make them again, which brings back everything but what only this server held."
        )
    elif "Permission denied" in output or "Operation not permitted" in output:
        cause = "the system denies it a file"
        remedy = "Look at the owner and the permissions of the file named below."
    else:
        cause, remedy = "see what it said below", f"The whole log is in {directory / 'server.log'}."
    said = [line for line in output.splitlines() if line.strip()][-LINES:]
    return kind(f"{problem}: {cause}.", remedy="\n".join([remedy, *(f"  {line}" for line in said)]))


@contextlib.contextmanager
def plain_words(home: Path) -> Iterator[None]:
    """Turns what the file system refuses into errors that say whose it is and what to do.

    Raises:
        LoyaltyError: In an OSError's place.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or home
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(_existing(home)).free // 2**20
            raise LoyaltyError(
                f"The disk of {home} is full ({free} MiB free).",
                remedy="Make room, or set LOYALTY_HOME to a folder on another disk.",
            ) from None
        remedy = "Set LOYALTY_HOME to a folder that you may write."
        if error.errno in (errno.EACCES, errno.EPERM):
            found = _existing(home)
            remedy += f" {found} belongs to uid {found.stat().st_uid}, this command runs as "
            remedy += f"{os.geteuid()}."
        raise LoyaltyError(
            f"LOYALTY_HOME ({home}) cannot be used: {error.strerror} ({where}).", remedy=remedy
        ) from None


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that this account can see."""
    try:
        return path if path.exists() else _existing(path.parent)
    except OSError:
        return _existing(path.parent)
