"""From a plan, its verdict and what was written to the result that users see."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from orchestration.activation.batches import Written
from orchestration.activation.campaigns import Audience
from orchestration.activation.plan import Plan, SegmentPlan
from orchestration.activation.result import (
    ActivationResult,
    AnalyticsResult,
    CampaignResult,
    PeriodNote,
    SegmentResult,
)
from orchestration.activation.spool import key_of
from orchestration.activation.verdict import Verdict

_NOT_OURS = "the application has deleted it, or no longer lets the warehouse update it"
_GONE = "the application no longer has these customers"
_LATER = "the application changed them after this build"
_OVERTAKEN = "the application changed them while the run was under way"
_MISFIT = "a counter is too large for the application's column"
_PASSED_OVER = {
    "skip": ("skipped", "a value is too large for the application's column"),
    "later": ("held", "the application computed it after this build; `loyalty run` builds anew"),
}


@dataclass(frozen=True)
class Outcome:
    """What each kind of change came to."""

    members: Written
    counters: Written
    audiences: Written
    periods: Written


def foreseen(plan: Plan, verdict: Verdict) -> ActivationResult:
    """The result if everything that is not held were written: what a dry run shows."""
    return result_of(plan, verdict, _planned(plan, verdict), run_id=None)


def _planned(plan: Plan, verdict: Verdict) -> Outcome:
    members = Written()
    for entry in plan.segments:
        key = entry.segment.segment_id
        if key not in verdict.segments:
            members.rows["added", key] = entry.change.added
            members.rows["removed", key] = entry.change.removed
            members.rows["refreshed", key] = entry.refreshed
    counters = Written()
    for line in plan.counter_lines.lines():
        if key_of(line) not in verdict.segments:
            counters.rows["written", key_of(line)] = 1
    audiences = Written()
    for campaign_id, audience in plan.audiences.items():
        if audience.action == "update" and campaign_id not in verdict.campaigns:
            audiences.rows["written", campaign_id] = 1
    held = Counter(p.action for p in plan.closed_periods if p.change_no in verdict.periods)
    periods = Written()
    for action, counted in (("insert", "added"), ("update", "updated"), ("delete", "removed")):
        periods.rows[counted, 0] = plan.period_actions.get(action, 0) - held[action]
    return Outcome(members, counters, audiences, periods)


def result_of(
    plan: Plan, verdict: Verdict, outcome: Outcome, *, run_id: int | None
) -> ActivationResult:
    """Puts together what was planned, held and written."""
    valid = {entry.segment.segment_id for entry in plan.segments}
    return ActivationResult(
        run_id=run_id,
        dry_run=run_id is None,
        segments_as_of=plan.scope.segments_as_of,
        analytics_as_of=plan.scope.analytics_as_of,
        segments=[_segment(entry, verdict, outcome) for entry in plan.segments],
        analytics=_analytics(plan, verdict, outcome.periods),
        campaigns=_campaigns(plan, verdict, outcome),
        left_alone=dict(
            Counter(
                segment.rule_status
                for segment in plan.scope.segments
                if segment.segment_id not in valid
            )
        ),
    )


def _segment(entry: SegmentPlan, verdict: Verdict, outcome: Outcome) -> SegmentResult:
    key = entry.segment.segment_id
    members, counters = outcome.members, outcome.counters
    added, removed = members.rows["added", key], members.rows["removed", key]
    refreshed, failed = members.rows["refreshed", key], members.failed[key]
    held = entry.rows if key in verdict.segments else 0
    # What was planned and neither written nor refused was gone, or done, when its turn came.
    overtaken = max(0, entry.rows - held - failed - added - removed - refreshed)
    skipped = entry.skipped + entry.later + overtaken
    reason = verdict.segments.get(key) or members.reasons.get(key) or counters.reasons.get(key)
    if reason is None and not entry.live:
        reason = _NOT_OURS
    elif reason is None and not entry.fits:
        reason = _MISFIT
    elif reason is None and skipped:
        reason = _GONE if entry.skipped else _LATER if entry.later else _OVERTAKEN
    return SegmentResult(
        segment_id=key,
        shop_id=entry.segment.shop_id,
        shop_domain=entry.segment.shop_domain,
        name=entry.segment.name,
        added=added,
        removed=removed,
        refreshed=refreshed,
        unchanged=entry.unchanged,
        held=held,
        skipped=skipped,
        failed=failed,
        counters_written=counters.rows["written", key] > 0,
        counters_failed=counters.failed[key] > 0,
        counters_held=entry.counters_differ and key in verdict.segments,
        reason=reason,
    )


def _analytics(plan: Plan, verdict: Verdict, periods: Written) -> AnalyticsResult:
    counted: Counter[str] = Counter()
    for (kind, _), rows in periods.rows.items():
        counted[kind] += rows
    held, failed = len(verdict.periods), periods.failed.total()
    due = sum(plan.period_actions.get(action, 0) for action in ("insert", "update", "delete"))
    overtaken = max(0, due - held - failed - counted.total())
    shops = plan.scope.shops
    notes = [
        PeriodNote(
            period.shop_id,
            shops[period.shop_id],
            period.period_type,
            period.period_on,
            "held",
            verdict.periods[period.change_no],
        )
        for period in plan.closed_periods
        if period.change_no in verdict.periods
    ]
    notes += [
        PeriodNote(shop_id, shops[shop_id], period_type, period_on, *_PASSED_OVER[action])
        for action, shop_id, period_type, period_on in plan.passed_over
    ]
    passed_over = Counter(action for action, *_ in plan.passed_over)
    return AnalyticsResult(
        added=counted["added"],
        updated=counted["updated"],
        removed=counted["removed"],
        unchanged=plan.period_actions.get("keep", 0),
        held=held + passed_over["later"],
        skipped=passed_over["skip"] + overtaken,
        failed=failed,
        failure=next(iter(periods.reasons.values()), None),
        notes=notes,
    )


def _campaigns(plan: Plan, verdict: Verdict, outcome: Outcome) -> list[CampaignResult]:
    names = {s.segment_id: s.name for s in plan.scope.segments}
    results = []
    for target in plan.targets:
        audience = plan.audiences.get(target.campaign_id, Audience("skip", 0))
        failed = [s for s in target.segment_ids if outcome.members.failed[s]]
        reason: str | None
        if target.problem is not None:
            status, reason = "skipped", target.problem
        elif target.campaign_id in verdict.campaigns:
            status, reason = "held", verdict.campaigns[target.campaign_id]
        elif audience.action == "skip":
            status, reason = "skipped", "the application has changed it since the sync"
        elif audience.action == "keep":
            status, reason = "unchanged", None
        elif failed:
            status, reason = "failed", f"its segment {names[failed[0]]!r} failed"
        elif outcome.audiences.failed[target.campaign_id]:
            status, reason = "failed", outcome.audiences.reasons[target.campaign_id]
        elif outcome.audiences.rows["written", target.campaign_id]:
            status, reason = "written", None
        else:
            status, reason = "skipped", "the application has changed it since the sync"
        results.append(
            CampaignResult(
                campaign_id=target.campaign_id,
                shop_id=target.shop_id,
                shop_domain=plan.scope.shops[target.shop_id],
                name=target.name,
                audience=audience.customers,
                channel=target.channel,
                unreachable=audience.unreachable,
                beyond_limit=audience.beyond_limit,
                status=status,
                reason=reason,
            )
        )
    return results
