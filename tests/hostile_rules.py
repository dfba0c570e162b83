"""Rules that were written to hurt: each may spoil itself, and nothing else."""

from __future__ import annotations

import json
from typing import Any

INJECTIONS = (
    *("'; drop table raw.shops; --", "' or 1=1 --", "$$ || pg_sleep(60) || $$", "\\'", '"', "\\"),
    *("{{ 1 / 0 }}", "{% for x in range(9999999) %}x{% endfor %}", "{# x", "{{ run_query('x') }}"),
    *("%s", "%(shop_id)s", "%%", "%", ":field", ":first", "$1", "?", "{}", "{0}", "{values}"),
    *("\\.", "\n\\.\n", "\\N", "\\x41", "\t", "\r\n", "a\tb", "NULL", "{1,2}", '{"a"}', "NaN"),
    *("parameters.shop_id", "features.email", "*/ select 1 /*", "--", "\u202egold", "\u0000"[:0]),
    *("\U0001f921", "e\u0301", "\ufeff", "\u2028", "\x07\x1b[2J", "x" * 500),
)
"""Texts for SQL, Jinja, placeholders, COPY, arrays, JSON and terminals."""


def _condition(**parts: Any) -> dict[str, Any]:
    return {"field": "tier_name", "op": "eq", "value": "Gold", **parts}


def harmless(text: str) -> dict[str, dict[str, Any]]:
    """Rules in which a text is a value, and nothing but a value: they work."""
    event = {"event": "points_earned", "aggregate": "count", "op": "gte", "value": 0}
    rules: dict[str, dict[str, Any]] = {
        "a value": _condition(value=text),
        "in a list": _condition(op="in", value=[text, "Gold"]),
        "a seed": {"random_sample": {"percent": 50, "seed": text}},
        "of an event": {**event, "where": [{"field": "source", "op": "neq", "value": text}]},
    }
    if text:
        rules["a part"] = _condition(op="contains", value=text)
    return rules


def harmful(text: str) -> dict[str, dict[str, Any]]:
    """Rules in which a text is what only the language's own words may be: they do not."""
    event = {"event": "points_earned", "aggregate": "count", "op": "gte", "value": 0}
    window = {"field": "created_at", "op": "within_last", "value": 3}
    return {
        "a field": _condition(field=text),
        "an operator": _condition(op=text),
        "a key": _condition(**{f"{text} ": 1}),
        "a number": {"field": "points_balance", "op": "gte", "value": text},
        "a moment": {"field": "created_at", "op": "before", "value": text},
        "a unit": {**window, "unit": text},
        "a kind": {f"{text} ": [_condition()]},
        "an event": {**event, "event": text},
        "an aggregate": {**event, "aggregate": text},
        "a field of an event": {**event, "where": [_condition(field=text)]},
        "a sum of": {**event, "aggregate": "sum", "of": text},
        "a segment": {"segment": text},
        "deep down": {"all": [{"not": {"any": [_condition(), _condition(field=text)]}}]},
    }


def _nested(levels: int, kind: str = "not") -> str:
    leaf = json.dumps(_condition())
    if kind == "not":
        return '{"not": ' * levels + leaf + "}" * levels
    return f'{{"{kind}": [' * levels + leaf + "]}" * levels


def _number(digits: str) -> str:
    return f'{{"field": "points_balance", "op": "eq", "value": {digits}}}'


def _text(escaped: str) -> str:
    return f'{{"field": "tier_name", "op": "eq", "value": "{escaped}"}}'


