"""The values that the application knows for its enumerated columns, which are plain varchar there.

Our own copy of the schema enforces them; a real deployment does not, and holds others too.
"""

from __future__ import annotations

TRANSACTION_TYPES = ("earned", "redeemed", "expired", "adjusted", "bonus", "refunded")
TRANSACTION_SOURCES = (
    "purchase",
    "referral",
    "signup",
    "review",
    "social_share",
    "birthday",
    "campaign",
    "manual",
)
TRANSACTION_CREATORS = ("system", "admin", "customer")

TIER_TYPES = ("points_based", "spend_based", "hybrid")
TIER_CHANGE_REASONS = ("qualification", "manual", "downgrade")

REWARD_TYPES = (
    "discount_percentage",
    "discount_fixed",
    "free_shipping",
    "free_product",
    "store_credit",
    "custom",
)
REDEMPTION_STATUSES = ("pending", "completed", "failed", "cancelled", "expired")

CAMPAIGN_TYPES = ("points_bonus", "tier_promotion", "referral_boost")
CAMPAIGN_STATUSES = ("draft", "active", "paused", "completed", "cancelled")

CONVERSION_STATUSES = ("completed", "pending", "cancelled")

PERIOD_TYPES = ("daily", "weekly", "monthly")

SEGMENT_TYPES = ("behavioral", "demographic", "value")
