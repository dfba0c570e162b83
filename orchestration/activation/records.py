"""What the warehouse remembers of activations: the runs, per segment, and how far they got."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

import psycopg

from orchestration.activation.brakes import MembershipChange
from orchestration.activation.result import ActivationResult
from orchestration.activation.source import Scope, Warehouse
from orchestration.errors import LoyaltyError

_STATUSES = ("written", "unchanged", "held", "skipped", "failed")


def start(warehouse: Warehouse, scope: Scope) -> int:
    """Records that a run begins, and that nothing older may be written from now on."""
    with warehouse.transaction():
        # There is one writer at a time, so whatever seems to be running was killed.
        warehouse.execute(
            "update ops.activations set status = 'aborted', error = 'killed'"
            " where status = 'running'"
        )
        row = warehouse.execute(
            "insert into ops.activations"
            " (segments_as_of, analytics_as_of, segment_name, shop_domain)"
            " values (%s, %s, %s, %s) returning run_id",
            [scope.segments_as_of, scope.analytics_as_of, scope.segment, scope.shop],
        ).fetchone()
        assert row is not None  # noqa: S101
        run_id = int(row[0])
        subjects = [("segments", scope.segments_as_of)]
        if scope.segment is None:
            subjects.append(("analytics", scope.analytics_as_of))
        for subject, as_of in subjects:
            warehouse.execute(
                "insert into ops.activation_state as state (subject, as_of, run_id)"
                " values (%s, %s, %s)"
                " on conflict (subject) do update"
                " set as_of = greatest(state.as_of, excluded.as_of), run_id = excluded.run_id",
                [subject, as_of, run_id],
            )
    return run_id


def approve(warehouse: Warehouse, run_id: int, changes: Mapping[int, MembershipChange]) -> None:
    """Records what the brakes let through, before the first row of it is written.

    Args:
        warehouse: The warehouse, not in a transaction.
        run_id: The run that is to write it.
        changes: The changes by segment.
    """
    rows = [(segment_id, c.added, c.removed) for segment_id, c in changes.items()]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    warehouse.execute(
        "insert into ops.activation_approvals (segment_id, run_id, added, removed)"
        " select approved.segment_id, %s, approved.added, approved.removed"
        " from unnest(%s::bigint[], %s::bigint[], %s::bigint[])"
        " as approved (segment_id, added, removed)"
        " on conflict (segment_id) do update set run_id = excluded.run_id,"
        " added = excluded.added, removed = excluded.removed",
        [run_id, *columns],
    )


def finish(
    warehouse: Warehouse, result: ActivationResult, started_at: datetime, complete: list[int]
) -> None:
    """Records what a run did.

    Args:
        warehouse: The warehouse, not in a transaction.
        result: What was done.
        started_at: When the run began.
        complete: The segments whose rows in the application now equal the warehouse's.
    """
    analytics = result.analytics
    campaigns = [
        sum(campaign.status == status for campaign in result.campaigns) for status in _STATUSES
    ]
    with warehouse.transaction():
        finished = warehouse.execute(
            "update ops.activations set"
            " finished_at = clock_timestamp(), status = %s,"
            " counters_written = %s, counters_failed = %s,"
            " analytics_added = %s, analytics_updated = %s, analytics_removed = %s,"
            " analytics_unchanged = %s, analytics_held = %s, analytics_skipped = %s,"
            " analytics_failed = %s,"
            " campaigns_written = %s, campaigns_unchanged = %s, campaigns_held = %s,"
            " campaigns_skipped = %s, campaigns_failed = %s"
            " where run_id = %s returning finished_at",
            [
                "degraded" if result.problems else "done",
                sum(segment.counters_written for segment in result.segments),
                sum(segment.counters_failed for segment in result.segments),
                analytics.added,
                analytics.updated,
                analytics.removed,
                analytics.unchanged,
                analytics.held,
                analytics.skipped,
                analytics.failed,
                *campaigns,
                result.run_id,
            ],
        ).fetchone()
        assert finished is not None  # noqa: S101
        with warehouse.cursor().copy(
            "copy ops.activation_runs (run_id, segment_id, shop_id, started_at, finished_at, added,"
            " removed, refreshed, unchanged, held, skipped, failed, reason) from stdin"
        ) as copy:
            for segment in result.segments:
                copy.write_row(
                    (
                        result.run_id,
                        segment.segment_id,
                        segment.shop_id,
                        started_at,
                        finished[0],
                        segment.added,
                        segment.removed,
                        segment.refreshed,
                        segment.unchanged,
                        segment.held,
                        segment.skipped,
                        segment.failed,
                        segment.reason,
                    )
                )
        warehouse.execute(
            "insert into ops.activated_segments as activated (segment_id, as_of)"
            " select segment_id, %s from unnest(%s::bigint[]) as complete (segment_id)"
            " on conflict (segment_id) do update set as_of = excluded.as_of"
            " where activated.as_of < excluded.as_of",
            [result.segments_as_of, complete],
        )
        warehouse.execute(
            "delete from ops.activation_approvals where segment_id = any(%s) and run_id <= %s",
            [complete, result.run_id],
        )


def abort(warehouse: Warehouse, run_id: int, error: BaseException) -> None:
    """Records that a run ended early; what it had committed stays."""
    if isinstance(error, LoyaltyError):
        text = error.problem
    elif isinstance(error, psycopg.Error):
        text = error.diag.message_primary or type(error).__name__
    else:
        text = type(error).__name__
    with suppress(psycopg.Error):
        warehouse.execute(
            "update ops.activations set finished_at = clock_timestamp(), status = 'aborted',"
            " error = %s where run_id = %s",
            [text, run_id],
        )
