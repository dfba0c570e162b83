"""The scratch schema: rows and keys as they come from the source, and how they differ from raw.

Everything here is done before the closing transaction, on several connections at once: only one
sync writes at a time, so raw does not change meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow

from orchestration.errors import LoyaltyError
from orchestration.sync import presence
from orchestration.sync.extract import Block
from orchestration.sync.failures import plain_errors
from orchestration.sync.plan import TablePlan, type_name
from orchestration.sync.source import Column

SCRATCH = "raw__build"

INDEXES = {"point_transactions": (("customer_id", "created_at", "id"),)}
"""Indexes beside the key: the order in which the ledger reads a customer's transactions."""

_SETTINGS = """
set local statement_timeout = 0;
set local maintenance_work_mem = '256MB';
set local work_mem = '64MB';
set local jit = off
"""


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
    """The keys of the arrived rows that differ from raw, and how: is_new, is_back."""
    return _beside(plan, "changed")


def gone_table(plan: TablePlan) -> sql.Identifier:
    """The keys of raw's live rows that the source no longer has."""
    return _beside(plan, "gone")


def present_table(plan: TablePlan) -> sql.Identifier:
    """Which rows the source has: masks per block of ids, or all keys."""
    return _beside(plan, "present")


def _beside(plan: TablePlan, what: str) -> sql.Identifier:
    # No table of raw can have such a name: its own would be cut off at 63 characters.
    return sql.Identifier(SCRATCH, f"{plan.ordinal} {what}")


def load_first(
    connection: psycopg.Connection[TupleRow],
    plan: TablePlan,
    stamp: Stamp,
    blocks: Iterable[Block],
) -> int:
    """Makes the table that will move into raw, in one transaction: rows, then keys, then masks.

    Returns:
        The number of rows.

    Raises:
        LoyaltyError: The source repeats a key.
    """
    scratch = rows_table(plan)
    # Defaults fill the mirror's own columns without sending them; they are dropped below.
    columns = [
        *(definition(column) for column in plan.travelling),
        sql.SQL("_sync_id bigint not null default {}").format(sql.Literal(stamp.sync_id)),
        sql.SQL("_synced_at timestamptz not null default {}").format(sql.Literal(stamp.at)),
        sql.SQL("_deleted_at timestamptz").format(),
    ]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_SETTINGS)
        cursor.execute(_create(scratch, columns, is_kept=True))
        rows = _copy(cursor, scratch, plan.travelling, blocks)
        try:
            cursor.execute(
                sql.SQL(
                    "alter table {} alter column _sync_id drop default, "
                    "alter column _synced_at drop default, add primary key ({})"
                ).format(scratch, names(plan.source.key))
            )
        except errors.UniqueViolation:
            raise repeated_key(plan) from None
        mirrored = {column.name for column in plan.columns}
        for index in INDEXES.get(plan.name, ()):
            if mirrored.issuperset(index):
                cursor.execute(sql.SQL("create index on {} ({})").format(scratch, names(index)))
        cursor.execute(sql.SQL("analyze {}").format(scratch))
        _keep_masks(cursor, plan)
    return rows


def load_rows(
    connection: psycopg.Connection[TupleRow], plan: TablePlan, blocks: Iterable[Block]
) -> int:
    """Loads the rows that were read, and finds those that differ from raw.

    A row that is the same, byte for byte, is not one of them. After a full pass, what raw has
    and these rows do not is gone.

    Returns:
        The number of rows that were read.
    """
    scratch = rows_table(plan)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_SETTINGS)
        cursor.execute(_create(scratch, [definition(column) for column in plan.travelling]))
        rows = _copy(cursor, scratch, plan.travelling, blocks)
        cursor.execute(sql.SQL("analyze {}").format(scratch))
        # record_image_ne compares bytes: json has no equality, and 1.0 is not 1.00. Rows of one
        # column keep the word `row`.
        cursor.execute(
            sql.SQL(
                "create unlogged table {changed} as select {keys}, "
                "mirrored._sync_id is null as is_new, mirrored._deleted_at is not null as is_back "
                "from {scratch} as staged left join {raw} as mirrored on {same_key} "
                "where mirrored._sync_id is null or mirrored._deleted_at is not null "
                "or record_image_ne(row({staged}), row({mirrored}))"
            ).format(
                changed=changed_table(plan),
                keys=aliased("staged", plan.source.key),
                scratch=scratch,
                raw=sql.Identifier("raw", plan.name),
                same_key=same_key(plan, "staged", "mirrored"),
                staged=sql.SQL(", ").join(staged_values(plan)),
                mirrored=sql.SQL(", ").join(_mirrored_values(plan)),
            )
        )
        cursor.execute(sql.SQL("analyze {}").format(changed_table(plan)))
        if plan.mode == "full pass":
            _find_gone(cursor, plan, scratch)
            _keep_masks(cursor, plan)
    return rows


