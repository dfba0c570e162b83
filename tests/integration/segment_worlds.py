"""Random shops, customers, events, stays and rules, each value likely to be on an edge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from oracles import segments as oracle

from orchestration.segments import load_catalogue
from orchestration.segments.catalogue import (
    AGGREGATES,
    AGGREGATES_OF,
    OPERATORS,
    CatalogueField,
    FieldType,
    numbers_of,
)
from orchestration.segments.criteria import LONGEST_WINDOW

CATALOGUE = load_catalogue()
ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Asia/Beirut", "America/Havana", "Pacific/Apia")
# Leap days, ends of months and the days on which clocks change in one of the zones.
NOWS = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in (
        *("2024-02-29T12:00", "2024-03-10T07:30", "2024-03-31T22:00", "2024-10-27T00:30"),
        *("2024-11-03T05:30", "2023-12-31T23:59:59.999999", "2025-02-28T00:00", "2025-05-31T04:00"),
    )
)
NUMBERS = (-3, 0, 1, 99, 100, 2**40)
TEXTS = (
    "",
    "Gold",
    "gold",
    "Gold Élite",
    "GOLD ÉLITE",
    "old",
    "100%",
    "a_c",
    "';--",
    "\\",
    "{{ 1 }}",
)
COUNTS = (0, 1, 2, 7, 12, 28, 30, 31)
CONDITIONS = [(f.name, op) for f in CATALOGUE.values() for op in OPERATORS[f.type]]
EVENT_NUMBERS = [
    (event.name, aggregate, of)
    for event in CATALOGUE.events.values()
    for aggregate in AGGREGATES
    for of in (list[str | None](numbers_of(event)) if aggregate in AGGREGATES_OF else [None])
]
DEEPEST, LARGEST = 7, 60
"""Of the segments that a rule may name: levels, and conditions in all."""


@dataclass(frozen=True)
class World:
    """One instant, shops, customers and segments; the last two name their shop by position."""

    as_of: datetime
    shops: list[oracle.Shop] = field(default_factory=list)
    customers: list[dict[str, Any]] = field(default_factory=list)
    segments: list[tuple[int, str]] = field(default_factory=list)
    sizes: dict[tuple[oracle.Shop, str], tuple[int, int]] = field(default_factory=dict)
    """Of a segment, its levels and its conditions in all."""

    def segment(self, at: int) -> oracle.Segment:
        shop, name = self.segments[at]
        return self.shops[shop].segments[name]

    def add(self, shop: int, segment: oracle.Segment) -> None:
        # Names are users' own, and any rule of the shop may repeat them.
        name = f"s{len(self.segments)} {TEXTS[len(self.segments) % len(TEXTS)]}"
        self.segments.append((shop, name))
        self.shops[shop].segments[name] = segment
        # Of those whose rule is not read, members are kept.
        read = [
            self.sizes[self.shops[shop], one]
            for one in named(segment)
            if self.shops[shop].segments[one].status == "rule"
        ]
        self.sizes[self.shops[shop], name] = (
            1 + max((levels for levels, _ in read), default=0),
            segment.criteria.count('"op"') + 2 + sum(conditions for _, conditions in read),
        )


def named(segment: oracle.Segment) -> list[str]:
    return oracle.named(json.loads(segment.criteria)) if segment.status == "rule" else []


def times(draw: Random, as_of: datetime, shop: oracle.Shop) -> datetime:
    """An instant on an edge: of as_of or of a local day that a window may begin or end with."""
    count, unit = draw.choice(COUNTS), draw.choice(("day", "week", "month"))
    today = as_of.astimezone(shop.zone).date()
    edges = (
        as_of,
        as_of + draw.choice((-1, 1)) * timedelta(hours=count),
        oracle.midnight(oracle.move(today, -count, unit), shop),
        oracle.midnight(oracle.move(today, count, unit) + timedelta(days=1), shop),
        oracle.midnight(oracle.move(today, draw.choice((-1200, -120, -12, 12)), "month"), shop),
    )
    return draw.choice(edges) + timedelta(microseconds=draw.choice((-1, 0, 0, 0, 1)))


def text(draw: Random) -> str:
    return draw.choice(TEXTS)


def number(draw: Random) -> float:
    return draw.choice((*NUMBERS, 0.5, 99.999999))


def written(draw: Random, moment: datetime) -> str:
    """One of the ways to write a time in a rule."""
    naive = moment.replace(tzinfo=None)
    return draw.choice(
        (moment.isoformat(), naive.isoformat(), f"{naive:%Y-%m-%d}", f"{naive:%Y-%m-%d %H:%M}Z")
    )


def condition(draw: Random, name: str, op: str, world: World, shop: oracle.Shop) -> dict[str, Any]:
    """A condition of that field and operator, its value likely to be near some customer's."""
    seen = [c[name] for c in world.customers if c[name] is not None]
    return test_of(draw, CATALOGUE[name], op, shop, seen or [world.as_of])


