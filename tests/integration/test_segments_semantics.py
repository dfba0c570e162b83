"""The compiled rules in PostgreSQL against the plain-Python interpreter of the language."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import jinja2
import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from oracles import segments as oracle
from psycopg import sql

from orchestration.database import Database
from orchestration.segments import compile_rules, load_catalogue
from orchestration.segments.catalogue import OPERATORS, FieldType
from orchestration.segments.criteria import LONGEST_WINDOW
from orchestration.settings import PROJECT_DIR
from orchestration.warehouse import prepare

CATALOGUE = load_catalogue()
MODELS = PROJECT_DIR / "models" / "intermediate" / "segments"
MACROS = ("segment_interval", "segment_case", "local_date", "local_midnight")
COLUMN_TYPES = {
    FieldType.NUMBER: "bigint",
    FieldType.TEXT: "text",
    FieldType.BOOLEAN: "boolean",
    FieldType.TIMESTAMP: "timestamptz",
}
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


@dataclass(frozen=True)
class World:
    """One instant, shops, customers and rules; the last two name their shop by position."""

    as_of: datetime
    shops: list[oracle.Shop] = field(default_factory=list)
    customers: list[dict[str, Any]] = field(default_factory=list)
    rules: list[tuple[int, str]] = field(default_factory=list)


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
    kind = CATALOGUE[name].type
    scalar = text if kind is FieldType.TEXT else number
    rule: dict[str, Any] = {"field": name, "op": op}
    seen = [c[name] for c in world.customers if c[name] is not None] or [world.as_of]
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
    name, op = draw.choice(CONDITIONS)
    return condition(draw, name, op, world, shop)


def customer(draw: Random, as_of: datetime, shop: oracle.Shop) -> dict[str, Any]:
    values: dict[FieldType, Callable[[], Any]] = {
        FieldType.NUMBER: lambda: draw.choice(NUMBERS),
        FieldType.TEXT: lambda: text(draw),
        FieldType.BOOLEAN: lambda: draw.random() < 0.5,
        FieldType.TIMESTAMP: lambda: times(draw, as_of, shop),
    }
    return {
        name: None if draw.random() < 0.15 else values[field.type]()
        for name, field in CATALOGUE.items()
    }


def make_world(seed: int) -> World:
    """Two shops with 20 customers each, every operator of every field twice, and nested rules."""
    draw = Random(seed)
    as_of = draw.choice(NOWS)
    world = World(as_of)
    for number_of_shop in range(2):
        shop = oracle.Shop(f"shop-{number_of_shop}.example", draw.choice(ZONES))
        world.shops.append(shop)
        for _ in range(20):
            identity = {"shop": number_of_shop, "shopify_customer_id": str(len(world.customers))}
            world.customers.append({**customer(draw, as_of, shop), **identity})
        rules = [condition(draw, name, op, world, shop) for name, op in CONDITIONS]
        rules += [criteria(draw, world, shop) for _ in range(100)]
        world.rules.extend((number_of_shop, json.dumps(rule, ensure_ascii=False)) for rule in rules)
    return world


def rendered(model: str, as_of: datetime, plan: list[dict[str, Any]]) -> str:
    """A model's SQL as dbt would render it, without the seconds that dbt takes to start."""
    macros = "".join((PROJECT_DIR / "macros" / f"{name}.sql").read_text() for name in MACROS)
    template = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(
        macros + (MODELS / f"{model}.sql").read_text()
    )
    return template.render(
        as_of=lambda: f"timestamptz '{as_of.isoformat()}'",
        ref=lambda name: f"marts_in_test.{name}",
        source=lambda schema, table: f"{schema}.{table}",
        segment_plan=lambda parameters: plan,
        segment_plan_warning=lambda: None,
    )


