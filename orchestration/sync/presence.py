"""Which rows a table has, told cheaply: a mask of 64 bits per block of 64 ids, or all keys.

Bit n of block b is set where a row with id = b * 64 + n exists. Comparing the source's masks with
those of the last sync finds deleted rows without moving ids; performance.md has the figures.
"""

from __future__ import annotations

from psycopg import sql

from orchestration.sync.memory import Presence
from orchestration.sync.plan import TablePlan, cast
from orchestration.sync.source import Column

_SPARSE = 4
"""With fewer ids to a block than this, a mask is dearer than the keys themselves."""

_SMALL = 1000


def choose(plan: TablePlan, live_rows: int, blocks: int) -> Presence:
    """How the next sync is to find this table's deleted rows."""
    is_sparse = live_rows > _SMALL and live_rows < _SPARSE * blocks
    return "masks" if plan.has_masks and not is_sparse else "keys"


def kind(plan: TablePlan) -> Presence:
    """How this sync finds them; the last one chose."""
    return plan.memory.presence if plan.memory and plan.has_masks else "keys"


def columns(plan: TablePlan) -> tuple[Column, ...]:
    """What the answer to `query` holds."""
    if kind(plan) == "masks":
        return (Column("block", "bigint"), Column("mask", "bigint"))
    return plan.key_columns


def query(plan: TablePlan) -> sql.Composed:
    """Asks the source which rows it has."""
    if kind(plan) == "masks":
        return masks(plan, plan.relation)
    return sql.SQL("select {} from {}").format(
        sql.SQL(", ").join(cast(column) for column in plan.key_columns), plan.relation
    )


def masks(plan: TablePlan, relation: sql.Identifier) -> sql.Composed:
    """The masks of a relation with the table's key."""
    (key,) = plan.key_columns
    return sql.SQL(
        "select {key} >> 6 as block, bit_or(1::bigint << ({key} & 63)::integer) as mask "
        "from {relation} group by 1"
    ).format(key=cast(key), relation=relation)


def lost_ids(plan: TablePlan, present: sql.Identifier) -> sql.Composed:
    """The ids of the last sync's masks that the present ones lack."""
    return sql.SQL(
        "select (lost.block << 6) | bits.n as {key} from ("
        "select masks.block, masks.mask & ~coalesce(present.mask, 0) as mask "
        "from ops.presence_masks as masks left join {present} as present using (block) "
        "where masks.table_name = {name}) as lost "
        "inner join generate_series(0, 63) as bits (n) on (lost.mask >> bits.n) & 1 = 1 "
        "where lost.mask <> 0"
    ).format(key=sql.Identifier(plan.source.key[0]), present=present, name=sql.Literal(plan.name))
