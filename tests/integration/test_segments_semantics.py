"""The compiled rules in PostgreSQL against the plain-Python interpreter of the language.

LOYALTY_RULES=50 compares fifty worlds of some 700 rules on each PostgreSQL.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import jinja2
import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from oracles import segments as oracle
from psycopg import sql
from psycopg.rows import dict_row
from segment_worlds import CATALOGUE, World, make_world

from orchestration.database import Database
from orchestration.segments import compile_rules
from orchestration.segments.catalogue import Fields, FieldType
from orchestration.settings import PROJECT_DIR
from orchestration.warehouse import prepare

MODELS = PROJECT_DIR / "models" / "intermediate" / "segments"
MACROS = (
    *("segment_interval", "segment_case", "local_date", "local_midnight"),
    *("segment_window_start", "segment_constants"),
)
EVALUATED = (
    *("int_segment_event_tests", "int_segment_parameters", "int_segment_rules"),
    *("int_segment_application_members", "int_segment_kept_members"),
    *("int_segment_event_values", "int_segment_matches"),
)
"""The models from the compiled plan to whom the rules select, in their order."""
WORLDS = int(os.environ.get("LOYALTY_RULES", "3"))
COLUMN_TYPES = {
    FieldType.NUMBER: "numeric",
    FieldType.TEXT: "text",
    FieldType.BOOLEAN: "boolean",
    FieldType.TIMESTAMP: "timestamptz",
}
PLANS = {
    "segment_plan": "select shape_id, predicate, values_seen from ops.segment_plan order by 1",
    "segment_event_plan": (
        "select event, shape_id, predicate, value from ops.segment_event_plan order by 1, 2"
    ),
}


def rendered(connection: psycopg.Connection[Any], model: str, as_of: datetime) -> str:
    """A model's SQL as dbt would render it, without the seconds that dbt takes to start."""
    macros = "".join((PROJECT_DIR / "macros" / f"{name}.sql").read_text() for name in MACROS)
    template = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(
        macros + (MODELS / f"{model}.sql").read_text()
    )
    plans = {
        name: connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()
        for name, query in PLANS.items()
    }
    return template.render(
        as_of=lambda: f"timestamptz '{as_of.isoformat()}'",
        ref=lambda name: f"built.{name}",
        source=lambda schema, table: f"{schema}.{table}",
        segment_plan=lambda parameters: plans["segment_plan"],
        segment_event_plan=lambda tests: plans["segment_event_plan"],
        segment_plan_warning=lambda: None,
        segment_events=lambda: {name: f"built.int_event_{name}" for name in CATALOGUE.events},
        segment_kept_stays=lambda: "ops.segment_stays",
        segment_touched_matches=lambda *_: ["true"],
        is_touched=lambda *_: "true",
        config=lambda **_: "",
    )


def columns(fields: Fields) -> str:
    return ", ".join(f"{name} {COLUMN_TYPES[field.type]}" for name, field in fields.items())


def set_up(connection: psycopg.Connection[Any]) -> None:
    prepare(connection)
    connection.execute(
        f"""
        create table raw.shops (id bigint primary key, shop_domain text);
        create table raw.customer_segments (
            id bigint primary key, shop_id bigint, name text, criteria json,
            is_active boolean, auto_update boolean, _deleted_at timestamptz
        );
        create schema built;
        create table built.int_shops (shop_id bigint, shop_domain text, timezone text);
        create view built.stg_customer_segments as
        select
            id as segment_id, shop_id, name, null as description, null as segment_type,
            null as created_at, null as updated_at, is_active, auto_update
        from raw.customer_segments;
        create table built.stg_customer_segment_memberships (
            segment_id bigint, customer_id bigint, is_active boolean, added_at timestamptz
        );
        create table built.int_customer_features (
            shop_id bigint, customer_id bigint, shop_domain text, shopify_customer_id text,
            {columns(CATALOGUE)}
        );
        """.encode()
    )
    for event in CATALOGUE.events.values():
        connection.execute(
            f"""
            create table built.int_event_{event.name} (
                shop_id bigint, customer_id bigint, occurred_at timestamptz, {columns(event.fields)}
            )
            """.encode()
        )


