"""Writes the warehouse: blocks into scratch tables, then all into raw in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow

from orchestration.errors import LoyaltyError
from orchestration.sync.extract import Block
from orchestration.sync.failures import plain_errors
from orchestration.sync.plan import TablePlan, type_name
from orchestration.sync.source import Column

SCRATCH = "raw__build"

INDEXES = {"point_transactions": (("customer_id", "created_at", "id"),)}
"""Indexes beside the key: the order in which the ledger reads a customer's transactions."""

_BRAKE_ROWS = 1000
_BRAKE_SHARE = 0.5


@dataclass(frozen=True)
class Stamp:
    """What a sync writes on every row that it changes: its number and its snapshot's time."""

    sync_id: int
    at: datetime


@dataclass(frozen=True)
class Merged:
    """How many rows of raw a merge changed, and how many it turned into tombstones."""

    changed: int
    deleted: int


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


def load(
    connection: psycopg.Connection[TupleRow],
    plan: TablePlan,
    stamp: Stamp,
    blocks: Iterable[Block],
) -> int:
    """Loads a table's rows into scratch, in a transaction of its own.

    A first load makes the table that will move into raw, with its keys; a full pass makes a
    staging table to merge from.

    Returns:
        The number of rows.
    """
    scratch = sql.Identifier(SCRATCH, plan.name)
    first = plan.mode == "first load"
    columns = [_definition(column) for column in plan.travelling]
    if first:
        # Defaults fill the mirror's own columns without sending them; they are dropped below.
        columns += [
            sql.SQL("_sync_id bigint not null default {}").format(sql.Literal(stamp.sync_id)),
            sql.SQL("_synced_at timestamptz not null default {}").format(sql.Literal(stamp.at)),
            sql.SQL("_deleted_at timestamptz").format(),
        ]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("set local maintenance_work_mem = '256MB'")
        cursor.execute(
            sql.SQL("create {} table {} ({})").format(
                sql.SQL("" if first else "unlogged"), scratch, sql.SQL(", ").join(columns)
            )
        )
        # The table is this transaction's own, so its rows may be frozen at once, which saves
        # rewriting them later.
        copy_in = sql.SQL("copy {} ({}) from stdin (format binary, freeze)").format(
            scratch, _names(column.name for column in plan.travelling)
        )
        with cursor.copy(copy_in) as stream:
            for block in blocks:
                stream.write(block.data)
        rows = cursor.rowcount
        if first:
            _finish_build(cursor, plan, scratch)
        cursor.execute(sql.SQL("analyze {}").format(scratch))
    return rows


def _finish_build(
    cursor: psycopg.Cursor[TupleRow], plan: TablePlan, scratch: sql.Identifier
) -> None:
    try:
        cursor.execute(
            sql.SQL(
                "alter table {} alter column _sync_id drop default, "
                "alter column _synced_at drop default, add primary key ({})"
            ).format(scratch, _names(plan.source.key))
        )
    except errors.UniqueViolation:
        raise _repeated_key(plan) from None
    names = {column.name for column in plan.columns}
    for index in INDEXES.get(plan.name, ()):
        if names.issuperset(index):
            cursor.execute(sql.SQL("create index on {} ({})").format(scratch, _names(index)))


def move(connection: psycopg.Connection[TupleRow], plan: TablePlan) -> None:
    """Moves a first load from scratch into raw, inside the closing transaction."""
    connection.execute(
        sql.SQL("alter table {} set schema raw").format(sql.Identifier(SCRATCH, plan.name))
    )


def merge(
    connection: psycopg.Connection[TupleRow],
    plan: TablePlan,
    stamp: Stamp,
    rows: int,
    *,
    allow_large_changes: bool,
) -> Merged:
    """Makes raw equal to the staging table, inside the closing transaction.

    Rows whose values are the same, byte for byte, are not written.

    Args:
        connection: The warehouse.
        plan: What to merge.
        stamp: What changed rows get.
        rows: How many rows the staging table holds.
        allow_large_changes: Whether the brake is off.

    Raises:
        LoyaltyError: The brake: too large a part of the table has vanished from the source. Or a
            view depends on a column whose type must be widened. Or the source repeats a key.
    """
    _follow_columns(connection, plan)
    deleted = _tombstone(connection, plan, stamp)
    if deleted > _BRAKE_ROWS and not allow_large_changes:
        _brake(connection, plan, deleted)
    changed = _upsert(connection, plan, stamp)
    if _live(connection, plan) != rows:
        raise _repeated_key(plan)
    if changed or deleted:
        connection.execute(sql.SQL("analyze {}").format(sql.Identifier("raw", plan.name)))
    return Merged(changed, deleted)


