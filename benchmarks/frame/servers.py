"""Private PostgreSQL servers, set up as in production: for the source, and for the warehouse."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from orchestration.database import Database
from orchestration.embedded import binaries, tuning
from orchestration.embedded.account import Account, can, server_account
from orchestration.embedded.cluster import HOST, Cluster
from orchestration.embedded.failures import PortTaken
from orchestration.embedded.files import locked, write_private
from orchestration.embedded.initdb import SUPERUSER, initialise, remove_leftovers
from orchestration.embedded.place import socket_directory
from orchestration.errors import LoyaltyError

CONFIGURATION = "benchmark.conf"

SHOWN_SETTINGS = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "wal_compression",
    "data_checksums",
    "autovacuum",
    "shared_buffers",
    "work_mem",
    "maintenance_work_mem",
    "max_wal_size",
    "checkpoint_timeout",
    "max_parallel_workers_per_gather",
    "max_parallel_maintenance_workers",
    "jit",
)
"""The settings that decide what such measurements come to; reports quote them."""


def production_settings(servers: int) -> dict[str, str]:
    """A durable server that could be replicated from, sized for its part of this machine."""
    buffers = min(machine_megabytes() // 4 // servers, 2048)
    return {
        **tuning.settings(),
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        # As on any server that is backed up: new tables do not skip the log.
        "wal_level": "replica",
        "max_wal_senders": "10",
        "autovacuum": "on",
        "shared_buffers": f"{max(buffers, 128)}MB",
        "maintenance_work_mem": "256MB",
        # The log is recycled, not made anew, whoever is measured first.
        "min_wal_size": "2GB",
        "max_wal_size": "8GB",
        "checkpoint_timeout": "15min",
    }


def machine_megabytes() -> int:
    """The machine's memory in MiB."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20)


@dataclass(frozen=True)
class Server:
    """A running server, whose user is a superuser."""

    port: int
    programs: Path
    password: str = field(repr=False)

    def url(self, dbname: str = "postgres") -> str:
        """The libpq URL of one of its databases, password included."""
        return f"postgresql://{SUPERUSER}:{self.password}@{HOST}:{self.port}/{dbname}"

    def database(self, dbname: str) -> Database:
        """One of its databases, as the project's code takes it."""
        return Database(f"database {dbname}", self.url(dbname), "the benchmark")

    def environment(self, dbname: str) -> dict[str, str]:
        """What psql needs to reach one of its databases, on top of this process's environment."""
        return {
            **os.environ,
            "PGHOST": HOST,
            "PGPORT": str(self.port),
            "PGUSER": SUPERUSER,
            "PGPASSWORD": self.password,
            "PGDATABASE": dbname,
        }

    def execute(self, dbname: str, *statements: str | sql.Composed) -> None:
        """Runs statements one by one, each in a transaction of its own."""
        with self.connect(dbname) as connection:
            for statement in statements:
                connection.execute(statement.encode() if isinstance(statement, str) else statement)

    def connect(self, dbname: str) -> psycopg.Connection[psycopg.rows.TupleRow]:
        """A connection in autocommit mode."""
        return self.database(dbname).connect(autocommit=True)

    def checkpoint(self) -> None:
        """Writes everything down, so that what is measured next starts from a quiet server."""
        self.execute("postgres", "checkpoint")

    def settings(self) -> dict[str, str]:
        """Its version and the settings that matter, as it tells them."""
        with self.connect("postgres") as connection:
            rows = connection.execute(
                "select name, current_setting(name) from pg_settings where name = any(%s)",
                [["server_version", *SHOWN_SETTINGS]],
            ).fetchall()
        found: dict[str, str] = dict(rows)
        return {name: found[name] for name in ("server_version", *SHOWN_SETTINGS)}

    @contextmanager
    def new_database(self, name: str, template: str = "template0") -> Iterator[Database]:
        """A database for a while: empty, or a copy of another."""
        drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        create = sql.SQL("create database {} template {} strategy file_copy").format(
            sql.Identifier(name), sql.Identifier(template)
        )
        self.execute("postgres", drop, create)
        try:
            yield self.database(name)
        finally:
            self.execute("postgres", drop)


