"""Segments' sizes, performance and contact lists, stay by stay and member by member.

Stays are state: they are given, or those that the first build of a history makes of the
application's own memberships where no rule was compiled.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from oracles.history import MEMBERSHIPS, History, Row, clean
from oracles.kpis import Shop, in_last
from oracles.points import lots, people
from oracles.vintages import POINT_VALUE

CHANNELS = {"email": ("email", "email_opt_in"), "sms": ("phone", "sms_opt_in")}
"""Of each channel, the profile's address and opt-in."""


@dataclass(frozen=True)
class Stay:
    segment_id: int
    shop_id: int
    customer_id: int
    added_at: datetime
    removed_at: datetime | None = None


@dataclass(frozen=True)
class Suppression:
    """Either an address or Shopify's id; None means every shop, every channel."""

    shop_domain: str | None
    channel: str | None
    address: str | None
    shopify_customer_id: str | None = None


def application_stays(history: History) -> list[Stay]:
    """What a first build makes of active memberships of the segment's own shop."""
    known = people(history)
    segments = {row["id"]: row for row in history.rows("customer_segments")}
    found = []
    for row in history.rows(MEMBERSHIPS):
        segment, person = segments.get(row["segment_id"]), known.get(row["customer_id"])
        is_active = row.get("is_active") is not False
        if is_active and segment and person and segment["shop_id"] == person["shop_id"]:
            added_at = min(clean(row["added_at"]) or history.as_of, history.as_of)
            found.append(Stay(segment["id"], segment["shop_id"], person["id"], added_at))
    return found


def sizes(history: History, stays: Iterable[Stay] | None = None) -> dict[tuple[int, date], Row]:
    """Every row of segment_sizes_daily by (segment id, local day)."""
    if stays is None:
        stays = application_stays(history)
    of_segment: dict[int, list[Stay]] = defaultdict(list)
    for stay in stays:
        of_segment[stay.segment_id].append(stay)
    shops = {row["id"]: row for row in history.rows("shops")}
    result = {}
    for segment in history.rows("customer_segments"):
        mine = of_segment[segment["id"]]
        if not mine:
            continue
        zone = history.zone(shops[segment["shop_id"]])
        today = history.as_of.astimezone(zone).date()
        entered = [stay.added_at.astimezone(zone).date() for stay in mine]
        departed = [s.removed_at.astimezone(zone).date() for s in mine if s.removed_at]
        day = min(entered)
        while day <= today:
            result[segment["id"], day] = {
                "shop_id": segment["shop_id"],
                "is_complete": day < today,
                "customers": sum(on <= day for on in entered) - sum(on <= day for on in departed),
                "entered": entered.count(day),
                "left": departed.count(day),
            }
            day += timedelta(days=1)
    return result


def rounded(part: Any, whole: Any, places: str) -> Decimal | None:
    """A part of a whole, half up; None of a whole that is unknown, 0 or less."""
    if part is None or whole is None or whole <= 0:
        return None
    exact = Fraction(part) / Fraction(whole)
    sign, size = (-1, -exact) if exact < 0 else (1, exact)
    quotient = Decimal(size.numerator) / Decimal(size.denominator)
    return sign * quotient.quantize(Decimal(places), ROUND_HALF_UP)


def _rate(part: Any, whole: Any) -> Decimal | None:
    value = rounded(part, whole, "0.000001")
    return value if value is not None and abs(value) < 1000 else None


def _ratio(part: Any, whole: Any) -> Fraction | None:
    """The same, exactly."""
    return Fraction(part) / Fraction(whole) if whole > 0 else None


