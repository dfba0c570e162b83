"""A rule in words: what `qualification_reason` says of why somebody is in a segment."""

from __future__ import annotations

from decimal import Decimal

from orchestration.segments.catalogue import Catalogue, Fields
from orchestration.segments.criteria import (
    AllOf,
    Anniversary,
    AnyOf,
    Between,
    Comparison,
    Equality,
    EventBetween,
    EventComparison,
    EventCondition,
    EventFlag,
    EventMembership,
    FieldCondition,
    Flag,
    Membership,
    Moment,
    Node,
    Not,
    Pattern,
    RandomSample,
    SegmentCondition,
    Span,
    Window,
)
from orchestration.segments.errors import quoted

LONGEST_REASON = 200
"""Characters: what the application's column holds."""

_PHRASES = {
    "eq": "is",
    "neq": "is not",
    "gt": "over",
    "gte": "at least",
    "lt": "under",
    "lte": "at most",
    "in": "one of",
    "not_in": "none of",
    "contains": "contains",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "is_true": ": yes",
    "is_false": ": no",
    "is_set": "is known",
    "is_not_set": "is not known",
    "before": "before",
    "after": "after",
    "within_last": "within the last",
    "not_within_last": "not within the last",
    "within_next": "within the next",
    "more_than_ago": "more than",
    "anniversary_within_next": "anniversary within the next",
}
_AGGREGATES = {
    "count": "number of {event}",
    "sum": "total {of} in {event}",
    "avg": "average {of} in {event}",
    "min": "smallest {of} in {event}",
    "max": "largest {of} in {event}",
    "days_since_last": "days since the last of {event}",
    "days_since_first": "days since the first of {event}",
}


def in_words(criteria: Node | None, catalogue: Catalogue) -> str:
    """Says a checked rule in words, cut to what the application's column holds."""
    words = "nobody" if criteria is None else _words(criteria, catalogue)
    sentence = words[:1].upper() + words[1:]
    return sentence if len(sentence) <= LONGEST_REASON else sentence[: LONGEST_REASON - 1] + "…"


def _words(node: Node, catalogue: Catalogue) -> str:
    match node:
        case AllOf():
            return " and ".join(_nested(child, catalogue) for child in node.all)
        case AnyOf():
            return " or ".join(_nested(child, catalogue) for child in node.any)
        case Not():
            return f"not ({_words(node.not_, catalogue)})"
        case RandomSample():
            return f"in the {_number(node.random_sample.percent)} % random sample"
        case FieldCondition():
            return _field_words(node, catalogue)
        case EventCondition():
            return _event_words(node, catalogue)
        case SegmentCondition():
            span = node.held_within_last
            words = f"in the segment {quoted(node.segment)}"
            return f"{words} within the last {_span(span)}" if span else words
    raise TypeError(f"{type(node).__name__} is not a condition")


def _field_words(node: FieldCondition, fields: Fields) -> str:
    label, test = fields[node.field].label, _test(node)
    return f"{label}{test}" if test.startswith(":") else f"{label} {test}"


def _event_words(node: EventCondition, catalogue: Catalogue) -> str:
    event = catalogue.events[node.event]
    events = event.label
    if node.where:
        events += f" ({' and '.join(_field_words(test, event.fields) for test in node.where)})"
    if node.within_last:
        events += f" within the last {_span(node.within_last)}"
    if node.between:
        events += f" from {node.between[0]} until {node.between[1]}"
    of = event.fields[node.of].label if node.of else ""
    return f"{_AGGREGATES[node.aggregate].format(of=of, event=events)} {_test(node)}"


def _span(span: Span) -> str:
    return f"{span.value} {span.unit if span.value == 1 else f'{span.unit}s'}"


def _nested(node: Node, catalogue: Catalogue) -> str:
    words = _words(node, catalogue)
    is_several = (isinstance(node, AllOf) and len(node.all) > 1) or (
        isinstance(node, AnyOf) and len(node.any) > 1
    )
    return f"({words})" if is_several else words


def _test(node: FieldCondition | EventCondition) -> str:
    match node:
        case Between() | EventBetween():
            return f"between {_value(node.value[0])} and {_value(node.value[1])}"
        case Membership() | EventMembership():
            return f"{_PHRASES[node.op]} {', '.join(_value(value) for value in node.value)}"
        case Window() | Anniversary():
            unit = node.unit if node.value == 1 else f"{node.unit}s"
            ago = " ago" if node.op == "more_than_ago" else ""
            return f"{_PHRASES[node.op]} {node.value} {unit}{ago}"
        case Equality() | Comparison() | Pattern() | Moment() | EventComparison():
            return f"{_PHRASES[node.op]} {_value(node.value)}"
        case Flag() | EventFlag():
            return _PHRASES[node.op]
    raise TypeError(f"{type(node).__name__} has no operator")


def _value(value: Decimal | str) -> str:
    return _number(value) if isinstance(value, Decimal) else value


def _number(value: Decimal) -> str:
    return f"{value:f}"
