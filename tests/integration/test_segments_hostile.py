"""Hostile rules through compilation and build: they spoil their rule_status and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import PostgresServer
from dbt_in_process import Dbt
from hostile_rules import BROKEN, INJECTIONS, harmful, harmless
from segment_shops import GOOD, ONE, RICH, segment, tables
from warehouses import filled_warehouse, insert_rows, operational

from orchestration import sync
from orchestration.database import Database
from orchestration.segments import compile_rules, list_segments, preview

FIRST = 1000
"""Hostile segments have ids from here on; the others are there before them."""


def reading(*names: str) -> dict[str, Any]:
    return {"all": [{"segment": name} for name in names]}


REFERENCES: dict[str, tuple[dict[str, Any], str]] = {
    "Narcissus": (reading("Narcissus"), "invalid"),
    "Hen": (reading("Egg"), "invalid"),
    "Egg": (reading("Hen"), "invalid"),
    "Onlooker": (reading("Hen"), "stale"),
    "Thief": (reading("Only of two"), "invalid"),
    "Fisher": (reading("Only of tw"), "invalid"),
    "Torn": (reading("Double"), "invalid"),
    "Of the sleeping": (reading("Resting"), "valid"),
    "Link 0": (RICH, "valid"),
    **{
        f"Link {at}": (reading(f"Link {at - 1}"), "valid" if at < 8 else "invalid")
        for at in range(1, 9)
    },
}
"""Rules that read segments, and their status; `Double` is there twice."""


def corpus() -> tuple[list[dict[str, Any]], dict[int, str]]:
    """The hostile segments of both shops, and the rule_status that each is to have."""
    made: list[dict[str, Any]] = []
    statuses: dict[int, str] = {}

    def add(name: str, rule: Any, status: str, shop: int, **more: Any) -> None:
        statuses[FIRST + len(made)] = status
        made.append(segment(FIRST + len(made), name, rule, shop, **more))

    for shop in (1, 2):
        for name, rule in BROKEN.items():
            add(f"broken {name}", rule, "invalid", shop)
        for number, text in enumerate(INJECTIONS):
            for place, rule in harmful(text).items():
                add(f"{place} {number}", rule, "invalid", shop)
            for place, rule in harmless(text).items():
                # A name may say anything as well, and be anybody else's.
                add(f"{text} {place} {number}"[:100], rule, "valid", shop, description=text)
    for name, (rule, status) in REFERENCES.items():
        add(name, rule, status, 1)
    add("Double", RICH, "valid", 1)
    add("Double", RICH, "valid", 1)
    return made, statuses


@dataclass(frozen=True)
class Siege:
    """A warehouse before and after the hostile rules came, both at one as_of."""

    warehouse: Database
    segments: list[dict[str, Any]]
    statuses: dict[int, str]
    before: dict[str, list[tuple[Any, ...]]]
    after: dict[str, list[tuple[Any, ...]]]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.connect() as connection:
            return connection.execute(query.encode()).fetchall()


OF_OTHERS = {
    "stays": "select * from ops.segment_stays where segment_id < 1000 order by 1, 3, 4",
    "sizes": "select * from marts.customer_segments where segment_id < 1000 order by 1",
    "definitions": "select * from marts.dim_segments where segment_id < 1000 order by 1",
    "contacts": "select * from marketing.segment_contacts where segment_id < 1000"
    " order by segment_id, channel, customer_id",
    "customers": "select * from intermediate.int_customer_features order by customer_id",
    "shops": "select id, shop_domain from raw.shops order by id",
    "relations": "select table_schema, table_name from information_schema.tables order by 1, 2",
    "roles": "select rolname from pg_roles order by 1",
}


@pytest.fixture(scope="module")
def siege(server: PostgresServer, dbt: Dbt) -> Iterator[Siege]:
    names = [server.create_database() for _ in range(2)]
    application, target = map(server.url, names)
    warehouse = filled_warehouse(application, target, tables())

    def rows(query: str) -> list[tuple[Any, ...]]:
        with warehouse.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    as_of = rows("select max(snapshot_at) from ops.sync_runs")[0][0].isoformat()
    compile_rules(warehouse)
    assert dbt.build(warehouse, as_of) == []
    before = {name: rows(query) for name, query in OF_OTHERS.items()}
    segments, statuses = corpus()
    insert_rows(operational(application), {"customer_segments": segments})
    sync.sync(operational(application), "public", warehouse)
    compile_rules(warehouse)
    assert dbt.build(warehouse, as_of) == []
    after = {name: rows(query) for name, query in OF_OTHERS.items()}
    yield Siege(warehouse, segments, statuses, before, after)
    for name in names:
        server.drop_database(name)


@pytest.mark.parametrize("what", OF_OTHERS)
def test_all_other_segments_and_rows_stay_exactly_as_they_were(siege: Siege, what: str) -> None:
    assert siege.before[what]
    assert siege.after[what] == siege.before[what]


def test_each_rule_has_the_status_that_it_deserves(siege: Siege) -> None:
    found = dict(siege.rows("select segment_id, rule_status from marts.dim_segments"))
    wrong = {
        rule["name"]: found[rule["id"]]
        for rule in siege.segments
        if found[rule["id"]] != siege.statuses[rule["id"]]
    }
    assert wrong == {}
    assert len(siege.segments) > 1000


def test_each_error_is_short_and_names_a_place_and_no_other_shop(siege: Siege) -> None:
    errors = siege.rows(
        "select rule_error from marts.dim_segments where rule_status in ('invalid', 'stale')"
        " and segment_id >= 1000"
    )
    assert errors
    for (error,) in errors:
        place, _, problem = error.partition(": ")
        assert place
        assert problem, error
        assert len(error) < 1000
        assert error.isprintable(), error
    for name in ("Thief", "Fisher"):
        of_name = f"select rule_error from marts.dim_segments where name = '{name}'"
        ((error,),) = siege.rows(of_name)
        assert "the shop has no segment called" in error
        assert "did you mean" not in error.lower()


def test_nobody_is_in_a_segment_whose_rule_cannot_be_used(siege: Siege) -> None:
    invalid = [id_ for id_, status in siege.statuses.items() if status == "invalid"]
    with siege.warehouse.connect() as connection:
        stays = "select count(*) from ops.segment_stays where segment_id = any(%s)"
        assert connection.execute(stays, [invalid]).fetchone() == (0,)


EXPECTED: dict[str, Callable[[str, str | None], bool]] = {
    "a value": lambda text, tier: tier is not None and tier.lower() == text.lower(),
    "in a list": lambda text, tier: tier is not None and tier.lower() in (text.lower(), "gold"),
    "a part": lambda text, tier: tier is not None and text.lower() in tier.lower(),
}


def test_a_hostile_text_is_compared_like_any_other(siege: Siege) -> None:
    tiers = siege.rows("select customer_id, tier_name from intermediate.int_customer_features")
    shops = dict(siege.rows("select customer_id, shop_id from intermediate.int_customer_features"))
    stays = siege.rows("select segment_id, customer_id from ops.segment_stays")
    compared = 0
    for rule in siege.segments:
        place = next((p for p in EXPECTED if rule["name"].rsplit(" ", 1)[0].endswith(p)), None)
        if place is None or siege.statuses[rule["id"]] != "valid":
            continue
        text = str(rule["description"])
        members = {customer for segment, customer in stays if segment == rule["id"]}
        wanted = {
            c for c, tier in tiers if shops[c] == rule["shop_id"] and EXPECTED[place](text, tier)
        }
        assert members == wanted, rule["name"]
        compared += bool(members)
    assert compared > len(INJECTIONS)


def test_the_lists_of_segments_still_work(siege: Siege) -> None:
    assert len(list_segments(siege.warehouse)) == len(siege.segments) + len(siege.before["sizes"])
    found = preview(siege.warehouse, ONE, json.dumps(GOOD["Rich"]))
    assert (
        found.customers
        == siege.rows(
            "select customer_count::int from marts.customer_segments where segment_id = 1"
        )[0][0]
    )
