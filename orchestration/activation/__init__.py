"""The write-back to the application's database: plan, brakes, apply, record."""

from orchestration.activation.result import (
    ActivationResult,
    AnalyticsResult,
    CampaignResult,
    PeriodNote,
    SegmentResult,
)
from orchestration.activation.run import activate

__all__ = [
    "ActivationResult",
    "AnalyticsResult",
    "CampaignResult",
    "PeriodNote",
    "SegmentResult",
    "activate",
]
