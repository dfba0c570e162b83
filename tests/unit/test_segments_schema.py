"""The published schema and the list of fields against the language itself."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestration.segments import (
    RuleError,
    list_events,
    list_fields,
    load_catalogue,
    parse,
    rule_schema,
)
from orchestration.segments.catalogue import AGGREGATES, AGGREGATES_OF, OPERATORS, FieldType
from orchestration.settings import PROJECT_DIR

CATALOGUE = load_catalogue()
SCHEMA = rule_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
GUIDE = (PROJECT_DIR / "docs" / "marketers.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
FLAG = {"field": "is_vip", "op": "is_true"}
COUNT = {"event": "order_placed", "aggregate": "count", "op": "gte", "value": 1}


def is_valid(rule: Any) -> bool:
    return bool(VALIDATOR.is_valid(rule))


def test_the_schema_is_one_of_its_dialect() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_guide_is_valid(example: str) -> None:
    assert is_valid(json.loads(example))


@pytest.mark.parametrize(
    "entry", [*list_fields(CATALOGUE), *list_events(CATALOGUE)], ids=lambda entry: entry.name
)
def test_every_field_and_event_has_an_example_that_is_a_rule(entry: Any) -> None:
    assert entry.label
    assert entry.description
    assert is_valid(dict(entry.example))
    assert parse(json.dumps(entry.example), CATALOGUE)


def test_the_list_says_which_fields_are_personal_and_which_operators_fit() -> None:
    fields = {field.name: field for field in list_fields(CATALOGUE)}
    assert {name for name, field in fields.items() if field.is_personal} == {"birthday"}
    assert fields["tier_name"].operators == OPERATORS[FieldType.TEXT]
    events = {event.name: event for event in list_events(CATALOGUE)}
    assert "sum" not in events["referral_clicked"].aggregates
    assert {field.name for field in events["order_placed"].fields} == {"amount", "is_loyalty_order"}


@pytest.mark.parametrize(
    "rule",
    [
        {"field": "points_balanc", "op": "gte", "value": 1},
        {"field": "points_balance", "op": "gtee", "value": 1},
        {"field": "points_balance", "op": "contains", "value": "1"},
        {"field": "points_balance", "op": "gte", "value": "100"},
        {"field": "points_balance", "op": "gte", "value": 10**15},
        {"field": "points_balance", "op": "between", "value": [1]},
        {"field": "points_balance", "op": "in", "value": []},
        {"field": "tier_name", "op": "eq", "value": 1},
        {"field": "tier_name", "op": "contains", "value": ""},
        {"field": "is_vip", "op": "is_true", "value": True},
        {"field": "is_vip", "op": "eq", "value": True},
        {"field": "created_at", "op": "before", "value": "yesterday"},
        {"field": "created_at", "op": "within_last", "value": 1.5, "unit": "day"},
        {"field": "created_at", "op": "within_last", "value": -1, "unit": "day"},
        {"field": "created_at", "op": "within_last", "value": 1, "unit": "year"},
        {"field": "birthday", "op": "anniversary_within_next", "value": 1, "unit": "hour"},
        {"all": []},
        {"all": [{}]},
        {"all": [FLAG], "any": [FLAG]},
        {"not": [FLAG]},
        {**FLAG, "extra": 1},
        {"random_sample": {"percent": 101, "seed": ""}},
        {"random_sample": {"percent": 10}},
        {**COUNT, "event": "orders_placed"},
        {**COUNT, "aggregate": "median"},
        {**COUNT, "of": "amount"},
        {**COUNT, "aggregate": "sum"},
        {**COUNT, "aggregate": "sum", "of": "is_loyalty_order"},
        {**COUNT, "where": []},
        {**COUNT, "where": [FLAG]},
        {**COUNT, "where": [COUNT]},
        {
            **COUNT,
            "within_last": {"value": 1, "unit": "day"},
            "between": ["2026-01-01", "2026-02-01"],
        },
        {"segment": 5},
        {"segment": "VIPs", "held_within_last": {"value": 1}},
        [],
        "x",
        None,
    ],
    ids=json.dumps,
)
def test_what_is_no_rule_does_not_pass(rule: Any) -> None:
    assert not is_valid(rule)


def _number(draw: Random) -> float:
    return draw.choice((0, -5, 0.5, 99.999999, 10**14))


def _text(draw: Random) -> str:
    return draw.choice(("Gold", "%", "Élite 🤡", "x" * 500))


def _moment(draw: Random) -> str:
    return draw.choice(
        ("2026-01-31", "2026-01-31T09:00", "2026-01-31 09:00:00.5Z", "2026-01-31T00:00-05:00")
    )


def _condition(draw: Random, name: str, kind: FieldType) -> dict[str, Any]:
    op = draw.choice(OPERATORS[kind])
    scalar = _text if kind is FieldType.TEXT else _number
    rule: dict[str, Any] = {"field": name, "op": op}
    if op.startswith("is_"):
        return rule
    if op in ("in", "not_in"):
        return {**rule, "value": [scalar(draw) for _ in range(draw.randint(1, 4))]}
    if op == "between":
        values = ["2026-01-31", "2026-02-01T00:00"] if kind is FieldType.TIMESTAMP else [1, 1.5]
        return {**rule, "value": values}
    if kind is not FieldType.TIMESTAMP:
        return {**rule, "value": scalar(draw)}
    if op in ("before", "after"):
        return {**rule, "value": _moment(draw)}
    return {**rule, **_span(draw)}


def _span(draw: Random) -> dict[str, Any]:
    return {"value": draw.choice((0, 1, 90)), "unit": draw.choice(("day", "week", "month"))}


def _event(draw: Random) -> dict[str, Any]:
    event = draw.choice(list(CATALOGUE.events.values()))
    numbers = [field.name for field in event.fields.values() if field.type is FieldType.NUMBER]
    aggregate = draw.choice([a for a in AGGREGATES if numbers or a not in AGGREGATES_OF])
    rule: dict[str, Any] = {"event": event.name, "aggregate": aggregate}
    if aggregate in AGGREGATES_OF:
        rule["of"] = draw.choice(numbers)
    if event.fields and draw.random() < 0.5:
        fields = list(event.fields.values())
        rule["where"] = [
            _condition(draw, field.name, field.type)
            for field in draw.choices(fields, k=draw.randint(1, 3))
        ]
    window = draw.random()
    if window < 0.3:
        rule["within_last"] = _span(draw)
    elif window < 0.6:
        rule["between"] = ["2026-01-31", "2026-02-01T00:00"]
    test = _condition(draw, "", FieldType.NUMBER)
    return {**rule, **{key: value for key, value in test.items() if key != "field"}}


def _rule(draw: Random, levels: int = 4) -> dict[str, Any]:
    if levels and draw.random() < 0.5:
        kind = draw.choice(("all", "any", "not"))
        if kind == "not":
            return {kind: _rule(draw, levels - 1)}
        return {kind: [_rule(draw, levels - 1) for _ in range(draw.randint(1, 3))]}
    other = draw.random()
    if other < 0.1:
        return {"random_sample": {"percent": draw.choice((0, 12.5, 100)), "seed": _text(draw)}}
    if other < 0.2:
        held = {"held_within_last": _span(draw)} if draw.random() < 0.5 else {}
        return {"segment": _text(draw), **held}
    if other < 0.6:
        return _event(draw)
    field = draw.choice(list(CATALOGUE.values()))
    return _condition(draw, field.name, field.type)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_random_rules_are_valid_in_the_language_and_in_the_schema(seed: int) -> None:
    rule = _rule(Random(seed))
    assert parse(json.dumps(rule), CATALOGUE)
    assert is_valid(rule), list(VALIDATOR.iter_errors(rule))


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_rule_that_the_schema_refuses_is_refused_by_the_language_too(seed: int) -> None:
    draw = Random(seed)
    rule = _rule(draw)
    _spoil(draw, rule)
    if not is_valid(rule):
        with pytest.raises(RuleError):
            parse(json.dumps(rule), CATALOGUE)


def _spoil(draw: Random, rule: dict[str, Any]) -> None:
    """Changes something somewhere in a rule."""
    key = draw.choice(list(rule))
    value = rule[key]
    if isinstance(value, dict) and draw.random() < 0.7:
        _spoil(draw, value)
    elif isinstance(value, list) and value and isinstance(value[0], dict) and draw.random() < 0.7:
        _spoil(draw, draw.choice(value))
    elif draw.random() < 0.3:
        del rule[key]
    else:
        rule[key] = draw.choice((None, 1, -1, "x", "day", [], {}, True, [1], 10**16, "is_set"))