def test_of(
    draw: Random, tested: CatalogueField, op: str, shop: oracle.Shop, seen: list[Any]
) -> dict[str, Any]:
    kind = tested.type
    scalar = text if kind is FieldType.TEXT else number
    rule: dict[str, Any] = {"field": tested.name, "op": op}
    if op in ("in", "not_in"):
        rule["value"] = [scalar(draw) for _ in range(draw.randint(1, 5))]
    elif op == "between" and kind is FieldType.NUMBER:
        rule["value"] = sorted((number(draw), number(draw)))
    elif op == "between":
        first = draw.choice(seen)
        second = max(draw.choice(seen), first + timedelta(hours=1))
        ends = [first.isoformat(), second.isoformat()]
        is_local = draw.random() < 0.3
        rule["value"] = [end.removesuffix("+00:00") for end in ends] if is_local else ends
    elif op in ("before", "after"):
        local = draw.choice(seen).astimezone(shop.zone).replace(tzinfo=None).isoformat()
        rule["value"] = draw.choice((local, written(draw, draw.choice(seen))))
    elif op in ("contains", "starts_with", "ends_with"):
        rule["value"] = draw.choice([value for value in TEXTS if value])
    elif kind is FieldType.TIMESTAMP and not op.startswith("is_"):
        units = ("day", "week", "month") if op.startswith("anni") else tuple(LONGEST_WINDOW)
        rule |= {"value": draw.choice(COUNTS), "unit": draw.choice(units)}
    elif not op.startswith("is_"):
        rule["value"] = scalar(draw)
    return rule


def span(draw: Random) -> dict[str, Any]:
    return {"value": draw.choice(COUNTS), "unit": draw.choice(tuple(LONGEST_WINDOW))}


def event_condition(
    draw: Random, event: str, aggregate: str, of: str | None, world: World, shop: oracle.Shop
) -> dict[str, Any]:
    """A condition on that number, likely to be near some customer's."""
    rule: dict[str, Any] = {"event": event, "aggregate": aggregate}
    if of:
        rule["of"] = of
    fields = list(CATALOGUE.events[event].fields.values())
    if draw.random() < 0.4:
        rule["where"] = []
        for tested in draw.choices(fields, k=draw.randint(1, 2)):
            op = draw.choice(OPERATORS[tested.type])
            rule["where"].append(test_of(draw, tested, op, shop, [world.as_of]))
    window = draw.random()
    if window < 0.35:
        rule["within_last"] = span(draw)
    elif window < 0.6:
        first = times(draw, world.as_of, shop)
        ends = [end.isoformat() for end in (first, first + timedelta(days=draw.choice((1, 40))))]
        is_local = draw.random() < 0.5
        rule["between"] = [end.removesuffix("+00:00") for end in ends] if is_local else ends
    op = rule["op"] = draw.choice(OPERATORS[FieldType.NUMBER])

    def near() -> float:
        came_to = oracle.aggregate(rule, draw.choice(world.customers), shop, world.as_of)
        exact = came_to is not None and Fraction(round(came_to, 4)) == came_to
        return float(came_to or 0) if exact and draw.random() < 0.7 else number(draw)

    if op in ("in", "not_in"):
        rule["value"] = [near() for _ in range(draw.randint(1, 3))]
    elif op == "between":
        rule["value"] = sorted((near(), near()))
    elif not op.startswith("is_"):
        rule["value"] = near()
    return rule


def reference(draw: Random, world: World, shop: oracle.Shop) -> dict[str, Any]:
    """A condition on a segment that is not yet as deep or large as may be."""
    names = [
        name
        for name in shop.segments
        if world.sizes[shop, name][0] <= DEEPEST and world.sizes[shop, name][1] <= LARGEST
    ]
    # The last ones read others themselves, the first ones are not computed.
    rule: dict[str, Any] = {"segment": draw.choice(draw.choice((names, names[:6], names[-30:])))}
    if draw.random() < 0.5:
        rule["held_within_last"] = span(draw)
    return rule


