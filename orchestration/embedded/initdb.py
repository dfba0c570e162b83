"""A cluster's data, made by initdb: whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from orchestration.embedded import failures
from orchestration.embedded.binaries import Programs
from orchestration.embedded.cluster import Cluster
from orchestration.embedded.files import sync_directory, write_private

SUPERUSER = "postgres"


def initialise(
    cluster: Cluster, programs: Programs, password: str, settings: Mapping[str, str]
) -> None:
    """Makes the data, whole or not at all: elsewhere first, then by a rename.

    Args:
        cluster: Where they are to be; there are none yet.
        programs: initdb and postgres.
        password: The superuser's.
        settings: What postgresql.conf says beyond initdb's own choices.

    Raises:
        LoyaltyError: initdb failed; the message says why.
    """
    scratch = Path(tempfile.mkdtemp(prefix="initdb-", dir=cluster.directory))
    try:
        if programs.account:
            os.chown(scratch, programs.account.uid, programs.account.gid)
        write_private(scratch / "password", password)
        _initdb(programs, scratch / "data", scratch / "password")
        written = scratch / "data" / "postgresql.conf"
        lines = [f"{name} = {_quoted(value)}\n" for name, value in settings.items()]
        write_private(
            written, written.read_text() + "\n# The loyalty warehouse's.\n" + "".join(lines)
        )
        (scratch / "data").rename(cluster.data)
        sync_directory(cluster.directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remove_leftovers(cluster: Cluster) -> None:
    """Removes what a killed `initialise` left; nobody may be in one now."""
    for leftover in cluster.directory.glob("initdb-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _initdb(programs: Programs, data: Path, password_file: Path) -> None:
    # The built-in locale sorts and folds alike on every machine; older versions lack it.
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if programs.major() >= 17
        else ["--locale=C"]
    )
    result = programs.run(
        "initdb",
        f"--pgdata={data}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        *locale,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    if result.returncode != 0:
        raise failures.explain(
            f"PostgreSQL's initdb could not make its data in {data.parent.parent}", result.stderr
        )


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
