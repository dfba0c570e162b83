"""What the compiler makes of rules: shared shapes, and SQL without anything that users typed."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp, parse_one

from orchestration.errors import LoyaltyError
from orchestration.segments import load_catalogue, parse
from orchestration.segments.binding import Target
from orchestration.segments.catalogue import OPERATORS, FieldType
from orchestration.segments.predicate import CompiledRule, compile_criteria
from orchestration.settings import PROJECT_DIR

CATALOGUE = load_catalogue()
LEAST = {
    FieldType.NUMBER: {
        *("points_balance", "lifetime_points_earned", "lifetime_points_redeemed"),
        *("lifetime_spent", "lifetime_orders", "tier_level"),
    },
    FieldType.TEXT: {"tier_name"},
    FieldType.BOOLEAN: {"is_vip", "is_active", "email_opt_in", "sms_opt_in"},
    FieldType.TIMESTAMP: {
        *("created_at", "birthday", "last_order_at", "last_login_at", "last_points_earned_at"),
        *("tier_achieved_at", "tier_expires_at"),
    },
}


EVENTS = {
    "points_earned": {"points", "source", "transaction_type", "campaign_id"},
    "points_redeemed": {"points", "source"},
    "points_expired": {"points", "source"},
    "order_placed": {"amount", "is_loyalty_order"},
    "reward_redeemed": {"points", "status", "reward_type"},
    "campaign_joined": {"campaign_id", "points", "amount", "orders"},
    "referral_clicked": {"utm_source", "utm_medium", "utm_campaign", "converted"},
    "referral_converted": {"amount", "points"},
    "tier_changed": {"direction", "reason", "tier_name", "tier_level"},
}


def compiled(rule: dict[str, Any]) -> CompiledRule:
    return compile_criteria(parse(json.dumps(rule), CATALOGUE), CATALOGUE)


def balance(op: str, value: object) -> dict[str, object]:
    return {"field": "points_balance", "op": op, "value": value}


def test_rules_that_differ_in_their_constants_share_a_shape() -> None:
    first, second = compiled(balance("gte", 500)), compiled(balance("gte", 1000))
    assert first.shape_id == second.shape_id
    assert first.predicate == second.predicate
    assert (first.parameters.numbers, second.parameters.numbers) == ([500], [1000])


def test_local_times_and_instants_share_a_shape() -> None:
    local, instant = (
        compiled({"field": "created_at", "op": "before", "value": value})
        for value in ("2025-01-01", "2025-01-01T00:00:00+02:00")
    )
    assert local.shape_id == instant.shape_id
    assert local.parameters.instants == [None]
    assert instant.parameters.local_times == [None]


def test_lists_of_about_one_length_share_a_shape() -> None:
    shapes = [compiled(balance("in", list(range(n)))).shape_id for n in (3, 4, 5)]
    assert shapes[0] == shapes[1] != shapes[2]
    assert compiled(balance("in", [1, 2, 3])).parameters.numbers == [1, 2, 3, 3]


def test_another_operator_or_field_is_another_shape() -> None:
    other = {"field": "lifetime_orders", "op": "gte", "value": 500}
    shapes = {compiled(rule).shape_id for rule in (balance("gte", 1), balance("gt", 1), other)}
    assert len(shapes) == 3


def test_values_seen_leave_out_personal_fields() -> None:
    rule = {
        "all": [
            {"field": "birthday", "op": "is_set"},
            {"field": "tier_name", "op": "is_set"},
            {"field": "tier_name", "op": "neq", "value": "Gold"},
        ]
    }
    result = compiled(rule)
    assert result.fields == ("birthday", "tier_name")
    assert result.values_seen == "jsonb_build_object('tier_name', features.tier_name)"


def earned(aggregate: str, value: int, **more: object) -> dict[str, object]:
    of = {} if aggregate == "count" else {"of": "points"}
    event = {"event": "points_earned", "aggregate": aggregate, **of}
    return {**event, "op": "gte", "value": value, **more}


def test_rules_share_an_event_test_whatever_they_compare_it_with() -> None:
    window = {"within_last": {"value": 30, "unit": "day"}}
    rule = compiled({"all": [earned("sum", 5, **window), earned("sum", 9, **window)]})
    assert len(rule.event_tests) == 1
    other = compiled(earned("sum", 100, **window))
    assert other.event_tests == rule.event_tests
    assert compiled(earned("sum", 5)).event_tests != rule.event_tests


def test_event_tests_of_other_aggregates_and_constants_share_a_shape() -> None:
    first = compiled(earned("sum", 5, within_last={"value": 30, "unit": "day"}))
    second = compiled(earned("avg", 5, within_last={"value": 2, "unit": "week"}))
    assert first.event_tests[0].shape_id == second.event_tests[0].shape_id
    assert first.event_tests[0].test.test_id != second.event_tests[0].test.test_id
    everything = compiled(earned("sum", 5)).event_tests[0]
    assert everything.predicate == "TRUE"


def test_values_seen_say_what_the_events_came_to() -> None:
    rule = compiled(
        {
            "all": [
                earned("count", 1),
                earned("sum", 5),
                earned("sum", 5, between=["2025-01-01", "2026-01-01"]),
            ]
        }
    )
    keys = [
        literal.this
        for literal in parse_one(rule.values_seen, dialect="postgres").find_all(exp.Literal)
        if literal.is_string
    ]
    assert keys == [
        *("count of points_earned", "sum of points_earned.points"),
        "sum of points_earned.points (2)",
    ]


def test_a_rule_with_many_events_fits_a_function_of_postgresql() -> None:
    many = [earned("sum", at, within_last={"value": at, "unit": "day"}) for at in range(100)]
    rule = compiled({"all": many})
    calls = list(parse_one(rule.values_seen, dialect="postgres").find_all(exp.Anonymous))
    calls = [call for call in calls if call.name.lower() == "jsonb_build_object"]
    assert [len(call.expressions) for call in calls] == [100, 100]


def test_the_rule_of_a_segment_that_is_named_is_part_of_the_rule() -> None:
    target = parse(json.dumps(balance("gte", 500)), CATALOGUE)
    criteria = parse('{"all": [{"segment": "Rich"}, {"segment": "By hand"}]}', CATALOGUE)
    targets = {"Rich": Target(1, True, target), "By hand": Target(2)}
    rule = compile_criteria(criteria, CATALOGUE, targets)
    assert rule.fields == ("points_balance",)
    assert rule.parameters.numbers == [500]
    assert [kept.segment_id for kept in rule.references] == [2]
    assert "kept_members.tests" in rule.predicate


def test_the_empty_rule_compiles_to_false() -> None:
    assert compiled({}).predicate == "FALSE"


def test_a_sample_share_is_exact() -> None:
    rule = compiled({"random_sample": {"percent": 10, "seed": "q4"}})
    assert rule.parameters.numbers == [Decimal("429496729.6")]


HOSTILE = st.sampled_from(
    (
        "'; drop table raw.shops; --",
        "') or true --",
        "\\'); select 1",
        "{{ env_var('HOME') }}",
        "${x}",
        "%s",
        "$1",
        ":value",
        "/*",
        "pg_sleep(10)",
    )
)


@given(
    HOSTILE
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
    st.sampled_from(("eq", "neq", "contains", "starts_with", "ends_with", "in")),
)
def test_nothing_that_a_user_typed_is_in_the_sql(text: str, op: str) -> None:
    value = [text] if op == "in" else text
    rule = compiled(
        {
            "all": [
                {"field": "tier_name", "op": op, "value": value},
                {"random_sample": {"percent": 50, "seed": text}},
                earned("sum", 3, where=[{"field": "source", "op": op, "value": value}]),
            ]
        }
    )
    (test,) = rule.event_tests
    assert test.test.constants.texts == [text]
    assert rule.parameters.texts == [text]
    assert rule.parameters.seeds == [text]
    # The constants of the language itself, whatever the text is.
    literals = {
        literal.this
        for sql in (rule.predicate, test.predicate, test.value)
        for literal in parse_one(sql, dialect="postgres").find_all(exp.Literal)
    }
    assert literals <= {"x", ":", "0", "1", "8", "32"}


def test_every_column_in_the_sql_is_of_the_catalogue_or_a_parameter() -> None:
    values: dict[str, Any] = {
        "in": [1],
        "not_in": [1],
        "between": [1, 2],
        "before": "2025-01-01",
        "after": "2025-01-01",
    }
    for op in (*OPERATORS[FieldType.NUMBER], *OPERATORS[FieldType.TIMESTAMP]):
        field = "points_balance" if op in OPERATORS[FieldType.NUMBER] else "created_at"
        rule: dict[str, Any] = {"field": field, "op": op}
        if not op.startswith("is_"):
            rule["value"] = values.get(op, 1)
        if "within" in op or op == "more_than_ago":
            rule["unit"] = "day"
        tree = parse_one(compiled(rule).predicate, dialect="postgres")
        columns = {(column.table, column.name) for column in tree.find_all(exp.Column)}
        assert {name for table, name in columns if table == "features"} == {field}
        assert {table for table, _ in columns} <= {"features", "parameters"}


def test_the_catalogue_has_at_least_the_specified_fields() -> None:
    for kind, names in LEAST.items():
        assert names <= {field.name for field in CATALOGUE.values() if field.type is kind}


def test_the_catalogue_has_at_least_the_specified_events() -> None:
    for event, fields in EVENTS.items():
        assert fields == set(CATALOGUE.events[event].fields), event


def test_the_models_read_every_event() -> None:
    macro = (PROJECT_DIR / "macros" / "segment_events.sql").read_text()
    named = re.findall(r"'(\w+)': ref\('int_event_(\w+)'\)", macro)
    assert named == [(event, event) for event in sorted(CATALOGUE.events)]


def test_everything_is_labelled_and_described() -> None:
    fields = [field for event in CATALOGUE.events.values() for field in event.fields.values()]
    for one in (*CATALOGUE.values(), *CATALOGUE.events.values(), *fields):
        assert one.label, one.name
        assert len(one.description) > 10, one.name


def test_events_hold_no_personal_data() -> None:
    for event in CATALOGUE.events.values():
        assert not any(field.is_personal for field in event.fields.values()), event.name


def test_an_incomplete_tag_is_refused_by_name(tmp_path: Path) -> None:
    features = tmp_path / "features.yml"
    features.write_text(
        "models: [{name: m, columns: [{name: a, config: {meta: {segment_field: number}}}]}]"
    )
    with pytest.raises(LoyaltyError, match=r"features\.yml.*label"):
        load_catalogue(features)
