"""The application's 15 tables, schema version 2.0, as this project's own copy declares them."""

from orchestration.operational.tables._parts import OURS, metadata
from orchestration.operational.tables.analytics import (
    customer_segment_memberships,
    customer_segments,
    loyalty_analytics,
)
from orchestration.operational.tables.campaigns import campaign_participations, campaigns
from orchestration.operational.tables.points import point_transactions
from orchestration.operational.tables.referrals import (
    referral_clicks,
    referral_conversions,
    referral_links,
)
from orchestration.operational.tables.rewards import redemption_logs, reward_definitions
from orchestration.operational.tables.shops import customer_loyalty_profiles, shops
from orchestration.operational.tables.tiers import customer_tier_history, tier_definitions

__all__ = [
    "OURS",
    "campaign_participations",
    "campaigns",
    "customer_loyalty_profiles",
    "customer_segment_memberships",
    "customer_segments",
    "customer_tier_history",
    "loyalty_analytics",
    "metadata",
    "point_transactions",
    "redemption_logs",
    "referral_clicks",
    "referral_conversions",
    "referral_links",
    "reward_definitions",
    "shops",
    "tier_definitions",
]
