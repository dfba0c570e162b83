"""Whether criteria fit the catalogue: names that exist, operators and values of their type."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from orchestration.segments.catalogue import (
    AGGREGATES_OF,
    OPERATORS,
    Catalogue,
    CatalogueEvent,
    CatalogueField,
    Fields,
    FieldType,
    numbers_of,
)
from orchestration.segments.criteria import (
    LONGEST_WINDOW,
    Anniversary,
    Between,
    Equality,
    EventBetween,
    EventCondition,
    FieldCondition,
    Membership,
    Moment,
    Node,
    SegmentCondition,
    Window,
    children,
)
from orchestration.segments.errors import Path, RuleError, quoted, suggest
from orchestration.segments.moments import parse_moment


def check(node: Node, catalogue: Catalogue, path: Path = ()) -> None:
    """Checks a condition or group, and all below it.

    Args:
        node: The criteria, structurally sound.
        catalogue: The fields and events that there are.
        path: Where the node is in the rule.

    Raises:
        RuleError: A field or event is unknown, or an operator or value does not fit its type.
    """
    for step, child in children(node):
        check(child, catalogue, (*path, *step))
    if isinstance(node, FieldCondition):
        _check_condition(node, catalogue, path)
    elif isinstance(node, EventCondition):
        _check_event(node, catalogue, path)
    elif isinstance(node, SegmentCondition) and node.held_within_last:
        span = node.held_within_last
        _check_window(span.value, span.unit, (*path, "held_within_last", "value"))


def _check_event(condition: EventCondition, catalogue: Catalogue, path: Path) -> None:
    event = catalogue.events.get(condition.event)
    if event is None:
        nearest = suggest(condition.event, catalogue.events)
        raise RuleError((*path, "event"), f"unknown event {quoted(condition.event)}; {nearest}")
    _check_of(condition, event, path)
    for position, test in enumerate(condition.where or ()):
        _check_condition(test, event.fields, (*path, "where", position), f" of {event.name}")
    if isinstance(condition, EventBetween):
        _check_numbers(condition.value, (*path, "value"))
    span, interval = condition.within_last, condition.between
    if span and interval:
        raise RuleError((*path, "between"), "within_last and between cannot both be given")
    if span:
        _check_window(span.value, span.unit, (*path, "within_last", "value"))
    if interval:
        _check_interval(interval, (*path, "between"))


def _check_of(condition: EventCondition, event: CatalogueEvent, path: Path) -> None:
    aggregate, of, numbers = condition.aggregate, condition.of, numbers_of(event)
    if aggregate not in AGGREGATES_OF:
        if of is not None:
            fitting = ", ".join(AGGREGATES_OF)
            raise RuleError((*path, "of"), f"{aggregate} is of no field; of goes with {fitting}")
        return
    nearest = suggest(of or "", numbers) if numbers else "count is what it has"
    if of is None:
        raise RuleError(path, f'"of" is missing; {aggregate} is of a number field: {nearest}')
    if of in event.fields and of not in numbers:
        kind = event.fields[of].type
        raise RuleError((*path, "of"), f"{aggregate} does not fit {of}, a {kind}; {nearest}")
    if of not in numbers:
        raise RuleError((*path, "of"), f"unknown field {quoted(of)} of {event.name}; {nearest}")


def _check_condition(
    condition: FieldCondition, fields: Fields, path: Path, whose: str = ""
) -> None:
    field = fields.get(condition.field)
    if field is None:
        nearest = suggest(condition.field, fields) if fields else "it has none"
        problem = f"unknown field {quoted(condition.field)}{whose}; {nearest}"
        raise RuleError((*path, "field"), problem)
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
        _check_window(condition.value, condition.unit, value_path)


def _check_window(value: int, unit: str, path: Path) -> None:
    longest = LONGEST_WINDOW[unit]
    if value > longest:
        raise RuleError(path, f"the window is endless; {longest} {unit}s at most")


def _check_value(value: Decimal | str, field: CatalogueField, path: Path) -> None:
    if field.type is FieldType.NUMBER and isinstance(value, str):
        problem = f"{quoted(value)} is text, but {field.name} is a number; leave out the quotes"
        raise RuleError(path, problem)
    if field.type is FieldType.TEXT and isinstance(value, Decimal):
        raise RuleError(path, f"{value} is a number, but {field.name} is text; put it in quotes")


def _check_between(condition: Between, field: CatalogueField, path: Path) -> None:
    if field.type is FieldType.TIMESTAMP:
        _check_interval(condition.value, path)
        return
    for position, value in enumerate(condition.value):
        _check_value(value, field, (*path, position))
    _check_numbers([value for value in condition.value if isinstance(value, Decimal)], path)


def _check_interval(interval: Sequence[object], path: Path) -> None:
    start, end = (parse_moment(value, (*path, at)) for at, value in enumerate(interval))
    # A local time and an instant can only be compared in the shop's time zone, later.
    comparable = (start.tzinfo is None) == (end.tzinfo is None)
    if comparable and start >= end:
        raise RuleError(path, "the second time must be later than the first")


def _check_numbers(numbers: Sequence[Decimal], path: Path) -> None:
    if list(numbers) != sorted(numbers):
        raise RuleError(path, "the second number must not be smaller than the first")
