"""Program KPIs, cohorts and RFM, customer by customer, from metrics.md, "Program KPIs"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from oracles.analytics import ACTIVE_TYPES, first_day, next_period
from oracles.history import History, Row, clean
from oracles.orders import orders
from oracles.points import EVER_AGO, entries, exists, people, taken_points
from oracles.tiers import spans_by_customer


def rate(part: int, whole: int) -> Decimal | None:
    """A rate of six places, half up; None without a whole, or where the type cannot hold it."""
    if whole <= 0:
        return None
    exact = Fraction(part, whole)
    rounded = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(
        Decimal("0.000001"), ROUND_HALF_UP
    )
    return rounded if abs(rounded) < 1000 else None


def in_last(days: int, event: date, day: date) -> bool:
    """Whether an event is in the last so many local days of a day, that one included."""
    return day - timedelta(days=days) < event <= day


class Shop:
    """One shop's events by local day; None is the day of what has no time."""

    def __init__(self, history: History, shop: Row) -> None:
        self.zone = history.zone(shop)
        self.as_of = history.as_of
        self.today = history.as_of.astimezone(self.zone).date()
        everybody = people(history)
        self.people = {k: row for k, row in everybody.items() if row["shop_id"] == shop["id"]}
        self.enrolled = {k: self.day(row["created_at"]) for k, row in self.people.items()}
        ledger = entries(history)
        self.entries = [row for person in self.people for row in ledger.get(person, [])]
        self.points_by_day = [
            (row["transaction_type"], row["points_amount"], self.day(row["created_at"]))
            for row in self.entries
        ]
        self.redemptions = self._mine(history, "redemption_logs", "redeemed_at")
        self.counted = [
            row for row in self.redemptions if row["status"] not in ("failed", "cancelled")
        ]
        self.orders: dict[int, list[tuple[date, Decimal | None]]] = defaultdict(list)
        for key, row in orders(history).items():
            ordered_on = self.day(row["ordered_at"])
            if key[0] == shop["id"] and ordered_on:
                self.orders[row["customer_id"]].append((ordered_on, row["amount"]))

        participations = self._mine(history, "campaign_participations", "joined_at")
        self.active: dict[int, set[date]] = defaultdict(set)
        for person, moment in [
            *(
                (row["customer_id"], row["created_at"])
                for row in self.entries
                if row["transaction_type"] in ACTIVE_TYPES
            ),
            *((row["customer_id"], row["redeemed_at"]) for row in self.counted),
            *((row["customer_id"], row["joined_at"]) for row in participations),
        ]:
            if active_on := self.day(moment):
                self.active[person].add(active_on)

        conversions = self._mine(
            history, "referral_conversions", "converted_at", person="referred_customer_id"
        )
        spans = spans_by_customer(history)
        events = [
            *self.enrolled.values(),
            *(self.day(row["created_at"]) for row in self.entries),
            *(self.day(row["redeemed_at"]) for row in self.redemptions),
            *(self.day(row["joined_at"]) for row in participations),
            *(self.day(row["converted_at"]) for row in conversions),
            *(self.day(span["valid_from"]) for who in self.people for span in spans.get(who, [])),
        ]
        self.first = min((day for day in events if day), default=None)

    def _mine(
        self, history: History, table: str, moment: str, person: str = "customer_id"
    ) -> list[Row]:
        return [
            row
            for row in history.rows(table)
            if row[person] in self.people and exists(row[moment], self.as_of)
        ]

    def day(self, moment: Any) -> date | None:
        usable = clean(moment)
        return usable.astimezone(self.zone).date() if usable else None

    def days(self) -> Iterator[date]:
        if self.first is not None:
            for number in range((self.today - self.first).days + 1):
                yield self.first + timedelta(days=number)

    def points(self, day: date, days: int | None, *kinds: str) -> int:
        """Points of some types in the last days of a day; of None days, all until its end."""
        total = 0
        for kind, points, occurred_on in self.points_by_day:
            if kind in kinds:
                if days is None:
                    total += points if (occurred_on or day) <= day else 0
                elif occurred_on and in_last(days, occurred_on, day):
                    total += points
        return total

    def is_used(self, redemption: Row, day: date) -> bool:
        used_at = clean(redemption.get("used_at"))
        return (
            used_at is not None
            and used_at <= self.as_of
            and used_at.astimezone(self.zone).date() <= day
        )


def program_kpis(history: History) -> dict[tuple[int, date], Row]:
    """Every row of program_kpis by (shop id, local day)."""
    result = {}
    for shop in history.rows("shops"):
        facts = Shop(history, shop)
        vintages = _vintages(history, facts)
        for day in facts.days():
            result[shop["id"], day] = _kpis(facts, day) | {
                "redemption_rate_vintage": vintages.get(day.replace(day=1))
            }
    return result


