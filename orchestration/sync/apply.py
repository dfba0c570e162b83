"""The closing transaction: what scratch holds becomes raw, for one table after the other."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow

from orchestration.errors import LoyaltyError
from orchestration.sync import presence
from orchestration.sync.images import image, keep_images
from orchestration.sync.memory import Presence
from orchestration.sync.plan import TablePlan, type_name
from orchestration.sync.scratch import (
    Stamp,
    changed_table,
    definition,
    gone_table,
    names,
    preferred,
    present_table,
    rows_table,
    same_key,
)
from orchestration.sync.staging import repeated_key

_BRAKE_ROWS = 1000
_BRAKE_SHARE = 0.5
_ANALYZE_SHARE = 0.1


@dataclass(frozen=True)
class Applied:
    """What became of a table of raw.

    Attributes:
        changed: Rows that were inserted, updated, or lost their tombstone.
        deleted: Rows that became tombstones.
        live_rows: Rows that are no tombstones now.
        presence: How the next sync finds deleted rows.
    """

    changed: int
    deleted: int
    live_rows: int
    presence: Presence


class StateMismatchError(LoyaltyError):
    """What was remembered of a table does not fit what raw or the source has."""

    def __init__(self, plan: TablePlan) -> None:
        super().__init__(
            f"raw.{plan.name} is not as the last sync left it, so that its changes alone do not "
            f"make it equal to {plan.source.schema}.{plan.name}. Nothing was changed.",
            remedy="Run it again: the next sync compares all rows of that table.",
            is_transient=True,
        )
        self.table = plan.name


def apply(
    connection: psycopg.Connection[TupleRow],
    plan: TablePlan,
    stamp: Stamp,
    rows: int,
    *,
    allow_large_changes: bool,
) -> Applied:
    """Makes raw's table equal to the source's, inside the closing transaction.

    Args:
        connection: The warehouse.
        plan: The table; scratch holds what was loaded for it.
        stamp: What changed rows get.
        rows: How many rows were read.
        allow_large_changes: Whether the brake is off.

    Raises:
        LoyaltyError: The brake: too large a part of the table has vanished from the source. Or a
            view depends on a column whose type must be widened. Or the source repeats a key.
        StateMismatchError: An incremental sync does not add up; a full pass is needed.
    """
    if plan.mode == "first load":
        connection.execute(sql.SQL("alter table {} set schema raw").format(rows_table(plan)))
        return Applied(rows, 0, rows, _remember_masks(connection, plan, rows))
    changed = _count(connection, changed_table(plan))
    deleted = _count(connection, gone_table(plan))
    live_before = plan.memory.live_rows if plan.memory else _live(connection, plan)
    lost = live_before - rows if plan.is_rekeyed else deleted
    if lost > _BRAKE_ROWS and not allow_large_changes:
        _brake(plan, lost, live_before)
    dropped = 0
    if plan.is_rekeyed:
        dropped = _drop_key(connection, plan, stamp)
        live_before = _live(connection, plan)
    keep_images(connection, plan, stamp.sync_id, changed_table(plan), gone_table(plan))
    _follow_columns(connection, plan)
    tombstoned = _tombstone(connection, plan, stamp)
    updated, revived = _update(connection, plan, stamp)
    inserted = _insert(connection, plan, stamp)
    live = live_before + inserted + revived - tombstoned
    if plan.mode == "full pass" and live != rows:
        raise repeated_key(plan)
    # A row that was moved meanwhile (VACUUM FULL) is not where it was found.
    is_whole = (inserted + updated, tombstoned) == (changed, deleted)
    if not is_whole or (plan.mode == "incremental" and live != _source_rows(connection, plan)):
        raise StateMismatchError(plan)
    if plan.is_rekeyed:
        connection.execute(
            sql.SQL("alter table {} add primary key ({})").format(
                sql.Identifier("raw", plan.name), names(plan.source.key)
            )
        )
    if changed + deleted > _ANALYZE_SHARE * live:
        connection.execute(sql.SQL("analyze {}").format(sql.Identifier("raw", plan.name)))
    return Applied(changed, deleted + dropped, live, _remember_masks(connection, plan, live))


def _drop_key(connection: psycopg.Connection[TupleRow], plan: TablePlan, stamp: Stamp) -> int:
    """Frees raw of its old primary key, and of the rows that the new one cannot tell apart.

    Returns:
        How many rows that was; they leave images, but no tombstones, as these need a key.
    """
    raw = sql.Identifier("raw", plan.name)
    row = connection.execute(
        "select conname from pg_catalog.pg_constraint "
        "where conrelid = to_regclass(format('raw.%%I', %s::text)) and contype = 'p'",
        [plan.name],
    ).fetchone()
    if row:
        connection.execute(
            sql.SQL("alter table {} drop constraint {}").format(raw, sql.Identifier(row[0]))
        )
    is_new_column = bool(set(plan.key_columns) & set(plan.added))
    stays = (
        sql.SQL("false")
        if is_new_column
        else sql.SQL("{} = 1 and ({}) is not null").format(preferred(plan), names(plan.source.key))
    )
    connection.execute("drop table if exists pg_temp.doomed")
    connection.execute(
        sql.SQL(
            "create temporary table doomed on commit drop as "
            "select mirrored.place, {image} as _image from ("
            "select *, ctid as place, {stays} as stays from {raw}) as mirrored where not stays"
        ).format(image=image(plan), stays=stays, raw=raw)
    )
    doomed = sql.Identifier("pg_temp", "doomed")
    keep_images(connection, plan, stamp.sync_id, doomed)
    return connection.execute(
        sql.SQL(
            "delete from {raw} as mirrored using {doomed} as doomed "
            "where mirrored.ctid = doomed.place"
        ).format(raw=raw, doomed=doomed)
    ).rowcount


def _brake(plan: TablePlan, deleted: int, live: int) -> None:
    if deleted > _BRAKE_SHARE * live:
        raise LoyaltyError(
            f"{deleted:,} of the {live:,} rows of {plan.source.schema}.{plan.name} have vanished "
            "from the operational database. Nothing was changed.",
            remedy="Is it half restored, or the wrong one? If the rows are meant to be gone, "
            "run it again with --allow-large-changes.",
        )


def _follow_columns(connection: psycopg.Connection[TupleRow], plan: TablePlan) -> None:
    raw = sql.Identifier("raw", plan.name)
    for column in plan.added:
        connection.execute(sql.SQL("alter table {} add column {}").format(raw, definition(column)))
    for column in plan.widened:
        name = sql.Identifier(column.name)
        try:
            connection.execute(
                sql.SQL("alter table {} alter column {} type {} using {}::{}").format(
                    raw, name, type_name(column), name, type_name(column)
                )
            )
        except errors.FeatureNotSupported:
            raise LoyaltyError(
                f"{plan.source.schema}.{plan.name}.{column.name} is now {column.type}, but "
                f"raw.{plan.name}.{column.name} cannot follow while views depend on it.",
                remedy=f"Drop the staging view of {plan.name} with cascade, sync, then build.",
            ) from None


def _tombstone(connection: psycopg.Connection[TupleRow], plan: TablePlan, stamp: Stamp) -> int:
    return connection.execute(
        sql.SQL(
            "update {raw} as mirrored set _deleted_at = {at}, _synced_at = {at}, "
            "_sync_id = {sync_id} from {gone} as gone "
            "where {place} {same_key}"
        ).format(
            raw=sql.Identifier("raw", plan.name),
            gone=gone_table(plan),
            place=_place(plan, "gone"),
            same_key=same_key(plan, "gone", "mirrored"),
            **_stamped(stamp),
        )
    ).rowcount


def _update(
    connection: psycopg.Connection[TupleRow], plan: TablePlan, stamp: Stamp
) -> tuple[int, int]:
    """Rewrites the rows that differ; how many, and how many of them were tombstones."""
    assignments = sql.SQL(", ").join(
        sql.SQL("{0} = changed.{0}").format(sql.Identifier(column.name)) for column in plan.columns
    )
    updated = connection.execute(
        sql.SQL(
            "update {raw} as mirrored set {assignments}, _deleted_at = null, _synced_at = {at}, "
            "_sync_id = {sync_id} from {changed} as changed "
            "where {place} {same_key}"
        ).format(
            raw=sql.Identifier("raw", plan.name),
            assignments=assignments,
            changed=changed_table(plan),
            place=_place(plan, "changed"),
            same_key=same_key(plan, "changed", "mirrored"),
            **_stamped(stamp),
        )
    ).rowcount
    row = connection.execute(
        sql.SQL("select count(*) from {} where _is_back").format(changed_table(plan))
    ).fetchone()
    return updated, row[0] if row else 0


def _place(plan: TablePlan, alias: str) -> sql.Composable:
    """Looks a row of raw up where it was found; a column that is widened moves all of them."""
    return (
        sql.SQL("")
        if plan.widened
        else sql.SQL("mirrored.ctid = {} and").format(sql.Identifier(alias, "_place"))
    )


def _insert(connection: psycopg.Connection[TupleRow], plan: TablePlan, stamp: Stamp) -> int:
    columns = names(column.name for column in plan.columns)
    statement = sql.SQL(
        "insert into {raw} ({columns}, _sync_id, _synced_at) "
        "select {columns}, {sync_id}, {at} from {changed} where _is_new"
    ).format(
        raw=sql.Identifier("raw", plan.name),
        columns=columns,
        changed=changed_table(plan),
        **_stamped(stamp),
    )
    try:
        return connection.execute(statement).rowcount
    except errors.UniqueViolation:
        if plan.mode == "incremental":
            raise StateMismatchError(plan) from None
        raise repeated_key(plan) from None


def _source_rows(connection: psycopg.Connection[TupleRow], plan: TablePlan) -> int:
    """How many rows the source has, by what it said about their presence."""
    if presence.kind(plan) == "keys":
        return _count(connection, present_table(plan))
    row = connection.execute(
        sql.SQL("select coalesce(sum(bit_count(mask::bit(64))), 0)::bigint from {}").format(
            present_table(plan)
        )
    ).fetchone()
    return int(row[0]) if row else 0


def _remember_masks(
    connection: psycopg.Connection[TupleRow], plan: TablePlan, live_rows: int
) -> Presence:
    """Stores the source's masks for the next sync, where it is to use them."""
    present = present_table(plan)
    knows_masks = plan.has_masks and (plan.mode != "incremental" or presence.kind(plan) == "masks")
    blocks = _count(connection, present) if knows_masks else 0
    chosen = presence.choose(plan, live_rows, blocks) if knows_masks else "keys"
    if chosen == "keys":
        connection.execute("delete from ops.presence_masks where table_name = %s", [plan.name])
        return chosen
    parts = {"present": present, "name": sql.Literal(plan.name)}
    connection.execute(
        sql.SQL(
            "delete from ops.presence_masks as masks where masks.table_name = {name} and not "
            "exists (select from {present} as present where present.block = masks.block)"
        ).format(**parts)
    )
    connection.execute(
        sql.SQL(
            "insert into ops.presence_masks as masks (table_name, block, mask) "
            "select {name}, present.block, present.mask from {present} as present "
            "left join ops.presence_masks as known "
            "on known.table_name = {name} and known.block = present.block "
            "where known.mask is distinct from present.mask "
            "on conflict (table_name, block) do update set mask = excluded.mask"
        ).format(**parts)
    )
    return chosen


def _stamped(stamp: Stamp) -> dict[str, sql.Composable]:
    return {
        "sync_id": sql.SQL("{}::bigint").format(sql.Literal(stamp.sync_id)),
        "at": sql.SQL("{}::timestamptz").format(sql.Literal(stamp.at)),
    }


def _live(connection: psycopg.Connection[TupleRow], plan: TablePlan) -> int:
    row = connection.execute(
        sql.SQL("select count(*) from {} where _deleted_at is null").format(
            sql.Identifier("raw", plan.name)
        )
    ).fetchone()
    return row[0] if row else 0


def _count(connection: psycopg.Connection[TupleRow], relation: sql.Identifier) -> int:
    row = connection.execute(sql.SQL("select count(*) from {}").format(relation)).fetchone()
    return row[0] if row else 0
