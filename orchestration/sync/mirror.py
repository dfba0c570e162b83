"""One sync from beginning to end: lock, snapshot, plan, load every table, close."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg.rows import TupleRow

from orchestration.database import Database
from orchestration.sync import state
from orchestration.sync.apply import Applied, StateMismatchError, apply
from orchestration.sync.compare import Content, TableComparison, mirrored_content, source_content
from orchestration.sync.failures import plain_errors
from orchestration.sync.images import forget_images
from orchestration.sync.lanes import Lane, Task, open_lanes, run_tasks
from orchestration.sync.loading import Loader, TableLoad
from orchestration.sync.plan import TablePlan, plan_tables
from orchestration.sync.result import Progress, SyncResult, TableResult
from orchestration.sync.scratch import PLANNING, Stamp, scratch_schema
from orchestration.sync.snapshot import open_snapshot
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
"""The application's tables, in the order in which results name them."""

STREAMS = 2
"""How many connections read at once: one keeps a core of the source and one of ours busy."""

# An analyst's long query must not keep the closing transaction waiting for ever.
_CLOSING = f"""
set local lock_timeout = '60s';
{PLANNING}
"""


def sync(
    operational: Database,
    schema: str,
    warehouse: Database,
    *,
    tables: Sequence[str] | None = None,
    full: bool = False,
    verify: bool = False,
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
        full: Read and compare all rows, whatever is remembered of earlier syncs.
        verify: Compare raw afterwards with what the source had in the same snapshot.
        allow_large_changes: Let more than half of a table vanish.
        progress: Is told how it goes, from several threads, but never by two at once.

    Raises:
        LoyaltyError: The source or the warehouse cannot be used as it is, another run is writing,
            or the brake on mass deletes held; says which and what to do.
    """
    progress = progress or Progress()
    names = tuple(dict.fromkeys(tables)) if tables else TABLES
    with (
        writer_lock(warehouse, waiting=progress.waiting),
        _prepared(warehouse) as target,
        scratch_schema(target),
    ):
        with plain_errors("warehouse"):
            before = state.raw_state(target)
            memories = state.memories(target)
            row = target.execute("select clock_timestamp()").fetchone()
        assert row is not None  # noqa: S101
        with (
            open_snapshot(operational, schema, names, streams=STREAMS) as snapshot,
            open_lanes(snapshot, warehouse) as lanes,
        ):
            stamp = Stamp(before.sync_id + 1 if before else 1, snapshot.taken_at)
            with plain_errors("warehouse"):
                plans = plan_tables(
                    target, list(snapshot.tables.values()), snapshot.point, memories, full=full
                )
            loads = Loader(stamp, progress).run(plans, lanes)
            expected = _contents(plans, lanes) if verify else {}
            snapshot.confirm(schema)
        is_whole = set(names).issuperset(TABLES)
        after = state.RawState(
            stamp.sync_id,
            stamp.at,
            not is_whole and (before is None or before.is_mixed or bool(set(names) & set(TABLES))),
            snapshot.point.identity,
            schema,
        )
        warnings = _warnings(before, after, plans)
        progress.applying()
        try:
            with plain_errors("warehouse"), target.transaction():
                target.execute(_CLOSING)
                closed = [
                    _close(target, load, stamp, allow_large_changes=allow_large_changes)
                    for load in loads
                ]
                results = [result for _, _, result in closed]
                state.record(target, after, snapshot.point, row[0], results, warnings)
                state.remember(target, stamp.sync_id, [(p, applied) for p, applied, _ in closed])
                forget_images(target)
                if any(plan.mode != "incremental" for plan in plans):
                    target.execute("analyze ops.presence_masks")
        except StateMismatchError as mismatch:
            with plain_errors("warehouse"):
                state.forget(target, mismatch.table)
            raise
        with plain_errors("warehouse"):
            verified = [
                TableComparison(plan.name, expected[plan.name], mirrored_content(target, plan))
                for plan in plans
                if verify
            ]
    return SyncResult(stamp.sync_id, stamp.at, results, warnings, verified)


@contextmanager
def _prepared(warehouse: Database) -> Iterator[psycopg.Connection[TupleRow]]:
    with warehouse.connect(autocommit=True, client_encoding="UTF8") as target:
        with plain_errors("warehouse"):
            prepare(target)
        yield target


def _close(
    target: psycopg.Connection[TupleRow],
    load: TableLoad,
    stamp: Stamp,
    *,
    allow_large_changes: bool,
) -> tuple[TablePlan, Applied, TableResult]:
    started = time.monotonic()
    applied = apply(target, load.plan, stamp, load.rows, allow_large_changes=allow_large_changes)
    result = TableResult(
        table_name=load.plan.name,
        mode=load.plan.mode,
        reason=load.plan.reason,
        rows_read=load.rows,
        rows_changed=applied.changed,
        rows_deleted=applied.deleted,
        live_rows=applied.live_rows,
        bytes=load.bytes,
        seconds=round(load.seconds + time.monotonic() - started, 3),
    )
    return load.plan, applied, result


def _contents(plans: Sequence[TablePlan], lanes: Sequence[Lane]) -> dict[str, Content]:
    """What the source has in the snapshot, table by table."""
    found: dict[str, Content] = {}

    def task(plan: TablePlan) -> Task:
        def run(lane: Lane) -> None:
            with plain_errors("operational database"):
                found[plan.name] = source_content(lane.reader.connection, plan)

        return run

    run_tasks([task(plan) for plan in plans], lanes)
    return found


def _warnings(
    before: state.RawState | None, after: state.RawState, plans: Sequence[TablePlan]
) -> list[str]:
    """What the operator should know, what concerns all tables said once."""
    warnings = [warning for plan in plans for warning in plan.warnings]
    if changed_source := state.source_warning(before, after):
        warnings.insert(0, changed_source)
    shared = [plan.reason for plan in plans if plan.is_source_wide]
    for reason in dict.fromkeys(shared):
        if not changed_source:
            warnings.insert(0, f"Tables are read whole ({shared.count(reason)}): {reason}.")
    return warnings
