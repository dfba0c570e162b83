"""The plan: what differs between warehouse and application, counted per segment and laid by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from psycopg.sql import SQL, Literal

from orchestration.activation import analytics, campaigns, counters, memberships
from orchestration.activation.brakes import Approval, MembershipChange, RevenueChange
from orchestration.activation.campaigns import Audience, Target
from orchestration.activation.session import Connection
from orchestration.activation.source import Scope, Segment, Warehouse
from orchestration.activation.spool import Spool, transfer

_UNJUDGED = "it names segments beside the one asked for; a run without --segment writes it"


@dataclass(frozen=True)
class SegmentPlan:
    """One valid segment's membership rows.

    Attributes:
        live: The application still has the segment, and lets the warehouse update it.
        fits: Its counters are within the application's types.
        later_than_built: As of when the application's counters are, where that is after the build.
        counters_differ: They are to be written, too.
        wanted: Members in the warehouse.
        approved: What the brakes let through earlier, where no run has completed it yet.
        refreshed: Active rows to correct.
        unchanged: Members whose row is right.
        skipped: Members that the application has no customer for in the segment's shop.
        later: Rows that the application changed after the build.
    """

    segment: Segment
    live: bool
    fits: bool
    later_than_built: datetime | None
    counters_differ: bool
    wanted: int
    change: MembershipChange
    approved: Approval
    refreshed: int
    unchanged: int
    skipped: int
    later: int

    @property
    def rows(self) -> int:
        """How many rows are to be written."""
        return self.change.added + self.change.removed + self.refreshed


@dataclass(frozen=True)
class PeriodPlan:
    """A row of loyalty_analytics that something is to be said about."""

    change_no: int
    shop_id: int
    period_type: str
    period_on: str
    action: str
    revenue: RevenueChange


@dataclass
class Plan:
    """Everything that is to be written, before the brakes have seen it.

    It can be handed on to another process: the rows are in files of the folder, which whoever made
    it removes.

    Attributes:
        period_actions: Rows of loyalty_analytics by action: insert, update, delete, keep, skip,
            later.
        closed_periods: The closed periods whose revenue would change.
        any_stale: Whether rows that we wrote no longer belong where they stand.
        passed_over: Rows of loyalty_analytics that are left alone: `skip` where a value is beyond
            the application's types, `later` where it was computed after the build; and shop,
            period type and date.
        targets: The campaigns that name segments.
        audiences: What is to become of their audiences, by campaign.
    """

    scope: Scope
    folder: Path
    segments: list[SegmentPlan] = field(default_factory=list)
    period_actions: Mapping[str, int] = field(default_factory=dict)
    closed_periods: list[PeriodPlan] = field(default_factory=list)
    any_stale: bool = False
    passed_over: list[tuple[str, int, str, str]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    audiences: Mapping[int, Audience] = field(default_factory=dict)

    @property
    def metadata(self) -> Mapping[str, int | str]:
        """The plan in numbers."""
        live = [entry for entry in self.segments if entry.live]
        return {
            "segments_as_of": self.scope.segments_as_of.isoformat(),
            "analytics_as_of": self.scope.analytics_as_of.isoformat(),
            "segments": len(live),
            "members_to_add": sum(entry.change.added for entry in live),
            "members_to_remove": sum(entry.change.removed for entry in live),
            "members_to_refresh": sum(entry.refreshed for entry in live),
            "counters_to_write": sum(entry.counters_differ for entry in live),
            "periods_to_write": sum(
                rows
                for action, rows in self.period_actions.items()
                if action in ("insert", "update", "delete")
            ),
            "audiences_to_write": sum(a.action == "update" for a in self.audiences.values()),
        }

    @property
    def member_lines(self) -> Spool:
        """Membership rows."""
        return Spool(self.folder / "members")

    @property
    def counter_lines(self) -> Spool:
        """Segments' counters."""
        return Spool(self.folder / "counters")

    @property
    def period_lines(self) -> Spool:
        """Rows of loyalty_analytics."""
        return Spool(self.folder / "periods")

    @property
    def audience_lines(self) -> Spool:
        """Campaigns' audiences."""
        return Spool(self.folder / "audiences")


def draw_up(
    warehouse: Warehouse, application: Connection, schema: str, scope: Scope, folder: Path
) -> Plan:
    """Brings what is wanted to the application's database and takes the difference there.

    Args:
        warehouse: The connection that the scope was read on.
        application: A connection to the application's database, in a transaction that is rolled
            back afterwards: it only ever writes temporary tables.
        schema: The schema of the application's tables.
        scope: What the activation is about.
        folder: Where the rows are laid by.
    """
    for table in (*counters.TABLES, *memberships.TABLES, *analytics.TABLES, *campaigns.TABLES):
        application.execute(table)
    plan = Plan(scope, folder)
    _plan_members(plan, warehouse, application, schema)
    if scope.segment is None:
        _plan_periods(plan, warehouse, application, schema)
    _plan_audiences(plan, warehouse, application, schema)
    return plan


