"""The rule language as pydantic models: the structure of criteria, whatever fields there are."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from orchestration.segments.catalogue import AGGREGATES
from orchestration.segments.errors import Path, quoted, suggest

MAXIMUM_LIST = 1000
MAXIMUM_TEXT = 500
LONGEST_WINDOW = {"hour": 876_000, "day": 36_500, "week": 5_200, "month": 1_200}
"""The longest window of each unit: a hundred years. More would leave the calendar."""


def _whole(value: object) -> object:
    """Accepts a JSON number (a Decimal by then) that counts something."""
    if not isinstance(value, Decimal) or value != value.to_integral_value() or value < 0:
        raise PydanticCustomError("whole_number", "must be a whole number, 0 or more")
    return int(value)


def _aggregate(value: object) -> object:
    if isinstance(value, str) and value not in AGGREGATES:
        problem = f"unknown aggregate {quoted(value)}; {suggest(value, AGGREGATES)}"
        raise PydanticCustomError("aggregate", "{problem}", {"problem": problem})
    return value


def _given(value: object) -> object:
    """Refuses null: a key that is not wanted is left out."""
    if value is None:
        raise PydanticCustomError("null", "is nothing; leave the key out")
    return value


Text = Annotated[str, Field(max_length=MAXIMUM_TEXT)]
Scalar = Decimal | Text
Whole = Annotated[int, BeforeValidator(_whole)]
Unit = Literal["hour", "day", "week", "month"]
Aggregate = Annotated[
    Literal["count", "sum", "avg", "min", "max", "days_since_last", "days_since_first"],
    BeforeValidator(_aggregate),
]


class Node(BaseModel):
    """What all parts of a rule share: no unknown keys, no conversions, no changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AllOf(Node):
    """Every condition holds."""

    all: list[Condition] = Field(min_length=1)


class AnyOf(Node):
    """At least one condition holds."""

    any: list[Condition] = Field(min_length=1)


class Not(Node):
    """The condition does not hold."""

    not_: Condition = Field(alias="not")


class Sample(Node):
    """A stable share of the customers: `percent` of them, another share for each `seed`."""

    percent: Annotated[Decimal, Field(ge=0, le=100)]
    seed: Text


class RandomSample(Node):
    """The customer is in a stable random sample."""

    random_sample: Sample


class FieldCondition(Node):
    """A test of one field of the catalogue."""

    field: Text
    op: str


class Equality(FieldCondition):
    """The field equals the value, or does not (NULL does not)."""

    op: Literal["eq", "neq"]
    value: Scalar


class Comparison(FieldCondition):
    """The number compares with the value."""

    op: Literal["gt", "gte", "lt", "lte"]
    value: Decimal


class Membership(FieldCondition):
    """The field is one of the values, or none of them (NULL is none)."""

    op: Literal["in", "not_in"]
    value: list[Scalar] = Field(min_length=1, max_length=MAXIMUM_LIST)


class Between(FieldCondition):
    """Between two numbers, both included, or two instants, the second excluded."""

    op: Literal["between"]
    value: list[Scalar] = Field(min_length=2, max_length=2)


class Pattern(FieldCondition):
    """The text contains, starts or ends with another."""

    op: Literal["contains", "starts_with", "ends_with"]
    value: Text = Field(min_length=1)


class Flag(FieldCondition):
    """A test that needs no value."""

    op: Literal["is_true", "is_false", "is_set", "is_not_set"]


class Moment(FieldCondition):
    """Before or after an instant: ISO 8601, the shop's local time where no offset is given."""

    op: Literal["before", "after"]
    value: Text


class Window(FieldCondition):
    """Within, or out of, a window that ends or starts at `as_of`."""

    op: Literal["within_last", "not_within_last", "within_next", "more_than_ago"]
    value: Whole
    unit: Unit


class Anniversary(FieldCondition):
    """The anniversary of a local date falls between today and so many days, weeks or months on."""

    op: Literal["anniversary_within_next"]
    value: Whole
    unit: Literal["day", "week", "month"]


class Span(Node):
    """So many hours, days, weeks or months up to `as_of`."""

    value: Whole
    unit: Unit


class EventCondition(Node):
    """A test of what a customer's events come to; a subclass for each kind of operator.

    Attributes:
        of: The number field of which sum, avg, min and max are.
        where: Only events for which all of these hold.
        within_last: Only events of that window; with `between` [from, to) instead of it.
    """

    event: Text
    aggregate: Aggregate
    of: Annotated[Text | SkipJsonSchema[None], BeforeValidator(_given)] = None
    where: Annotated[
        Annotated[list[EventFieldCondition], Field(min_length=1)] | SkipJsonSchema[None],
        BeforeValidator(_given),
    ] = None
    within_last: Annotated[Span | SkipJsonSchema[None], BeforeValidator(_given)] = None
    between: Annotated[
        Annotated[list[Text], Field(min_length=2, max_length=2)] | SkipJsonSchema[None],
        BeforeValidator(_given),
    ] = None
    op: str


class EventComparison(EventCondition):
    """The number compares with the value (NULL only is not equal to it)."""

    op: Literal["eq", "neq", "gt", "gte", "lt", "lte"]
    value: Decimal


class EventMembership(EventCondition):
    """The number is one of the values, or none of them (NULL is none)."""

    op: Literal["in", "not_in"]
    value: list[Decimal] = Field(min_length=1, max_length=MAXIMUM_LIST)


class EventBetween(EventCondition):
    """The number is between two others, both included."""

    op: Literal["between"]
    value: list[Decimal] = Field(min_length=2, max_length=2)


class EventFlag(EventCondition):
    """There is a number at all, or none."""

    op: Literal["is_set", "is_not_set"]