def set_up(connection: psycopg.Connection[Any]) -> None:
    prepare(connection)
    columns = ", ".join(f"{name} {COLUMN_TYPES[f.type]}" for name, f in CATALOGUE.items())
    connection.execute(
        f"""
        create table raw.shops (id bigint primary key, shop_domain text);
        create table raw.customer_segments (
            id bigint primary key, shop_id bigint, name text, criteria json,
            is_active boolean, auto_update boolean, _deleted_at timestamptz
        );
        create schema marts_in_test;
        create table marts_in_test.int_shops (shop_id bigint, shop_domain text, timezone text);
        create table marts_in_test.int_customer_features (
            shop_id bigint, customer_id bigint, shop_domain text, shopify_customer_id text,
            {columns}
        );
        """.encode()
    )


def fill(connection: psycopg.Connection[Any], world: World) -> None:
    connection.execute("truncate raw.customer_segments, raw.shops")
    connection.execute("truncate marts_in_test.int_shops, marts_in_test.int_customer_features")
    cursor = connection.cursor()
    for number, shop in enumerate(world.shops):
        cursor.execute("insert into raw.shops values (%s, %s)", (number, shop.domain))
        cursor.execute(
            "insert into marts_in_test.int_shops values (%s, %s, %s)",
            (number, shop.domain, shop.timezone),
        )
    cursor.executemany(
        "insert into raw.customer_segments values (%s, %s, 'rule', %s, null, null, null)",
        [(at, shop, rule) for at, (shop, rule) in enumerate(world.rules)],
    )
    names = ("shop_id", "customer_id", "shop_domain", "shopify_customer_id", *CATALOGUE)
    cursor.executemany(
        sql.SQL("insert into marts_in_test.int_customer_features ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join([sql.Placeholder()] * len(names)),
        ),
        [
            (
                *(person["shop"], at, world.shops[person["shop"]].domain),
                *(person[name] for name in names[3:]),
            )
            for at, person in enumerate(world.customers)
        ],
    )


def evaluated(connection: psycopg.Connection[Any], as_of: datetime) -> set[tuple[int, int]]:
    """The pairs of segment and customer that the models yield."""
    connection.execute("drop table if exists marts_in_test.int_segment_parameters")
    parameters = rendered("int_segment_parameters", as_of, [])
    connection.execute(
        f"create table marts_in_test.int_segment_parameters as {parameters}".encode()
    )
    plan = [
        {"shape_id": shape_id, "predicate": predicate, "values_seen": values_seen}
        for shape_id, predicate, values_seen in connection.execute(
            "select shape_id, predicate, values_seen from ops.segment_plan order by shape_id"
        )
    ]
    matches = rendered("int_segment_matches", as_of, plan)
    return {(row[0], row[2]) for row in connection.execute(matches.encode())}


def expected(world: World) -> set[tuple[int, int]]:
    return {
        (segment, at)
        for segment, (shop, rule) in enumerate(world.rules)
        for at, customer in enumerate(world.customers)
        if customer["shop"] == shop
        and oracle.selects(rule, customer, world.shops[shop], world.as_of)
    }


@pytest.mark.parametrize("major", [15, 16, 18])
def test_compiled_rules_select_whom_the_plain_python_interpreter_selects(
    major: int, new_database_on: Callable[[int], str]
) -> None:
    warehouse = Database("warehouse", new_database_on(major), "LOYALTY_WAREHOUSE_URL")
    with warehouse.connect(autocommit=True) as connection:
        set_up(connection)

        # A smaller seed is no simpler a world, so there is nothing to shrink.
        @settings(max_examples=4, deadline=None, phases=[Phase.explicit, Phase.generate])
        @given(seed=st.integers(0, 2**32))
        def agree(seed: int) -> None:
            world = make_world(seed)
            fill(connection, world)
            report = compile_rules(warehouse)
            assert report.statuses == {"valid": len(world.rules)}, report.invalid
            found, wanted = evaluated(connection, world.as_of), expected(world)
            for segment, customer in sorted(found ^ wanted):
                shop, rule = world.rules[segment]
                raise AssertionError(
                    f"{rule} {'selects' if (segment, customer) in found else 'misses'} "
                    f"{world.customers[customer]} of {world.shops[shop]} as of {world.as_of}"
                )

        agree()