def insert(
    connection: psycopg.Connection[Any], table: str, names: Sequence[str], rows: Sequence[Any]
) -> None:
    target = sql.Identifier(*table.split("."))
    connection.execute(sql.SQL("truncate {}").format(target))
    into = sql.SQL("copy {} ({}) from stdin").format(
        target, sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor() as cursor, cursor.copy(into) as copy:
        for row in rows:
            copy.write_row(row)


def fill(connection: psycopg.Connection[Any], world: World) -> None:
    shops = list(enumerate(world.shops))
    segments = [(at, shop, world.segment(at)) for at, (shop, _) in enumerate(world.segments)]
    insert(connection, "raw.shops", ["id", "shop_domain"], [(at, s.domain) for at, s in shops])
    insert(
        connection,
        "built.int_shops",
        ["shop_id", "shop_domain", "timezone"],
        [(at, shop.domain, shop.timezone) for at, shop in shops],
    )
    insert(
        connection,
        "raw.customer_segments",
        ["id", "shop_id", "name", "criteria", "is_active", "auto_update"],
        [
            (at, shop, world.segments[at][1], one.criteria, *FLAGS.get(one.status, (None, None)))
            for at, shop, one in segments
        ],
    )
    insert(
        connection,
        "ops.segment_stays",
        ["segment_id", "shop_id", "customer_id", "added_at", "removed_at"],
        [(at, shop, *stay) for at, shop, one in segments for stay in one.stays],
    )
    strangers = {at: person["id"] for at, person in enumerate(world.customers[::-1])}
    insert(
        connection,
        "built.stg_customer_segment_memberships",
        ["segment_id", "customer_id", "is_active"],
        [
            (at, person, is_active)
            for at, shop, one in segments
            for is_active, people in (
                (None, one.active_rows),
                (False, {strangers[at % len(strangers)]} - one.active_rows),
            )
            for person in people
        ],
    )
    insert(
        connection,
        "built.int_customer_features",
        ["shop_id", "customer_id", "shop_domain", "shopify_customer_id", *CATALOGUE],
        [
            (
                *(one["shop"], one["id"], world.shops[one["shop"]].domain),
                *(one[name] for name in ("shopify_customer_id", *CATALOGUE)),
            )
            for one in world.customers
        ],
    )
    for event in CATALOGUE.events.values():
        names = ["occurred_at", *event.fields]
        insert(
            connection,
            f"built.int_event_{event.name}",
            ["shop_id", "customer_id", *names],
            [
                (one["shop"], one["id"], *(row[name] for name in names))
                for one in world.customers
                for row in one["events"][event.name]
            ],
        )


FLAGS = {"inactive": (False, None), "manual": (None, False)}
"""is_active and auto_update; NULL means true."""


def evaluated(connection: psycopg.Connection[Any], as_of: datetime) -> set[tuple[int, int]]:
    """The pairs of segment and customer that the models yield."""
    for model in EVALUATED:
        connection.execute(f"drop table if exists built.{model}".encode())
        query = rendered(connection, model, as_of)
        connection.execute(f"create table built.{model} as {query}".encode())
    query = "select segment_id, customer_id from built.int_segment_matches"
    rows = connection.execute(query.encode()).fetchall()
    assert len(rows) == len(set(rows))
    return set(rows)


def expected(world: World) -> set[tuple[int, int]]:
    return {
        (segment, customer["id"])
        for segment, (shop, _) in enumerate(world.segments)
        if world.segment(segment).status == "rule"
        for customer in world.customers
        if customer["shop"] == shop
        and oracle.selects(
            world.segment(segment).criteria, customer, world.shops[shop], world.as_of
        )
    }


def expected_status(world: World, at: int) -> str:
    segment = world.segment(at)
    if segment.status != "rule":
        return segment.status
    is_stale = oracle.is_stale(segment.criteria, world.shops[world.segments[at][0]])
    return "stale" if is_stale else "valid"


@pytest.mark.parametrize("major", [15, 16, 18])
def test_compiled_rules_select_whom_the_plain_python_interpreter_selects(
    major: int, new_database_on: Callable[[int], str]
) -> None:
    warehouse = Database("warehouse", new_database_on(major), "LOYALTY_WAREHOUSE_URL")
    with warehouse.connect(autocommit=True) as connection:
        set_up(connection)

        # A smaller seed is no simpler a world, so there is nothing to shrink.
        @settings(max_examples=WORLDS, deadline=None, phases=[Phase.explicit, Phase.generate])
        @given(seed=st.integers(0, 2**32))
        def agree(seed: int) -> None:
            world = make_world(seed)
            fill(connection, world)
            report = compile_rules(warehouse)
            statuses = Counter(expected_status(world, at) for at in range(len(world.segments)))
            assert report.statuses == statuses, report.invalid
            found, wanted = evaluated(connection, world.as_of), expected(world)
            for segment, customer in sorted(found ^ wanted):
                shop, name = world.segments[segment]
                raise AssertionError(
                    f"{name}: {world.segment(segment).criteria} "
                    f"{'selects' if (segment, customer) in found else 'misses'} "
                    f"{world.customers[customer]} of {world.shops[shop]} as of {world.as_of}"
                )

        agree()
