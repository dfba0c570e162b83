"""The one embedded server of a LOYALTY_HOME: started unless it runs, asked, stopped, removed."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from orchestration.embedded import binaries, place, tuning
from orchestration.embedded.binaries import Programs
from orchestration.embedded.cluster import HOST, Cluster, Postmaster
from orchestration.embedded.failures import PortTaken, plain_words
from orchestration.embedded.files import locked, write_private
from orchestration.embedded.initdb import SUPERUSER, initialise, remove_leftovers
from orchestration.embedded.login import (
    DATABASES,
    ROLE,
    Server,
    create_databases,
    make_passwords,
    passwords,
)
from orchestration.errors import LoyaltyError

MAJOR = 18
REMEMBERED = "server.json"
LOCK_SECONDS = 300
PORTS = range(15432, 25432)
"""Below the ports that systems hand to outgoing connections."""
PORT_TRIES = 50

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Status:
    """What there is to know of the embedded server without starting it.

    Attributes:
        version: Of PostgreSQL: the running server's, or the major version that made the data.
        size_bytes: What the data directory takes on disk; None where there is none.
    """

    running: bool
    pid: int | None
    port: int | None
    version: str | None
    data_directory: Path
    size_bytes: int | None
    log: Path


def ensure_running(home: Path) -> Server:
    """Starts the home's server unless it runs: the first time made, with both databases.

    However many commands call this at once, there is one server; it outlives them all.

    Args:
        home: LOYALTY_HOME. Made where it is missing.

    Raises:
        LoyaltyError: It cannot be started; the message says why and what to do.
    """
    home = _absolute(home)
    with plain_words(home):
        if server := _running(place.folder(home)):
            return server
        if not home.exists():
            home.mkdir(parents=True)
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        with _lock(home):
            return _running(place.folder(home)) or _start(home)


def stop(home: Path) -> bool:
    """Stops the home's server, if it runs, and waits for it; sessions are ended.

    Returns:
        Whether it was running.

    Raises:
        LoyaltyError: It cannot be stopped.
    """
    home = _absolute(home)
    with plain_words(home):
        if not place.folder(home).exists():
            return False
        with _lock(home):
            return Cluster(place.folder(home)).stop()


def remove(home: Path) -> bool:
    """Stops the home's server and removes its data, for good.

    Returns:
        Whether there was anything to remove.

    Raises:
        LoyaltyError: It cannot be stopped, or the files cannot be removed.
    """
    home = _absolute(home)
    with plain_words(home):
        if not place.folder(home).exists():
            if (home / "postgres").is_symlink():
                (home / "postgres").unlink()
            return False
        with _lock(home):
            directory = place.folder(home)
            Cluster(directory).stop()
            if sockets := _remembered(directory).get("socket_directory"):
                # A stopped server's is empty; where it is not, it is not ours alone.
                with contextlib.suppress(OSError):
                    os.rmdir(sockets)
            return place.remove(home)


def status(home: Path) -> Status:
    """What there is to know of the home's server; starts nothing and makes nothing.

    Raises:
        LoyaltyError: The home cannot be read.
    """
    home = _absolute(home)
    with plain_words(home):
        cluster = Cluster(place.folder(home))
        server = _running(cluster.directory)
        postmaster = cluster.postmaster() if server else None
        version = str(cluster.major) if cluster.major else None
        if server:
            # Where it takes no more sessions, the major version has to do.
            with (
                contextlib.suppress(psycopg.Error),
                psycopg.connect(server.url(DATABASES[0])) as connection,
            ):
                version = connection.info.parameter_status("server_version")
        return Status(
            running=server is not None,
            pid=postmaster.pid if postmaster else None,
            port=server.port if server else None,
            version=version,
            data_directory=cluster.data,
            size_bytes=_size(cluster.data) if cluster.data.exists() else None,
            log=cluster.log,
        )


def running(home: Path) -> Server | None:
    """The home's server if it runs, ready; it is not started."""
    home = _absolute(home)
    with plain_words(home):
        return _running(place.folder(home))


def _running(directory: Path) -> Server | None:
    """The server, if it answers and the start that made its databases has finished."""
    finished = _remembered(directory).get("pid")
    postmaster = Cluster(directory).running() if finished else None
    if not postmaster or postmaster.pid != finished:
        return None
    return Server(postmaster.port, passwords(directory)[ROLE])


def _start(home: Path) -> Server:
    directory, account = place.prepare(home)
    programs = binaries.usable_by(account, binaries.bundled(MAJOR), directory)
    cluster = Cluster(directory)
    remove_leftovers(cluster)
    if not cluster.data.exists():
        logger.info("Making the embedded PostgreSQL in %s", cluster.data)
        initialise(cluster, programs, make_passwords(directory), tuning.settings())
    elif cluster.major != MAJOR:
        raise LoyaltyError(
            f"The data in {cluster.data} were made by PostgreSQL {cluster.major or '(unknown)'}; "
            f"the embedded one is {MAJOR}.",
            remedy="Set LOYALTY_HOME to another folder; or dump what you need with that version, "
            "remove the data with `loyalty db stop --remove-data`, and load it again.",
        )
    password = passwords(directory)
    postmaster = _started_by_another(cluster) or _launch(cluster, programs)
    server = Server(postmaster.port, password[ROLE])
    create_databases(server, password[SUPERUSER])
    known = {
        "pid": postmaster.pid,
        "port": postmaster.port,
        "socket_directory": postmaster.socket_directory,
    }
    write_private(directory / REMEMBERED, json.dumps(known))
    return server


def _started_by_another(cluster: Cluster) -> Postmaster | None:
    """The server that a command started which did not live to see it ready."""
    postmaster = cluster.postmaster()
    if postmaster and postmaster.state == "starting" and cluster.is_alive():
        return cluster.wait_until_ready(cluster.log_size())
    return cluster.running()


def _launch(cluster: Cluster, programs: Programs) -> Postmaster:
    """Starts the server at the port that it had last time, or else at another free one."""
    before = _remembered(cluster.directory).get("port")
    # The same home begins with the same port, so that two homes seldom ask for one.
    own = zlib.crc32(bytes(cluster.directory))
    others = (PORTS[(own + step) % len(PORTS)] for step in range(PORT_TRIES))
    for port in (before, *others) if before else others:
        if not _is_free(port):
            continue
        sockets = place.socket_directory(cluster.directory, programs.account, port)
        try:
            postmaster = cluster.start(programs, port, sockets)
        except PortTaken:
            continue
        if before and port != before:
            logger.warning(
                "Port %s is taken by another program; the embedded PostgreSQL now listens at %s. "
                "`loyalty db url` prints the new address.",
                before,
                port,
            )
        return postmaster
    raise LoyaltyError(
        f"The embedded PostgreSQL found no free port: tried {PORT_TRIES} of "
        f"{PORTS[0]} to {PORTS[-1]}.",
        remedy="End programs that listen there, and try again.",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _remembered(directory: Path) -> dict[str, Any]:
    """What the last start wrote down; empty before the first."""
    try:
        known = json.loads((directory / REMEMBERED).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
    return total


def _absolute(home: Path) -> Path:
    return Path(os.path.abspath(home.expanduser()))


def _lock(home: Path) -> contextlib.AbstractContextManager[None]:
    return locked(
        home / "postgres.lock",
        seconds=LOCK_SECONDS,
        otherwise=LoyaltyError(
            f"Another command has been starting or stopping the embedded PostgreSQL of {home} for "
            f"{LOCK_SECONDS // 60} minutes.",
            remedy="Look for a `loyalty` process that hangs, and end it.",
        ),
    )
