"""What belongs to a shop, as rows: settings, tiers, rewards, campaigns, segments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from orchestration.sample.population import Population
from orchestration.sample.seasons import DAY, Ints
from orchestration.sample.segments import AMBASSADORS, Segment
from orchestration.sample.shops import Reward, Shop

Row = Sequence[Any]

SHOP = (
    "id", "shop_domain", "access_token", "loyalty_enabled", "points_per_dollar", "welcome_points",
    "referral_points_referrer", "referral_points_referee", "points_expire_enabled",
    "points_expire_days", "brand_color", "loyalty_program_name", "email_notifications_enabled",
    "sms_notifications_enabled", "created_at", "updated_at",
)  # fmt: skip
TIER = (
    "id", "shop_id", "name", "description", "tier_level", "color", "icon", "tier_type",
    "min_points_required", "min_spend_required", "min_orders_required",
    "qualification_period_days", "points_multiplier", "discount_percentage", "free_shipping",
    "early_access", "birthday_bonus_points", "requires_maintenance", "maintenance_period_days",
    "is_active", "is_default", "created_at", "updated_at",
)  # fmt: skip
REWARD = (
    "id", "shop_id", "name", "description", "reward_type", "points_cost", "reward_value",
    "is_active", "is_featured", "max_redemptions_per_customer", "max_redemptions_total",
    "current_redemptions", "valid_from", "valid_until", "min_tier_level", "allowed_tier_ids",
    "image_url", "sort_order", "created_at", "updated_at",
)  # fmt: skip
CAMPAIGN = (
    "id", "shop_id", "name", "description", "campaign_type", "start_date", "end_date", "rules",
    "bonus_points", "bonus_multiplier", "target_all_customers", "target_tier_ids",
    "target_customer_ids", "max_participants", "budget_limit", "current_participants",
    "current_spend", "status", "is_featured", "created_at", "updated_at", "created_by",
)  # fmt: skip
SEGMENT = (
    "id", "shop_id", "name", "description", "segment_type", "criteria", "customer_count",
    "avg_lifetime_value", "avg_points_balance", "is_active", "auto_update", "created_at",
    "updated_at", "last_computed_at",
)  # fmt: skip
MEMBERSHIP = (
    "id", "segment_id", "customer_id", "added_at", "removed_at", "is_active",
    "qualification_reason", "qualification_data",
)  # fmt: skip


@dataclass(frozen=True)
class Clock:
    """Turns instants since the first day into what the driver writes."""

    origin: int

    def at(self, milliseconds: int) -> datetime:
        """The instant that is so far from the first day."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.origin + milliseconds)


def shop_row(shop: Shop, clock: Clock) -> Row:
    """A shop's settings, NULL where its program leaves the default."""
    program, number = shop.program, shop.shop_id
    return (
        number, shop.domain, f"sample-not-a-token-{number:05d}",
        None if program.expire_enabled is None else True, program.points_per_dollar,
        program.welcome_points, program.referrer_points, program.referee_points,
        program.expire_enabled, program.expire_days, program.color, program.name,
        None if number % 6 == 4 else True, number % 3 == 0,
        clock.at((shop.launched - 9) * DAY + number * 61_000),
        None if number % 3 == 1 else clock.at((shop.launched - 2) * DAY),
    )  # fmt: skip


def tier_rows(shop: Shop, clock: Clock) -> Iterator[Row]:
    """A shop's tiers; what is lowest costs nothing and leaves its multiplier to the default."""
    program, created = shop.program, clock.at((shop.launched - 8) * DAY)
    for tier in shop.tiers:
        based = tier.min_points or tier.min_spend or tier.min_orders
        yield (
            tier.tier_id, shop.shop_id, tier.name,
            "Where everybody starts." if not based else None,
            tier.level, tier.color, None, program.tier_type, tier.min_points, tier.min_spend,
            tier.min_orders, program.window, tier.multiplier, 5 * max(tier.level - 2, 0),
            tier.level >= 3, tier.level >= 4, tier.birthday_points,
            tier.maintenance_days > 0, tier.maintenance_days or None, tier.is_active,
            tier.level == 1 and program.has_base_tier, created, None,
        )  # fmt: skip


