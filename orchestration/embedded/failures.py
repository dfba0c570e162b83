"""What went wrong, in plain words: told from what PostgreSQL logged, or the system refused."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestration.errors import LoyaltyError

LINES = 6
"""How many of the last lines an error quotes."""

OWN_SERVER = "use your own server: set LOYALTY_OPERATIONAL_URL and LOYALTY_WAREHOUSE_URL"


class PortTaken(LoyaltyError):  # noqa: N818 (named for what happened, as FileExistsError's kin are)
    """Someone else listens at the port."""


@dataclass(frozen=True)
class Cause:
    """What the output shows, by any of its signs, and what to do about it."""

    signs: tuple[str, ...]
    words: str
    remedy: str
    kind: type[LoyaltyError] = LoyaltyError


CAUSES = (
    Cause(
        ("shared memory segment", "semaphores"),
        "the system gives it too little shared memory",
        "Raise the limits kernel.shmmax, kernel.shmall or kernel.sem; in Docker, --shm-size.",
    ),
    Cause(
        ("No space left on device", "Disk quota exceeded"),
        "the disk ran full",
        "Make room (an empty server takes some 150 MiB), or set LOYALTY_HOME to a folder on "
        "another disk.",
    ),
    Cause(
        ("Read-only file system",),
        "it is on a read-only file system",
        "Set LOYALTY_HOME to a folder that can be written.",
    ),
    Cause(
        ("Address already in use",), "its port is taken by another program", "Try again.", PortTaken
    ),
    Cause(
        ("Unix-domain socket path",),
        "the path of its socket is too long",
        "Set LOYALTY_HOME to a shorter path.",
    ),
    Cause(
        ("pre-existing shared memory block",),
        "processes of a server that was killed still work on its data",
        "Wait until they end, or end the `postgres` processes of that folder; then try again.",
    ),
    Cause(
        ('postmaster.pid" already exists',),
        "another server holds its lock file postmaster.pid",
        "Stop that server; if there is none, remove the file and try again.",
    ),
    Cause(
        ("could not look up effective user ID",),
        "the account that runs this command has no entry in the system's list of users",
        "Run it as a user that /etc/passwd lists, or as root.",
    ),
    Cause(
        ("error while loading shared libraries", "version `GLIBC"),
        "its programs do not fit this system",
        f"Install the library named below, or {OWN_SERVER}.",
    ),
    Cause(
        (
            "PANIC:",
            "could not locate a valid checkpoint record",
            "incorrect checksum in control file",
            "could not find the database system",
            "is not a valid data directory",
            "database files are incompatible with server",
            "invalid data in file",
            "No such file or directory",
        ),
        "its data are damaged",
        "Restore them from a backup; or remove them with `loyalty db stop --remove-data` and make "
        "them again, which brings back everything but what only this server held.",
    ),
    Cause(
        ("Permission denied", "Operation not permitted"),
        "the system denies it a file",
        "Look at the owner and the permissions of the file named below.",
    ),
)
"""The causes to tell apart, the surest signs first."""


def explain(problem: str, output: str, log: Path | None = None) -> LoyaltyError:
    """The error to raise, with its cause and remedy where the output gives them away.

    Args:
        problem: What did not work, as the beginning of a sentence.
        output: What the program or the server's log said.
        log: Where there is more to read.
    """
    unknown = Cause((), "see what it said below", f"The whole log is {log}." if log else "")
    cause = next((each for each in CAUSES if any(sign in output for sign in each.signs)), unknown)
    said = [f"  {line}" for line in output.splitlines() if line.strip()][-LINES:]
    remedy = "\n".join([cause.remedy, *said] if cause.remedy else said)
    return cause.kind(f"{problem}: {cause.words}.", remedy=remedy)


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
