"""Compiling the rules that raw holds: what is stored, and what a bad rule can do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from warehouses import filled_warehouse, warehouse

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.segments import compile_rules

RICH = '{"field": "points_balance", "op": "gte", "value": %d}'
HOSTILE = [
    *("null", "[]", "3", '"x"', '{"a": 1, "a": 2}', '{"all": []}', '{"all": [{}]}'),
    '{"field": "tier_name", "op": "eq", "value": "\\u0000"}',
    '{"field": "tier_name", "op": "eq", "value": "\\ud83d"}',
    '{"field": "\\ud83d\\n\\u0007", "op": "eq", "value": 1}',
    '{"field": "email", "op": "is_set"}',
    '{"field": "points_balance; drop table raw.shops", "op": "is_set"}',
    '{"field": "points_balance", "op": "eq", "value": 1e400}',
    '{"field": "points_balance", "op": "eq", "value": 1e9999999}',
    '{"field": "last_order_at", "op": "within_last", "value": 1e12, "unit": "month"}',
    '{"field": "last_order_at", "op": "before", "value": "9999-12-31T23:59:59-23:59"}',
    '{"event": "points_earned; --", "aggregate": "count", "op": "eq", "value": 0}',
    '{"event": "points_earned", "aggregate": "count) --", "op": "eq", "value": 0}',
    '{"event": "points_earned", "aggregate": "sum", "of": "shop_id", "op": "eq", "value": 0}',
    '{"event": "points_earned", "aggregate": "count", "op": "eq", "value": 0, '
    '"where": [{"field": "customer_id", "op": "is_set"}]}',
    '{"event": "points_earned", "aggregate": "count", "op": "eq", "value": 0, '
    '"between": ["-infinity", "now"]}',
    '{"segment": "Rich\\u0000"}',
    '{"segment": "s9999"}',
    '{"segment": "s1", "held_within_last": {"value": 1e300, "unit": "hour"}}',
    '{"not": ' * 1500 + "{}" + "}" * 1500,
    json.dumps({"field": "tier_name", "op": "in", "value": ["x" * 400] * 2500}),
]


def segment(id_: int, criteria: str, shop: int = 1, **flags: object) -> dict[str, Any]:
    return {"id": id_, "shop_id": shop, "name": f"s{id_}", "criteria": criteria, **flags}


def filled(new_database: Callable[[], str], *segments: dict[str, Any]) -> Database:
    shops = [{"id": id_, "shop_domain": f"{id_}.example"} for id_ in (1, 2)]
    tables = {"shops": shops, "customer_segments": segments}
    return filled_warehouse(new_database(), new_database(), tables)


def rows(target: Database, query: str) -> list[tuple[Any, ...]]:
    with target.connect() as connection:
        return connection.execute(query.encode()).fetchall()


def test_rules_of_one_shape_in_two_shops_are_one_predicate(
    new_database: Callable[[], str],
) -> None:
    target = filled(new_database, segment(1, RICH % 500), segment(2, RICH % 900, shop=2))
    report = compile_rules(target)
    assert (report.statuses, report.shapes) == ({"valid": 2}, 1)
    assert rows(target, "select fields, rules from ops.segment_plan") == [(["points_balance"], 2)]
    parameters = "select shop_id, numbers::int[] from ops.segment_parameters order by shop_id"
    assert rows(target, parameters) == [(1, [500]), (2, [900])]


def test_compiling_again_writes_nothing_and_a_change_writes_only_itself(
    new_database: Callable[[], str],
) -> None:
    target = filled(new_database, *(segment(id_, RICH % id_) for id_ in range(1, 11)))
    assert compile_rules(target).rows_written > 0
    assert compile_rules(target).rows_written == 0
    with target.connect(autocommit=True) as connection:
        connection.execute(
            "update raw.customer_segments set criteria = %s where id = 5", [RICH % 77]
        )
    assert compile_rules(target).rows_written == 2  # the rule and its constant


def test_a_segment_that_is_gone_leaves_the_plan(new_database: Callable[[], str]) -> None:
    target = filled(new_database, segment(1, RICH % 1), segment(2, "{}"))
    compile_rules(target)
    with target.connect(autocommit=True) as connection:
        connection.execute("update raw.customer_segments set _deleted_at = now() where id = 2")
    assert compile_rules(target).shapes == 1
    assert rows(target, "select count(*) from ops.segment_plan") == [(1,)]
    assert rows(target, "select segment_id from ops.segment_rules") == [(1,)]


def test_switched_off_and_manual_segments_are_not_compiled(
    new_database: Callable[[], str],
) -> None:
    target = filled(
        new_database,
        segment(1, '"nonsense"', is_active=False),
        segment(2, '"nonsense"', auto_update=False),
        segment(3, RICH % 1, is_active=None, auto_update=None),
    )
    assert compile_rules(target).statuses == {"inactive": 1, "manual": 1, "valid": 1}


def test_a_hostile_rule_hurts_nobody_but_itself(new_database: Callable[[], str]) -> None:
    rules = [segment(id_, criteria) for id_, criteria in enumerate(HOSTILE, start=2)]
    target = filled(new_database, segment(1, RICH % 500), *rules)
    report = compile_rules(target)
    assert report.statuses == {"valid": 1, "invalid": len(HOSTILE)}
    stored = "select rule_error from ops.segment_rules where rule_status = 'invalid'"
    assert all(0 < len(error) < 1000 for (error,) in rows(target, stored))
    assert rows(target, "select segment_id from ops.segment_parameters") == [(1,)]


def test_a_zero_with_an_exponent_that_postgresql_refuses_is_stored_as_zero(
    new_database: Callable[[], str],
) -> None:
    rule = '{"field": "points_balance", "op": "in", "value": [0e-20000, 1]}'
    target = filled(new_database, segment(1, RICH % 500), segment(2, rule))
    assert compile_rules(target).statuses == {"valid": 2}
    numbers = "select numbers::text from ops.segment_parameters where segment_id = 2"
    assert rows(target, numbers) == [("{0,1}",)]


def test_a_warehouse_without_segments_says_what_to_do(new_database: Callable[[], str]) -> None:
    with pytest.raises(LoyaltyError, match="loyalty sync"):
        compile_rules(warehouse(new_database()))
