"""LoyaltyAnalytics period by period, with loops, from metrics.md, "LoyaltyAnalytics" and "Time"."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from oracles.history import History, Row, clean
from oracles.orders import orders
from oracles.points import entries, exists, people
from oracles.tiers import holds, spans_by_customer

ACTIVE_TYPES = ("earned", "bonus", "redeemed", "refunded")


def first_day(period_type: str, day: date) -> date:
    """The first local day of the period that holds a day; weeks start on Monday."""
    if period_type == "weekly":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period_type == "monthly" else day


def next_period(period_type: str, first: date) -> date:
    """The first local day of the period after."""
    if period_type == "monthly":
        return (first + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=7 if period_type == "weekly" else 1)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which a local day begins."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def loyalty_analytics(history: History) -> dict[tuple[int, str, date], Row]:
    """Every row of loyalty_analytics by (shop id, period type, first local day)."""
    result = {}
    for shop in history.rows("shops"):
        facts = _Facts(history, shop)
        for period_type in ("daily", "weekly", "monthly"):
            for first, start, end in facts.periods(period_type):
                result[shop["id"], period_type, first] = facts.row(start, end)
    return result


class _Facts:
    """One shop's events, and what they add up to in a period."""

    def __init__(self, history: History, shop: Row) -> None:
        self.as_of = history.as_of
        self.zone = history.zone(shop)
        everybody = people(history)
        self.people = {k: row for k, row in everybody.items() if row["shop_id"] == shop["id"]}
        self.entries = [
            row
            for person, rows in entries(history).items()
            if person in self.people
            for row in rows
        ]
        self.redemptions = self._mine(history, "redemption_logs", "redeemed_at")
        self.participations = self._mine(history, "campaign_participations", "joined_at")
        self.conversions = self._mine(
            history, "referral_conversions", "converted_at", person="referred_customer_id"
        )
        by_customer = spans_by_customer(history)
        self.spans = [span for person in self.people for span in by_customer.get(person, [])]
        self.orders = [row for key, row in orders(history).items() if key[0] == shop["id"]]

    def _mine(
        self, history: History, table: str, moment: str, person: str = "customer_id"
    ) -> list[Row]:
        return [
            row
            for row in history.rows(table)
            if row[person] in self.people and exists(row[moment], self.as_of)
        ]

    def periods(self, period_type: str) -> Iterator[tuple[date, datetime, datetime]]:
        events = [
            *(row["created_at"] for row in self.people.values()),
            *(row["created_at"] for row in self.entries),
            *(span["valid_from"] for span in self.spans),
            *(row["redeemed_at"] for row in self.redemptions),
            *(row["joined_at"] for row in self.participations),
            *(row["converted_at"] for row in self.conversions),
        ]
        dated = [moment for moment in map(clean, events) if moment]
        if not dated:
            return
        first = first_day(period_type, min(dated).astimezone(self.zone).date())
        while (start := midnight(first, self.zone)) <= self.as_of:
            following = next_period(period_type, first)
            yield first, start, midnight(following, self.zone)
            first = following

    def row(self, start: datetime, end: datetime) -> Row:
        def during(moment: Any) -> bool:
            usable = clean(moment)
            return usable is not None and start <= usable < end

        def before(moment: Any, instant: datetime) -> bool:
            usable = clean(moment)
            return usable is None or usable < instant

        def flow(*kinds: str) -> int:
            return sum(
                row["points_amount"]
                for row in self.entries
                if row["transaction_type"] in kinds and during(row["created_at"])
            )

        counted = [
            row
            for row in self.redemptions
            if row["status"] not in ("failed", "cancelled") and during(row["redeemed_at"])
        ]
        joined = [row for row in self.participations if during(row["joined_at"])]
        active = {
            *(row["customer_id"] for row in counted),
            *(row["customer_id"] for row in joined),
            *(
                row["customer_id"]
                for row in self.entries
                if row["transaction_type"] in ACTIVE_TYPES and during(row["created_at"])
            ),
        }
        sold = [
            row for row in self.orders if during(row["ordered_at"]) and row["amount"] is not None
        ]
        changes = [span["direction"] for span in self.spans if during(span["valid_from"])]
        return {
            "total_customers": sum(before(row["created_at"], end) for row in self.people.values()),
            "new_customers": sum(during(row["created_at"]) for row in self.people.values()),
            "active_customers": len(active),
            "points_earned": flow("earned", "bonus"),
            "points_redeemed": -flow("redeemed"),
            "points_expired": -flow("expired"),
            "points_adjusted": flow("adjusted"),
            "points_refunded": flow("refunded"),
            "opening_points": sum(
                row["points_amount"] for row in self.entries if before(row["created_at"], start)
            ),
            "closing_points": sum(
                row["points_amount"] for row in self.entries if before(row["created_at"], end)
            ),
            "total_revenue": sum((row["amount"] for row in sold), Decimal(0)),
            "loyalty_revenue": sum(
                (row["amount"] for row in sold if row["is_loyalty_order"]), Decimal(0)
            ),
            "redemptions_count": len(counted),
            "referrals_count": sum(
                row["status"] == "completed" and during(row["converted_at"])
                for row in self.conversions
            ),
            "campaign_participations": len(joined),
            "tier_distributions": self._held_at(end),
            "tier_upgrades": changes.count("upgrade"),
            "tier_downgrades": changes.count("downgrade"),
            "is_complete": end <= self.as_of,
        }

    def _held_at(self, end: datetime) -> dict[str, int]:
        # The state just before the end; an open period ends at as_of, which is part of it.
        moment = end - timedelta(microseconds=1) if end <= self.as_of else self.as_of
        held: dict[str, int] = {}
        for span in self.spans:
            if holds(span, moment):
                key = str(span["tier_id"])
                held[key] = held.get(key, 0) + 1
        return held