def load_presence(
    connection: psycopg.Connection[TupleRow], plan: TablePlan, blocks: Iterable[Block]
) -> None:
    """Loads which rows the source has, and finds those that are gone."""
    present = present_table(plan)
    columns = presence.columns(plan)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_SETTINGS)
        cursor.execute(_create(present, [definition(column) for column in columns]))
        _copy(cursor, present, columns, blocks)
        cursor.execute(sql.SQL("analyze {}").format(present))
        if presence.kind(plan) == "masks":
            cursor.execute(
                sql.SQL("create unlogged table {} as {}").format(
                    gone_table(plan), presence.lost_ids(plan, present)
                )
            )
        else:
            _find_gone(cursor, plan, present)


def _find_gone(cursor: psycopg.Cursor[TupleRow], plan: TablePlan, having: sql.Identifier) -> None:
    cursor.execute(
        sql.SQL(
            "create unlogged table {gone} as select {keys} from {raw} as mirrored "
            "where mirrored._deleted_at is null "
            "and not exists (select from {having} as staged where {same_key})"
        ).format(
            gone=gone_table(plan),
            keys=aliased("mirrored", plan.source.key),
            raw=sql.Identifier("raw", plan.name),
            having=having,
            same_key=same_key(plan, "staged", "mirrored"),
        )
    )


def _keep_masks(cursor: psycopg.Cursor[TupleRow], plan: TablePlan) -> None:
    """Derives from the arrived rows what the next sync compares the source's masks with."""
    if plan.has_masks:
        cursor.execute(
            sql.SQL("create unlogged table {} as {}").format(
                present_table(plan), presence.masks(plan, rows_table(plan))
            )
        )


def _create(
    name: sql.Identifier, columns: Sequence[sql.Composable], *, is_kept: bool = False
) -> sql.Composed:
    return sql.SQL("create {} table {} ({})").format(
        sql.SQL("" if is_kept else "unlogged"), name, sql.SQL(", ").join(columns)
    )


def _copy(
    cursor: psycopg.Cursor[TupleRow],
    into: sql.Identifier,
    columns: Sequence[Column],
    blocks: Iterable[Block],
) -> int:
    # The table is this transaction's own, so its rows may be frozen at once, which saves rewriting
    # them later.
    statement = sql.SQL("copy {} ({}) from stdin (format binary, freeze)").format(
        into, names(column.name for column in columns)
    )
    with cursor.copy(statement) as stream:
        for block in blocks:
            stream.write(block.data)
    return cursor.rowcount


def staged_values(plan: TablePlan) -> list[sql.Composable]:
    """What raw's columns are to hold: the arrived row's values, NULL where the source has none."""
    return [
        sql.SQL("null::{}").format(type_name(column))
        if column.name in plan.vanished
        else sql.Identifier("staged", column.name)
        for column in plan.columns
    ]


def _mirrored_values(plan: TablePlan) -> list[sql.Composable]:
    """What raw's columns hold, in the types that they will have."""
    added, widened = ({c.name for c in columns} for columns in (plan.added, plan.widened))
    return [
        sql.SQL("null::{}").format(type_name(column))
        if column.name in added
        else sql.SQL("{}::{}").format(sql.Identifier("mirrored", column.name), type_name(column))
        if column.name in widened
        else sql.Identifier("mirrored", column.name)
        for column in plan.columns
    ]


def same_key(plan: TablePlan, one: str, other: str) -> sql.Composed:
    """The condition that two rows have the same key."""
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one, name), sql.Identifier(other, name))
        for name in plan.source.key
    )


def repeated_key(plan: TablePlan) -> LoyaltyError:
    """The error for a source that has one key several times."""
    # A primary key does not reach into the tables that inherit from its table.
    return LoyaltyError(
        f"{plan.source.schema}.{plan.name} of the operational database has several rows of the "
        f"same key ({', '.join(plan.source.key)}). Nothing was changed.",
        remedy="Tables that inherit from it repeat keys: give their rows keys of their own.",
    )


def definition(column: Column) -> sql.Composed:
    """A column of a table to create."""
    return sql.SQL("{} {}").format(sql.Identifier(column.name), type_name(column))


def names(columns: Iterable[str]) -> sql.Composed:
    """Quoted names, separated by commas."""
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)


def aliased(alias: str, columns: Iterable[str]) -> sql.Composed:
    """The columns of a relation with this alias."""
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in columns)
