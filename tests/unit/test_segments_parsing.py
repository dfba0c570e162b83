"""What rules are refused, and how well the errors say why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.segments import RuleError, StoredRule, assess, in_words, load_catalogue, parse

CATALOGUE = load_catalogue()
FLAG = '{"field": "is_vip", "op": "is_true"}'


def error_of(text: str | None) -> str:
    with pytest.raises(RuleError) as caught:
        parse(text, CATALOGUE)
    return str(caught.value)


def group(kind: str, *conditions: str) -> str:
    return f'{{"{kind}": [{", ".join(conditions)}]}}'


def nested(levels: int) -> str:
    return '{"not": ' * levels + FLAG + "}" * levels


def test_the_empty_rule_selects_nobody() -> None:
    assert parse("{}", CATALOGUE) is None
    assert in_words(None, CATALOGUE) == "Nobody"


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (
            group("all", FLAG, '{"field": "points_balanc", "op": "gte", "value": 1}'),
            'all[1].field: unknown field "points_balanc"; did you mean points_balance?',
        ),
        (
            '{"field": "points_balance", "op": "eq", "valeu": 1}',
            'valeu: unknown key "valeu"; did you mean value?',
        ),
        (
            '{"field": "points_balance", "op": "gtee", "value": 1}',
            'op: unknown operator "gtee"; did you mean gte?',
        ),
        (group("al", FLAG), 'criteria: unknown key "al"; did you mean all?'),
        (
            '{"random_sample": {"percnt": 10, "seed": "q4"}}',
            'random_sample.percnt: unknown key "percnt"; did you mean percent?',
        ),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(rule: str, error: str) -> None:
    assert error_of(rule) == error


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (
            '{"any": [{"field": "points_balance", "op": "gt", "value": "100"}]}',
            'any[0].value: "100" is not a number; leave out the quotes',
        ),
        (
            '{"field": "points_balance", "op": "eq", "value": "100"}',
            'value: "100" is text, but points_balance is a number; leave out the quotes',
        ),
        (
            '{"field": "tier_name", "op": "in", "value": ["Gold", 1]}',
            "value[1]: 1 is a number, but tier_name is text; put it in quotes",
        ),
        ('{"field": "points_balance", "op": "eq", "value": true}', "value: true is not a number"),
        ('{"field": "points_balance", "op": "eq"}', 'criteria: "value" is missing'),
        (
            '{"field": "is_vip", "op": "eq", "value": true}',
            "value: true is not a number",
        ),
        (
            '{"field": "tier_name", "op": "gt", "value": 1}',
            "op: gt does not fit tier_name, a text; use one of eq, neq, in, not_in, contains, "
            "starts_with, ends_with, is_set, is_not_set",
        ),
        (
            '{"field": "points_balance", "op": "between", "value": [5, 1]}',
            "value: the second number must not be smaller than the first",
        ),
        (
            '{"field": "last_order_at", "op": "before", "value": "yesterday"}',
            'value: "yesterday" is not a date or time like 2026-01-31 or 2026-01-31T09:00',
        ),
        (
            '{"field": "last_order_at", "op": "before", "value": "2025-02-29"}',
            'value: "2025-02-29" is not in the calendar',
        ),
        (
            '{"field": "last_order_at", "op": "within_last", "value": 1.5, "unit": "day"}',
            "value: 1.5 must be a whole number, 0 or more",
        ),
        (
            '{"field": "last_order_at", "op": "within_last", "value": -1, "unit": "day"}',
            "value: -1 must be a whole number, 0 or more",
        ),
        (
            '{"field": "last_order_at", "op": "within_next", "value": 1e9, "unit": "day"}',
            "value: the window is endless; 36500 days at most",
        ),
        (
            '{"random_sample": {"percent": 101, "seed": ""}}',
            "random_sample.percent: 101 is not from 0 to 100",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_path(rule: str, error: str) -> None:
    assert error_of(rule) == error


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (None, "criteria: there are none; write {} for a segment of nobody"),
        ("", "criteria: not JSON (expecting value, line 1, column 1)"),
        ('{"all": [}', "criteria: not JSON (expecting value, line 1, column 10)"),
        ("[]", "criteria: a list is not a condition; write an object in braces"),
        ("null", "criteria: null is not a condition; write an object in braces"),
        ('{"all": []}', "all: empty; it needs at least one"),
        ('{"not": {}}', "not: an empty condition; only a whole rule may be empty"),
        (
            '{"all": [' + FLAG + '], "any": [' + FLAG + "]}",
            "criteria: all and any cannot be in one object; nest one of them in a group",
        ),
        ('{"all": [{"field": 1, "field": 2}]}', 'all[0]: the key "field" is there twice'),
        (
            '{"field": "tier_name", "op": "eq", "value": "a\\u0000"}',
            "value: text must not hold the character NUL",
        ),
        (
            '{"field": "tier_name", "op": "eq", "value": "\\ud83d"}',
            "value: text must not hold half a character (a lone surrogate)",
        ),
        (
            '{"field": "points_balance", "op": "eq", "value": NaN}',
            "value: the number is too large, or none; numbers stay under 10^15",
        ),
        (
            '{"field": "points_balance", "op": "eq", "value": 1e99999999999999999999}',
            "value: the number is too large, or none; numbers stay under 10^15",
        ),
        (
            '{"field": "points_balance", "op": "eq", "value": -1e9999999}',
            "value: the number is too large, or none; numbers stay under 10^15",
        ),
        (
            '{"field": "points_balance", "op": "eq", "value": 1e-9999999}',
            "value: numbers have at most 6 decimals",
        ),
        (
            '{"field": "points_balance", "op": "eq", "value": 0.0000001}',
            "value: numbers have at most 6 decimals",
        ),
    ],
)
def test_what_is_no_rule_at_all_says_so(rule: str | None, error: str) -> None:
    assert error_of(rule) == error


@pytest.mark.parametrize("zero", ["0e-999999999999", "0e-20000", "0e999999999999", "-0", "-0.00"])
def test_a_zero_is_zero_however_it_is_written(zero: str) -> None:
    rule = parse(f'{{"field": "points_balance", "op": "gt", "value": {zero}}}', CATALOGUE)
    assert in_words(rule, CATALOGUE) == "Points balance over 0"


def event(rest: str) -> str:
    return f'{{"event": "points_earned", {rest}}}'


COUNT = '"aggregate": "count", "op": "gte", "value": 1'


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (
            '{"not": {"event": "points_earnd", "aggregate": "count", "op": "eq", "value": 0}}',
            'not.event: unknown event "points_earnd"; did you mean points_earned?',
        ),
        (
            event('"aggregate": "cont", "op": "eq", "value": 0'),
            'aggregate: unknown aggregate "cont"; did you mean count?',
        ),
        (event('"op": "eq", "value": 0'), 'criteria: "aggregate" is missing'),
        (
            event('"aggregate": "sum", "op": "eq", "value": 0'),
            'criteria: "of" is missing; sum is of a number field: use one of points, campaign_id',
        ),
        (
            event('"aggregate": "sum", "of": "pionts", "op": "eq", "value": 0'),
            'of: unknown field "pionts" of points_earned; did you mean points?',
        ),
        (
            event('"aggregate": "max", "of": "source", "op": "eq", "value": 0'),
            "of: max does not fit source, a text; use one of points, campaign_id",
        ),
        (
            event('"aggregate": "sum", "of": null, "op": "eq", "value": 0'),
            "of: null is nothing; leave the key out",
        ),
        (
            event('"aggregate": "days_since_last", "of": "points", "op": "eq", "value": 0'),
            "of: days_since_last is of no field; of goes with sum, avg, min, max",
        ),
        (
            '{"event": "tier_changed", "aggregate": "sum", "op": "eq", "value": 0}',
            'criteria: "of" is missing; sum is of a number field: use one of tier_level',
        ),
        (
            event('"aggregate": "count", "op": "contains", "value": "1"'),
            'op: unknown operator "contains"; use one of eq, neq, gt, gte, lt, lte, in, not_in, '
            "between, is_set, is_not_set",
        ),
        (
            event('"aggregate": "count", "op": "gte", "value": "1"'),
            'value: "1" is not a number; leave out the quotes',
        ),
        (
            event('"aggregate": "count", "op": "between", "value": [3, 1]'),
            "value: the second number must not be smaller than the first",
        ),
        (event(COUNT + ', "where": []'), "where: empty; it needs at least one"),
        (
            event(COUNT + ', "where": {"field": "source", "op": "is_set"}'),
            "where: an object is not a list",
        ),
        (
            event(COUNT + ', "where": [{"field": "sauce", "op": "is_set"}]'),
            'where[0].field: unknown field "sauce" of points_earned; did you mean source?',
        ),
        (
            event(COUNT + ', "where": [{"field": "source", "op": "is_st"}]'),
            'where[0].op: unknown operator "is_st"; did you mean is_set?',
        ),
        (
            event(COUNT + ', "where": [{"field": "source", "op": "eq", "value": 1}]'),
            "where[0].value: 1 is a number, but source is text; put it in quotes",
        ),
        (
            event(COUNT + ', "where": [{"any": [' + FLAG + "]}]"),
            "where[0]: any does not fit in where, which has conditions on the event's fields",
        ),
        (
            event(COUNT + ', "where": [{"feld": "source"}]'),
            'where[0]: unknown key "feld"; did you mean field?',
        ),
        (
            event(COUNT + ', "within_last": {"value": 1.5, "unit": "day"}'),
            "within_last.value: 1.5 must be a whole number, 0 or more",
        ),
        (
            event(COUNT + ', "within_last": {"value": -1, "unit": "day"}'),
            "within_last.value: -1 must be a whole number, 0 or more",
        ),
        (
            event(COUNT + ', "within_last": {"value": 1200.0e1, "unit": "month"}'),
            "within_last.value: the window is endless; 1200 months at most",
        ),
        (event(COUNT + ', "within_last": {"value": 1}'), 'within_last: "unit" is missing'),
        (
            event(COUNT + ', "within_last": {"value": 1, "units": "day"}'),
            'within_last.units: unknown key "units"; did you mean unit?',
        ),
        (event(COUNT + ', "within_last": 30'), "within_last: 30 is not an object"),
        (
            event(COUNT + ', "within_lst": 30'),
            'within_lst: unknown key "within_lst"; did you mean within_last?',
        ),
        (
            event(COUNT + ', "between": ["2025-02-01", "2025-01-01"]'),
            "between: the second time must be later than the first",
        ),
        (event(COUNT + ', "between": ["2025-02-01"]'), "between: needs exactly two values"),
        (
            event(COUNT + ', "between": ["2025-02-01", "soon"]'),
            'between[1]: "soon" is not a date or time like 2026-01-31 or 2026-01-31T09:00',
        ),
        (
            event(
                COUNT + ', "between": ["2025-01-01", "2025-02-01"], '
                '"within_last": {"value": 1, "unit": "day"}'
            ),
            "between: within_last and between cannot both be given",
        ),
        (
            '{"event": "points_earned", "segment": "Rich"}',
            "criteria: event and segment cannot be in one object; nest one of them in a group",
        ),
        ('{"segment": 3}', "segment: 3 is not text"),
        (
            '{"segment": "Rich", "held_within_lst": {"value": 1, "unit": "day"}}',
            'held_within_lst: unknown key "held_within_lst"; did you mean held_within_last?',
        ),
        (
            '{"segment": "Rich", "held_within_last": {"value": 1e6, "unit": "day"}}',
            "held_within_last.value: the window is endless; 36500 days at most",
        ),
    ],
)
def test_what_is_wrong_with_events_and_segments_is_named_with_its_path(
    rule: str, error: str
) -> None:
    assert error_of(rule) == error


def test_conditions_on_an_events_fields_count() -> None:
    wheres = ", ".join(['{"field": "source", "op": "is_set"}'] * 99)
    assert parse(event(f'{COUNT}, "where": [{wheres}]'), CATALOGUE)
    many = group("all", FLAG, event(f'{COUNT}, "where": [{wheres}]'))
    assert error_of(many) == "criteria: 101 conditions; a rule has at most 100"


def test_groups_nest_to_depth_eight() -> None:
    assert parse(nested(8), CATALOGUE)
    assert error_of(nested(9)).endswith("nested deeper than 8 groups")


def test_a_rule_has_at_most_a_hundred_conditions() -> None:
    assert parse(group("all", *[FLAG] * 100), CATALOGUE)
    many = group("all", *[FLAG] * 101)
    assert error_of(many) == "criteria: 101 conditions; a rule has at most 100"


@pytest.mark.parametrize(
    "rule",
    ["[" * 60_000, '{"not": ' * 8_000, nested(2_000), '{"a": "%s"}' % ("x" * 70_000)],
    ids=["brackets", "unclosed", "nested", "large"],
)
def test_deep_and_large_rules_are_refused_in_one_short_line(rule: str) -> None:
    error = error_of(rule)
    assert len(error) < 200
    assert "\n" not in error


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda values: st.lists(values) | st.dictionaries(st.text(st.characters()), values),
    max_leaves=12,
)
KEYS = st.sampled_from(
    (
        *("all", "any", "not", "field", "op", "value", "unit", "event", "random_sample", "seed"),
        *("aggregate", "of", "where", "within_last", "between", "segment", "held_within_last"),
    )
)
WORDS = st.sampled_from(
    (
        *(*CATALOGUE, *CATALOGUE.events, "count", "sum", "points", "source", "rule"),
        *("eq", "gt", "in", "between", "within_last", "day", "is_set"),
    )
)
RULES = st.recursive(
    WORDS | JSON_VALUES,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(KEYS, values, max_size=4),
    max_leaves=20,
)


@given(RULES)
def test_any_json_is_a_rule_or_one_error_that_can_be_stored(document: object) -> None:
    text = json.dumps(document)
    rule = StoredRule(1, 1, "one.example", "rule", text, "hash", True, True)
    result = assess(rule, CATALOGUE)
    assert result.status in ("valid", "invalid")
    if result.error is not None:
        result.error.encode()
        assert "\0" not in result.error


@given(st.text(st.characters(), max_size=200))
def test_any_text_is_a_rule_or_an_error(text: str) -> None:
    rule = StoredRule(1, 1, "one.example", "rule", text, "hash", True, True)
    assert assess(rule, CATALOGUE).status in ("valid", "invalid")


def test_a_rule_is_said_in_words() -> None:
    rule = parse(
        """
        {"all": [
          {"any": [{"field": "points_balance", "op": "gte", "value": 500},
                   {"field": "tier_name", "op": "in", "value": ["Gold", "Platinum"]}]},
          {"field": "last_order_at", "op": "more_than_ago", "value": 1, "unit": "month"},
          {"not": {"field": "is_vip", "op": "is_true"}},
          {"random_sample": {"percent": 12.5, "seed": "q4"}}
        ]}
        """,
        CATALOGUE,
    )
    assert in_words(rule, CATALOGUE) == (
        "(points balance at least 500 or tier one of Gold, Platinum) and last order more than "
        "1 month ago and not (VIP: yes) and in the 12.5 % random sample"
    )


def test_events_and_segments_are_said_in_words() -> None:
    rule = parse(
        """
        {"all": [
          {"event": "points_earned", "aggregate": "sum", "of": "points", "op": "gte", "value": 200,
           "where": [{"field": "source", "op": "eq", "value": "referral"}],
           "within_last": {"value": 90, "unit": "day"}},
          {"event": "order_placed", "aggregate": "count", "op": "eq", "value": 0,
           "between": ["2025-01-01", "2025-02-01"]},
          {"not": {"segment": "VIPs", "held_within_last": {"value": 1, "unit": "week"}}}
        ]}
        """,
        CATALOGUE,
    )
    assert in_words(rule, CATALOGUE) == (
        "Total points in point earnings (source is referral) within the last 90 days at least 200 "
        "and number of orders from 2025-01-01 until 2025-02-01 is 0 and not (in the segment "
        '"VIPs" within the last 1 we…'
    )
    days = '{"event": "order_placed", "aggregate": "days_since_last", "op": "gt", "value": 60}'
    assert in_words(parse(days, CATALOGUE), CATALOGUE) == "Days since the last of orders over 60"
    segment = in_words(parse('{"segment": "VIPs"}', CATALOGUE), CATALOGUE)
    assert segment == 'In the segment "VIPs"'


def test_words_are_cut_to_what_the_application_stores() -> None:
    text = json.dumps({"field": "tier_name", "op": "in", "value": ["Gold"] * 100})
    assert len(in_words(parse(text, CATALOGUE), CATALOGUE)) == 200
