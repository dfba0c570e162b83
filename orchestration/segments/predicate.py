"""From a rule's shape to SQL of catalogue names, operators and positions of parameters.

Nothing that a user typed is in the SQL. It reads two relations: `features`, a customer, and
`parameters`, the constants of one rule (the model int_segment_parameters). Every condition is
two-valued, so that groups are plain and, or and not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from sqlglot import exp, parse_one

from orchestration.segments.binding import (
    FieldTest,
    Group,
    Parameters,
    SampleTest,
    Shape,
    Slots,
    bind,
)
from orchestration.segments.catalogue import Catalogue, FieldType
from orchestration.segments.criteria import Node

# Fixed SQL; the placeholders become expressions of catalogue columns and parameter positions.
_IS_WITHIN_LAST = ":field >= :starts and :field <= parameters.as_of"
# The anniversary of this year (of next year for a date of this year), or else the one after it.
# Adding years to 29 February gives the 28th in years without one.
_YEARS = (
    "greatest(extract(year from parameters.today)"
    " - extract(year from :field at time zone parameters.timezone), 1)"
)
_IS_ANNIVERSARY = " or ".join(
    "cast(cast(:field at time zone parameters.timezone as date)"
    f" + make_interval(years => cast({_YEARS} + {more} as int)) as date)"
    " between parameters.today and :last_day"
    for more in (0, 1)
)
_TESTS = {
    "eq": ":comparable = :first",
    "neq": ":comparable = :first",
    "gt": ":field > :first",
    "gte": ":field >= :first",
    "lt": ":field < :first",
    "lte": ":field <= :first",
    "in": ":comparable = any(:first)",
    "not_in": ":comparable = any(:first)",
    "contains": "strpos(:comparable, :first) > 0",
    "starts_with": "starts_with(:comparable, :first)",
    "ends_with": "right(:comparable, length(:first)) = :first",
    "is_true": ":field is true",
    "is_false": ":field is false",
    "is_set": ":field is not null",
    "is_not_set": ":field is null",
    "before": ":field < :first",
    "after": ":field > :first",
    "within_last": _IS_WITHIN_LAST,
    "not_within_last": _IS_WITHIN_LAST,
    "within_next": ":field >= parameters.as_of and :field <= :ends",
    "more_than_ago": ":field < :starts",
    "anniversary_within_next": _IS_ANNIVERSARY,
}
_BETWEEN = {
    FieldType.NUMBER: ":field between :first and :second",
    FieldType.TIMESTAMP: ":field >= :first and :field < :second",
}
_NEGATED = ("neq", "not_in", "not_within_last")
# segments.md fixes this for good: experiments run over many builds.
_IS_SAMPLED = (
    "cast(cast('x' || left(md5(:seed || ':' || features.shop_domain || ':'"
    " || features.shopify_customer_id), 8) as bit(32)) as bigint) < :share"
)
# As text of our own making: jsonb would write an instant in the session's time zone.
_INSTANT = "to_char(:field at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


@dataclass(frozen=True)
class CompiledRule:
    """A rule ready to be evaluated.

    Attributes:
        shape_id: The same for rules that differ in nothing but their constants.
        predicate: SQL over `features` and `parameters`: whether the customer belongs.
        values_seen: SQL over `features`: the values that the rule reads, as jsonb.
        fields: The fields that the rule reads, in their order in it.
        parameters: The rule's own constants.
    """

    shape_id: int
    predicate: str
    values_seen: str
    fields: tuple[str, ...]
    parameters: Parameters


def compile_criteria(criteria: Node | None, catalogue: Catalogue) -> CompiledRule:
    """Compiles criteria that `parse` has returned for the same catalogue."""
    shape, parameters = bind(criteria, catalogue)
    predicate, shape_id = _predicate(shape)
    fields = {test.field: test.type for test in _field_tests(shape)}
    kept = tuple(item for item in fields.items() if not catalogue[item[0]].is_personal)
    return CompiledRule(shape_id, predicate, _values_seen(kept), tuple(fields), parameters)


# Many rules have few shapes, and building SQL takes far longer than all else.
@lru_cache(maxsize=10_000)
def _predicate(shape: Shape) -> tuple[str, int]:
    """The SQL of a shape, and the shape's id: 64 bits of the SQL's hash."""
    text = _sql(_expression(shape))
    digest = hashlib.sha256(text.encode()).digest()
    return text, int.from_bytes(digest[:8], signed=True)


@lru_cache(maxsize=10_000)
def _values_seen(fields: tuple[tuple[str, FieldType], ...]) -> str:
    arguments: list[exp.Expr] = []
    for name, kind in fields:
        column = _column(name)
        is_instant = kind is FieldType.TIMESTAMP
        value = _fill(_INSTANT, field=column) if is_instant else column
        arguments += [exp.Literal.string(name), value]
    return _sql(exp.func("jsonb_build_object", *arguments, dialect="postgres"))


def _field_tests(shape: Shape) -> Iterator[FieldTest]:
    if isinstance(shape, FieldTest):
        yield shape
    elif isinstance(shape, Group):
        for part in shape.parts:
            yield from _field_tests(part)


def _expression(shape: Shape) -> exp.Expr:
    match shape:
        case Group("any", ()):
            return exp.false()
        case Group("all"):
            return exp.and_(*map(_expression, shape.parts), copy=False)
        case Group("any"):
            return exp.or_(*map(_expression, shape.parts), copy=False)
        case Group():
            return exp.not_(_expression(shape.parts[0]), copy=False)
        case SampleTest():
            sampled = _fill(_IS_SAMPLED, seed=_slot(shape.seed), share=_slot(shape.share))
            return _known(sampled)
        case FieldTest():
            holds = _known(_test(shape))
            return exp.not_(holds) if shape.op in _NEGATED else holds


def _test(test: FieldTest) -> exp.Expr:
    column = _column(test.field)
    is_text = test.type is FieldType.TEXT
    parts: dict[str, exp.Expr] = {
        "field": column,
        "comparable": exp.Lower(this=column.copy()) if is_text else column,
    }
    for name, slots in zip(("first", "second"), test.slots, strict=False):
        if slots.kind == "windows":
            for part, array in (
                ("starts", "window_starts"),
                ("ends", "window_ends"),
                ("last_day", "window_days"),
            ):
                parts[part] = _slot(Slots(array, slots.first, slots.last))
        else:
            is_list = test.op in ("in", "not_in")
            parts[name] = _slice(slots) if is_list else _slot(slots)
    return _fill(_BETWEEN[test.type] if test.op == "between" else _TESTS[test.op], **parts)


def _column(name: str) -> exp.Expr:
    return exp.column(name, table="features")


def _slot(slots: Slots) -> exp.Expr:
    return _subscript(slots.kind, exp.Literal.number(slots.first))


def _slice(slots: Slots) -> exp.Expr:
    first, last = exp.Literal.number(slots.first), exp.Literal.number(slots.last)
    return _subscript(slots.kind, exp.Slice(this=first, expression=last))


def _subscript(array: str, index: exp.Expr) -> exp.Expr:
    return exp.Bracket(this=exp.column(array, table="parameters"), expressions=[index], offset=1)


def _fill(template: str, **parts: exp.Expr) -> exp.Expr:
    return exp.replace_placeholders(_parsed(template), **parts)


@cache
def _parsed(template: str) -> exp.Expr:
    return parse_one(template, dialect="postgres")


def _known(test: exp.Expr) -> exp.Expr:
    """The test, false where it is NULL; what cannot be NULL is left as it is."""
    if isinstance(test, exp.Is) or (isinstance(test, exp.Not) and isinstance(test.this, exp.Is)):
        return test
    return exp.Is(this=exp.Paren(this=test), expression=exp.true())


def _sql(expression: exp.Expr) -> str:
    return expression.sql(dialect="postgres", normalize_functions="lower", copy=False)
