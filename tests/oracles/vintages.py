"""Vintages of points, their breakage, and what is owed, from metrics.md, "Point ledger".

The chain ladder is that which fct_point_vintages.yml describes, in exact fractions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from oracles.analytics import first_day, midnight, next_period
from oracles.history import History, Row, clean
from oracles.points import entries, people, taken_points

POINT_VALUE = Fraction(1, 100)
FEW = 6  # under so many vintages a shop's own ladder is not climbed
PARTS = {"redeemed": "redeemed", "expired": "expired"}  # every other debit reverses


def rate(value: Fraction | None, places: int = 6) -> Decimal | None:
    """A fraction as a decimal, halves away from zero."""
    if value is None:
        return None
    scaled = abs(value) * 10**places
    rounded = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(rounded if value >= 0 else -rounded).scaleb(-places)


@dataclass
class _Vintage:
    """The points that a shop issued in a month: what was taken by the end of each month since."""

    shop_id: int
    earn_month: date
    issued: int
    cells: list[dict[str, int]]  # by month since; the last one holds as_of

    @property
    def complete(self) -> list[int]:
        """What was redeemed by the end of each month that is over."""
        return [cell["redeemed"] for cell in self.cells[:-1]]

    @property
    def redeemed_complete(self) -> int:
        return self.complete[-1] if self.complete else 0

    @property
    def redeemed(self) -> int:
        return self.cells[-1]["redeemed"]

    @property
    def remaining(self) -> int:
        return self.issued - sum(self.cells[-1].values())


class _Ladder:
    """Link ratios and the expected rate of some vintages."""

    def __init__(self, vintages: list[_Vintage]) -> None:
        self.vintages = vintages
        self.months = max((len(vintage.complete) for vintage in vintages), default=0)

    @property
    def has_redemptions(self) -> bool:
        return any(vintage.redeemed_complete for vintage in self.vintages)

    def redeemed(self, month: int, *, by: int) -> int:
        """Redeemed by a month, of the vintages that have both the given month and the next."""
        return sum(
            vintage.complete[by] for vintage in self.vintages if len(vintage.complete) > month + 1
        )

    def developed(self, vintage: _Vintage) -> Fraction:
        """The share of the ultimate that is redeemed by a vintage's last complete month."""
        if not vintage.complete:
            return Fraction(0)
        last = len(vintage.complete) - 1
        top = self.months - 1
        if last < top and not any(self.redeemed(month, by=month) for month in range(last + 1)):
            return Fraction(0)
        growth = Fraction(1)
        for month in range(last, top):
            before = self.redeemed(month, by=month)
            if before:
                growth *= Fraction(self.redeemed(month, by=month + 1), before)
        return 1 / growth

    def expected_rate(self) -> Fraction:
        due = sum(vintage.issued * self.developed(vintage) for vintage in self.vintages)
        return min(Fraction(sum(v.redeemed_complete for v in self.vintages)) / due, Fraction(1))

    def ultimate(self, vintage: _Vintage) -> Fraction | None:
        """The points of a vintage that will have been redeemed in the end."""
        if not vintage.remaining:
            return Fraction(vintage.redeemed)
        if not self.has_redemptions:
            return None
        developed = self.developed(vintage)
        if vintage.redeemed_complete and developed:
            projected = vintage.redeemed_complete / developed
        else:
            to_come = vintage.issued * self.expected_rate() * (1 - developed)
            projected = vintage.redeemed_complete + to_come
        return min(
            max(projected, Fraction(vintage.redeemed)),
            Fraction(vintage.redeemed + vintage.remaining),
        )


def _vintages(history: History) -> list[_Vintage]:
    shops = {row["id"]: row for row in history.rows("shops")}
    owners = {person: row["shop_id"] for person, row in people(history).items()}
    place = {}  # a transaction's customer, position in the ledger, instant, type and amount
    for person, rows in entries(history).items():
        for position, row in enumerate(rows):
            place[row["id"]] = (person, position, clean(row["created_at"]), row)
    found: dict[tuple[int, date], tuple[list[Row], list[int]]] = {}
    for identity, (person, _, instant, row) in place.items():
        if row["points_amount"] > 0 and instant is not None:
            zone = history.zone(shops[owners[person]])
            month = first_day("monthly", instant.astimezone(zone).date())
            found.setdefault((owners[person], month), ([], []))[0].append(row)
            found[owners[person], month][1].append(identity)
    # What was taken from a lot, as (instant, part, points): at the later one of lot and debit.
    taken: dict[int, list[tuple[datetime, str, int]]] = {}
    for (lot, debit), points in taken_points(history).items():
        later = max(lot, debit, key=lambda identity: place[identity][1])
        instant = place[later][2]
        if place[lot][2] is not None:
            assert instant is not None
            part = PARTS.get(place[debit][3]["transaction_type"], "reversed")
            taken.setdefault(lot, []).append((instant, part, points))
    return [
        _Vintage(
            shop_id,
            month,
            sum(row["points_amount"] for row in rows),
            [
                {
                    part: sum(
                        points
                        for lot in lots
                        for instant, taken_part, points in taken.get(lot, [])
                        if taken_part == part and instant < end
                    )
                    for part in ("redeemed", "expired", "reversed")
                }
                for end in _month_ends(history, shops[shop_id], month)
            ],
        )
        for (shop_id, month), (rows, lots) in sorted(found.items())
    ]


