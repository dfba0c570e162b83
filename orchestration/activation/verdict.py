"""The brakes' verdict on a plan: what of it is held, and why; what hangs on it is held with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestration.activation.brakes import hold_membership, hold_revenue
from orchestration.activation.plan import Plan


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
    """Holds what is too large, unless that is allowed."""
    if allow_large_changes:
        return Verdict()
    segments = {
        entry.segment.segment_id: reason
        for entry in plan.segments
        if entry.live and (reason := hold_membership(entry.change))
    }
    periods = {
        period.change_no: reason
        for period in plan.closed_periods
        if (reason := hold_revenue(period.revenue))
    }
    names = {segment.segment_id: segment.name for segment in plan.scope.segments}
    campaigns = {}
    for target in plan.targets:
        held = [names[s] for s in target.segment_ids if s in segments]
        if held:
            campaigns[target.campaign_id] = f"its segment {held[0]!r} is held"
    return Verdict(segments, periods, campaigns)
