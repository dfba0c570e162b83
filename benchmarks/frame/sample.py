"""The operational databases that scenarios work on: filled once, copied for whoever changes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from psycopg import sql

from benchmarks.frame.servers import Server
from orchestration import operational, sample
from orchestration.sample.target import TABLES

UNTIL = date(2026, 7, 1)
"""The day as which begins the sample ends: fixed, so that every run measures the same rows."""


@dataclass(frozen=True)
class Size:
    """How large the loyalty program is."""

    transactions: int
    customers: int
    shops: int

    @property
    def database(self) -> str:
        """The name of the database that holds it."""
        return f"sample_{self.transactions}_{self.customers}_{self.shops}"


def fill(server: Server, size: Size, say: Callable[[str], None]) -> dict[str, int]:
    """Fills the size's database, unless an earlier run has kept it; other leftovers are dropped.

    Returns:
        The rows of every table.
    """
    with server.connect("postgres") as connection:
        found = connection.execute(
            "select datname, shobj_description(oid, 'pg_database') = 'complete' "
            "from pg_database where not datistemplate and datname <> 'postgres'"
        ).fetchall()
    for name, is_complete in found:
        if not (is_complete and name.startswith("sample_")):
            server.execute(
                "postgres",
                sql.SQL("drop database {} with (force)").format(sql.Identifier(name)),
            )
    if (size.database, True) not in found:
        say(f"Filling the source with {size.transactions:,} transactions")
        _fill(server, size)
        say("Filled")
    with server.connect(size.database) as connection:
        counts = sql.SQL(" union all ").join(
            sql.SQL("select {}, count(*) from {}").format(sql.Literal(table), sql.Identifier(table))
            for table in TABLES
        )
        return dict(sorted(connection.execute(counts), key=lambda row: (-row[1], row[0])))


def _fill(server: Server, size: Size) -> None:
    name = sql.Identifier(size.database)
    server.execute("postgres", sql.SQL("create database {} template template0").format(name))
    database = server.database(size.database)
    operational.create(database)
    sample.generate(
        database,
        "public",
        shops=size.shops,
        customers=size.customers,
        transactions=size.transactions,
        until=UNTIL,
    )
    # As a database that has been there for a while.
    server.execute(size.database, "vacuum (analyze)")
    server.execute("postgres", sql.SQL("comment on database {} is 'complete'").format(name))