def _follow_columns(connection: psycopg.Connection[TupleRow], plan: TablePlan) -> None:
    raw = sql.Identifier("raw", plan.name)
    for column in plan.added:
        connection.execute(sql.SQL("alter table {} add column {}").format(raw, _definition(column)))
    for column in plan.widened:
        name = sql.Identifier(column.name)
        try:
            connection.execute(
                sql.SQL("alter table {} alter column {} type {} using {}::{}").format(
                    raw, name, type_name(column), name, type_name(column)
                )
            )
        except errors.FeatureNotSupported as error:
            raise LoyaltyError(
                f"{plan.source.schema}.{plan.name}.{column.name} is now {column.type}, but "
                f"raw.{plan.name}.{column.name} cannot follow while views depend on it.",
                remedy=f"Drop the staging view of {plan.name} with cascade, sync, then build.",
            ) from error


def _tombstone(connection: psycopg.Connection[TupleRow], plan: TablePlan, stamp: Stamp) -> int:
    statement = sql.SQL(
        "update {raw} as mirrored set _deleted_at = {at}, _synced_at = {at}, _sync_id = {sync_id} "
        "where mirrored._deleted_at is null "
        "and not exists (select from {scratch} as staged where {same_key})"
    ).format(**_parts(plan, stamp))
    return connection.execute(statement).rowcount


def _brake(connection: psycopg.Connection[TupleRow], plan: TablePlan, deleted: int) -> None:
    live = deleted + _live(connection, plan)
    if deleted > _BRAKE_SHARE * live:
        raise LoyaltyError(
            f"{deleted:,} of the {live:,} rows of {plan.source.schema}.{plan.name} have vanished "
            "from the operational database. Nothing was changed.",
            remedy="Is it half restored, or the wrong one? If the rows are meant to be gone, "
            "run it again with --allow-large-changes.",
        )


def _live(connection: psycopg.Connection[TupleRow], plan: TablePlan) -> int:
    row = connection.execute(
        sql.SQL("select count(*) from {} where _deleted_at is null").format(
            sql.Identifier("raw", plan.name)
        )
    ).fetchone()
    return row[0] if row else 0


def _repeated_key(plan: TablePlan) -> LoyaltyError:
    # A primary key does not reach into the tables that inherit from its table.
    return LoyaltyError(
        f"{plan.source.schema}.{plan.name} of the operational database has several rows of the "
        f"same key ({', '.join(plan.source.key)}). Nothing was changed.",
        remedy="Tables that inherit from it repeat keys: give their rows keys of their own.",
    )


def _upsert(connection: psycopg.Connection[TupleRow], plan: TablePlan, stamp: Stamp) -> int:
    # record_image_ne compares bytes: json has no equality, and 1.0 is not 1.00. Rows of one
    # column keep the word `row`.
    statement = sql.SQL(
        "insert into {raw} as target ({columns}, _sync_id, _synced_at, _deleted_at) "
        "select {staged}, {sync_id}, {at}, null "
        "from {scratch} as staged left join {raw} as mirrored on {same_key} "
        "where mirrored._sync_id is null or mirrored._deleted_at is not null "
        "or record_image_ne(row({staged}), row({mirrored})) "
        "on conflict ({key}) do update set {assignments}, "
        "_sync_id = excluded._sync_id, _synced_at = excluded._synced_at, _deleted_at = null"
    ).format(**_parts(plan, stamp))
    return connection.execute(statement).rowcount


def _parts(plan: TablePlan, stamp: Stamp) -> dict[str, sql.Composable]:
    comma = sql.SQL(", ")
    staged = [
        sql.SQL("null::{}").format(type_name(column))
        if column.name in plan.vanished
        else sql.Identifier("staged", column.name)
        for column in plan.columns
    ]
    return {
        "raw": sql.Identifier("raw", plan.name),
        "scratch": sql.Identifier(SCRATCH, plan.name),
        "sync_id": sql.SQL("{}::bigint").format(sql.Literal(stamp.sync_id)),
        "at": sql.SQL("{}::timestamptz").format(sql.Literal(stamp.at)),
        "key": _names(plan.source.key),
        "same_key": sql.SQL(" and ").join(
            sql.SQL("{} = {}").format(
                sql.Identifier("staged", name), sql.Identifier("mirrored", name)
            )
            for name in plan.source.key
        ),
        "columns": _names(column.name for column in plan.columns),
        "staged": comma.join(staged),
        "mirrored": comma.join(sql.Identifier("mirrored", c.name) for c in plan.columns),
        "assignments": comma.join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(c.name)) for c in plan.columns
        ),
    }


def _definition(column: Column) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(column.name), type_name(column))


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)
