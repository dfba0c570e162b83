"""An application's database and a warehouse, each reached as a role with no more than it needs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from conftest import PostgresServer
from psycopg import sql
from sync_pair import FOREIGN

LOYALTY = str(Path(sys.executable).with_name("loyalty"))
SECRET = "s3cret-of-the-role"
LONG_SECONDS = 240  # whatever hangs is a failure; nothing takes this long


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass
class Deployment:
    """The two databases, their roles, and a home; `superuser` is the test's own way in."""

    source: PostgresServer
    target: PostgresServer
    home: Path
    operational: str = field(init=False)
    warehouse: str = field(init=False)

    def __post_init__(self) -> None:
        self.operational = self.source.create_database()
        self.warehouse = self.target.create_database()
        for server, role in (
            (self.source, self.reader),
            (self.source, self.writer),
            (self.target, self.owner),
        ):
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute(
                    sql.SQL("create role {} login password {}").format(
                        sql.Identifier(role), sql.Literal(SECRET)
                    )
                )
        self.on_source(
            FOREIGN.read_text(encoding="utf-8"),
            f"grant select on all tables in schema public to {self.reader}",
        )
        self.on_target(f"grant create on database {self.warehouse} to {self.owner}")

    @property
    def reader(self) -> str:
        return f"reader_of_{self.operational}"

    @property
    def writer(self) -> str:
        return f"writer_of_{self.operational}"

    @property
    def owner(self) -> str:
        return f"owner_of_{self.warehouse}"

    def drop(self) -> None:
        self.source.drop_database(self.operational)
        self.target.drop_database(self.warehouse)
        for server, roles in (
            (self.source, (self.reader, self.writer)),
            (self.target, (self.owner,)),
        ):
            with psycopg.connect(server.url(), autocommit=True) as connection:
                for role in roles:
                    connection.execute(
                        sql.SQL("drop role if exists {}").format(sql.Identifier(role))
                    )

    def environment(self, **changed: str) -> dict[str, str]:
        """The variables of a process that works on these databases."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LOYALTY_", "DAGSTER_"))}
        return {
            **kept,
            "LOYALTY_HOME": str(self.home),
            "LOYALTY_OPERATIONAL_URL": self.source.url(
                self.operational, user=self.reader, password=SECRET
            ),
            "LOYALTY_WAREHOUSE_URL": self.target.url(
                self.warehouse, user=self.owner, password=SECRET
            ),
            **changed,
        }

    def as_writer(self) -> dict[str, str]:
        url = self.source.url(self.operational, user=self.writer, password=SECRET)
        return {"LOYALTY_OPERATIONAL_URL": url}

    def loyalty(self, *arguments: str, **changed: str) -> Finished:
        """Runs a command to its end."""
        process = subprocess.run(
            [LOYALTY, *arguments],
            env=self.environment(**changed),
            capture_output=True,
            encoding="utf-8",
            timeout=LONG_SECONDS,
            check=False,
        )
        return Finished(process.returncode, process.stdout, process.stderr)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command in a process group of its own, as a shell starts it; none of it outlives."""
        process = subprocess.Popen(
            [LOYALTY, *arguments],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def on_source(self, *statements: str) -> None:
        _run(self.source.url(self.operational), statements)

    def on_target(self, *statements: str) -> None:
        _run(self.target.url(self.warehouse), statements)

    def source_rows(self, query: str) -> list[tuple[Any, ...]]:
        return _rows(self.source.url(self.operational), query)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return _rows(self.target.url(self.warehouse), query, *parameters)

    def state_of_source(self) -> Mapping[str, Any]:
        """Everything that a visitor could leave behind: relations, rows and their versions."""
        names = [
            name
            for (name,) in self.source_rows(
                "select oid::regclass::text from pg_class "
                "where relnamespace not in ('pg_catalog'::regnamespace, "
                "'information_schema'::regnamespace, 'pg_toast'::regnamespace) order by 1"
            )
        ]
        tables = [
            name
            for (name,) in self.source_rows(
                "select tablename from pg_tables where schemaname = 'public' order by 1"
            )
        ]
        return {
            "relations": names,
            **{
                name: self.source_rows(f"select ctid, xmin, t.*::text from {name} as t order by 1")
                for name in tables
            },
        }


def wait_for_lock(url: str, application: str) -> None:
    """Returns as soon as a session of this application waits for a lock."""
    query = (
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and application_name = %s and wait_event_type = 'Lock'"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(LONG_SECONDS * 10):
            row = connection.execute(query, [application]).fetchone()
            if row and row[0]:
                return
            connection.execute("select pg_sleep(0.1)")
    raise AssertionError(f"no session of {application} came to wait for the lock")


def wait_until_gone(url: str, application: str) -> None:
    """Returns when no session of this application is left."""
    query = (
        "select count(*) from pg_stat_activity where datname = current_database() "
        "and application_name = %s"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(300):
            row = connection.execute(query, [application]).fetchone()
            if row and not row[0]:
                return
            connection.execute("select pg_sleep(0.1)")
    raise AssertionError(f"sessions of {application} are left")


@contextmanager
def locked(url: str, table: str) -> Iterator[psycopg.Connection[Any]]:
    """Nobody reads the table meanwhile, or until the connection's transaction ends."""
    with psycopg.connect(url) as connection:
        connection.execute(f"lock table {table} in access exclusive mode".encode())
        yield connection
        connection.rollback()


def _run(url: str, statements: tuple[str, ...]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _rows(url: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode(), parameters or None).fetchall()
