"""Random histories of a loyalty program, as rows of the application's tables: nasty but legal.

Instants are drawn from a small pool, so that ties are common and many lie on a local midnight or
a microsecond beside it. Times may be NULL, infinite or before the year 2000; types and statuses
may be unknown; rows may be dated after `as_of`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

ZONES = {
    "alder-and-ash.myshopify.com": "America/New_York",
    "dune-and-daughters.myshopify.com": "Asia/Kolkata",
    "everfell-outdoor.myshopify.com": "Pacific/Auckland",
    "not-in-the-seed.myshopify.com": "UTC",
}
Row = dict[str, Any]
MEMBERSHIPS = "customer_segment_memberships"


@dataclass
class History:
    """A program's rows by table, and the instant that the warehouse is built for."""

    as_of: datetime
    tables: dict[str, list[Row]] = field(default_factory=dict)

    def rows(self, table: str) -> list[Row]:
        return self.tables.setdefault(table, [])

    def add(self, table: str, **values: Any) -> int:
        """Appends a row with the next id and gives that id."""
        row = {"id": len(self.rows(table)) + 1, **values}
        self.rows(table).append(row)
        return int(row["id"])

    def zone(self, shop: Row) -> ZoneInfo:
        return ZoneInfo(ZONES[shop["shop_domain"]])


def clean(moment: Any) -> datetime | None:
    """A usable instant, or None: infinite times and those before 2000 count as NULL."""
    if moment is None or isinstance(moment, str) or moment.year < 2000:
        return None
    assert isinstance(moment, datetime)
    return moment


def random_history(
    seed: int,
    *,
    as_of: datetime = datetime(2025, 1, 8, 15, 30, tzinfo=UTC),
    days: int = 110,
    customers: int = 25,
) -> History:
    """A program of four shops in four time zones, `customers` each, over the days before as_of."""
    draw = random.Random(seed)
    history = History(as_of)
    pool = _instants(draw, as_of, days)

    def moment(*, nulls: float = 0.04, odd: float = 0.02) -> Any:
        luck = draw.random()
        if luck < nulls:
            return None
        if luck < nulls + odd:
            return draw.choice(["infinity", "-infinity", datetime(1970, 1, 1, tzinfo=UTC)])
        return draw.choice(pool)

    for number, domain in enumerate(ZONES):
        _shop(history, draw, moment, number, domain, customers)
    return history


def _instants(draw: random.Random, as_of: datetime, days: int) -> list[datetime]:
    first: date = (as_of - timedelta(days=days)).date()
    pool: list[datetime] = []
    for _ in range(150):
        day = first + timedelta(days=draw.randrange(days + 4))
        zone = ZoneInfo(draw.choice(list(ZONES.values())))
        midnight = datetime.combine(day, time(), zone).astimezone(UTC)
        pool.append(midnight + timedelta(microseconds=draw.choice([-1, 0, 0, 1])))
        pool.append(midnight + timedelta(seconds=draw.randrange(86_400)))
    return [*pool, as_of, as_of + timedelta(microseconds=1), as_of - timedelta(microseconds=1)]


