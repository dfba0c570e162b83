"""One sync from beginning to end: lock, snapshot, plan, load every table, close."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from orchestration.database import Database
from orchestration.sync import apply, state
from orchestration.sync.extract import Block, Snapshot, open_snapshot
from orchestration.sync.failures import plain_errors
from orchestration.sync.plan import TablePlan, plan_tables
from orchestration.sync.result import Progress, SyncResult, TableResult
from orchestration.warehouse import prepare, writer_lock

TABLES = (
    "shops",
    "tier_definitions",
    "campaigns",
    "reward_definitions",
    "customer_segments",
    "customer_loyalty_profiles",
    "loyalty_analytics",
    "redemption_logs",
    "point_transactions",
    "customer_tier_history",
    "campaign_participations",
    "referral_links",
    "referral_clicks",
    "referral_conversions",
    "customer_segment_memberships",
)
"""The application's tables, in the order in which they are read."""

# A merge compares whole tables, once; an analyst's long query must not keep it waiting for ever.
_CLOSING = "set local lock_timeout = '60s'; set local work_mem = '64MB'; set local jit = off"


@dataclass(frozen=True)
class _Loaded:
    plan: TablePlan
    rows: int
    bytes: int
    seconds: float


def sync(
    operational: Database,
    schema: str,
    warehouse: Database,
    *,
    tables: Sequence[str] | None = None,
    full: bool = False,
    allow_large_changes: bool = False,
    progress: Progress | None = None,
) -> SyncResult:
    """Makes raw equal to the operational tables as of one consistent snapshot, or changes nothing.

    It may be killed at any instant and simply run again. Needs nothing but SELECT on the source.

    Args:
        operational: The application's database; only read.
        schema: The schema of its tables.
        warehouse: Where raw and ops are.
        tables: Only these, which leaves raw mixed until a sync of all; None means all 15.
        full: Read whole tables, whatever is remembered of earlier syncs.
        allow_large_changes: Let more than half of a table vanish.
        progress: Is told how it goes.

    Raises:
        LoyaltyError: The source or the warehouse cannot be used as it is, another run is writing,
            or the brake on mass deletes held; says which and what to do.
    """
    progress = progress or Progress()
    names = tuple(dict.fromkeys(tables)) if tables else TABLES
    with (
        writer_lock(warehouse, waiting=progress.waiting),
        _prepared(warehouse) as target,
        apply.scratch_schema(target),
    ):
        with plain_errors("warehouse"):
            before = state.raw_state(target)
            row = target.execute("select clock_timestamp()").fetchone()
        assert row is not None  # noqa: S101
        with open_snapshot(operational, schema, names) as snapshot:
            stamp = apply.Stamp(before.sync_id + 1 if before else 1, snapshot.taken_at)
            with plain_errors("warehouse"):
                plans = plan_tables(target, list(snapshot.tables.values()), full=full)
            loaded = [_load(target, snapshot, plan, stamp, progress) for plan in plans]
            snapshot.confirm()
        is_whole = set(names).issuperset(TABLES)
        after = state.RawState(
            stamp.sync_id,
            stamp.at,
            not is_whole and (before is None or before.is_mixed or bool(set(names) & set(TABLES))),
            snapshot.identity,
            schema,
        )
        warnings = [warning for plan in plans for warning in plan.warnings]
        if changed_source := state.source_warning(before, after):
            warnings.insert(0, changed_source)
        progress.applying()
        with plain_errors("warehouse"), target.transaction():
            target.execute(_CLOSING)
            results = [
                _apply(target, table, stamp, allow_large_changes=allow_large_changes)
                for table in loaded
            ]
            state.record(target, after, row[0], results, warnings)
    return SyncResult(stamp.sync_id, stamp.at, results, warnings)


@contextmanager
def _prepared(warehouse: Database) -> Iterator[psycopg.Connection[TupleRow]]:
    with warehouse.connect(autocommit=True, client_encoding="UTF8") as target:
        prepare(target)
        yield target


def _load(
    target: psycopg.Connection[TupleRow],
    snapshot: Snapshot,
    plan: TablePlan,
    stamp: apply.Stamp,
    progress: Progress,
) -> _Loaded:
    started = time.monotonic()
    sent = 0

    def counted(blocks: Iterator[Block]) -> Iterator[Block]:
        nonlocal sent
        for block in blocks:
            yield block
            sent += len(block.data)
            progress.advanced(plan.name, block.rows, len(block.data))

    progress.started(plan.name, plan.source.estimated_rows)
    # Closed at once when loading fails, so that the source stops sending.
    with plain_errors("warehouse"), closing(snapshot.blocks(plan.query)) as blocks:
        rows = apply.load(target, plan, stamp, counted(blocks))
    progress.finished(plan.name)
    return _Loaded(plan, rows, sent, time.monotonic() - started)


def _apply(
    target: psycopg.Connection[TupleRow],
    loaded: _Loaded,
    stamp: apply.Stamp,
    *,
    allow_large_changes: bool,
) -> TableResult:
    started = time.monotonic()
    plan = loaded.plan
    if plan.mode == "first load":
        apply.move(target, plan)
        merged = apply.Merged(loaded.rows, 0)
    else:
        merged = apply.merge(
            target, plan, stamp, loaded.rows, allow_large_changes=allow_large_changes
        )
    return TableResult(
        table_name=plan.name,
        mode=plan.mode,
        reason=plan.reason,
        rows_read=loaded.rows,
        rows_changed=merged.changed,
        rows_deleted=merged.deleted,
        bytes=loaded.bytes,
        seconds=round(loaded.seconds + time.monotonic() - started, 3),
    )
