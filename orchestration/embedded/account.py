"""Which account runs the server: PostgreSQL refuses root, so root hands over to another."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.errors import LoyaltyError

ACCOUNTS = ("postgres", "nobody")
"""The accounts that root hands over to, the first that exists."""


@dataclass(frozen=True)
class Account:
    """An unprivileged account that root starts the server's programs as."""

    name: str
    uid: int
    gid: int


def server_account(data: Path | None = None) -> Account | None:
    """The account to run the server as; None where this process is not root and runs it itself.

    Args:
        data: The data folder; where it exists, its owner goes on running the server.

    Raises:
        LoyaltyError: The data belongs to somebody else, or root finds no account to hand over to.
    """
    owner = data.stat().st_uid if data and data.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise LoyaltyError(
                f"The embedded server's data in {data} belongs to another account (uid {owner}).",
                remedy="Run the command as that account, or set LOYALTY_HOME to another folder.",
            )
        return None
    candidates = (owner,) if owner else ACCOUNTS
    for candidate in candidates:
        try:
            entry = (
                pwd.getpwuid(candidate) if isinstance(candidate, int) else pwd.getpwnam(candidate)
            )
        except KeyError:
            continue
        account = Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
        try:
            can(account, "-x", Path("/"))
        except OSError as error:
            raise LoyaltyError(
                "PostgreSQL does not run as root, and this system does not let root change to the "
                f"account {account.name}: {error.strerror}.",
                remedy="Run the command as an ordinary user.",
            ) from None
        return account
    raise LoyaltyError(
        "PostgreSQL does not run as root, and there is no account to run it as instead "
        f"(looked for {' and '.join(str(candidate) for candidate in candidates)}).",
        remedy="Run the command as an ordinary user, or create the account `postgres`.",
    )


def run_as(
    account: Account | None, command: list[str], **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end as the account, with an environment that changes nothing.

    Raises:
        OSError: The program cannot be started.
    """
    identity: dict[str, Any] = (
        {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}
    )
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",  # messages are matched in English
    }
    return subprocess.run(
        command,
        text=True,
        errors="replace",
        check=False,
        cwd="/",
        env=environment,
        **identity,
        **options,
    )


def can(account: Account | None, test: str, path: Path) -> bool:
    """Whether the account passes a `test`(1), such as "-x", on a path."""
    return run_as(account, ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)]).returncode == 0
