"""The shops' campaigns: the calendar's occasions, what runs now, and what is being prepared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

WINBACK = "Win back: quiet for 90 days"
"""The segment that the shops' running win-back campaign names."""

VIPS = "VIPs"
"""The segment that the shops' next preview names."""


@dataclass(frozen=True)
class Campaign:
    """A campaign; `starts` and `ends` are days from the sample's first day, half-open.

    Attributes:
        multiplier: What it multiplies points by; None is a NULL.
        bonus: Points for joining.
        tier_ids: The tiers it is for; empty where it is for everybody.
        segments: The segments it names; an audience is written for these by the warehouse.
        min_level: The lowest tier level that may join.
        is_running: Whether customers join and earn by it in the simulation.
    """

    campaign_id: int
    name: str
    description: str
    kind: str
    status: str
    starts: int
    ends: int
    multiplier: float
    bonus: int
    tier_ids: tuple[int, ...] = ()
    segments: tuple[str, ...] = ()
    min_level: int = 0
    is_running: bool = False
    budget: int | None = None
    max_participants: int | None = None


@dataclass(frozen=True)
class _Occasion:
    name: str
    description: str
    starts: date
    length: int
    multiplier: float
    bonus: int = 0
    elevated: bool = False


def plan_campaigns(
    first_id: int, shop: int, launched: date, first: date, days: int, elevated: list[int]
) -> tuple[Campaign, ...]:
    """A shop's campaigns, in the order of their start; those that run never overlap.

    Args:
        first_id: The first one's id.
        shop: The shop's number, by which shops differ.
        launched: The day its program began.
        first: The first day of the sample.
        days: How many days the sample has.
        elevated: Ids of the tiers above the lowest.
    """
    until = first + timedelta(days=days)
    now = _Occasion(
        "Double points week", "Twice the points on every order.", until - timedelta(days=6), 14, 2.0
    )
    past = [
        occasion
        for year in range(launched.year, until.year + 1)
        for occasion in _occasions(year, shop)
        if launched < occasion.starts
        and occasion.starts + timedelta(days=occasion.length) < now.starts
    ]
    drafts: list[Campaign] = []

    def add(
        occasion: _Occasion,
        status: str,
        kind: str = "points_bonus",
        *,
        segments: tuple[str, ...] = (),
        budget: int | None = None,
        max_participants: int | None = None,
    ) -> None:
        starts = (occasion.starts - first).days
        running = status in ("active", "completed") and kind != "referral_boost"
        drafts.append(
            Campaign(
                campaign_id=0,
                name=f"{occasion.name} {occasion.starts.year}",
                description=occasion.description,
                kind=kind,
                status=status,
                starts=starts,
                ends=starts + occasion.length,
                multiplier=occasion.multiplier,
                bonus=occasion.bonus,
                tier_ids=tuple(elevated) if occasion.elevated else (),
                segments=segments,
                min_level=2 if occasion.elevated else 0,
                is_running=running and not segments,
                budget=budget,
                max_participants=max_participants,
            )
        )

    for occasion in past:
        kind = "tier_promotion" if occasion.elevated else "points_bonus"
        add(occasion, "completed", kind, budget=5000 if occasion.multiplier >= 2 else None)
    add(now, "active", max_participants=10_000 if shop % 3 == 0 else None)
    friends = "A reward for every friend who orders."
    for name, offset, length, status in (
        ("Bring a friend", -25, 45, "active"),
        ("Friends and family", -160, 20, "completed"),
    ):
        starts = until + timedelta(days=offset)
        if starts > launched:
            add(_Occasion(name, friends, starts, length, 1.0, 100), status, "referral_boost")
    for name, text, offset, length, status, segments in (
        (
            "We miss you",
            "Double points for customers who went quiet.",
            -3,
            24,
            "active",
            (WINBACK,),
        ),
        ("VIP preview", "First look for our best customers.", 14, 7, "draft", (VIPS,)),
        ("Flash evening", "Put on hold by the merchant.", -12, 30, "paused", ()),
        ("Loyalty month", "Called off.", 40, 30, "cancelled", ()),
    ):
        starts = until + timedelta(days=offset)
        add(_Occasion(name, text, starts, length, 2.0), status, segments=segments)
    drafts.sort(key=lambda campaign: campaign.starts)
    return tuple(
        replace(campaign, campaign_id=first_id + position)
        for position, campaign in enumerate(drafts)
    )


def _occasions(year: int, shop: int) -> Iterator[_Occasion]:
    """A year's occasions of a shop; it keeps most of them."""
    november = date(year, 11, 1)
    thanksgiving = november + timedelta(days=(3 - november.weekday()) % 7 + 21)
    shift = shop % 5
    everything = (
        _Occasion("New year treat", "A good start.", date(year, 1, 6 + shift), 7, 1.5),
        _Occasion(
            "Spring refresh", "More points in spring.", date(year, 4, 8 + shift), 10, 1.5, 50
        ),
        _Occasion("Members' days", "For our tiers.", date(year, 6, 3 + shift), 8, 2.0, 0, True),
        _Occasion("Summer of points", "Half as much again.", date(year, 7, 10 + shift), 12, 1.5),
        _Occasion(
            "Back to routine", "A bonus to come back.", date(year, 9, 4 + shift), 7, 1.25, 75
        ),
        _Occasion("Cyber week", "Double points.", thanksgiving, 5, 2.0),
        _Occasion("Holiday double points", "Double points.", date(year, 12, 8 + shift), 9, 2.0),
    )
    for position, occasion in enumerate(everything):
        if (position + shop) % 4 != 3 or occasion.name == "Cyber week":
            yield occasion