def performance(history: History, stays: Iterable[Stay] | None = None) -> dict[int, Row]:
    """Every row of segment_performance by segment id."""
    if stays is None:
        stays = application_stays(history)
    members: dict[int, set[int]] = defaultdict(set)
    for stay in stays:
        if stay.removed_at is None:
            members[stay.segment_id].add(stay.customer_id)
    result: dict[int, Row] = {}
    for shop in history.rows("shops"):
        facts = Shop(history, shop)
        whole = _figures(facts, set(facts.people))
        for segment in history.rows("customer_segments"):
            if segment["shop_id"] == shop["id"]:
                figures = _figures(facts, members[segment["id"]])
                result[segment["id"]] = {
                    "shop_id": shop["id"],
                    "name": segment["name"],
                    **_beside(figures, whole),
                }
    return result


def _figures(facts: Shop, who: set[int]) -> Row:
    figures: Row = {"customers": len(who)}
    figures["active_members_30d"] = sum(
        any(in_last(30, on, facts.today) for on in facts.active[one]) for one in who
    )
    for days in (30, 90, 365):
        orders = [
            amount
            for one in who
            for on, amount in facts.orders[one]
            if in_last(days, on, facts.today)
        ]
        known = [amount for amount in orders if amount is not None]
        figures[f"orders_{days}d"] = len(orders)
        figures[f"revenue_{days}d"] = sum(known, Decimal("0.00"))
    figures["known"] = len(known)
    figures["buyers_365d"] = sum(
        any(in_last(365, on, facts.today) for on, _ in facts.orders[one]) for one in who
    )
    mine = [row for row in facts.entries if row["customer_id"] in who]

    def recent(*kinds: str) -> int:
        return sum(
            row["points_amount"]
            for row in mine
            if row["transaction_type"] in kinds
            and (on := facts.day(row["created_at"]))
            and in_last(365, on, facts.today)
        )

    figures["points_earned_365d"] = recent("earned", "bonus")
    figures["points_redeemed_365d"] = -recent("redeemed")
    figures["points_outstanding"] = sum(row["points_amount"] for row in mine)
    for channel, (address, opt_in) in CHANNELS.items():
        figures[f"reachable_by_{channel}"] = sum(
            bool(facts.people[one].get(opt_in) and facts.people[one].get(address))
            and facts.people[one].get("is_active") is not False
            for one in who
        )
    return figures


def _beside(figures: Row, whole: Row) -> Row:
    customers, revenue = figures["customers"], figures["revenue_365d"]

    def index(part: str, of: str) -> Decimal | None:
        mine, all_of_them = _ratio(figures[part], figures[of]), _ratio(whole[part], whole[of])
        return None if mine is None or all_of_them is None else _rate(mine, all_of_them)

    return {
        **{name: value for name, value in figures.items() if name != "known"},
        "share_of_customers": _rate(customers, whole["customers"]),
        "active_rate_30d": _rate(figures["active_members_30d"], customers),
        "share_of_revenue_365d": _rate(revenue, whole["revenue_365d"]),
        "revenue_per_customer_365d": rounded(revenue, customers, "0.01"),
        "avg_order_value_365d": rounded(revenue, figures["known"], "0.01"),
        "redemption_rate_365d": _rate(
            figures["points_redeemed_365d"], figures["points_earned_365d"]
        ),
        "points_liability": rounded(figures["points_outstanding"] * POINT_VALUE, 1, "0.01"),
        "share_of_points": _rate(figures["points_outstanding"], whole["points_outstanding"]),
        "email_rate": _rate(figures["reachable_by_email"], customers),
        "sms_rate": _rate(figures["reachable_by_sms"], customers),
        "activity_index": index("active_members_30d", "customers"),
        "revenue_index": index("revenue_365d", "customers"),
        "order_value_index": index("revenue_365d", "known"),
        "redemption_index": index("points_redeemed_365d", "points_earned_365d"),
        "email_index": index("reachable_by_email", "customers"),
        "sms_index": index("reachable_by_sms", "customers"),
    }


