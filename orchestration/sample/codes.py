"""The application's enumerated values as small numbers, in the order of their vocabularies."""

from __future__ import annotations

TYPES = (b"earned", b"redeemed", b"expired", b"adjusted", b"bonus", b"refunded")
EARNED, REDEEMED, EXPIRED, ADJUSTED, BONUS, REFUNDED = range(len(TYPES))

SOURCES = (
    b"purchase",
    b"referral",
    b"signup",
    b"review",
    b"social_share",
    b"birthday",
    b"campaign",
    b"manual",
)
PURCHASE, REFERRAL, SIGNUP, REVIEW, SOCIAL, BIRTHDAY, CAMPAIGN, MANUAL = range(len(SOURCES))

CREATORS = (b"system", b"admin", b"customer")
BY_SYSTEM, BY_ADMIN, BY_CUSTOMER = range(len(CREATORS))

REASONS = (b"qualification", b"manual", b"downgrade")
QUALIFICATION, GRANTED, DOWNGRADE = range(len(REASONS))

STATUSES = (b"pending", b"completed", b"failed", b"cancelled", b"expired")
PENDING, COMPLETED, FAILED, CANCELLED, LAPSED = range(len(STATUSES))

CONVERSIONS = (b"completed", b"pending", b"cancelled")
"""A referral conversion's statuses; completed ones pay points."""
CONVERSION_COMPLETED, CONVERSION_PENDING, CONVERSION_CANCELLED = range(len(CONVERSIONS))
