"""The scratch schema: its life, its tables' names, and the SQL that its users share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from orchestration.sync.failures import plain_errors
from orchestration.sync.plan import TablePlan, type_name
from orchestration.sync.source import Column

SCRATCH = "raw__build"

PLANNING = """
set local work_mem = '64MB';
set local random_page_cost = 1.1;
set local jit = off;
"""
"""What joining a few of many rows needs: to look them up by the key."""


@dataclass(frozen=True)
class Stamp:
    """What a sync writes on every row that it changes: its number and its snapshot's time."""

    sync_id: int
    at: datetime


@contextmanager
def scratch_schema(connection: psycopg.Connection[TupleRow]) -> Iterator[None]:
    """Has the scratch schema empty, for this connection alone; drops it at the end.

    A run that was killed leaves its tables there. The writer lock does not do: where its connection
    is lost, this one writes on, and must not find another sync's rows in its tables.

    Raises:
        LoyaltyError: Another sync is still at work there.
    """
    drop = sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(SCRATCH))
    with plain_errors("warehouse"), connection.transaction():
        connection.execute("set local lock_timeout = '60s'")
        connection.execute("select pg_advisory_lock(hashtext(%s))", [SCRATCH])
        connection.execute(drop)
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(SCRATCH)))
    try:
        yield
    finally:
        # A sync that fails (the disk is full, say) does not keep its copies until the next one.
        # Where the connection is lost, the next one drops them.
        with suppress(psycopg.Error):
            connection.execute(drop)


def rows_table(plan: TablePlan) -> sql.Identifier:
    """Where a table's rows arrive: a first load's final table, else what to merge from."""
    return sql.Identifier(SCRATCH, plan.name)


def changed_table(plan: TablePlan) -> sql.Identifier:
    """The arrived rows that differ from raw: _is_new, _is_back, raw's _image, its _place (ctid)."""
    return _beside(plan, "changed")


def gone_table(plan: TablePlan) -> sql.Identifier:
    """The keys, _place (ctid) and _image of raw's live rows that the source no longer has."""
    return _beside(plan, "gone")


def present_table(plan: TablePlan) -> sql.Identifier:
    """Which rows the source has: masks per block of ids, or all keys."""
    return _beside(plan, "present")


def _beside(plan: TablePlan, what: str) -> sql.Identifier:
    # Not a name that an application gives a table, and short enough for any.
    return sql.Identifier(SCRATCH, f"{plan.ordinal} {what}")


def same_key(plan: TablePlan, one: str, other: str) -> sql.Composed:
    """The condition that two rows have the same key."""
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(a, b)
        for a, b in zip(key_values(plan, one), key_values(plan, other), strict=True)
    )


def key_values(plan: TablePlan, alias: str) -> list[sql.Composable]:
    """A row's key; raw's own (`mirrored`) in the types that it will have."""
    widened = {column.name for column in plan.widened} if alias == "mirrored" else set()
    return [
        sql.SQL("{}::{}").format(sql.Identifier(alias, column.name), type_name(column))
        if column.name in widened
        else sql.Identifier(alias, column.name)
        for column in plan.key_columns
    ]


def definition(column: Column) -> sql.Composed:
    """A column of a table to create."""
    return sql.SQL("{} {}").format(sql.Identifier(column.name), type_name(column))


def names(columns: Iterable[str]) -> sql.Composed:
    """Quoted names, separated by commas."""
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)


def preferred(plan: TablePlan) -> sql.Composed:
    """Ranks rows of raw that share a key which they did not have before: the first one stays."""
    return sql.SQL(
        "row_number() over (partition by {} order by _deleted_at is not null, _sync_id desc, ctid)"
    ).format(names(plan.source.key))
