"""The brakes' verdict on a plan: what of it is held, and why; what hangs on it is held with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestration.activation.brakes import hold_membership, hold_revenue
from orchestration.activation.plan import Plan, SegmentPlan


@dataclass(frozen=True)
class Verdict:
    """What is held, by key, with the reason in words.

    Attributes:
        segments: By segment_id.
        periods: By change_no.
        campaigns: By campaign_id.
    """

    segments: dict[int, str] = field(default_factory=dict)
    periods: dict[int, str] = field(default_factory=dict)
    campaigns: dict[int, str] = field(default_factory=dict)


def judge(plan: Plan, *, allow_large_changes: bool) -> Verdict:
    """Holds what would go back in time, and, unless that is allowed, what is too large."""
    segments = {
        entry.segment.segment_id: reason
        for entry in plan.segments
        if entry.live
        and (reason := _why_held(entry, plan.scope.segments_as_of, allow_large_changes))
    }
    periods = {
        period.change_no: reason
        for period in plan.closed_periods
        if not allow_large_changes and (reason := hold_revenue(period.revenue))
    }
    return Verdict(segments, periods, _campaigns_held(plan, segments))


def _why_held(entry: SegmentPlan, as_of: datetime, allow_large_changes: bool) -> str | None:
    if entry.later_than_built is not None and (entry.rows or entry.counters_differ):
        return (
            f"the application has it as of {entry.later_than_built.isoformat()}, which is after "
            f"this build's {as_of.isoformat()}; `loyalty run` builds the present"
        )
    return None if allow_large_changes else hold_membership(entry.change.beyond(entry.approved))


def _campaigns_held(plan: Plan, segments: Mapping[int, str]) -> dict[int, str]:
    names = {segment.segment_id: segment.name for segment in plan.scope.segments}
    campaigns = {}
    for target in plan.targets:
        held = [names[s] for s in target.segment_ids if s in segments]
        if held:
            campaigns[target.campaign_id] = f"its segment {held[0]!r} is held"
    return campaigns