class SegmentCondition(Node):
    """The customer is in another segment of the shop, or, with a window, was in it."""

    segment: Text
    held_within_last: Annotated[Span | SkipJsonSchema[None], BeforeValidator(_given)] = None


def _by_operator(*models: type[Any]) -> dict[str, Any]:
    return {op: model for model in models for op in model.model_fields["op"].annotation.__args__}


FIELD_CONDITIONS: dict[str, type[FieldCondition]] = _by_operator(
    *(Equality, Comparison, Membership, Between, Pattern, Flag, Moment, Window, Anniversary),
)
"""The model of a field condition by its operator."""

EVENT_CONDITIONS: dict[str, type[EventCondition]] = _by_operator(
    *(EventComparison, EventMembership, EventBetween, EventFlag)
)
"""The model of an event condition by its operator."""

BY_OPERATOR: dict[str, dict[str, type[Node]]] = {
    "field": {**FIELD_CONDITIONS},
    "event": {**EVENT_CONDITIONS},
}
"""The kinds of conditions that have an operator."""

GROUPS = ("all", "any", "not")
KINDS = (*GROUPS, "field", "event", "segment", "random_sample")
"""The keys that say what a condition is: each has exactly one of them."""

# Tags never look like a key of the language, so that they can be told from the path in a message.
_TAGS = {kind: f"@{kind}" for kind in (*GROUPS, "segment", "random_sample")}


def kinds_of(node: object) -> list[str]:
    """The kinds that a JSON value claims to be."""
    return [kind for kind in KINDS if kind in node] if isinstance(node, dict) else []


def _tag(node: Any) -> str | None:
    if isinstance(node, Node):
        return f"@{type(node).__name__}"
    kinds = kinds_of(node)
    if len(kinds) != 1:
        return None
    if kinds[0] in BY_OPERATOR:
        op = node.get("op")
        model = BY_OPERATOR[kinds[0]].get(op) if isinstance(op, str) else None
        return f"@{model.__name__}" if model else None
    return _TAGS[kinds[0]]


def _field_tag(node: Any) -> str | None:
    is_field = isinstance(node, FieldCondition) or kinds_of(node) == ["field"]
    return _tag(node) if is_field else None


EventFieldCondition = Annotated[
    Annotated[Equality, Tag("@Equality")]
    | Annotated[Comparison, Tag("@Comparison")]
    | Annotated[Membership, Tag("@Membership")]
    | Annotated[Between, Tag("@Between")]
    | Annotated[Pattern, Tag("@Pattern")]
    | Annotated[Flag, Tag("@Flag")]
    | Annotated[Moment, Tag("@Moment")]
    | Annotated[Window, Tag("@Window")]
    | Annotated[Anniversary, Tag("@Anniversary")],
    Discriminator(_field_tag),
]
"""A condition on a field of an event itself."""

Condition = Annotated[
    Annotated[AllOf, Tag("@all")]
    | Annotated[AnyOf, Tag("@any")]
    | Annotated[Not, Tag("@not")]
    | Annotated[RandomSample, Tag("@random_sample")]
    | Annotated[Equality, Tag("@Equality")]
    | Annotated[Comparison, Tag("@Comparison")]
    | Annotated[Membership, Tag("@Membership")]
    | Annotated[Between, Tag("@Between")]
    | Annotated[Pattern, Tag("@Pattern")]
    | Annotated[Flag, Tag("@Flag")]
    | Annotated[Moment, Tag("@Moment")]
    | Annotated[Window, Tag("@Window")]
    | Annotated[Anniversary, Tag("@Anniversary")]
    | Annotated[EventComparison, Tag("@EventComparison")]
    | Annotated[EventMembership, Tag("@EventMembership")]
    | Annotated[EventBetween, Tag("@EventBetween")]
    | Annotated[EventFlag, Tag("@EventFlag")]
    | Annotated[SegmentCondition, Tag("@segment")],
    Discriminator(_tag),
]
"""One condition or group of the language."""

_LATE: tuple[type[Node], ...] = (AllOf, AnyOf, Not, *EVENT_CONDITIONS.values())
for _model in _LATE:
    _model.model_rebuild()

CONDITION: TypeAdapter[Node] = TypeAdapter(Condition)
MODELS: dict[str, type[Node]] = {
    "@all": AllOf,
    "@any": AnyOf,
    "@not": Not,
    "@random_sample": RandomSample,
    "@segment": SegmentCondition,
    **{f"@{m.__name__}": m for models in BY_OPERATOR.values() for m in models.values()},
}
"""The model of each discriminator tag."""


def children(node: Node) -> Iterator[tuple[Path, Node]]:
    """The conditions directly inside a group, each with its path from there; none for a leaf."""
    if isinstance(node, AllOf):
        yield from ((("all", position), child) for position, child in enumerate(node.all))
    elif isinstance(node, AnyOf):
        yield from ((("any", position), child) for position, child in enumerate(node.any))
    elif isinstance(node, Not):
        yield ("not",), node.not_


def descendants(node: Node) -> Iterator[tuple[Path, int, Node]]:
    """A condition or group and all below it, each with its path and how many groups it is in."""
    pending: list[tuple[Path, int, Node]] = [((), 0, node)]
    while pending:
        path, depth, one = pending.pop()
        yield path, depth, one
        below = [((*path, *step), depth + 1, child) for step, child in children(one)]
        pending.extend(reversed(below))


def conditions_in(node: Node | None) -> int:
    """How many conditions a rule has, those on the fields of events included."""
    return sum(
        1 + (len(one.where or ()) if isinstance(one, EventCondition) else 0)
        for _, _, one in (descendants(node) if node else ())
        if not isinstance(one, AllOf | AnyOf | Not)
    )