def contact(channel: str, address: str | None) -> str | None:
    """An address as a list has it; None where nothing can be sent to it."""
    if address is None:
        return None
    if channel == "email":
        text = address.strip(" \t\r\n\f\v\u00a0\u200b\ufeff").lower()
        mailbox, _, domain = text.partition("@")
        labels = domain.split(".")
        is_plausible = (
            len(address) <= 254
            and bool(mailbox)
            and len(labels) > 1
            and all(labels)
            and len(labels[-1]) > 1
            and not re.search(r'[\s@,;:<>()"\\\x00-\x1f\x7f]', mailbox + domain)
        )
        return text if is_plausible else None
    text = "".join(letter for letter in address if letter not in " \t().-/\u00a0")
    if text.startswith("00"):
        text = "+" + text[2:]
    digits = text.removeprefix("+")
    if not re.fullmatch("[0-9]+", digits):
        return None
    if text.startswith("+"):
        return text if 7 <= len(digits) <= 15 and digits[0] != "0" else None
    national = digits.removeprefix("0")
    return text if 7 <= len(national) <= 14 and national[0] != "0" else None


def _mailbox(channel: str, profile: Row) -> str | None:
    address = contact(channel, profile.get(CHANNELS[channel][0]))
    return address.removeprefix("+") if address and channel == "sms" else address


def contacts(
    history: History, stays: Iterable[Stay], suppressions: Iterable[Suppression]
) -> Mapping[tuple[int, str], Mapping[int, str]]:
    """By (segment id, channel), the address of each customer of the contact list."""
    known = people(history)
    domains = {row["id"]: row["shop_domain"] for row in history.rows("shops")}
    segments = {row["id"] for row in history.rows("customer_segments")}
    suppressions = list(suppressions)
    result: dict[tuple[int, str], dict[int, str]] = {}
    for channel, (address, opt_in) in CHANNELS.items():
        refused = {
            (row["shop_id"], _mailbox(channel, row))
            for row in known.values()
            if row.get(opt_in) is False
        }
        for row in suppressions:
            if row.channel in (None, channel):
                for shop, domain in domains.items():
                    if row.shop_domain is None or row.shop_domain.lower() == domain.lower():
                        if row.address is not None:
                            plain = contact(channel, row.address)
                            refused.add((shop, plain.removeprefix("+") if plain else None))
                        refused |= {
                            (shop, _mailbox(channel, one))
                            for one in known.values()
                            if row.shopify_customer_id is not None
                            and one["shop_id"] == shop
                            and one["shopify_customer_id"] == row.shopify_customer_id
                        }
        for stay in sorted(stays, key=lambda stay: stay.customer_id):
            person = known.get(stay.customer_id)
            if stay.removed_at or not person or stay.segment_id not in segments:
                continue
            plain, mailbox = contact(channel, person.get(address)), _mailbox(channel, person)
            listed = result.setdefault((stay.segment_id, channel), {})
            if (
                plain
                and person["shop_id"] == stay.shop_id
                and person.get(opt_in) is True
                and person.get("is_active") is not False
                and (person["shop_id"], mailbox) not in refused
                and mailbox not in {_mailbox(channel, known[one]) for one in listed}
            ):
                listed[person["id"]] = plain
    return {key: listed for key, listed in result.items() if listed}


def expiries(history: History) -> dict[int, tuple[datetime, int]]:
    """By customer id, when the next points lapse and how many do within 30 days."""
    shops = {row["id"]: row for row in history.rows("shops")}
    known = people(history)
    found: dict[int, list[Row]] = defaultdict(list)
    for lot in lots(history).values():
        if lot["points_remaining"] and (lot["expires_at"] or history.as_of) > history.as_of:
            found[lot["customer_id"]].append(lot)
    result = {}
    for who, mine in found.items():
        zone = history.zone(shops[known[who]["shop_id"]])
        last = history.as_of.astimezone(zone).date() + timedelta(days=30)
        ends = datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC)
        result[who] = (
            min(lot["expires_at"] for lot in mine),
            sum(lot["points_remaining"] for lot in mine if lot["expires_at"] < ends),
        )
    return result
