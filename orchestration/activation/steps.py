"""The steps of an activation; each can run in a process of its own, and be done again.

Whoever plans or applies holds the writer lock. Between the two another run may have it: a plan that
was overtaken by it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from orchestration.activation import (
    analytics,
    analytics_work,
    campaigns,
    counters,
    memberships,
    privileges,
    records,
)
from orchestration.activation.batches import Writer, Written
from orchestration.activation.outcome import Outcome, result_of
from orchestration.activation.pace import Pace, Patience
from orchestration.activation.plan import Plan, draw_up
from orchestration.activation.result import ActivationResult
from orchestration.activation.session import Session, is_lost
from orchestration.activation.source import (
    Warehouse,
    choose_shops,
    read_scope,
    refuse_going_back,
    refuse_overtaken,
)
from orchestration.activation.verdict import Verdict
from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.warehouse import WriterLock, prepare


@dataclass(frozen=True)
class Applied:
    """What was written, before it is recorded.

    Attributes:
        run_id: The run's row in `ops.activations`.
    """

    run_id: int
    started_at: datetime
    outcome: Outcome


def require_privileges(operational: Database, schema: str) -> None:
    """Makes sure, without writing anything, that the role may do what activation does.

    Raises:
        LoyaltyError: A table, a column or a privilege is missing; it names them all.
    """
    with Session(operational) as session, session.reading() as application:
        privileges.require(application, operational, schema, write=True)


def make_plan(
    operational: Database,
    schema: str,
    warehouse: Database,
    folder: Path,
    *,
    segment: str | None = None,
    shop: str | None = None,
    write: bool = True,
) -> Plan:
    """Compares the warehouse with the application, and lays by what differs; writes nothing.

    Args:
        operational: The application's database.
        schema: The schema of its tables.
        warehouse: The warehouse, built.
        folder: Where the rows of the plan are put.
        segment: Only segments of this name, and campaigns that name them; no analytics.
        shop: Only the shop of this domain.
        write: Whether the plan is to be carried out, for which the role needs more privileges.

    Raises:
        LoyaltyError: Nothing was built, the warehouse is older than what was written before, the
            role lacks privileges, or a connection was lost.
    """
    with (
        _explained(operational, warehouse),
        _connected(warehouse) as marts,
        Session(operational) as session,
        marts.transaction(),
        session.reading() as application,
    ):
        scope = read_scope(marts, segment=segment, shop=shop)
        refuse_going_back(marts, scope)
        privileges.require(application, operational, schema, write=write)
        return draw_up(marts, application, schema, scope, folder)


def apply(
    operational: Database,
    schema: str,
    warehouse: Database,
    plan: Plan,
    verdict: Verdict,
    lock: WriterLock,
    *,
    max_rows_per_second: int | None = None,
) -> Applied:
    """Writes what is not held. Done again, it writes what is still missing.

    Args:
        operational: The application's database.
        schema: The schema of its tables.
        warehouse: The warehouse that the plan was made from.
        plan: What differs.
        verdict: What of it is held.
        lock: The writer lock, without which nothing more is written.
        max_rows_per_second: How many rows may be written in a second.

    Raises:
        LoyaltyError: The warehouse has moved on since the plan, or a connection could not be had
            back. All batches that were committed stay.
    """
    started_at = datetime.now(UTC)
    with _connected(warehouse) as marts, Session(operational) as session:
        refuse_going_back(marts, plan.scope)
        refuse_overtaken(marts, plan.scope)
        run_id = records.start(marts, plan.scope)
        writer = Writer(session, schema, lock.require, Pace(max_rows_per_second), Patience())
        with _aborted_by_errors(marts, run_id):
            approved = {
                entry.segment.segment_id: entry.change
                for entry in plan.segments
                if entry.rows and entry.segment.segment_id not in verdict.segments
            }
            records.approve(marts, run_id, approved)
            return Applied(run_id, started_at, _write_all(writer, marts, plan, verdict))


def record(warehouse: Database, plan: Plan, verdict: Verdict, applied: Applied) -> ActivationResult:
    """Records what was written, in ops.activations and ops.activation_runs; gives it as a whole."""
    result = result_of(plan, verdict, applied.outcome, run_id=applied.run_id)
    complete = [s.segment_id for s in result.segments if s.status == "done"]
    with _connected(warehouse) as marts, _aborted_by_errors(marts, applied.run_id):
        records.finish(marts, result, applied.started_at, complete)
    return result


def _write_all(writer: Writer, marts: Warehouse, plan: Plan, verdict: Verdict) -> Outcome:
    """Members first, then what is said about them: counters and audiences; analytics last."""
    schema, as_of = writer.schema, plan.scope.segments_as_of
    members = writer.write(
        memberships.member_work(schema, as_of),
        plan.member_lines.lines(),
        lambda segment_id: segment_id not in verdict.segments,
    )
    unfinished = members.failed.keys() | verdict.segments.keys()
    counted = writer.write(
        counters.counter_work(schema, as_of),
        plan.counter_lines.lines(),
        lambda segment_id: segment_id not in unfinished,
    )
    waiting = {t.campaign_id for t in plan.targets if unfinished & set(t.segment_ids)}
    audiences = writer.write(
        campaigns.audience_work(schema),
        plan.audience_lines.lines(),
        lambda campaign_id: campaign_id not in waiting,
    )
    return Outcome(members, counted, audiences, _write_periods(writer, marts, plan, verdict))


def _write_periods(writer: Writer, marts: Warehouse, plan: Plan, verdict: Verdict) -> Written:
    if plan.scope.segment is not None:
        return Written()
    choose_shops(marts, plan.scope.shop)
    marts.execute(analytics.REMEMBER)
    periods = writer.write(
        analytics_work.period_work(writer.schema, plan.scope.analytics_as_of),
        plan.period_lines.lines(),
        lambda change_no: change_no not in verdict.periods,
    )
    is_complete = not (periods.failed or verdict.periods or plan.period_actions.get("later"))
    if plan.any_stale and is_complete:
        marts.execute(analytics.FORGET)
    return periods


@contextmanager
def _connected(warehouse: Database) -> Iterator[Warehouse]:
    with warehouse.connect(autocommit=True, client_encoding="utf8") as marts:
        prepare(marts)
        yield marts


@contextmanager
def _aborted_by_errors(marts: Warehouse, run_id: int) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        records.abort(marts, run_id, error)
        raise


@contextmanager
def _explained(operational: Database, warehouse: Database) -> Iterator[None]:
    try:
        yield
    except psycopg.OperationalError as error:
        if not is_lost(error):
            raise
        raise LoyaltyError(
            f"The connection to the {operational.name} at {operational.location} or to the "
            f"{warehouse.name} at {warehouse.location} was lost while they were compared.",
            remedy="Nothing was written; run the command again.",
            is_transient=True,
        ) from error
