"""What an activation did, or would do: plain values for the command line, Dagster and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class SegmentResult:
    """One segment's membership rows, and whether its counters were written.

    Attributes:
        added: Rows inserted or re-activated.
        removed: Rows deactivated.
        refreshed: Active rows that were corrected: reason, data, times, or a double taken out.
        unchanged: Members that were right already.
        held: Rows that a brake held back.
        skipped: Members that the application has no customer for any more, and rows that it
            changed itself after the build or while the run was under way.
        failed: Rows that could not be written; the next run tries them again.
        counters_written: Whether customer_segments' own columns changed.
        reason: Why something was held, skipped or failed; None where nothing was.
    """

    segment_id: int
    shop_id: int
    shop_domain: str
    name: str
    added: int = 0
    removed: int = 0
    refreshed: int = 0
    unchanged: int = 0
    held: int = 0
    skipped: int = 0
    failed: int = 0
    counters_written: bool = False
    counters_failed: bool = False
    counters_held: bool = False
    reason: str | None = None

    @property
    def rows(self) -> int:
        """Membership rows written."""
        return self.added + self.removed + self.refreshed

    @property
    def is_news(self) -> bool:
        """Whether anything was written, or is to be explained."""
        return bool(self.rows or self.counters_written or self.reason or self.status != "done")

    @property
    def status(self) -> str:
        """`held`, `failed`, or `done`."""
        if self.held or self.counters_held:
            return "held"
        return "failed" if self.failed or self.counters_failed else "done"


@dataclass(frozen=True)
class CampaignResult:
    """One campaign whose rules name segments.

    Attributes:
        audience: How many customers its audience has.
        channel: The channel whose consent its rules ask for.
        unreachable: Members who are left out, as they may not be reached on its channel.
        beyond_limit: Members who are left out, as it takes only so many.
        status: `written`, `unchanged`, `held`, `skipped` or `failed`.
        reason: Why it was held, skipped or failed.
    """

    campaign_id: int
    shop_id: int
    shop_domain: str
    name: str
    audience: int
    status: str
    reason: str | None = None
    channel: str | None = None
    unreachable: int = 0
    beyond_limit: int = 0


@dataclass(frozen=True)
class PeriodNote:
    """A row of loyalty_analytics that was not written, and why."""

    shop_id: int
    shop_domain: str
    period_type: str
    period_on: str
    status: str
    reason: str


@dataclass(frozen=True)
class AnalyticsResult:
    """The rows of loyalty_analytics."""

    added: int = 0
    updated: int = 0
    removed: int = 0
    unchanged: int = 0
    held: int = 0
    skipped: int = 0
    failed: int = 0
    failure: str | None = None
    notes: Sequence[PeriodNote] = ()


@dataclass(frozen=True)
class ActivationResult:
    """One activation.

    Attributes:
        run_id: Its row in `ops.activations`; None for a dry run.
        segments_as_of: What the segments' members are as of.
        analytics_as_of: What the analytics are as of.
        segments: One entry per valid segment in scope, by shop and name.
        left_alone: How many segments in scope were not touched, by rule_status.
    """

    run_id: int | None
    dry_run: bool
    segments_as_of: datetime
    analytics_as_of: datetime
    segments: Sequence[SegmentResult]
    analytics: AnalyticsResult
    campaigns: Sequence[CampaignResult]
    left_alone: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows_written(self) -> int:
        """Rows of the application that changed (or, in a dry run, would)."""
        segments = sum(
            s.added + s.removed + s.refreshed + int(s.counters_written) for s in self.segments
        )
        analytics = self.analytics.added + self.analytics.updated + self.analytics.removed
        return segments + analytics + sum(c.status == "written" for c in self.campaigns)

    @property
    def problems(self) -> list[str]:
        """What was held or failed, a sentence each; empty where the exit code is 0."""
        found = [
            f"segment {s.name!r} of {s.shop_domain}: {s.status}, {s.reason}"
            for s in self.segments
            if s.status != "done"
        ]
        if self.analytics.held:
            first = next(note for note in self.analytics.notes if note.status == "held")
            found.append(
                f"loyalty_analytics: {self.analytics.held:,} held; the first is the "
                f"{first.period_type} row of {first.shop_domain} for {first.period_on}: "
                f"{first.reason}"
            )
        if self.analytics.failed:
            found.append(
                f"loyalty_analytics: {self.analytics.failed:,} failed, {self.analytics.failure}"
            )
        found += [
            f"campaign {c.name!r} of {c.shop_domain}: {c.status}, {c.reason}"
            for c in self.campaigns
            if c.status in ("held", "failed")
        ]
        return found

    @property
    def advice(self) -> list[str]:
        """What to do about the problems, a sentence each."""
        statuses = {s.status for s in self.segments} | {c.status for c in self.campaigns}
        advice = []
        if "held" in statuses or self.analytics.held:
            advice.append(
                "Look at what is held; to write it, run `loyalty activate --allow-large-changes` "
                "(with --segment or --shop for a part of it)."
            )
        if "failed" in statuses or self.analytics.failed:
            advice.append("What failed is tried again by the next run.")
        return advice

    @property
    def notable(self) -> list[dict[str, int | str]]:
        """The problems for machines: ids and counts only, no name and no message."""
        found: list[dict[str, int | str]] = [
            {
                "subject": "segment",
                "shop_id": s.shop_id,
                "segment_id": s.segment_id,
                "status": s.status,
                "rows": s.held or s.failed,
            }
            for s in self.segments
            if s.status != "done"
        ]
        found += [
            {"subject": "loyalty_analytics", "status": status, "rows": rows}
            for status, rows in (("held", self.analytics.held), ("failed", self.analytics.failed))
            if rows
        ]
        found += [
            {
                "subject": "campaign",
                "shop_id": c.shop_id,
                "campaign_id": c.campaign_id,
                "status": c.status,
            }
            for c in self.campaigns
            if c.status in ("held", "failed")
        ]
        return found

    def news(self, most: int) -> list[SegmentResult]:
        """The segments that something is to be said of, the gravest first, at most so many."""
        found = [s for s in self.segments if s.is_news]
        found.sort(key=lambda s: (s.status != "done", s.held + s.failed, s.rows), reverse=True)
        return found[:most]

    def metadata(self, table: str) -> Mapping[str, int | str]:
        """Numbers about one of the four operational tables that activation writes."""
        if table == "customer_segment_memberships":
            names = ("added", "removed", "refreshed", "unchanged", "held", "skipped", "failed")
            counts = {name: sum(getattr(s, name) for s in self.segments) for name in names}
            return {"as_of": self.segments_as_of.isoformat(), **counts}
        if table == "customer_segments":
            return {
                "as_of": self.segments_as_of.isoformat(),
                "segments": len(self.segments),
                "updated": sum(s.counters_written for s in self.segments),
                "held": sum(s.counters_held for s in self.segments),
                "failed": sum(s.counters_failed for s in self.segments),
            }
        if table == "loyalty_analytics":
            names = ("added", "updated", "removed", "unchanged", "held", "skipped", "failed")
            return {
                "as_of": self.analytics_as_of.isoformat(),
                **{name: getattr(self.analytics, name) for name in names},
            }
        return {
            "as_of": self.segments_as_of.isoformat(),
            **{
                status: sum(c.status == status for c in self.campaigns)
                for status in ("written", "unchanged", "held", "skipped", "failed")
            },
        }
