"""Loads what the source sends into scratch, and finds how it differs from raw.

Everything here is done before the closing transaction, on several connections at once: only one
sync writes at a time, so raw does not change meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow

from orchestration.errors import LoyaltyError
from orchestration.sync import presence
from orchestration.sync.extract import Block
from orchestration.sync.images import image
from orchestration.sync.plan import TablePlan, type_name
from orchestration.sync.scratch import (
    PLANNING,
    Stamp,
    changed_table,
    definition,
    gone_table,
    key_values,
    names,
    preferred,
    present_table,
    rows_table,
    same_key,
)
from orchestration.sync.source import Column

INDEXES = {"point_transactions": (("customer_id", "created_at", "id"),)}
"""Indexes beside the key: the order in which the ledger reads a customer's transactions."""

_SETTINGS = f"""
{PLANNING}
set local maintenance_work_mem = '256MB';
"""


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
    columns = [definition(column) for column in plan.travelling]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_SETTINGS)
        cursor.execute(_create(scratch, columns, is_kept=True))
        rows = _copy(cursor, scratch, plan.travelling, blocks)
        # A column that is added with a constant default is written on no row, and read on each.
        cursor.execute(
            sql.SQL(
                "alter table {} add column _sync_id bigint not null default {}, "
                "add column _synced_at timestamptz not null default {}, "
                "add column _deleted_at timestamptz"
            ).format(scratch, sql.Literal(stamp.sync_id), sql.Literal(stamp.at))
        )
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
        # record_image_ne compares bytes: json has no equality, and 1.0 differs from 1.00. Rows of
        # one column keep the word `row`.
        cursor.execute(
            sql.SQL(
                "create unlogged table {changed} as select {columns}, "
                "mirrored._sync_id is null as _is_new, "
                "mirrored._deleted_at is not null as _is_back, "
                "mirrored.ctid as _place, {image} as _image "
                "from {scratch} as staged left join {mirrored_rows} on {same_key} "
                "where mirrored._sync_id is null or mirrored._deleted_at is not null "
                "or record_image_ne(row({staged}), row({mirrored}))"
            ).format(
                changed=changed_table(plan),
                columns=sql.SQL(", ").join(
                    sql.SQL("{} as {}").format(value, sql.Identifier(column.name))
                    for value, column in zip(_staged_values(plan), plan.columns, strict=True)
                ),
                image=image(plan),
                scratch=scratch,
                mirrored_rows=_mirrored_rows(plan),
                same_key=same_key(plan, "staged", "mirrored"),
                staged=sql.SQL(", ").join(_staged_values(plan)),
                mirrored=sql.SQL(", ").join(_mirrored_values(plan)),
            )
        )
        if plan.mode == "full pass":
            _find_gone(cursor, plan, _lacking(plan, scratch))
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
        if presence.kind(plan) == "masks":
            _index_masks(cursor, plan)
            cursor.execute(sql.SQL("analyze {}").format(present))
            lost = sql.SQL("inner join ({}) as lost on {} where true").format(
                presence.lost_ids(plan, present), same_key(plan, "lost", "mirrored")
            )
            _find_gone(cursor, plan, lost)
        else:
            _find_gone(cursor, plan, _lacking(plan, present))


def _lacking(plan: TablePlan, having: sql.Identifier) -> sql.Composed:
    return sql.SQL("left join {} as present on {} where present.{} is null").format(
        having, same_key(plan, "present", "mirrored"), sql.Identifier(plan.source.key[0])
    )


def _find_gone(cursor: psycopg.Cursor[TupleRow], plan: TablePlan, joined: sql.Composed) -> None:
    cursor.execute(
        sql.SQL(
            "create unlogged table {gone} as "
            "select {keys}, mirrored.ctid as _place, {image} as _image "
            "from {mirrored_rows} {joined} and mirrored._deleted_at is null"
        ).format(
            gone=gone_table(plan),
            keys=sql.SQL(", ").join(
                sql.SQL("{} as {}").format(value, sql.Identifier(name))
                for value, name in zip(key_values(plan, "mirrored"), plan.source.key, strict=True)
            ),
            image=image(plan),
            mirrored_rows=_mirrored_rows(plan),
            joined=joined,
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
        _index_masks(cursor, plan)


def _index_masks(cursor: psycopg.Cursor[TupleRow], plan: TablePlan) -> None:
    # However few masks the planner expects, looking them up is cheap.
    cursor.execute(sql.SQL("alter table {} add primary key (block)").format(present_table(plan)))


def _create(
    name: sql.Identifier, columns: Sequence[sql.Composable], *, is_kept: bool = False
) -> sql.Composed:
    # Room on every page of raw lets a changed row stay on its page, and its index entries alone.
    return sql.SQL("create {} table {} ({}) {}").format(
        sql.SQL("" if is_kept else "unlogged"),
        name,
        sql.SQL(", ").join(columns),
        sql.SQL("with (fillfactor = 90)" if is_kept else ""),
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


def _mirrored_rows(plan: TablePlan) -> sql.Composed:
    """Raw's rows as `mirrored`; where they get another key, those that it tells apart."""
    raw = sql.Identifier("raw", plan.name)
    if not plan.is_rekeyed:
        return sql.SQL("{} as mirrored").format(raw)
    if added := [c for c in plan.key_columns if c in plan.added]:
        return sql.SQL("(select *, ctid, {} from {} where false) as mirrored").format(
            sql.SQL(", ").join(
                sql.SQL("null::{} as {}").format(type_name(c), sql.Identifier(c.name))
                for c in added
            ),
            raw,
        )
    return sql.SQL(
        "(select * from (select *, ctid, {preferred} as _nth from {raw}) as ranked "
        "where _nth = 1 and ({keys}) is not null) as mirrored"
    ).format(preferred=preferred(plan), raw=raw, keys=names(plan.source.key))


def _staged_values(plan: TablePlan) -> list[sql.Composable]:
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


def repeated_key(plan: TablePlan) -> LoyaltyError:
    """The error for a source that has one key several times."""
    # A primary key does not reach into the tables that inherit from its table.
    return LoyaltyError(
        f"{plan.source.schema}.{plan.name} of the operational database has several rows of the "
        f"same key ({', '.join(plan.source.key)}). Nothing was changed.",
        remedy="Tables that inherit from it repeat keys: give their rows keys of their own.",
    )
