"""Records of what happened, as columns of the tables that they go to."""

from __future__ import annotations

import numpy as np

from orchestration.sample import cells, codes, referrals
from orchestration.sample.cells import Column
from orchestration.sample.people import shifted
from orchestration.sample.seasons import Ints
from orchestration.sample.spill import Records

_DESCRIPTIONS = {
    (codes.EARNED, codes.PURCHASE): b"Points for your order",
    (codes.REDEEMED, codes.PURCHASE): b"Reward redeemed",
    (codes.BONUS, codes.SIGNUP): b"Welcome bonus",
    (codes.BONUS, codes.BIRTHDAY): b"Happy birthday!",
    (codes.BONUS, codes.REVIEW): b"Thanks for your review",
    (codes.BONUS, codes.SOCIAL): b"Thanks for sharing",
    (codes.BONUS, codes.REFERRAL): b"Referral bonus",
    (codes.BONUS, codes.CAMPAIGN): b"Campaign bonus",
    (codes.EXPIRED, codes.PURCHASE): b"Points expired",
    (codes.REFUNDED, codes.PURCHASE): b"Order or reward returned",
    (codes.ADJUSTED, codes.MANUAL): b"Adjusted by support",
}
_DESCRIPTION = np.array(
    [
        _DESCRIPTIONS.get((kind, source), cells.NULL)
        for kind in range(len(codes.TYPES))
        for source in range(len(codes.SOURCES))
    ]
)


def transaction_columns(
    records: Records, first_id: int, redemption_ids: Ints, origin: int
) -> dict[str, Column]:
    """Point transactions; `redemption_ids` maps the blocks' numbers to ids."""
    kind, source = records["type"].astype(int), records["source"].astype(int)
    order = cells.references(records["order"])
    return {
        "id": _ids(records, first_id),
        "customer_id": cells.integers(records["customer"]),
        "transaction_type": cells.words(codes.TYPES, kind),
        "points_amount": cells.integers(records["amount"]),
        "points_balance_after": cells.integers(records["balance"]),
        "source": cells.words(codes.SOURCES, source),
        "source_id": order,
        "description": _DESCRIPTION[kind * len(codes.SOURCES) + source],
        "order_id": order,
        "campaign_id": cells.references(records["campaign"]),
        "redemption_id": cells.references(redemption_ids[records["redemption"]]),
        "expires_at": _times(records, "expires", origin),
        "expired_at": _times(records, "expired", origin),
        "created_at": _times(records, "at", origin),
        "created_by": cells.words(codes.CREATORS, records["creator"]),
    }


def tier_history_columns(records: Records, first_id: int, origin: int) -> dict[str, Column]:
    """The tiers that customers held."""
    return {
        "id": _ids(records, first_id),
        "customer_id": cells.integers(records["customer"]),
        "tier_id": cells.integers(records["tier"]),
        "achieved_at": _times(records, "sort", origin),
        "expires_at": _times(records, "expires", origin),
        "reason": cells.words(codes.REASONS, records["reason"]),
        "points_at_achievement": cells.integers(records["points"]),
        "spend_at_achievement": cells.money(records["spend"]),
        "orders_at_achievement": cells.integers(records["orders"]),
        "is_current": cells.flags(records["current"]),
        "ended_at": _times(records, "ended", origin),
    }


def redemption_columns(
    records: Records, first_id: int, data: list[bytes], origin: int
) -> dict[str, Column]:
    """The redemption log; `data` is what is kept of each reward, by reward id - 1."""
    failed = records["status"] == codes.FAILED
    voucher = records["key"] * 2_654_435_761 % (1 << 32)
    return {
        "id": _ids(records, first_id),
        "customer_id": cells.integers(records["customer"]),
        "reward_id": cells.integers(records["reward"]),
        "points_spent": cells.integers(records["points"]),
        "status": cells.words(codes.STATUSES, records["status"]),
        "discount_code": (b"LOYAL-", voucher.astype("S10")),
        "discount_amount": cells.money(records["cents"]),
        "reward_data": np.array(data)[records["reward"] - 1],
        "used_at": _times(records, "used", origin),
        "used_order_id": cells.references(records["order"]),
        "expires_at": _times(records, "expires", origin),
        "failure_reason": np.where(failed, b"The shop did not answer", cells.NULL),
        "retry_count": np.where(failed, b"3", b"0"),
        "redeemed_at": _times(records, "sort", origin),
        "processed_at": _times(records, "processed", origin),
    }