def _shop(
    history: History, draw: random.Random, moment: Any, number: int, domain: str, customers: int
) -> None:
    shop_id = history.add(
        "shops",
        shop_domain=domain,
        points_per_dollar=draw.choice([None, Decimal("1.00"), Decimal("2.50"), Decimal("10.00")]),
        created_at=moment(),
    )
    tiers = [
        history.add(
            "tier_definitions",
            shop_id=shop_id,
            name=f"Tier {level}",
            tier_level=level,
            tier_type=draw.choice([None, "points_based", "spend_based", "hybrid", "mystery"]),
            points_multiplier=draw.choice(
                [None, Decimal("1.00"), Decimal("1.50"), Decimal("2.25")]
            ),
            is_active=True,
        )
        for level in (1, 2, 3)
    ]
    start = history.as_of - timedelta(days=200)
    campaigns = [
        history.add(
            "campaigns",
            shop_id=shop_id,
            name=f"Campaign {index}",
            start_date=start,
            end_date=history.as_of,
            bonus_multiplier=multiplier,
        )
        for index, multiplier in enumerate([None, Decimal("2.00"), Decimal("0.00")])
    ]
    reward = history.add(
        "reward_definitions", shop_id=shop_id, name="Reward", reward_type="discount", points_cost=5
    )
    if number == 3:
        customers = 0 if draw.random() < 0.3 else 2
    orders = ["", *(f"order-{index}" for index in range(customers * 3))]  # an empty id is none
    people = [
        history.add(
            "customer_loyalty_profiles",
            shop_id=shop_id,
            shopify_customer_id=f"{shop_id}-{index}",
            points_balance=draw.choice([None, 0, 10, 500]),
            current_tier_id=draw.choice([None, *tiers]),
            created_at=moment(),
        )
        for index in range(customers)
    ]
    for person in people:
        _transactions(history, draw, moment, person, orders, campaigns)
        _tier_history(history, draw, moment, person, tiers)
        for _ in range(draw.choice([0, 0, 1, 3])):
            history.add(
                "redemption_logs",
                customer_id=person,
                reward_id=reward,
                points_spent=draw.randrange(1, 50),
                status=draw.choice([None, "pending", "completed", "failed", "cancelled", "odd"]),
                redeemed_at=moment(),
                used_order_id=draw.choice([None, None, draw.choice(orders), "not-an-order"]),
            )
        for campaign in campaigns:
            if draw.random() < 0.2:
                history.add(
                    "campaign_participations",
                    campaign_id=campaign,
                    customer_id=person,
                    joined_at=moment(),
                )
    _referrals(history, draw, moment, people, orders)
    _engagement(history, people, campaigns, orders)
    _vintages(history, people)
    _faults(history, people, tiers, reward)
    _tier_rules(history, random.Random(f"tiers {draw.getstate()[1][:3]}"), shop_id, people)
    _old_hands(history, campaigns, reward)


def _transactions(
    history: History,
    draw: random.Random,
    moment: Any,
    person: int,
    orders: list[str],
    campaigns: list[int],
) -> None:
    for _ in range(draw.choice([0, 1, 4, 12, 40])):
        kind = draw.choice(
            ["earned"] * 6
            + ["bonus", "redeemed", "redeemed", "expired", "adjusted"]
            + ["refunded", "refunded", "gifted"]
        )
        amount = draw.randrange(1, 60)
        if kind in ("redeemed", "expired") or (kind != "bonus" and draw.random() < 0.3):
            amount = -amount
        purchase = kind == "earned" and amount > 0 and draw.random() < 0.7
        linked = purchase or kind == "refunded" or draw.random() < 0.15
        history.add(
            "point_transactions",
            customer_id=person,
            transaction_type=kind,
            points_amount=amount,
            points_balance_after=draw.randrange(0, 200),
            source="purchase" if purchase else draw.choice(["referral", "manual", "carrier"]),
            order_id=draw.choice(orders) if linked else None,
            campaign_id=draw.choice([None, None, None, *campaigns]),
            expires_at=moment(nulls=0.6),
            expired_at=moment(nulls=0.8),
            created_at=moment(),
        )


def _tier_history(
    history: History, draw: random.Random, moment: Any, person: int, tiers: list[int]
) -> None:
    undated_before = False
    for _ in range(draw.choice([0, 1, 1, 2, 4])):
        achieved = moment(nulls=0.1)
        if clean(achieved) is None:
            if undated_before:
                continue
            undated_before = True
        begins = clean(achieved)
        ends = moment(nulls=0.5)
        if begins and clean(ends) and ends < begins:
            ends = None
        history.add(
            "customer_tier_history",
            customer_id=person,
            tier_id=draw.choice(tiers),
            achieved_at=achieved,
            ended_at=ends,
            reason=draw.choice([None, "qualification", "manual"]),
            is_current=draw.choice([None, True, False]),
        )