def _plan_members(plan: Plan, warehouse: Warehouse, application: Connection, schema: str) -> None:
    transfer(warehouse, counters.WANTED_SEGMENTS, application, "loyalty_segments", plan.folder)
    transfer(warehouse, memberships.WANTED_MEMBERS, application, "loyalty_members", plan.folder)
    transfer(warehouse, memberships.LEAVERS, application, "loyalty_leavers", plan.folder)
    application.execute(counters.live_segments(schema, plan.scope.segments_as_of))
    application.execute(memberships.member_changes(schema, plan.scope.segments_as_of))
    by_id = {segment.segment_id: segment for segment in plan.scope.segments}
    approved = {
        segment_id: Approval(added=added, removed=removed)
        for segment_id, added, removed in warehouse.execute(
            "select segment_id, added, removed from ops.activation_approvals"
        )
    }
    for row in application.execute(memberships.member_counts(schema)):
        segment_id, live, fits, later_than_built, differs, active, wanted, *changes = row
        added, removed, refreshed, unlike, skipped, later = changes
        plan.segments.append(
            SegmentPlan(
                segment=by_id[segment_id],
                live=live,
                fits=fits,
                later_than_built=later_than_built,
                counters_differ=differs,
                wanted=wanted,
                change=MembershipChange(active=active, added=added, removed=removed),
                approved=approved.get(segment_id, Approval()),
                refreshed=refreshed,
                unchanged=wanted - unlike if live else 0,
                skipped=skipped if live else wanted,
                later=later,
            )
        )
    order = {segment.segment_id: place for place, segment in enumerate(plan.scope.segments)}
    plan.segments.sort(key=lambda entry: order[entry.segment.segment_id])
    plan.member_lines.fill(application, memberships.MEMBER_LINES)
    plan.counter_lines.fill(application, counters.COUNTER_LINES)


def _plan_periods(plan: Plan, warehouse: Warehouse, application: Connection, schema: str) -> None:
    wanted = analytics.wanted_periods(plan.scope.analytics_as_of)
    transfer(warehouse, wanted, application, "loyalty_periods", plan.folder)
    transfer(warehouse, analytics.STALE, application, "loyalty_stale", plan.folder)
    plan.any_stale = application.execute(analytics.ANY_STALE).fetchone() == (True,)
    application.execute(analytics.period_changes(schema, plan.scope.analytics_as_of))
    plan.period_actions = dict(application.execute(analytics.ACTION_COUNTS).fetchall())
    for row in application.execute(analytics.REVENUE_CHANGES):
        change_no, shop_id, period_type, period_on, action, old, new = row
        revenue = RevenueChange(old=old, new=new or _nothing(action), was_closed=True)
        plan.closed_periods.append(
            PeriodPlan(change_no, shop_id, period_type, period_on, action, revenue)
        )
    plan.passed_over = [
        (action, shop_id, period_type, period_on)
        for action, shop_id, period_type, period_on in application.execute(analytics.PASSED_OVER)
    ]
    plan.period_lines.fill(application, analytics.PERIOD_LINES)


def _nothing(action: str) -> Decimal | None:
    """No revenue: of a row that stays it is 0, of one that goes there is none."""
    return None if action == "delete" else Decimal(0)


def _plan_audiences(plan: Plan, warehouse: Warehouse, application: Connection, schema: str) -> None:
    rows = warehouse.execute(campaigns.TARGETING_CAMPAIGNS)
    plan.targets = campaigns.targets(rows, plan.scope.named)
    if plan.scope.segment is not None:
        chosen = {segment.segment_id for segment in plan.scope.segments}
        # No brake has looked at the members of the segments that were not asked for.
        plan.targets = [
            target if chosen.issuperset(target.segment_ids) else replace(target, problem=_UNJUDGED)
            for target in plan.targets
            if chosen.intersection(target.segment_ids)
        ]
    followed = [target for target in plan.targets if target.problem is None]
    pairs = [(target, segment_id) for target in followed for segment_id in target.segment_ids]
    warehouse.execute(
        SQL("""
            create temporary table activation_targets as
            select * from unnest({}::bigint[], {}::bigint[], {}::text[])
                as named (campaign_id, segment_id, channel)
        """).format(
            Literal([target.campaign_id for target, _ in pairs]),
            Literal([segment_id for _, segment_id in pairs]),
            Literal([target.channel for target, _ in pairs]),
        )
    )
    warehouse.execute("analyze pg_temp.activation_targets")
    with application.cursor().copy("copy pg_temp.loyalty_targets from stdin") as copy:
        for target in followed:
            copy.write_row((target.campaign_id, target.shop_id, target.channel, target.rules))
    transfer(warehouse, campaigns.WANTED_AUDIENCE, application, "loyalty_audience", plan.folder)
    application.execute(campaigns.audience_changes(schema))
    plan.audiences = {
        campaign_id: Audience(*state)
        for campaign_id, *state in application.execute(campaigns.AUDIENCE_STATES)
    }
    plan.audience_lines.fill(application, campaigns.AUDIENCE_LINES)
