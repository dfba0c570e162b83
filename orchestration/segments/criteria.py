"""The rule language as pydantic models: the structure of criteria, whatever fields there are."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, TypeAdapter
from pydantic_core import PydanticCustomError

from orchestration.segments.errors import Path

MAXIMUM_LIST = 1000
MAXIMUM_TEXT = 500
LONGEST_WINDOW = {"hour": 876_000, "day": 36_500, "week": 5_200, "month": 1_200}
"""The longest window of each unit: a hundred years. More would leave the calendar."""


def _whole(value: object) -> object:
    """Accepts a JSON number (a Decimal by then) that counts something."""
    if not isinstance(value, Decimal) or value != value.to_integral_value() or value < 0:
        raise PydanticCustomError("whole_number", "must be a whole number, 0 or more")
    return int(value)


Text = Annotated[str, Field(max_length=MAXIMUM_TEXT)]
Scalar = Decimal | Text
Whole = Annotated[int, BeforeValidator(_whole)]


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
    unit: Literal["hour", "day", "week", "month"]


class Anniversary(FieldCondition):
    """The anniversary of a local date falls between today and so many days, weeks or months on."""

    op: Literal["anniversary_within_next"]
    value: Whole
    unit: Literal["day", "week", "month"]


FIELD_CONDITIONS: dict[str, type[FieldCondition]] = {
    op: model
    for model in (
        *(Equality, Comparison, Membership, Between, Pattern, Flag, Moment, Window, Anniversary),
    )
    for op in model.model_fields["op"].annotation.__args__  # type: ignore[union-attr]
}
"""The model of a field condition by its operator."""

GROUPS = ("all", "any", "not")
KINDS = (*GROUPS, "field", "event", "segment", "random_sample")
"""The keys that say what a condition is: each has exactly one of them."""

UNAVAILABLE = ("event", "segment")
"""Kinds of the language that this version does not evaluate yet."""

# Tags never look like a key of the language, so that they can be told from the path in a message.
_TAGS = {"all": "@all", "any": "@any", "not": "@not", "random_sample": "@random_sample"}


def kinds_of(node: object) -> list[str]:
    """The kinds that a JSON value claims to be."""
    return [kind for kind in KINDS if kind in node] if isinstance(node, dict) else []


def _tag(node: Any) -> str | None:
    if isinstance(node, Node):
        return f"@{type(node).__name__}"
    kinds = kinds_of(node)
    if len(kinds) != 1:
        return None
    if kinds[0] == "field":
        op = node.get("op")
        model = FIELD_CONDITIONS.get(op) if isinstance(op, str) else None
        return f"@{model.__name__}" if model else None
    return _TAGS.get(kinds[0])


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
    | Annotated[Anniversary, Tag("@Anniversary")],
    Discriminator(_tag),
]
"""One condition or group of the language."""

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()

CONDITION: TypeAdapter[Node] = TypeAdapter(Condition)
MODELS: dict[str, type[Node]] = {
    "@all": AllOf,
    "@any": AnyOf,
    "@not": Not,
    "@random_sample": RandomSample,
    **{f"@{model.__name__}": model for model in FIELD_CONDITIONS.values()},
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
