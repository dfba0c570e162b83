"""The one embedded server of a LOYALTY_HOME: started unless it runs, asked, stopped, removed."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import secrets
import shutil
import socket
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from orchestration.embedded import binaries, place, tuning
from orchestration.embedded.binaries import Programs
from orchestration.embedded.cluster import HOST, SUPERUSER, Cluster, Postmaster
from orchestration.embedded.failures import PortTaken
from orchestration.embedded.files import locked, write_private
from orchestration.errors import LoyaltyError

DATABASES = ("operational", "warehouse")
ROLE = "loyalty"
"""The role that owns both databases, without a superuser's rights."""
MAJOR = 18
REMEMBERED = "server.json"
LOCK_SECONDS = 300
PORTS = range(15432, 25432)
"""Below the ports that systems hand to outgoing connections."""
PORT_TRIES = 50

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Server:
    """A running server and how to log in; `repr` shows no password."""

    port: int
    password: str = field(repr=False)
    user: str = ROLE
    host: str = HOST

    def url(self, dbname: str) -> str:
        """The libpq URL of one of its databases, password included: do not log it."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{dbname}"


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
    with _plain_words(home):
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
    with _plain_words(home):
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
    with _plain_words(home):
        if not place.folder(home).exists():
            (home / "postgres").unlink(missing_ok=True)
            return False
        with _lock(home):
            directory = place.folder(home)
            Cluster(directory).stop()
            if sockets := _remembered(directory).get("socket_directory"):
                shutil.rmtree(sockets, ignore_errors=True)
            place.remove(home)
        return True


def status(home: Path) -> Status:
    """What there is to know of the home's server; starts nothing and makes nothing.

    Raises:
        LoyaltyError: The home cannot be read.
    """
    home = _absolute(home)
    with _plain_words(home):
        cluster = Cluster(place.folder(home))
        server = _running(cluster.directory)
        postmaster = cluster.postmaster() if server else None
        version = str(cluster.major) if cluster.major else None
        if server:
            with psycopg.connect(server.url(DATABASES[0])) as connection:
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
    with _plain_words(home):
        return _running(place.folder(home))


def _running(directory: Path) -> Server | None:
    """The server, if it answers and the start that made its databases has finished."""
    finished = _remembered(directory).get("pid")
    postmaster = Cluster(directory).running() if finished else None
    if not postmaster or postmaster.pid != finished:
        return None
    return Server(postmaster.port, _passwords(directory)[ROLE])


def _start(home: Path) -> Server:
    directory, account = place.prepare(home)
    programs = binaries.usable_by(account, binaries.bundled(MAJOR), directory)
    cluster = Cluster(directory)
    cluster.remove_leftovers()
    if not cluster.data.exists():
        logger.info("Making the embedded PostgreSQL in %s", cluster.data)
        secret = {name: secrets.token_urlsafe(24) for name in (ROLE, SUPERUSER)}
        write_private(
            directory / "pgpass", "".join(f"*:*:*:{name}:{word}\n" for name, word in secret.items())
        )
        cluster.initialise(programs, secret[SUPERUSER], tuning.settings())
    elif cluster.major != MAJOR:
        raise LoyaltyError(
            f"The data in {cluster.data} were made by PostgreSQL {cluster.major or '(unknown)'}; "
            f"the embedded one is {MAJOR}.",
            remedy="Set LOYALTY_HOME to another folder; or dump what you need with that version, "
            "remove the data with `loyalty db stop --remove-data`, and load it again.",
        )
    passwords = _passwords(directory)
    postmaster = _started_by_another(cluster) or _launch(cluster, programs)
    server = Server(postmaster.port, passwords[ROLE])
    _create_databases(server, passwords[SUPERUSER])
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
    first = before or PORTS[zlib.crc32(bytes(cluster.directory)) % len(PORTS)]
    for port in (first, *(PORTS[(first + step) % len(PORTS)] for step in range(PORT_TRIES))):
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
        f"The embedded PostgreSQL found no free port: {PORT_TRIES} from {first} on are taken.",
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


def _create_databases(server: Server, password: str) -> None:
    """Makes the role and the databases that are missing; the role's password is sent hashed."""
    superuser = Server(server.port, password, user=SUPERUSER)
    role = sql.Identifier(ROLE)
    try:
        with psycopg.connect(superuser.url("postgres"), autocommit=True) as connection:
            # The session of a command that was killed may still be making them.
            connection.execute("select pg_advisory_lock(%s)", [zlib.crc32(ROLE.encode())])
            roles = connection.execute("select rolname from pg_roles").fetchall()
            if (ROLE,) not in roles:
                hashed = connection.pgconn.encrypt_password(
                    server.password.encode(), ROLE.encode(), b"scram-sha-256"
                ).decode()
                connection.execute(
                    sql.SQL("create role {} login password {}").format(role, sql.Literal(hashed))
                )
            databases = connection.execute("select datname from pg_database").fetchall()
            for name in DATABASES:
                if (name,) not in databases:
                    connection.execute(
                        sql.SQL("create database {} owner {}").format(sql.Identifier(name), role)
                    )
    except psycopg.Error as error:
        raise LoyaltyError(
            "The embedded PostgreSQL runs, but its databases could not be made: "
            f"{str(error).strip()}.",
            remedy="Mend the cause and try again; or begin anew with `loyalty db stop "
            "--remove-data`.",
        ) from None


def _remembered(directory: Path) -> dict[str, Any]:
    """What the last start wrote down; empty before the first."""
    try:
        known = json.loads((directory / REMEMBERED).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _passwords(directory: Path) -> dict[str, str]:
    """The passwords of the roles, from a file in the format of libpq's password files."""
    file = directory / "pgpass"
    try:
        lines = [line.split(":", 4)[3:] for line in file.read_text().splitlines()]
        return dict(lines)
    except (FileNotFoundError, ValueError):
        raise LoyaltyError(
            f"The embedded server's passwords are missing: {file}.",
            remedy="Bring the file back, or remove the data with `loyalty db stop --remove-data`.",
        ) from None


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


@contextlib.contextmanager
def _plain_words(home: Path) -> Iterator[None]:
    """Turns what the file system refuses into errors that say whose it is and what to do."""
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
        raise LoyaltyError(
            f"LOYALTY_HOME ({home}) cannot be used: {error.strerror} ({where}).",
            remedy="Correct its permissions, or set LOYALTY_HOME to a folder that you may write.",
        ) from None


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