def participation_columns(records: Records, first_id: int, origin: int) -> dict[str, Column]:
    """Who joined which campaign."""
    return {
        "id": _ids(records, first_id),
        "campaign_id": cells.integers(records["campaign"]),
        "customer_id": cells.integers(records["customer"]),
        "joined_at": _times(records, "sort", origin),
        "points_earned": cells.integers(records["points"]),
        "orders_made": cells.integers(records["orders"]),
        "amount_spent": cells.money(records["spent"]),
        "is_active": cells.flags(records["active"]),
        "completed_at": _times(records, "completed", origin),
    }


def link_columns(
    records: Records, first_id: int, domains: list[bytes], origin: int
) -> dict[str, Column]:
    """Referral links; `domains` are the shops'."""
    code = (b"FRIEND", (records["key"] * 2_654_435_761 % (1 << 32)).astype("S10"))
    return {
        "id": _ids(records, first_id),
        "customer_id": cells.integers(records["customer"]),
        "referral_code": code,
        "referral_url": (b"https://", np.array(domains)[records["shop"]], b"/?ref=", *code),
        "referrer_points": cells.integers(records["referrer"]),
        "referee_points": cells.integers(records["referee"]),
        "clicks": cells.integers(records["clicks"]),
        "conversions": cells.integers(records["conversions"]),
        "total_revenue": cells.money(records["revenue"]),
        "total_points_awarded": cells.integers(records["points"]),
        "is_active": np.where(records["key"] % 23 == 0, b"f", b"t"),
        "max_uses": np.where(records["key"] % 5 == 0, b"100", cells.NULL),
        "current_uses": cells.integers(records["conversions"]),
        "created_at": _times(records, "sort", origin),
        "last_used_at": _times(records, "last_used", origin),
    }


def click_columns(
    records: Records, first_id: int, link_ids: Ints, origin: int
) -> dict[str, Column]:
    """Clicks on referral links, from private network addresses."""
    ip, source = records["ip"], records["source"]
    parts = [(ip >> shift & 255).astype("S3") for shift in (16, 8, 0)]
    return {
        "id": _ids(records, first_id),
        "referral_link_id": cells.integers(link_ids[records["link"]]),
        "ip_address": (b"10.", parts[0], b".", parts[1], b".", parts[2]),
        "user_agent": cells.words(referrals.AGENTS, records["agent"]),
        "referrer_url": cells.words(referrals.PAGES, source),
        "utm_source": cells.words(referrals.SOURCES, source),
        "utm_medium": cells.words(referrals.MEDIUMS, source),
        "utm_campaign": np.where(records["campaign"] == 1, b"refer-a-friend", cells.NULL),
        "converted": cells.flags(records["converted"]),
        "conversion_order_id": cells.references(records["order"]),
        "conversion_amount": cells.money(records["cents"]),
        "clicked_at": _times(records, "sort", origin),
        "converted_at": _times(records, "converted_at", origin),
    }


def conversion_columns(
    records: Records, first_id: int, link_ids: Ints, origin: int
) -> dict[str, Column]:
    """First orders of customers that came by a link."""
    return {
        "id": _ids(records, first_id),
        "referral_link_id": cells.integers(link_ids[records["link"]]),
        "referred_customer_id": cells.integers(records["customer"]),
        "order_id": cells.integers(records["order"]),
        "order_amount": cells.money(records["cents"]),
        "referrer_points_awarded": cells.integers(records["referrer"]),
        "referee_points_awarded": cells.integers(records["referee"]),
        "status": cells.words(codes.CONVERSIONS, records["status"]),
        "converted_at": _times(records, "sort", origin),
        "processed_at": _times(records, "processed", origin),
    }


def _ids(records: Records, first_id: int) -> Column:
    return cells.integers(np.arange(first_id, first_id + len(records)))


def _times(records: Records, field: str, origin: int) -> Column:
    return cells.times(shifted(records[field], origin))
