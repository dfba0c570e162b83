"""Whether criteria fit the catalogue: fields that exist, operators and values of their type."""

from __future__ import annotations

from decimal import Decimal

from orchestration.segments.catalogue import OPERATORS, Catalogue, CatalogueField, FieldType
from orchestration.segments.criteria import (
    LONGEST_WINDOW,
    Anniversary,
    Between,
    Equality,
    FieldCondition,
    Membership,
    Moment,
    Node,
    Window,
    children,
)
from orchestration.segments.errors import Path, RuleError, quoted, suggest
from orchestration.segments.moments import parse_moment


def check(node: Node, catalogue: Catalogue, path: Path = ()) -> None:
    """Checks a condition or group, and all below it.

    Args:
        node: The criteria, structurally sound.
        catalogue: The fields that there are.
        path: Where the node is in the rule.

    Raises:
        RuleError: A field is unknown, or an operator or value does not fit its type.
    """
    for step, child in children(node):
        check(child, catalogue, (*path, *step))
    if isinstance(node, FieldCondition):
        _check_condition(node, catalogue, path)


def _check_condition(condition: FieldCondition, catalogue: Catalogue, path: Path) -> None:
    field = catalogue.get(condition.field)
    if field is None:
        nearest = suggest(condition.field, catalogue)
        raise RuleError((*path, "field"), f"unknown field {quoted(condition.field)}; {nearest}")
    if condition.op not in OPERATORS[field.type]:
        fitting = ", ".join(OPERATORS[field.type])
        problem = f"{condition.op} does not fit {field.name}, a {field.type}; use one of {fitting}"
        raise RuleError((*path, "op"), problem)
    value_path = (*path, "value")
    if isinstance(condition, Equality):
        _check_value(condition.value, field, value_path)
    elif isinstance(condition, Membership):
        for position, value in enumerate(condition.value):
            _check_value(value, field, (*value_path, position))
    elif isinstance(condition, Between):
        _check_between(condition, field, value_path)
    elif isinstance(condition, Moment):
        parse_moment(condition.value, value_path)
    elif isinstance(condition, Window | Anniversary):
        longest = LONGEST_WINDOW[condition.unit]
        if condition.value > longest:
            raise RuleError(
                value_path, f"the window is endless; {longest} {condition.unit}s at most"
            )


def _check_value(value: Decimal | str, field: CatalogueField, path: Path) -> None:
    if field.type is FieldType.NUMBER and isinstance(value, str):
        problem = f"{quoted(value)} is text, but {field.name} is a number; leave out the quotes"
        raise RuleError(path, problem)
    if field.type is FieldType.TEXT and isinstance(value, Decimal):
        raise RuleError(path, f"{value} is a number, but {field.name} is text; put it in quotes")


def _check_between(condition: Between, field: CatalogueField, path: Path) -> None:
    first, second = condition.value
    if field.type is FieldType.TIMESTAMP:
        start, end = parse_moment(first, (*path, 0)), parse_moment(second, (*path, 1))
        # A local time and an instant can only be compared in the shop's time zone, later.
        comparable = (start.tzinfo is None) == (end.tzinfo is None)
        if comparable and start >= end:
            raise RuleError(path, "the second time must be later than the first")
    else:
        _check_value(first, field, (*path, 0))
        _check_value(second, field, (*path, 1))
        if isinstance(first, Decimal) and isinstance(second, Decimal) and first > second:
            raise RuleError(path, "the second number must not be smaller than the first")
