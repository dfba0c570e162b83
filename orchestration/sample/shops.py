"""The shops with their tiers, rewards and campaigns, and these as matrices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from orchestration.sample import catalogue
from orchestration.sample.campaigns import Campaign, plan_campaigns
from orchestration.sample.catalogue import Program
from orchestration.sample.seasons import DAY, Floats, Ints

LEVELS = 5
"""The most tiers that a shop has."""

_NICE = np.array([1, 1.5, 2, 2.5, 3, 4, 5, 7.5])
_MULTIPLIERS = (1.0, 1.25, 1.5, 2.0, 2.5)
_COLORS = ("#CD7F32", "#A8A9AD", "#D4AF37", "#7FB7BE", "#5B5F97")


@dataclass(frozen=True)
class Tier:
    """A tier of a shop; `multiplier` None is a NULL, which counts as 1."""

    tier_id: int
    name: str
    level: int
    color: str
    min_points: int
    min_spend: int
    min_orders: int
    multiplier: float | None
    birthday_points: int
    maintenance_days: int
    is_active: bool = True


@dataclass(frozen=True)
class Reward:
    """A reward of a shop; `cents` is what it takes off an order, `percent` a share of it."""

    reward_id: int
    name: str
    kind: str
    points: int
    min_level: int
    cents: int = 0
    percent: int = 0
    is_active: bool = True


@dataclass(frozen=True)
class Shop:
    """A shop as the simulation needs it; `launched` is the day (from 0) on which it opens."""

    shop_id: int
    domain: str
    timezone: str
    program: Program
    launched: int
    tiers: tuple[Tier, ...]
    rewards: tuple[Reward, ...]
    campaigns: tuple[Campaign, ...]

    @property
    def points_per_dollar(self) -> float:
        """What it gives for a dollar, with the application's default."""
        value = self.program.points_per_dollar
        return 1.0 if value is None else value

    @property
    def window(self) -> int:
        """Days that count towards its tiers, with the application's default; 0 is a lifetime."""
        return 365 if self.program.window is None else self.program.window


@dataclass(frozen=True)
class Habits:
    """What a shop's customers are expected to do in a tier window, to set its thresholds by."""

    spend: Floats
    orders: Floats


def launch_days(shops: int, days: int, rng: np.random.Generator) -> Ints:
    """The day on which each shop opens its program: the first at once, others later."""
    launched = (rng.beta(1.0, 3.0, shops) * 0.55 * days).astype(np.int64)
    launched[0] = 0
    return launched


def build_shops(launched: Ints, habits: list[Habits], first: date, days: int) -> list[Shop]:
    """All shops; ids are serial over all of them.

    Args:
        launched: Per shop, the day of its launch.
        habits: Per shop, what its customers do.
        first: The first day.
        days: How many days.
    """
    shops: list[Shop] = []
    tier_id = reward_id = campaign_id = 1
    for number, (launch, habit) in enumerate(zip(launched.tolist(), habits, strict=True)):
        program = catalogue.program(number)
        tiers = _tiers(program, habit, tier_id, retired=number % 4 == 2)
        rewards = _rewards(program, reward_id)
        elevated = [t.tier_id for t in tiers if t.is_active and t.level > 1]
        campaigns = plan_campaigns(
            campaign_id, number, first + timedelta(days=launch), first, days, elevated
        )
        shops.append(
            Shop(
                shop_id=number + 1,
                domain=catalogue.domain(number),
                timezone=catalogue.timezone(number),
                program=program,
                launched=launch,
                tiers=tiers,
                rewards=rewards,
                campaigns=campaigns,
            )
        )
        tier_id, reward_id = tier_id + len(tiers), reward_id + len(rewards)
        campaign_id += len(campaigns)
    return shops


def _tiers(program: Program, habit: Habits, tier_id: int, *, retired: bool) -> tuple[Tier, ...]:
    """Thresholds at round numbers near quantiles of what customers do, as a merchant sets them."""
    rate = 1.0 if program.points_per_dollar is None else program.points_per_dollar
    steps = len(program.tiers) - program.has_base_tier
    quantiles = np.array([0.50, 0.74, 0.90, 0.97])[:steps]
    active = habit.orders >= 1
    if active.sum() >= 5:
        spends, orders = (np.quantile(a[active], quantiles) for a in (habit.spend, habit.orders))
    else:
        spends = program.order_value * np.array([2.0, 5.0, 10.0, 20.0])[:steps]
        orders = np.array([2.0, 4.0, 8.0, 15.0])[:steps]
    points_needed = _round_steps(spends * rate * np.array([1.1, 1.35, 1.75, 2.2])[:steps])
    spend_needed = _round_steps(spends * np.array([0.9, 1.1, 1.3, 1.4])[:steps])
    orders_needed = np.maximum(1, np.floor(orders * 0.6)).astype(int).tolist()
    tiers = []
    for position, name in enumerate(program.tiers):
        step = position - program.has_base_tier
        asked = program.tier_type if step >= 0 else None
        tiers.append(
            Tier(
                tier_id=tier_id + position,
                name=name,
                level=position + 1,
                color=_COLORS[position],
                min_points=points_needed[step] if asked in ("points_based", "hybrid") else 0,
                min_spend=spend_needed[step] if asked in ("spend_based", "hybrid") else 0,
                min_orders=orders_needed[step] if asked == "hybrid" else 0,
                multiplier=None if position == 0 else _MULTIPLIERS[position],
                birthday_points=round((50, 100, 150, 250, 400)[position] * rate),
                maintenance_days=(program.window or 365)
                if step >= 0 and program.maintenance
                else 0,
            )
        )
    if retired:
        tiers.append(
            Tier(
                tier_id=tier_id + len(tiers),
                name="Founders",
                level=len(tiers) + 1,
                color="#000000",
                min_points=0,
                min_spend=0,
                min_orders=0,
                multiplier=3.0,
                birthday_points=0,
                maintenance_days=0,
                is_active=False,
            )
        )
    return tuple(tiers)