def _referrals(
    history: History, draw: random.Random, moment: Any, people: list[int], orders: list[str]
) -> None:
    for index in range(len(people) // 3):
        referrer, referred = draw.choice(people), draw.choice(people)
        link = history.add(
            "referral_links",
            customer_id=referrer,
            referral_code=f"code-{referrer}-{index}",
            referral_url="https://example.com",
        )
        for _ in range(draw.choice([1, 1, 2])):
            history.add(
                "referral_conversions",
                referral_link_id=link,
                referred_customer_id=referred,
                order_id=draw.choice([*orders, f"referred-{index}"]),
                order_amount=Decimal(draw.randrange(100, 20_000)) / 100,
                status=draw.choice([None, "completed", "completed", "pending", "cancelled"]),
                converted_at=moment(),
            )


def _engagement(
    history: History, people: list[int], campaigns: list[int], orders: list[str]
) -> None:
    """Uses of redemptions, campaigns' limits and entries, clicks and odd conversions of a shop."""
    shop_id = history.rows("shops")[-1]["id"]
    draw = random.Random(f"engagement {shop_id} {len(history.rows('point_transactions'))}")
    pool = _instants(draw, history.as_of, 110)
    strangers = [row["id"] for row in history.rows("customer_loyalty_profiles")][-40:]
    anybody = [*people, *people, *strangers, 999_999]

    def moment(nulls: float) -> Any:
        if draw.random() < nulls:
            return None
        later = history.as_of + timedelta(seconds=draw.randrange(1, 200_000))
        return later if draw.random() < 0.1 else draw.choice([*pool, "infinity"])

    for row in history.rows("redemption_logs"):
        if row["customer_id"] in people:
            soon = clean(row["redeemed_at"])
            used = soon + timedelta(seconds=draw.randrange(0, 400_000)) if soon else None
            row.update(
                reward_id=draw.choice([row["reward_id"], row["reward_id"], 1, 999_999]),
                discount_amount=draw.choice([None, Decimal("5.00"), Decimal("12.34")]),
                used_at=draw.choice([None, used, used, moment(0)]),
                expires_at=moment(0.3),
                used_order_id=draw.choice([row["used_order_id"], *orders[:6]]),
            )
    _campaign_rows(history, draw, moment, shop_id, campaigns, anybody, orders)
    for index, person in enumerate(people[:9]):
        history.add(
            "referral_links",
            customer_id=draw.choice([person, person, person, 999_999]),
            referral_code=f"code-of-{shop_id}-{index}",
            referral_url="https://example.com",
        )
    for link in [
        row for row in history.rows("referral_links") if row["customer_id"] in (*people, 999_999)
    ]:
        link.update(
            is_active=draw.choice([None, True, False]),
            created_at=moment(0.3),
            clicks=draw.choice([None, 0, 3]),
            conversions=draw.choice([None, 0, 1]),
            total_revenue=draw.choice([None, Decimal("0.00"), Decimal("99.95")]),
            total_points_awarded=draw.choice([None, 0, 750]),
        )
        for _ in range(draw.choice([0, 1, 4, 9])):
            history.add(
                "referral_clicks",
                referral_link_id=draw.choice([link["id"]] * 8 + [999_999]),
                ip_address=draw.choice([None, "", "10.0.0.1", "10.0.0.2"]),
                user_agent=draw.choice([None, "", "Firefox", "Safari"]),
                converted=draw.choice([None, False, True, True]),
                clicked_at=moment(0.1),
                converted_at=moment(0.3),
            )
        referrer = link["customer_id"]
        for _ in range(draw.choice([0, 1, 5, 9])):
            history.add(
                "referral_conversions",
                referral_link_id=draw.choice([link["id"]] * 8 + [999_999]),
                referred_customer_id=draw.choice(
                    [*(draw.choice(group) for group in (people or anybody, anybody)), referrer]
                ),
                order_id=draw.choice(["", "twice", "twice", *orders[:6]]),
                order_amount=Decimal(draw.randrange(100, 20_000)) / 100,
                status=draw.choice([None, "completed", "completed", "pending", "cancelled", "odd"]),
                referrer_points_awarded=draw.choice([None, 0, 500]),
                referee_points_awarded=draw.choice([None, 250]),
                converted_at=moment(0.1),
            )


def _campaign_rows(
    history: History,
    draw: random.Random,
    moment: Any,
    shop_id: int,
    campaigns: list[int],
    anybody: list[int],
    orders: list[str],
) -> None:
    further = [
        history.add(
            "campaigns",
            shop_id=shop_id,
            name=f"Campaign times {multiplier}",
            start_date=history.as_of - timedelta(days=90),
            end_date=history.as_of,
            bonus_multiplier=Decimal(multiplier),
        )
        for multiplier in ("1.50", "0.50", "3.00", "0.00")
    ]
    for row in history.rows("campaigns"):
        if row["shop_id"] == shop_id:
            row.update(
                max_participants=draw.choice([None, 1, 5, 100]),
                budget_limit=draw.choice([None, Decimal("0.30"), Decimal("0.80"), Decimal(9)]),
                current_participants=draw.choice([None, 0, 4]),
                current_spend=draw.choice([None, Decimal("0.00"), Decimal("1.25")]),
            )
    for row in history.rows("campaign_participations"):
        if row["campaign_id"] in campaigns:
            row["completed_at"] = moment(0.5)
    joining = {(draw.choice([*further[:2], 999_999]), draw.choice(anybody)) for _ in range(15)}
    for campaign, person in sorted(joining):
        history.add(
            "campaign_participations",
            campaign_id=campaign,
            customer_id=person,
            joined_at=moment(0.2),
            completed_at=moment(0.5),
        )
    for _ in range(40):
        kind = draw.choice(["earned", "earned", "earned", "bonus", "adjusted"])
        source = draw.choice(["purchase", "campaign", "review"])
        amount = draw.randrange(1, 90)
        history.add(
            "point_transactions",
            customer_id=draw.choice(anybody),
            transaction_type=kind,
            points_amount=-amount if source == "review" and draw.random() < 0.5 else amount,
            points_balance_after=draw.randrange(0, 200),
            source=source,
            order_id=draw.choice([None, "", *orders[:8]]),
            # The last campaign of all has bonus entries only: its multiplier does not matter.
            campaign_id=draw.choice([*further[:3], *campaigns, 999_999])
            if kind != "bonus"
            else draw.choice(further),
            expires_at=moment(0.6),
            expired_at=moment(0.8),
            created_at=moment(0.1),
        )


def _vintages(history: History, people: list[int]) -> None:
    """Points of earlier months, in most shops of enough of them for a ladder of the shop's own."""
    shop = history.rows("shops")[-1]
    draw = random.Random(f"vintages {shop['id']} {len(history.rows('point_transactions'))}")
    months = {1: 9, 2: 0, 3: 7}.get(shop["id"], draw.choice([0, 6]))
    zone = history.zone(shop)
    first: date = history.as_of.astimezone(zone).date().replace(day=1)
    if shop["id"] == 3:
        # One lot of a year ago, long before all others: some months only it tells of.
        hoarder = history.add(
            "customer_loyalty_profiles",
            shop_id=3,
            shopify_customer_id="hoarder",
            points_balance=10,
            current_tier_id=None,
            created_at=None,
        )
        for kind, amount, days in (("earned", 30, 365), ("redeemed", -20, 40)):
            _points(history, hoarder, kind, amount, history.as_of - timedelta(days=days))
    for _ in range(months):
        first = (first - timedelta(days=1)).replace(day=1)
        starts = datetime.combine(first, time(), zone).astimezone(UTC)
        # Some months are almost all redeemed or expired, and some are only just begun to be.
        eager = draw.choice([0.1, 0.5, 0.5, 0.9])
        for person in people[: draw.choice([1, 3, 5])]:
            earned_at = starts + timedelta(seconds=draw.choice([0, draw.randrange(2_400_000)]))
            issued = draw.randrange(10, 200)
            credited = [(draw.choice(["earned", "earned", "bonus", "adjusted"]), issued, earned_at)]
            debited = []
            while draw.random() < eager:
                kind = draw.choice(["redeemed", "redeemed", "redeemed", "expired", "refunded"])
                taken_at = earned_at + timedelta(days=draw.choice([0, 3, 20, 45, 100, 160]))
                debited.append((kind, -draw.randrange(1, issued), taken_at))
            for kind, amount, moment in credited + debited:
                _points(history, person, kind, amount, moment)


def _points(history: History, person: int, kind: str, amount: int, moment: datetime) -> None:
    history.add(
        "point_transactions",
        customer_id=person,
        transaction_type=kind,
        points_amount=amount,
        points_balance_after=100,
        source="manual",
        order_id=None,
        campaign_id=None,
        expires_at=None,
        expired_at=None,
        created_at=moment,
    )


def _faults(history: History, people: list[int], tiers: list[int], reward: int) -> None:
    """Rows that are wrong by themselves, or refer to what is not there or of another shop."""
    shop_id = history.rows("shops")[-1]["id"]
    draw = random.Random(f"faults {shop_id} {len(history.rows('point_transactions'))}")
    others = [row["id"] for row in history.rows("customer_loyalty_profiles")]
    foreign = [row["id"] for row in history.rows("tier_definitions")]
    if not people:
        return
    for person in draw.choices(people, k=6):
        redemption = history.add(
            "redemption_logs",
            customer_id=draw.choice([person, person, draw.choice(others), 888_888]),
            reward_id=draw.choice([reward, 1, 888_888]),
            points_spent=draw.choice([0, 20, 30]),
            status="completed",
            discount_amount=draw.choice([None, Decimal("5.00")]),
            redeemed_at=history.as_of - timedelta(days=draw.randrange(90)),
            used_at=None,
            used_order_id=None,
            expires_at=None,
        )
        _points(history, person, "redeemed", -20, history.as_of - timedelta(days=3))
        history.rows("point_transactions")[-1].update(
            redemption_id=draw.choice([redemption, redemption, 888_888]),
            created_by=draw.choice([None, "system", "Jane Doe", "cron"]),
        )
        kind = draw.choice(["redeemed", "expired", "earned", "bonus", "me@example.com"])
        amount = draw.choice([-15, 15, 0])
        _points(history, person, kind, amount, history.as_of - timedelta(days=2))
    _points(history, people[0], "adjusted", 2_000_000, history.as_of - timedelta(days=1))
    for tier in (tiers[0], draw.choice(foreign)):
        begins = history.as_of - timedelta(days=draw.randrange(20, 40))
        history.add(
            "customer_tier_history",
            customer_id=draw.choice([people[0], draw.choice(others), 888_888]),
            tier_id=tier,
            achieved_at=begins,
            ended_at=draw.choice([None, begins - timedelta(days=1), begins + timedelta(days=9)]),
            reason=draw.choice(["for Jane Doe", "downgrade"]),
            is_current=draw.choice([None, True, True, False]),
            spend_at_achievement=draw.choice([None, "NaN"]),
        )
    draw.choice([row for row in history.rows("tier_definitions") if row["id"] in tiers]).update(
        min_orders_required=draw.choice([None, -1]), updated_at="infinity"
    )
    history.rows("customer_loyalty_profiles")[people[-1] - 1].update(
        current_tier_id=draw.choice(foreign), lifetime_spent=draw.choice(["NaN", -1, 5])
    )
    for segment_type, amount in (("behavioral", None), ("of our own", "NaN"), ("ours", 1)):
        history.add(
            "customer_segments",
            shop_id=shop_id,
            name=f"Segment {segment_type}",
            segment_type=segment_type,
            criteria={},
            avg_lifetime_value=amount,
        )
    last = history.rows("customer_segments")[-1]["id"]
    customers = [people[0], draw.choice(others), draw.choice(others), 888_888]
    memberships = {(draw.choice([last, last, 1, 888_888]), customer) for customer in customers}
    known = {(row["segment_id"], row["customer_id"]) for row in history.rows(MEMBERSHIPS)}
    for segment, customer in sorted(memberships - known):
        history.add(
            MEMBERSHIPS,
            segment_id=segment,
            customer_id=customer,
            added_at=draw.choice([None, "-infinity", history.as_of]),
        )
    for period_type, amount in (("daily", 1), ("hourly", "NaN"), ("yearly", 2)):
        history.add(
            "loyalty_analytics",
            shop_id=draw.choice([shop_id, shop_id, 888_888 + shop_id]),
            date=history.as_of,
            period_type=period_type,
            total_revenue=amount,
        )


def _tier_rules(history: History, draw: random.Random, shop_id: int, people: list[int]) -> None:
    """Gives the shop's tiers their minimums and windows, and people something on windows' edges."""
    history.add(
        "tier_definitions",
        shop_id=shop_id,
        name="Tier 7",
        tier_level=7,
        tier_type=draw.choice([None, "points_based", "spend_based"]),
        points_multiplier=Decimal("3.00"),
        is_active=True,
    )
    tiers = [row for row in history.rows("tier_definitions") if row["shop_id"] == shop_id]
    some_active = len(people) > 2 or draw.random() < 0.5
    windows: list[Any] = [30, draw.choice([7, 45]), draw.choice([None, 0, 365, 2 * 10**9, -1])]
    for tier in tiers:
        level = tier["tier_level"]
        tier["min_points_required"] = draw.choice([None, 0, 40 * level, 90 * level])
        tier["min_spend_required"] = draw.choice([None, Decimal("7.35") * level, 20 * level])
        tier["min_orders_required"] = draw.choice([None, 0, level, 2 * level])
        tier["qualification_period_days"] = draw.choice(windows)
        tier["requires_maintenance"] = draw.choice([None, True, True, False])
        tier["is_active"] = some_active and draw.choice([None, True, True, False])
    profiles = {row["id"]: row for row in history.rows("customer_loyalty_profiles")}
    reached = {row["customer_id"]: row for row in history.rows("customer_tier_history")}
    for person in people:
        luck = draw.random()
        if luck < 0.5 and person in reached:
            profiles[person]["current_tier_id"] = reached[person]["tier_id"]
        elif luck < 0.6:
            # The highest one, one that does not exist, or another shop's.
            profiles[person]["current_tier_id"] = draw.choice([tiers[-1]["id"], 9_999, 1, 4])
    for days in windows[:2]:
        edge = history.as_of - timedelta(hours=24 * days)
        for person in people[:4]:
            history.add(
                "point_transactions",
                customer_id=person,
                transaction_type="earned",
                points_amount=draw.randrange(1, 60),
                points_balance_after=0,
                source="purchase",
                order_id=f"edge-{days}-{person}",
                campaign_id=None,
                expires_at=None,
                expired_at=None,
                created_at=edge + timedelta(microseconds=draw.choice([-1, 0, 1])),
            )


def _old_hands(history: History, campaigns: list[int], reward: int) -> None:
    """Customers of old, with steps as long as the windows that figures look back over.

    Only the first shop's are issued points: the others' vintages are few on purpose.
    """
    shop = history.rows("shops")[-1]
    draw = random.Random(f"old hands of shop {shop['id']} until {history.as_of}")
    zone = history.zone(shop)
    today = history.as_of.astimezone(zone).date()

    def moment(days_ago: int) -> datetime:
        midnight = datetime.combine(today - timedelta(days=days_ago), time(), zone)
        return midnight.astimezone(UTC) + draw.choice(
            [timedelta(microseconds=-1), timedelta(), timedelta(hours=9), timedelta(hours=9)]
        )

    for index in range({1: 16, 2: 5, 3: 5}.get(shop["id"], 0)):
        days_ago = draw.choice([364, 365, 366, 420, 460])
        person = history.add(
            "customer_loyalty_profiles",
            shop_id=shop["id"],
            shopify_customer_id=f"{shop['id']}-old-{index}",
            points_balance=0,
            current_tier_id=None,
            created_at=draw.choice([None, moment(460), moment(days_ago), moment(200)]),
        )
        for number in range(draw.choice([1, 3, 8])):
            if shop["id"] == 1 and draw.random() < 0.8:
                kind = draw.choice(["earned", "earned", "earned", "bonus", "redeemed", "adjusted"])
                amount = draw.randrange(1, 60) * (-1 if kind == "redeemed" else 1)
                _points(history, person, kind, amount, moment(days_ago))
                if kind == "earned":
                    history.rows("point_transactions")[-1].update(
                        source="purchase",
                        order_id=f"old-{person}-{number}",
                        campaign_id=draw.choice([None, *campaigns]),
                    )
            else:
                redeemed_at = draw.choice([None, *(moment(days_ago) for _ in range(5))])
                history.add(
                    "redemption_logs",
                    customer_id=person,
                    reward_id=reward,
                    points_spent=5,
                    status=draw.choice([None, "completed", "completed", "failed"]),
                    discount_amount=None,
                    redeemed_at=redeemed_at,
                    used_order_id=None,
                    used_at=draw.choice(
                        [
                            None,
                            "infinity",
                            moment(draw.choice([0, 10, 300])),
                            redeemed_at,
                            history.as_of,
                            history.as_of + timedelta(microseconds=1),
                        ]
                    ),
                    expires_at=None,
                )
            days_ago -= draw.choice([0, 0, 1, 30, 89, 90, 91, 364, 365])
            if days_ago < 0:
                break
