"""The rule language as a JSON Schema, with which editors complete and check rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from orchestration.segments.catalogue import (
    AGGREGATES_OF,
    OPERATORS,
    Catalogue,
    CatalogueField,
    FieldType,
    load_catalogue,
    numbers_of,
)
from orchestration.segments.criteria import (
    CONDITION,
    EVENT_CONDITIONS,
    FIELD_CONDITIONS,
    LONGEST_WINDOW,
)
from orchestration.segments.parsing import LARGEST_NUMBER, MAXIMUM_CONDITIONS, MAXIMUM_DEPTH

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_LARGEST = int(LARGEST_NUMBER)
_NUMBER = {"type": "number", "exclusiveMinimum": -_LARGEST, "exclusiveMaximum": _LARGEST}
_MOMENT = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?$",
    "description": "A date or time, ISO 8601; the shop's local time where it has no offset.",
}
_DESCRIPTION = (
    f"A segment's rule. Groups nest to depth {MAXIMUM_DEPTH}, a rule has at most "
    f"{MAXIMUM_CONDITIONS} conditions; an empty object selects nobody."
)


def rule_schema(catalogue: Catalogue | None = None) -> dict[str, Any]:
    """Describes rules as JSON Schema 2020-12, with the names that there are.

    What a schema cannot say is left to `parse`: how deep and long a rule is, doubled keys, the
    order of the ends of a range, names of segments.

    Args:
        catalogue: The fields and events that there are; None means the project's.
    """
    known = load_catalogue() if catalogue is None else catalogue
    generated = CONDITION.json_schema(schema_generator=_Generator, ref_template=_REF)
    models = {name: _tidied(model) for name, model in generated["$defs"].items()}
    tests = [*dict.fromkeys(model.__name__ for model in FIELD_CONDITIONS.values())]
    events = [*dict.fromkeys(model.__name__ for model in EVENT_CONDITIONS.values())]
    kept = {name: model for name, model in models.items() if name not in {*tests, *events}}
    groups = [{"$ref": _REF.format(model=name)} for name in kept if name not in _PARTS]
    definitions = {
        "Condition": {"oneOf": [*groups, _ref("FieldCondition"), _ref("EventCondition")]},
        "FieldCondition": {"oneOf": _by_type(known.fields)},
        "EventCondition": _event_condition([models[name] for name in events], known),
        **{
            f"{kind.title()}Test": _test(kind, [models[name] for name in tests])
            for kind in FieldType
        },
        **kept,
    }
    return {
        "$schema": DIALECT,
        "$id": "urn:loyalty:segment-rule:1",
        "title": "Segment rule",
        "description": _DESCRIPTION,
        "type": "object",
        "anyOf": [_ref("Condition"), {"maxProperties": 0}],
        "$defs": definitions,
    }


_REF = "#/$defs/{model}"
_PARTS = ("Sample", "Span")
"""Models of what is inside of conditions."""


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": _REF.format(model=name)}


class _Generator(GenerateJsonSchema):
    """Numbers are JSON numbers, within the language's limits."""

    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        if "ge" in schema and "le" in schema:
            return {"type": "number", "minimum": int(schema["ge"]), "maximum": int(schema["le"])}
        return dict(_NUMBER)

    def int_schema(self, schema: Any) -> dict[str, Any]:
        return {"type": "integer", "minimum": 0, "maximum": max(LONGEST_WINDOW.values())}


def _tidied(schema: Any) -> Any:
    """Pydantic's schema without titles and defaults, its unions of conditions named once."""
    if isinstance(schema, list):
        return [_tidied(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "oneOf" in schema:
        return _ref("Condition")
    return {
        key: {name: _tidied(item) for name, item in value.items()}
        if key == "properties"
        else _tidied(value)
        for key, value in schema.items()
        if key not in ("title", "default")
    }


def _named(fields: Iterable[CatalogueField]) -> dict[str, Any]:
    """The names of fields, as an editor offers them."""
    listed = list(fields)
    return {
        "enum": [field.name for field in listed],
        "enumDescriptions": [f"{field.label}: {field.description}" for field in listed],
    }


def _by_type(fields: Mapping[str, CatalogueField]) -> list[dict[str, Any]]:
    """The tests that fit fields, by the fields' type."""
    return [
        {"allOf": [_ref(f"{kind.title()}Test")], "properties": {"field": _named(of_type)}}
        for kind in FieldType
        if (of_type := [field for field in fields.values() if field.type is kind])
    ]


def _test(kind: FieldType, models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The tests that fit a type, with values of that type."""
    fitting = []
    for model in models:
        operator = model["properties"]["op"]
        operators = [
            op for op in OPERATORS[kind] if op in operator.get("enum", [operator.get("const")])
        ]
        if operators:
            narrowed = deepcopy(model)
            narrowed["properties"]["op"] = {"enum": operators}
            if "value" in narrowed["properties"]:
                narrowed["properties"]["value"] = _of_type(narrowed["properties"]["value"], kind)
            fitting.append(narrowed)
    return {"oneOf": fitting}


def _of_type(value: dict[str, Any], kind: FieldType) -> dict[str, Any]:
    """The schema of a value, or of a list of values, of one type."""
    if "items" in value:
        return {**value, "items": _of_type(value["items"], kind)}
    choices = value.get("anyOf", [value])
    if kind is FieldType.TIMESTAMP:
        # A window's length stays a number.
        return _MOMENT if any(choice["type"] == "string" for choice in choices) else value
    wanted = "number" if kind is FieldType.NUMBER else "string"
    return next(choice for choice in choices if choice["type"] == wanted)


def _event_condition(models: Sequence[dict[str, Any]], catalogue: Catalogue) -> dict[str, Any]:
    """The conditions on events: by operator, and what each event has for `of` and `where`."""
    by_event = []
    for event in catalogue.events.values():
        numbers, tests = numbers_of(event), _by_type(event.fields)
        by_event.append(
            {
                "description": event.description,
                "properties": {
                    "event": {"const": event.name},
                    "of": {"enum": list(numbers)},
                    "where": {"items": {"oneOf": tests}} if tests else False,
                },
            }
        )
    for model in models:
        properties = model["properties"]
        properties["event"] = {
            "enum": list(catalogue.events),
            "enumDescriptions": [event.description for event in catalogue.events.values()],
        }
        properties["of"] = {"type": "string"}
        properties["where"] = {"type": "array", "minItems": 1}
        properties["between"] = {"type": "array", "items": _MOMENT, "minItems": 2, "maxItems": 2}
    return {
        "allOf": [{"oneOf": list(models)}, {"oneOf": by_event}],
        "if": {"properties": {"aggregate": {"enum": list(AGGREGATES_OF)}}},
        "then": {"required": ["of"]},
        "else": {"properties": {"of": False}},
        "not": {"required": ["within_last", "between"]},
    }