def reward_rows(shop: Shop, clock: Clock, redeemed: Ints) -> Iterator[Row]:
    """A shop's rewards; `redeemed` counts redemptions by reward id - 1."""
    created = clock.at((shop.launched - 7) * DAY)
    for order, reward in enumerate(shop.rewards):
        yield (
            reward.reward_id, shop.shop_id, reward.name, None, reward.kind, reward.points,
            json.dumps(_value(reward)), reward.is_active, order == 2,
            3 if reward.kind == "free_product" else None, None,
            int(redeemed[reward.reward_id - 1]), created,
            None if reward.is_active else clock.at((shop.launched + 30) * DAY),
            reward.min_level if reward.min_level > 1 else None, None, None, order, created, None,
        )  # fmt: skip


def reward_data(reward: Reward) -> bytes:
    """What a redemption of the reward keeps of it."""
    return json.dumps({"type": reward.kind, **_value(reward)}).encode()


def _value(reward: Reward) -> dict[str, Any]:
    if reward.percent:
        return {"percentage": reward.percent}
    if reward.kind == "free_product":
        return {"product": reward.name, "value": f"{reward.cents / 100:.2f}"}
    return {"amount": f"{reward.cents / 100:.2f}", "currency": "USD"} if reward.cents else {}


def campaign_rows(shop: Shop, clock: Clock, joined: Ints, cents: Ints) -> Iterator[Row]:
    """A shop's campaigns; participants and the cost of their points by campaign id - 1."""
    for campaign in shop.campaigns:
        created = clock.at((campaign.starts - 12) * DAY)
        index = campaign.campaign_id - 1
        rules = {"target_segments": list(campaign.segments)} if campaign.segments else None
        tiers = list(campaign.tier_ids) or None
        yield (
            campaign.campaign_id, shop.shop_id, campaign.name, campaign.description, campaign.kind,
            clock.at(campaign.starts * DAY), clock.at(campaign.ends * DAY),
            json.dumps(rules) if rules else None, campaign.bonus,
            None if campaign.multiplier == 1 else campaign.multiplier,
            not (campaign.segments or tiers), json.dumps(tiers) if tiers else None, None,
            campaign.max_participants, campaign.budget, int(joined[index]),
            f"{cents[index] / 100:.2f}", campaign.status, campaign.status == "active", created,
            clock.at(campaign.starts * DAY) if campaign.is_running else None, "admin",
        )  # fmt: skip


def segment_row(
    shop: Shop, segment_id: int, segment: Segment, members: int, clock: Clock, days: int
) -> Row:
    """A segment; its counters are the application's for the manual one, untouched elsewhere."""
    return (
        segment_id, shop.shop_id, segment.name, segment.description, segment.kind,
        json.dumps(segment.criteria), members, 0, None, segment.is_active, segment.auto_update,
        clock.at((days - 45) * DAY + segment_id * 1000), None, None,
    )  # fmt: skip


def ambassador_rows(
    shop: Shop,
    segment_id: int,
    first_id: int,
    population: Population,
    clock: Clock,
    days: int,
    rng: np.random.Generator,
) -> list[Row]:
    """The manual segment's members, as a merchant would pick them; one in eight has left again."""
    members = np.arange(population.offsets[shop.shop_id - 1], population.offsets[shop.shop_id])
    members = members[population.created[members] < (days - 5) * DAY]
    picked = np.sort(rng.permutation(members)[: min(25, len(members) // 4)])
    rows: list[Row] = []
    for position, member in enumerate(picked.tolist()):
        created = int(population.created[member])
        added = created + DAY + int(rng.random() * (days * DAY - created - 3 * DAY))
        left = position % 8 == 7
        rows.append(
            (
                first_id + position,
                segment_id,
                int(population.customer_id[member]),
                clock.at(added),
                clock.at(min(added + 40 * DAY, days * DAY - 1000)) if left else None,
                not left,
                f"{AMBASSADORS}: picked by the merchant",
                None,
            )
        )
    return rows
