"""The write-back to the application's database: plan, brakes, apply, record."""

from orchestration.activation.plan import Plan
from orchestration.activation.result import (
    ActivationResult,
    AnalyticsResult,
    CampaignResult,
    PeriodNote,
    SegmentResult,
)
from orchestration.activation.run import activate
from orchestration.activation.steps import Applied, apply, make_plan, record, require_privileges
from orchestration.activation.verdict import Verdict, judge

__all__ = [
    "ActivationResult",
    "AnalyticsResult",
    "Applied",
    "CampaignResult",
    "PeriodNote",
    "Plan",
    "SegmentResult",
    "Verdict",
    "activate",
    "apply",
    "judge",
    "make_plan",
    "record",
    "require_privileges",
]