def _month_ends(history: History, shop: Row, month: date) -> Iterator[datetime]:
    zone = history.zone(shop)
    while midnight(month, zone) <= history.as_of:
        month = next_period("monthly", month)
        yield midnight(month, zone)


def _ladders(vintages: list[_Vintage]) -> dict[int, tuple[str, _Ladder]]:
    """Which ladder each shop's vintages climb."""
    of_all = _Ladder(vintages)
    ladders = {}
    for shop_id in {vintage.shop_id for vintage in vintages}:
        own = _Ladder([vintage for vintage in vintages if vintage.shop_id == shop_id])
        enough = len(own.vintages) >= FEW and own.has_redemptions
        ladders[shop_id] = ("shop", own) if enough else ("all_shops", of_all)
    return ladders


def point_vintages(history: History) -> dict[tuple[int, date, int], Row]:
    """fct_point_vintages by (shop id, first day of the earn month, months since)."""
    vintages = _vintages(history)
    ladders = _ladders(vintages)
    result = {}
    for vintage in vintages:
        basis, ladder = ladders[vintage.shop_id]
        ultimate = ladder.ultimate(vintage)
        for months_since, cell in enumerate(vintage.cells):
            result[vintage.shop_id, vintage.earn_month, months_since] = {
                **cell,
                "is_complete": months_since < len(vintage.complete),
                "issued": vintage.issued,
                "remaining": vintage.issued - sum(cell.values()),
                "expiry_rate": rate(Fraction(cell["expired"], vintage.issued)),
                "redemption_rate": rate(Fraction(cell["redeemed"], vintage.issued)),
                "expected_breakage": rate(
                    None if ultimate is None else 1 - ultimate / vintage.issued
                ),
                "breakage_basis": basis,
            }
    return result


def breakage(history: History) -> dict[int, Decimal | None]:
    """The share of a shop's outstanding points that will never be redeemed, by shop id."""
    vintages = [vintage for vintage in _vintages(history) if vintage.remaining]
    ladders = _ladders(_vintages(history))

    def share(some: list[_Vintage]) -> Fraction | None:
        to_come = Fraction(0)
        for vintage in some:
            ultimate = ladders[vintage.shop_id][1].ultimate(vintage)
            if ultimate is None:
                return None
            to_come += ultimate - vintage.redeemed
        return 1 - to_come / sum(vintage.remaining for vintage in some) if some else None

    result = {}
    for shop in history.rows("shops"):
        own = [vintage for vintage in vintages if vintage.shop_id == shop["id"]]
        result[shop["id"]] = rate(share(own or vintages))
    return result


def points_daily(history: History) -> dict[tuple[int, date], Row]:
    """fct_points_daily by (shop id, local day): the roll-forward, and what is owed."""
    broken = breakage(history)
    owners = {person: row["shop_id"] for person, row in people(history).items()}
    result: dict[tuple[int, date], Row] = {}
    for shop in history.rows("shops"):
        zone = history.zone(shop)
        balance = 0
        by_day: dict[date, list[Row]] = {}
        rows = [
            r for person, rs in entries(history).items() if owners[person] == shop["id"] for r in rs
        ]
        if not rows:
            continue
        for row in rows:
            instant = clean(row["created_at"])
            if instant is None:
                balance += row["points_amount"]
            else:
                by_day.setdefault(instant.astimezone(zone).date(), []).append(row)
        today = history.as_of.astimezone(zone).date()
        day = min(by_day, default=today)
        while day <= today:
            result[shop["id"], day] = _day(by_day.get(day, []), balance, broken[shop["id"]])
            balance = result[shop["id"], day]["closing_points"]
            day = next_period("daily", day)
    return result


def _day(rows: list[Row], opening: int, broken: Decimal | None) -> Row:
    def flow(*kinds: str) -> int:
        return sum(row["points_amount"] for row in rows if row["transaction_type"] in kinds)

    known = ("earned", "bonus", "adjusted", "refunded", "redeemed", "expired")
    net = sum(row["points_amount"] for row in rows)
    value = (opening + net) * POINT_VALUE
    owed: Any = None if broken is None else rate(value * (1 - Fraction(broken)), 2)
    return {
        "opening_points": opening,
        "earned": flow("earned"),
        "bonus": flow("bonus"),
        "adjusted": flow("adjusted"),
        "refunded": flow("refunded"),
        "redeemed": -flow("redeemed"),
        "expired": -flow("expired"),
        "other": net - flow(*known),
        "closing_points": opening + net,
        "points_liability": rate(value, 2),
        "management_liability": owed,
    }