def _kpis(facts: Shop, day: date) -> Row:
    members = [who for who, enrolled in facts.enrolled.items() if (enrolled or day) <= day]
    active = [who for who in members if any(in_last(365, on, day) for on in facts.active[who])]
    orders_90d = [
        sum(in_last(90, ordered_on, day) for ordered_on, _ in facts.orders[who])
        for who in facts.people
    ]
    buyers = sum(count >= 1 for count in orders_90d)
    repeat_buyers = sum(count >= 2 for count in orders_90d)

    def earned(days: int | None) -> int:
        return facts.points(day, days, "earned", "bonus")

    def redeemed(days: int | None) -> int:
        return -facts.points(day, days, "redeemed")

    redemptions = [row for row in facts.counted if (facts.day(row["redeemed_at"]) or day) <= day]
    used = sum(facts.is_used(row, day) for row in redemptions)
    return {
        "is_complete": day < facts.today,
        "total_members": len(members),
        "active_members": len(active),
        "engagement_rate": rate(len(active), len(members)),
        "buyers_90d": buyers,
        "repeat_buyers_90d": repeat_buyers,
        "repeat_purchase_rate": rate(repeat_buyers, buyers),
        "points_earned": earned(1),
        "points_redeemed": redeemed(1),
        "redemption_rate_day": rate(redeemed(1), earned(1)),
        "redemption_rate_30d": rate(redeemed(30), earned(30)),
        "lifetime_points_earned": earned(None),
        "lifetime_points_redeemed": redeemed(None),
        "redemption_rate_lifetime": rate(redeemed(None), earned(None)),
        "lifetime_redemptions": len(redemptions),
        "lifetime_redemptions_used": used,
        "reward_usage_rate": rate(used, len(redemptions)),
    }


def _vintages(history: History, facts: Shop) -> dict[date, Decimal | None]:
    """By month: what, of the points issued in the month a year before, had been redeemed when the
    month began."""
    transactions = {row["id"]: row for row in facts.entries}
    issued: dict[date, int] = defaultdict(int)
    redeemed: dict[date, int] = defaultdict(int)

    def a_year_later(lot: int) -> date | None:
        earned_on = facts.day(transactions[lot]["created_at"])
        return earned_on and earned_on.replace(year=earned_on.year + 1, day=1)

    def happened_at(transaction: int) -> datetime:
        return clean(transactions[transaction]["created_at"]) or EVER_AGO

    for row in facts.entries:
        if row["points_amount"] > 0 and (month := a_year_later(row["id"])):
            issued[month] += row["points_amount"]
    for (lot, debit), points in taken_points(history).items():
        if lot in transactions and transactions[debit]["transaction_type"] == "redeemed":
            month = a_year_later(lot)
            taken_on = facts.day(max(happened_at(lot), happened_at(debit)))
            if month and taken_on and taken_on < month:
                redeemed[month] += points
    return {month: rate(redeemed[month], points) for month, points in issued.items()}


def customer_cohorts(history: History) -> dict[tuple[int, date, int], Row]:
    """Every row of customer_cohorts by (shop id, cohort month, months since)."""
    result = {}
    for shop in history.rows("shops"):
        facts = Shop(history, shop)
        cohorts: dict[date, list[int]] = defaultdict(list)
        for who, enrolled_on in facts.enrolled.items():
            if enrolled_on:
                cohorts[first_day("monthly", enrolled_on)].append(who)
        for cohort_month, cohort in cohorts.items():
            month, months_since = cohort_month, 0
            while month <= facts.today:
                following = next_period("monthly", month)
                active = sum(
                    any(month <= active_on < following for active_on in facts.active[who])
                    for who in cohort
                )
                result[shop["id"], cohort_month, months_since] = {
                    "month": month,
                    "is_complete": following <= facts.today,
                    "customers": len(cohort),
                    "active_customers": active,
                    "retention": rate(active, len(cohort)),
                }
                month, months_since = following, months_since + 1
    return result


def customer_rfm(history: History) -> dict[int, Row]:
    """Every row of customer_rfm by customer id."""
    result: dict[int, Row] = {}
    for shop in history.rows("shops"):
        facts = Shop(history, shop)
        mine: dict[int, Row] = {}
        for who in facts.people:
            dated = facts.orders[who]
            recent = [amount for on, amount in dated if in_last(365, on, facts.today)]
            known = [amount for amount in recent if amount is not None]
            last = max((on for on, _ in dated), default=None)
            mine[who] = {
                "last_ordered_on": last,
                "recency_days": (facts.today - last).days if last else None,
                "orders_365d": len(recent),
                "spend_365d": sum(known, Decimal(0)) if known or not recent else None,
            }
        buyers = [row for row in mine.values() if row["orders_365d"]]
        for row in mine.values():
            for score, column, sign in (
                ("r_score", "recency_days", -1),
                ("f_score", "orders_365d", 1),
                ("m_score", "spend_365d", 1),
            ):
                row[score] = _fifth(row, buyers, column, sign)
        result |= mine
    return result


def _fifth(row: Row, buyers: list[Row], column: str, sign: int) -> int | None:
    if row["last_ordered_on"] is None or row[column] is None:
        return None
    if not row["orders_365d"]:
        return 1
    known = [buyer[column] for buyer in buyers if buyer[column] is not None]
    worse = sum(sign * value < sign * row[column] for value in known)
    return 1 + sum(worse * 5 >= fifth * len(known) for fifth in (1, 2, 3, 4))