@dataclass(frozen=True)
class Servers:
    """Where the application's database is, and where the warehouse: two servers, or one."""

    source: Server
    warehouse: Server

    def checkpoint(self) -> None:
        """A checkpoint on both."""
        self.source.checkpoint()
        if self.warehouse != self.source:
            self.warehouse.checkpoint()


@contextmanager
def private_servers(major: int, count: int, keep: Path | None = None) -> Iterator[Servers]:
    """Starts the servers, and removes them and all that they hold at the end.

    Args:
        major: PostgreSQL's major version.
        count: 1 for both databases on one server, 2 for a server each.
        keep: A folder in which the source's server, with the sample data, is kept for later runs.

    Raises:
        LoyaltyError: There is no such version here, the folder cannot be used, or a start failed.
    """
    with ExitStack() as stack:
        settings = production_settings(count)
        scratch = stack.enter_context(_scratch_folder())
        if keep is None:
            source = stack.enter_context(_server(scratch / "source", major, settings))
        else:
            keep.mkdir(parents=True, exist_ok=True)
            busy = LoyaltyError(f"Another benchmark is at work in {keep}.", remedy="Wait for it.")
            stack.enter_context(locked(keep / "benchmark.lock", seconds=0, otherwise=busy))
            folder = keep.resolve() / f"source-{major}"
            source = stack.enter_context(_server(folder, major, settings, is_kept=True))
        if count == 1:
            yield Servers(source, source)
        else:
            warehouse = stack.enter_context(_server(scratch / "warehouse", major, settings))
            yield Servers(source, warehouse)


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    account = server_account()
    bases = (tempfile.gettempdir(), "/tmp", "/var/tmp")
    base = next((base for base in bases if can(account, "-x", Path(base))), bases[0])
    folder = Path(tempfile.mkdtemp(prefix="loyalty-benchmark-", dir=base))
    folder.chmod(0o711 if account else 0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(
    folder: Path, major: int, settings: dict[str, str], *, is_kept: bool = False
) -> Iterator[Server]:
    cluster = Cluster(folder)
    account = server_account(cluster.data)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o711 if account else 0o700)
    if account and not can(account, "-x", folder):
        raise LoyaltyError(
            f"The account {account.name}, which runs the servers, cannot reach {folder}.",
            remedy="Name a folder that every account can reach.",
        )
    programs = binaries.usable_by(account, programs_of(major), folder)
    if not cluster.data.exists():
        remove_leftovers(cluster)
        write_private(folder / "password", secrets.token_urlsafe(24))
        initialise(cluster, programs, (folder / "password").read_text(), {"include": CONFIGURATION})
    # A benchmark that was killed leaves its server running.
    cluster.stop()
    lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
    write_private(cluster.data / CONFIGURATION, "".join(lines))
    port = _start(cluster, programs, account)
    try:
        yield Server(port, programs.folder, (folder / "password").read_text())
    finally:
        cluster.stop(signal.SIGINT if is_kept else signal.SIGQUIT)


def programs_of(major: int) -> Path:
    """The folder of a version's programs: the installed package's, or Debian's.

    Raises:
        LoyaltyError: Neither is there.
    """
    if major in binaries.FOLDERS:
        return binaries.bundled(major)
    folder = Path(f"/usr/lib/postgresql/{major}/bin")
    if not (folder / "initdb").exists():
        raise LoyaltyError(
            f"The programs of PostgreSQL {major} are not installed.",
            remedy=f"Install the system's package of PostgreSQL {major}, or measure "
            f"{' or '.join(str(known) for known in binaries.FOLDERS)}.",
        )
    return folder


def _start(cluster: Cluster, programs: binaries.Programs, account: Account | None) -> int:
    while True:
        with socket.socket() as free:
            free.bind((HOST, 0))
            port = int(free.getsockname()[1])
        try:
            sockets = socket_directory(cluster.directory, account, port)
            return cluster.start(programs, port, sockets).port
        except PortTaken:
            continue