BROKEN = {
    # No rule at all, in JSON that PostgreSQL takes.
    **{f"just {text}": text for text in ("null", "[]", "3", '"x"', "true", "[{}]", '[["all"]]')},
    # Structure.
    "empty group": '{"all": []}',
    "empty condition": '{"all": [{}]}',
    "two kinds": '{"all": [' + json.dumps(_condition()) + '], "field": "is_vip", "op": "is_true"}',
    "group of text": '{"all": "Gold"}',
    "group of an object": '{"any": ' + json.dumps(_condition()) + "}",
    "not of a list": '{"not": []}',
    "no operator": '{"field": "is_vip"}',
    "no value": '{"field": "points_balance", "op": "gte"}',
    "field null": '{"field": null, "op": "is_set"}',
    "field list": '{"field": ["is_vip"], "op": "is_true"}',
    "field object": '{"field": {"all": []}, "op": "is_true"}',
    "operator list": '{"field": "is_vip", "op": ["is_true"]}',
    "unknown kind": '{"script": "x", "op": "eq", "value": 1}',
    "prototype": '{"__proto__": {"all": []}}',
    # Doubled keys.
    "doubled kind": '{"all": [], "all": [' + json.dumps(_condition()) + "]}",
    "doubled field": '{"field": "is_vip", "field": "email", "op": "is_true"}',
    "doubled escaped": '{"field": "is_vip", "\\u0066ield": "email", "op": "is_true"}',
    "doubled deep": '{"all": [{"random_sample": {"percent": 1, "seed": "a", "seed": "b"}}]}',
    # Types and operators.
    "text for number": '{"field": "points_balance", "op": "gte", "value": "100"}',
    "number for text": '{"field": "tier_name", "op": "eq", "value": 100}',
    "true for number": '{"field": "points_balance", "op": "eq", "value": true}',
    "object for number": '{"field": "points_balance", "op": "eq", "value": {"$gt": 1}}',
    "null for text": '{"field": "tier_name", "op": "eq", "value": null}',
    "list of lists": '{"field": "points_balance", "op": "in", "value": [[1]]}',
    "mixed list": '{"field": "points_balance", "op": "in", "value": [1, "1"]}',
    "gt of text": '{"field": "tier_name", "op": "gt", "value": 1}',
    "contains of number": '{"field": "points_balance", "op": "contains", "value": "1"}',
    "true of timestamp": '{"field": "created_at", "op": "is_true"}',
    "value of a flag": '{"field": "is_vip", "op": "is_true", "value": true}',
    "between of one": '{"field": "points_balance", "op": "between", "value": [1]}',
    "between turned": '{"field": "points_balance", "op": "between", "value": [2, 1]}',
    "personal column": '{"field": "email", "op": "is_set"}',
    "key column": '{"field": "shop_id", "op": "eq", "value": 2}',
    # Numbers.
    **{f"number {n}": _number(n) for n in ("1e400", "1e9999999", "-1e9999999", "1e15", "1e-7")},
    "many digits": _number("9" * 5000),
    "many decimals": _number("0." + "1" * 5000),
    # Text.
    "NUL": _text("a\\u0000b"),
    "lone surrogate": _text("\\ud83d"),
    "turned surrogates": _text("\\ude00\\ud83d"),
    "surrogate key": '{"field": "is_vip", "op": "is_true", "\\ud800": 1}',
    "surrogate field": '{"field": "\\ud83d\\n\\u0007", "op": "eq", "value": 1}',
    "long text": _text("x" * 501),
    # Windows and times.
    "endless window": '{"field": "created_at", "op": "within_last", "value": 1e12, "unit": "day"}',
    "long window": '{"field": "created_at", "op": "within_last", "value": 36501, "unit": "day"}',
    "negative window": '{"field": "created_at", "op": "within_last", "value": -1, "unit": "day"}',
    "half a window": '{"field": "created_at", "op": "within_last", "value": 0.5, "unit": "day"}',
    "edge of time": '{"field": "created_at", "op": "before", "value": "9999-12-31T23:59:59-23:59"}',
    "no date": '{"field": "created_at", "op": "before", "value": "2025-02-30"}',
    "infinity": '{"field": "created_at", "op": "before", "value": "infinity"}',
    "now": '{"field": "created_at", "op": "before", "value": "now"}',
    "percent": '{"random_sample": {"percent": 100.1, "seed": ""}}',
    # Depth and size.
    **{f"{kind} {n} deep": _nested(n, kind) for kind in ("not", "all") for n in (9, 500, 1500)},
    "brackets": "[" * 3000 + "]" * 3000,
    "many conditions": json.dumps({"all": [_condition()] * 101}),
    "many values": json.dumps(_condition(op="in", value=["x"] * 1001)),
    "1 MB of values": json.dumps(_condition(op="in", value=["x" * 400] * 2500)),
    "1 MB of spaces": '{"field": "is_vip",' + " " * 2**20 + '"op": "is_true"}',
    "1 MB of keys": json.dumps({f"k{n}": n for n in range(90_000)}),
    "1 MB of one key": json.dumps({"k" * 2**20: 1}),
    "1 MB of digits": _number("1" * 2**20),
}
"""Rules as JSON text that cannot be used."""

NO_JSON = {
    "nothing": "",
    "half": '{"all": [',
    "NaN": _number("NaN"),
    "Infinity": _number("-Infinity"),
    "comment": '{"all": [] /* x */}',
    "quotes": "{'field': 'is_vip', 'op': 'is_true'}",
    "NUL": '{"field": "is_vip\0", "op": "is_true"}',
    "unclosed": '{"not": ' * 20_000,
    "open brackets": "[" * 200_000,
}
"""What only a file can hold: the application's column takes no such text."""