def criteria(draw: Random, world: World, shop: oracle.Shop, levels: int = 4) -> dict[str, Any]:
    """A nested rule of any conditions."""
    if levels and draw.random() < 0.6:
        kind = draw.choice(("all", "any", "not"))
        if kind == "not":
            return {"not": criteria(draw, world, shop, levels - 1)}
        return {kind: [criteria(draw, world, shop, levels - 1) for _ in range(draw.randint(1, 3))]}
    if draw.random() < 0.1:
        percent = draw.choice((0, 0.5, 33.333333, 50, 100))
        return {"random_sample": {"percent": percent, "seed": text(draw)}}
    if draw.random() < 0.3:
        return event_condition(draw, *draw.choice(EVENT_NUMBERS), world, shop)
    if draw.random() < 0.4:
        return reference(draw, world, shop)
    name, op = draw.choice(CONDITIONS)
    return condition(draw, name, op, world, shop)


def customer(draw: Random, as_of: datetime, shop: oracle.Shop) -> dict[str, Any]:
    values: dict[FieldType, Callable[[], Any]] = {
        FieldType.NUMBER: lambda: draw.choice(NUMBERS),
        FieldType.TEXT: lambda: text(draw),
        FieldType.BOOLEAN: lambda: draw.random() < 0.5,
        FieldType.TIMESTAMP: lambda: times(draw, as_of, shop),
    }

    def row(fields: Any) -> dict[str, Any]:
        return {
            name: None if draw.random() < 0.15 else values[field.type]()
            for name, field in fields.items()
        }

    def occurred_at() -> datetime | None:
        return None if draw.random() < 0.15 else times(draw, as_of, shop)

    events = {
        event.name: [
            {**row(event.fields), "occurred_at": occurred_at()}
            for _ in range(draw.choice((0, 0, 1, 2, 4)))
        ]
        for event in CATALOGUE.events.values()
    }
    return {**row(CATALOGUE), "events": events}


def kept(draw: Random, as_of: datetime, shop: oracle.Shop, people: list[int]) -> dict[str, Any]:
    """Stays, and rows of the application, as any history may have left them."""
    stays: list[tuple[int, datetime, datetime | None]] = []
    for person in draw.sample(people, 8):
        moments = sorted({min(times(draw, as_of, shop), as_of) for _ in range(4)})
        ends: list[datetime | None] = [*moments[1:], draw.choice((None, as_of))]
        spans = list(zip(moments, ends, strict=True))
        stays += [(person, *one) for one in draw.sample(spans, draw.randint(1, len(spans)))]
    return {"stays": tuple(stays), "active_rows": frozenset(draw.sample(people, 6))}


def make_world(seed: int) -> World:
    """Two shops of 20 customers: each operator of each field, each number of events, and more."""
    draw = Random(seed)
    world = World(draw.choice(NOWS))
    for at in range(2):
        shop = oracle.Shop(f"shop-{at}.example", draw.choice(ZONES))
        world.shops.append(shop)
        people = list(range(len(world.customers), len(world.customers) + 20))
        for person in people:
            identity = {"shop": at, "id": person, "shopify_customer_id": str(person)}
            world.customers.append({**customer(draw, world.as_of, shop), **identity})
        for rule, status in rules(draw, world, shop):
            known = kept(draw, world.as_of, shop, people) if draw.random() < 0.5 else {}
            text = json.dumps(rule, ensure_ascii=False)
            world.add(at, oracle.Segment(status, text, **known))
    return world


def rules(draw: Random, world: World, shop: oracle.Shop) -> Iterator[tuple[dict[str, Any], str]]:
    """Rules with their status; each may read those before it."""
    for status in ("invalid", "inactive", "manual") * 2:
        yield {"field": "no_field", "op": "is_set"}, status
    for name, op in CONDITIONS:
        yield condition(draw, name, op, world, shop), "rule"
    for number_of_events in EVENT_NUMBERS:
        yield event_condition(draw, *number_of_events, world, shop), "rule"
    for _ in range(120):
        yield criteria(draw, world, shop), "rule"
    for _ in range(40):
        yield reference(draw, world, shop), "rule"
