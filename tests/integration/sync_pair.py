"""A source and a warehouse for the sync's tests, and what raw is to hold: the oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from orchestration import sync
from orchestration.database import Database
from orchestration.sync import SyncResult
from orchestration.sync.compare import mirrored_content, source_content
from orchestration.sync.plan import plan_tables
from orchestration.sync.snapshot import open_snapshot

FOREIGN = Path(__file__).parent.parent / "fixtures" / "foreign_operational.sql"

THINGS = """
create table things (
    id integer primary key,
    name varchar(50),
    amount numeric,
    facts json,
    seen_at timestamptz
)
"""


@dataclass(frozen=True)
class Pair:
    """The two databases, and short ways to act on them."""

    source: Database
    warehouse: Database

    def write(self, *statements: str) -> None:
        """Runs statements on the source, each in a transaction of its own."""
        with self.source.connect(autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        with self.warehouse.connect(autocommit=True) as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def sync(self, *tables: str, **options: Any) -> SyncResult:
        """Syncs these tables, or all 15."""
        return sync.sync(self.source, "public", self.warehouse, tables=tables or None, **options)

    def differing(self, *tables: str) -> list[str]:
        """The tables that differ from the source as it is now."""
        with (
            open_snapshot(self.source, "public", tables or sync.TABLES) as snapshot,
            self.warehouse.connect(autocommit=True, client_encoding="UTF8") as target,
        ):
            plans = plan_tables(
                target, list(snapshot.tables.values()), snapshot.point, {}, full=True
            )
            return [
                plan.name
                for plan in plans
                if plan.mode == "first load"
                or source_content(snapshot.readers[0].connection, plan)
                != mirrored_content(target, plan)
            ]

    def versions(self, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
        """Every row's place, writer and sync: unchanged unless the row was written."""
        with self.warehouse.connect(autocommit=True) as connection:
            return {
                name: connection.execute(
                    sql.SQL("select ctid, xmin, _sync_id from {} order by ctid").format(
                        sql.Identifier("raw", name)
                    )
                ).fetchall()
                for name in tables or sync.TABLES
            }


def pair(source_url: str, warehouse_url: str) -> Pair:
    """Names two databases as a run would."""
    return Pair(
        Database("operational database", source_url, "LOYALTY_OPERATIONAL_URL"),
        Database("warehouse", warehouse_url, "LOYALTY_WAREHOUSE_URL"),
    )


def with_tables(new_database: Callable[[], str], *statements: str) -> Pair:
    """Two new databases, the source with these tables."""
    made = pair(new_database(), new_database())
    made.write(*statements)
    return made


def with_application(new_database: Callable[[], str]) -> Pair:
    """Two new databases, the source an application's that knows nothing of this project."""
    return with_tables(new_database, FOREIGN.read_text(encoding="utf-8"))


def result_of(result: SyncResult, table: str) -> tuple[int, int]:
    """How many rows of a table a sync changed, and how many it tombstoned."""
    found: Sequence[sync.TableResult] = [t for t in result.tables if t.table_name == table]
    return found[0].rows_changed, found[0].rows_deleted


def as_role(database: Database, role: str) -> Database:
    """The same database as another role, whose password is its name."""
    fields = database.fields | {"user": role, "password": role}
    return Database(database.name, psycopg.conninfo.make_conninfo(**fields), database.variable)
