"""One activation from end to end: plan, brakes, apply, record."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestration.activation import (
    analytics,
    analytics_work,
    campaigns,
    counters,
    memberships,
    privileges,
    record,
)
from orchestration.activation.batches import Written, write
from orchestration.activation.outcome import Outcome, planned, result_of
from orchestration.activation.plan import Plan, draw_up
from orchestration.activation.result import ActivationResult
from orchestration.activation.session import Session
from orchestration.activation.source import Warehouse, read_scope, refuse_going_back
from orchestration.activation.verdict import Verdict, judge
from orchestration.database import Database
from orchestration.warehouse import prepare, writer_lock


def activate(
    operational: Database,
    schema: str,
    warehouse: Database,
    *,
    dry_run: bool = False,
    segment: str | None = None,
    shop: str | None = None,
    allow_large_changes: bool = False,
) -> ActivationResult:
    """Writes segments, analytics and campaign audiences to the application; only what differs.

    It can be killed at any time and simply run again; a second run right after it writes nothing.

    Args:
        operational: The application's database.
        schema: The schema of its tables.
        warehouse: The warehouse, built.
        dry_run: Whether to stop at the plan; nothing is written, nothing recorded.
        segment: Only segments of this name, and campaigns that name them; no analytics.
        shop: Only the shop of this domain.
        allow_large_changes: Whether to let through what the brakes would hold.

    Returns:
        What was written, per segment; what was held or failed is in its `problems`.

    Raises:
        LoyaltyError: Nothing was built, the warehouse is older than what was written before, the
            role lacks privileges, or a connection could not be had (back).
    """
    with (
        writer_lock(warehouse),
        warehouse.connect(autocommit=True, client_encoding="utf8") as marts,
        Session(operational) as session,
    ):
        prepare(marts)
        started_at = datetime.now(UTC)
        with marts.transaction(), session.reading() as application:
            scope = read_scope(marts, segment=segment, shop=shop)
            refuse_going_back(marts, scope)
            privileges.require(application, operational, schema, write=not dry_run)
            plan = draw_up(marts, application, schema, scope)
        with plan:
            verdict = judge(plan, allow_large_changes=allow_large_changes)
            if dry_run:
                return result_of(plan, verdict, planned(plan, verdict), run_id=None)
            run_id = record.start(marts, scope)
            try:
                outcome = _apply(session, schema, marts, plan, verdict)
                result = result_of(plan, verdict, outcome, run_id=run_id)
                complete = [
                    entry.segment_id
                    for entry in result.segments
                    if not (entry.held or entry.failed)
                ]
                record.finish(marts, result, started_at, complete)
            except BaseException as error:
                record.abort(marts, run_id, error)
                raise
            return result


def _apply(
    session: Session, schema: str, marts: Warehouse, plan: Plan, verdict: Verdict
) -> Outcome:
    """Members first, then what is said about them: counters and audiences; analytics last."""
    members = write(
        session,
        schema,
        memberships.member_work(schema),
        plan.member_lines.lines(),
        lambda segment_id: segment_id not in verdict.segments,
    )
    unfinished = members.failed.keys() | verdict.segments.keys()
    counted = write(
        session,
        schema,
        counters.counter_work(schema),
        plan.counter_lines.lines(),
        lambda segment_id: segment_id not in unfinished,
    )
    waiting = {t.campaign_id for t in plan.targets if unfinished & set(t.segment_ids)}
    audiences = write(
        session,
        schema,
        campaigns.audience_work(schema),
        plan.audience_lines.lines(),
        lambda campaign_id: campaign_id not in waiting,
    )
    periods = _apply_periods(session, schema, marts, plan, verdict)
    return Outcome(members, counted, audiences, periods)


def _apply_periods(
    session: Session, schema: str, marts: Warehouse, plan: Plan, verdict: Verdict
) -> Written:
    if plan.scope.segment is not None:
        return Written()
    marts.execute(analytics.REMEMBER)
    periods = write(
        session,
        schema,
        analytics_work.period_work(schema),
        plan.period_lines.lines(),
        lambda change_no: change_no not in verdict.periods,
    )
    if plan.any_stale and not periods.failed and not verdict.periods:
        marts.execute(analytics.FORGET)
    return periods
