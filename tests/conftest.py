"""The servers that integration tests run on: private, thrown away, on free ports, without fsync."""

from __future__ import annotations

import atexit
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from orchestration.embedded import binaries
from orchestration.embedded.account import can, server_account
from orchestration.embedded.cluster import Cluster
from orchestration.embedded.failures import PortTaken
from orchestration.embedded.initdb import SUPERUSER, initialise
from orchestration.embedded.place import socket_directory
from orchestration.errors import LoyaltyError

if TYPE_CHECKING:
    from dbt_in_process import Dbt

PASSWORD = "for-tests"
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "log_min_messages": "fatal",
}


@dataclass
class PostgresServer:
    """A private server of one version, whose user is a superuser; started when first asked."""

    major: int
    folder: Path
    names: Iterator[int] = field(default_factory=count)

    @cached_property
    def port(self) -> int:
        account = server_account()
        base = next(
            folder for folder in (tempfile.gettempdir(), "/tmp") if can(account, "-x", Path(folder))
        )
        directory = Path(tempfile.mkdtemp(prefix=f"loyalty-test-{self.major}-", dir=base))
        if account:  # root's: let the account through to the folders that it gets inside
            directory.chmod(0o711)
        cluster = Cluster(directory)
        atexit.register(_throw_away, cluster)
        programs = binaries.usable_by(account, self.folder, directory)
        initialise(cluster, programs, PASSWORD, SETTINGS)
        while True:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = int(free.getsockname()[1])
            sockets = socket_directory(directory, account, port)
            try:
                return cluster.start(programs, port, sockets).port
            except PortTaken:
                continue

    def url(
        self, dbname: str = "postgres", *, user: str = SUPERUSER, password: str = PASSWORD
    ) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{dbname}"

    def create_database(self) -> str:
        """The name of a new, empty database."""
        name = f"test_{next(self.names)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return name

    def drop_database(self, name: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )


def _throw_away(cluster: Cluster) -> None:
    cluster.stop(signal.SIGQUIT)
    shutil.rmtree(cluster.directory, ignore_errors=True)


def _debian(major: int) -> Path | None:
    folder = Path(f"/usr/lib/postgresql/{major}/bin")
    return folder if (folder / "initdb").exists() else None


def _available() -> dict[int, PostgresServer]:
    found = {}
    for major, folder in {15: _debian(15), 16: None, 18: None}.items():
        try:
            found[major] = PostgresServer(major, folder or binaries.bundled(major))
        except (KeyError, LoyaltyError):
            continue
    return found


def pytest_configure() -> None:
    """Lets the servers be stopped after a SIGTERM (a time limit's, say) as after Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def reachable_folder() -> Iterator[Callable[[], Path]]:
    """Makes folders that every account can reach, in memory where there is room.

    Their paths are short, as a socket's has to be.
    """
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**31
    made: list[Path] = []

    def make() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="loyalty-test-", dir=memory if roomy else None)))
        made[-1].chmod(0o711)
        return made[-1]

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def servers() -> Mapping[int, PostgresServer]:
    """The servers by major version, of 15 (Debian's), 16 and 18 those that this machine has."""
    return _available()


@pytest.fixture(scope="session")
def server(servers: Mapping[int, PostgresServer]) -> PostgresServer:
    """The server of the embedded version, 18."""
    return servers[18]


@pytest.fixture(scope="session")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """dbt in this process, for any warehouse: a project's files are parsed once, not by each."""
    from dbt_in_process import Dbt  # dbt takes seconds to import

    return Dbt(tmp_path_factory.mktemp("dbt"))


@pytest.fixture
def new_database_on(servers: Mapping[int, PostgresServer]) -> Iterator[Callable[[int], str]]:
    """Makes fresh databases on the server of a version, dropped afterwards; gives their URLs."""
    made: list[tuple[PostgresServer, str]] = []

    def create(major: int) -> str:
        if major not in servers:
            pytest.skip(f"PostgreSQL {major} is not installed here")
        name = servers[major].create_database()
        made.append((servers[major], name))
        return servers[major].url(name)

    yield create
    for server, name in made:
        server.drop_database(name)


@pytest.fixture
def new_database(new_database_on: Callable[[int], str]) -> Callable[[], str]:
    """Makes fresh databases on the server of the embedded version, dropped afterwards."""
    return lambda: new_database_on(18)