def _round_steps(values: Floats) -> list[int]:
    """Round numbers near the values, each larger than the one before."""
    steps: list[int] = []
    for value in np.maximum(values, 10.0).tolist():
        power = 10.0 ** np.floor(np.log10(value))
        nice = int(power * _NICE[np.abs(_NICE * power - value).argmin()])
        steps.append(max(nice, round(steps[-1] * 1.5) if steps else nice))
    return steps


def _rewards(program: Program, first_id: int) -> tuple[Reward, ...]:
    rate = 1.0 if program.points_per_dollar is None else program.points_per_dollar
    value = 5 if program.order_value >= 40 else 3
    menu = (
        ("Free shipping", "free_shipping", 75, 1, 595, 0, True),
        (f"${value} off", "discount_fixed", 20 * value, 1, value * 100, 0, True),
        (f"${2 * value} off", "discount_fixed", 40 * value, 1, value * 200, 0, True),
        ("15% off your order", "discount_percentage", 60 * value, 1, 0, 15, True),
        ("Gift of the season", "free_product", 100 * value, 2, 2000, 0, True),
        (f"${10 * value} store credit", "store_credit", 180 * value, 2, value * 1000, 0, True),
        ("Studio visit", "custom", 2500, 1, 0, 0, False),
    )
    return tuple(
        Reward(
            reward_id=first_id + position,
            name=name,
            kind=kind,
            points=max(1, round(points * rate)),
            min_level=level,
            cents=cents,
            percent=percent,
            is_active=active,
        )
        for position, (name, kind, points, level, cents, percent, active) in enumerate(menu)
    )


class Matrices:
    """The shops' settings as arrays: a row a shop; tier columns are by level, 0 for no tier."""

    def __init__(self, shops: list[Shop], days: int) -> None:
        count, never = len(shops), np.iinfo(np.int64).max
        programs = [shop.program for shop in shops]
        self.rate = np.array([shop.points_per_dollar for shop in shops])
        self.order_value = np.array([p.order_value for p in programs], dtype=float)
        self.welcome = np.array(
            [100 if p.welcome_points is None else p.welcome_points for p in programs]
        )
        self.referrer = np.array([p.referrer_points or 500 for p in programs])
        self.referee = np.array([p.referee_points or 250 for p in programs])
        self.expire_days = np.array([p.expires_after for p in programs])
        self.window = np.array([shop.window for shop in shops])
        self.base_level = np.array([int(p.has_base_tier) for p in programs])
        self.min_points = np.full((count, LEVELS), never)
        self.min_spend = np.full((count, LEVELS), never)
        self.min_orders = np.full((count, LEVELS), never)
        self.multiplier = np.ones((count, LEVELS + 1))
        self.tier_id = np.zeros((count, LEVELS + 1), dtype=np.int64)
        self.birthday = np.zeros((count, LEVELS + 1), dtype=np.int64)
        self.maintenance = np.zeros((count, LEVELS + 1), dtype=np.int64)
        rewards = len(shops[0].rewards)
        self.reward_points = np.full((count, rewards), never)
        self.reward_level = np.zeros((count, rewards), dtype=np.int64)
        self.first_reward = np.array([shop.rewards[0].reward_id for shop in shops])
        for row, shop in enumerate(shops):
            for tier in shop.tiers:
                if tier.is_active:
                    level = tier.level
                    self.min_points[row, level - 1] = tier.min_points
                    self.min_spend[row, level - 1] = tier.min_spend * 100
                    self.min_orders[row, level - 1] = tier.min_orders
                    self.multiplier[row, level] = tier.multiplier or 1.0
                    self.tier_id[row, level] = tier.tier_id
                    self.birthday[row, level] = tier.birthday_points
                    self.maintenance[row, level] = tier.maintenance_days
            for column, reward in enumerate(shop.rewards):
                if reward.is_active:
                    self.reward_points[row, column] = reward.points
                self.reward_level[row, column] = reward.min_level
        catalog = [reward for shop in shops for reward in shop.rewards]
        self.reward_cents = np.array([reward.cents for reward in catalog])
        self.reward_percent = np.array([reward.percent for reward in catalog])
        running = [(c, row) for row, s in enumerate(shops) for c in s.campaigns if c.is_running]
        self.campaign_shop = np.array([row for _, row in running], dtype=np.int64)
        self.campaign_id = np.array([c.campaign_id for c, _ in running], dtype=np.int64)
        self.campaign_start = np.array([c.starts * DAY for c, _ in running], dtype=np.int64)
        self.campaign_end = np.array([c.ends * DAY for c, _ in running], dtype=np.int64)
        self.campaign_multiplier = np.array([c.multiplier for c, _ in running], dtype=float)
        self.campaign_bonus = np.array([c.bonus for c, _ in running], dtype=np.int64)
        self.campaign_level = np.array([c.min_level for c, _ in running], dtype=np.int64)
        self.days = days
