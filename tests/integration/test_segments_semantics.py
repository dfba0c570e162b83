"""The compiled rules in PostgreSQL against the plain-Python interpreter of the language."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jinja2
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from orchestration.database import Database
from orchestration.segments import compile_rules, load_catalogue
from orchestration.segments.catalogue import OPERATORS, FieldType
from orchestration.settings import PROJECT_DIR
from orchestration.warehouse import prepare
from tests.oracles import segments as oracle

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
OFFSETS = (
    *(timedelta(0), timedelta(microseconds=1), timedelta(hours=1), timedelta(hours=12)),
    *(timedelta(days=days) for days in (1, 2, 7, 28, 29, 30, 31, 89, 365, 366, 1461, 9000)),
)


@dataclass(frozen=True)
class World:
    as_of: datetime
    shops: tuple[oracle.Shop, ...]
    customers: tuple[dict[str, Any], ...]
    rules: tuple[tuple[int, str], ...]


def times(as_of: datetime) -> st.SearchStrategy[datetime]:
    """Instants that lie on the edges: of as_of, of local days, and a microsecond beside."""
    near = st.builds(
        lambda offset, sign: as_of + sign * offset,
        st.sampled_from(OFFSETS),
        st.sampled_from((-1, 1)),
    )
    midnights = st.builds(
        lambda moment, zone, aside: oracle.midnight(moment.date(), oracle.Shop("", zone)) + aside,
        near,
        st.sampled_from(ZONES),
        st.sampled_from((timedelta(0), timedelta(microseconds=-1), timedelta(hours=1))),
    )
    return near | midnights


def written(moment: datetime) -> st.SearchStrategy[str]:
    """The ways to write a time in a rule."""
    naive = moment.replace(tzinfo=None)
    return st.sampled_from(
        (moment.isoformat(), naive.isoformat(), f"{naive:%Y-%m-%d}", f"{naive:%Y-%m-%d %H:%M}Z")
    )


@st.composite
def field_conditions(draw: st.DrawFn, as_of: datetime) -> dict[str, Any]:
    field = draw(st.sampled_from(list(CATALOGUE.values())))
    op = draw(st.sampled_from(OPERATORS[field.type]))
    condition: dict[str, Any] = {"field": field.name, "op": op}
    numbers = st.sampled_from(NUMBERS) | st.sampled_from((0.5, 99.999999))
    value = st.sampled_from(TEXTS) if field.type is FieldType.TEXT else numbers
    if op.startswith("is_"):
        return condition
    if op in ("in", "not_in"):
        condition["value"] = draw(st.lists(value, min_size=1, max_size=5))
    elif op == "between" and field.type is FieldType.NUMBER:
        condition["value"] = sorted(draw(st.lists(numbers, min_size=2, max_size=2)))
    elif op == "between":
        first, second = sorted(draw(st.lists(times(as_of), min_size=2, max_size=2, unique=True)))
        condition["value"] = [first.isoformat(), second.isoformat()]
        if draw(st.booleans()):
            condition["value"] = [text.removesuffix("+00:00") for text in condition["value"]]
    elif op in ("before", "after"):
        condition["value"] = draw(times(as_of).flatmap(written))
    elif op in ("contains", "starts_with", "ends_with"):
        condition["value"] = draw(value.filter(bool))
    elif field.type is FieldType.TIMESTAMP:
        condition["value"] = draw(st.sampled_from((0, 1, 2, 7, 12, 28, 30, 31)))
        units = (
            ("day", "week", "month")
            if op.startswith("anniversary")
            else ("hour", "day", "week", "month")
        )
        condition["unit"] = draw(st.sampled_from(units))
    else:
        condition["value"] = draw(value)
    return condition


def criteria(as_of: datetime) -> st.SearchStrategy[dict[str, Any]]:
    samples = st.builds(
        lambda percent, seed: {"random_sample": {"percent": percent, "seed": seed}},
        st.sampled_from((0, 0.5, 33.333333, 50, 100)),
        st.sampled_from(TEXTS),
    )
    leaves = st.one_of(*[field_conditions(as_of)] * 6, samples)
    return st.recursive(
        leaves,
        lambda parts: st.one_of(
            st.lists(parts, min_size=1, max_size=4).map(lambda many: {"all": many}),
            st.lists(parts, min_size=1, max_size=4).map(lambda many: {"any": many}),
            parts.map(lambda one: {"not": one}),
        ),
        max_leaves=8,
    ).filter(lambda rule: depth(rule) <= 8)


def depth(rule: dict[str, Any]) -> int:
    below = rule.get("all") or rule.get("any") or ([rule["not"]] if "not" in rule else [])
    return 1 + max(map(depth, below)) if below else 0


@st.composite
def customers(draw: st.DrawFn, as_of: datetime) -> dict[str, Any]:
    values = {
        FieldType.NUMBER: st.sampled_from(NUMBERS),
        FieldType.TEXT: st.sampled_from(TEXTS),
        FieldType.BOOLEAN: st.booleans(),
        FieldType.TIMESTAMP: times(as_of),
    }
    customer = {
        name: draw(st.none() | values[field.type] | values[field.type])
        for name, field in CATALOGUE.items()
    }
    return {**customer, "shop": draw(st.integers(0, 1))}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    as_of = draw(st.sampled_from(NOWS))
    shops = tuple(
        oracle.Shop(f"shop-{number}.example", draw(st.sampled_from(ZONES))) for number in range(2)
    )
    people = draw(st.lists(customers(as_of), min_size=4, max_size=12))
    rules = draw(st.lists(st.tuples(st.integers(0, 1), criteria(as_of)), min_size=5, max_size=20))
    return World(
        as_of,
        shops,
        tuple({**person, "shopify_customer_id": str(at)} for at, person in enumerate(people)),
        tuple((shop, json.dumps(rule, ensure_ascii=False)) for shop, rule in rules),
    )


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

        @settings(
            max_examples=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(world=worlds())
        def agree(world: World) -> None:
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
