"""From a rule's shape to SQL of catalogue names, operators and positions of parameters.

Nothing that a user typed is in the SQL. A rule reads `features`, a customer, and `parameters`, the
constants of one rule (the model int_segment_parameters); where it tests events or other segments,
`event_values` and `kept_members` as well, a customer's row of int_segment_event_values and
int_segment_kept_members. An event test reads `events`, an event, and `parameters`, its own
constants (int_segment_event_tests). Every condition is two-valued, so that groups are plain and,
or and not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, reduce

from sqlglot import exp, parse_one

from orchestration.segments.binding import (
    OCCURRED_AT,
    AggregateTest,
    EventShape,
    EventTest,
    FieldTest,
    Group,
    KeptMembers,
    Parameters,
    ReferenceTest,
    SampleTest,
    Shape,
    Slots,
    Target,
    bind,
    hashed,
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
# What an event test came to, of a customer without such events nothing.
_AGGREGATE = "event_values.aggregates[array_position(event_values.tests, :test)]"
_OR_ZERO = f"coalesce({_AGGREGATE}, 0)"
_ZERO_IF_NONE = ("count", "sum")
_IS_KEPT = ":test = any(kept_members.tests)"
# A function of PostgreSQL has no more arguments.
_MOST_ARGUMENTS = 100
_SHOWN = "trim_scale(round(:aggregate, 6))"
# As text of our own making: jsonb would write an instant in the session's time zone.
_INSTANT = "to_char(:field at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"


@dataclass(frozen=True)
class CompiledRule:
    """A rule ready to be evaluated.

    Attributes:
        shape_id: The same for rules that differ in nothing but their constants.
        predicate: SQL over `features`, `parameters`, and what else the rule reads: whether the
            customer belongs.
        values_seen: SQL over the same: the values that the rule reads, as jsonb.
        fields: The fields that the rule reads, in their order in it.
        parameters: The rule's own constants.
        event_tests: What it wants of events.
        references: What it wants of members that are kept.
    """

    shape_id: int
    predicate: str
    values_seen: str
    fields: tuple[str, ...]
    parameters: Parameters
    event_tests: tuple[CompiledEventTest, ...] = ()
    references: tuple[KeptMembers, ...] = ()


@dataclass(frozen=True)
class CompiledEventTest:
    """An event test ready to be evaluated.

    Attributes:
        shape_id: The same for tests that differ in nothing but aggregate and constants.
        predicate: SQL over `events` and `parameters`: whether the event counts.
        value: SQL over `events`: the number of it that sum, avg, min and max are of.
        fields: The columns of the event's model that it reads.
        test: The test itself.
    """

    shape_id: int
    predicate: str
    value: str
    fields: tuple[str, ...]
    test: EventTest


def compile_criteria(
    criteria: Node | None, catalogue: Catalogue, targets: Mapping[str, Target] | None = None
) -> CompiledRule:
    """Compiles criteria that `parse` has returned for the same catalogue.

    Args:
        criteria: The rule; None is the empty one.
        catalogue: The fields and events that it was checked against.
        targets: The segments of its shop that it may name (see `targets_of`).

    Raises:
        KeyError: It names a segment that is not among the targets.
    """
    bound = bind(criteria, catalogue, targets)
    fields = tuple(dict.fromkeys(t.field for t in _tests(bound.shape) if isinstance(t, FieldTest)))
    personal = frozenset(name for name in fields if catalogue[name].is_personal)
    shape_id, predicate, values_seen = _rule_sql(bound.shape, personal)
    tests = tuple(map(_compile_test, bound.event_tests))
    return CompiledRule(
        *(shape_id, predicate, values_seen, fields, bound.parameters, tests, bound.references)
    )


def _compile_test(test: EventTest) -> CompiledEventTest:
    shape_id, predicate, value, fields = _event_sql(test.shape)
    return CompiledEventTest(shape_id, predicate, value, fields, test)


# Many rules have few shapes, and building SQL takes far longer than all else.
@lru_cache(maxsize=10_000)
def _rule_sql(shape: Shape, personal: frozenset[str]) -> tuple[int, str, str]:
    """The id of a shape, its predicate and the values that it sees."""
    predicate, values_seen = _sql(_expression(shape)), _sql(_values_seen(shape, personal))
    return hashed(predicate, values_seen), predicate, values_seen


@lru_cache(maxsize=10_000)
def _event_sql(shape: EventShape) -> tuple[int, str, str, tuple[str, ...]]:
    """The id of an event test's shape, its predicate, its number and the columns that it reads."""
    predicate = _sql(_expression(shape.where, "events"))
    number = exp.cast(_column(shape.of, "events") if shape.of else exp.null(), "numeric")
    tested = [t.field for t in _tests(shape.where) if isinstance(t, FieldTest)]
    fields = dict.fromkeys((OCCURRED_AT, *([shape.of] if shape.of else []), *tested))
    value = _sql(number)
    return hashed(shape.event, predicate, value), predicate, value, tuple(fields)


def _values_seen(shape: Shape, personal: frozenset[str]) -> exp.Expr:
    seen: dict[str, exp.Expr] = {}
    for test in _tests(shape):
        if isinstance(test, FieldTest) and test.field not in personal:
            column = _column(test.field)
            is_instant = test.type is FieldType.TIMESTAMP
            seen[test.field] = _fill(_INSTANT, field=column) if is_instant else column
    aggregates = {t.test: t for t in _tests(shape) if isinstance(t, AggregateTest)}
    names: Counter[str] = Counter()
    for test in aggregates.values():
        name = f"{test.aggregate} of {test.event}" + (f".{test.of}" if test.of else "")
        names[name] += 1
        # Another time of the same name: another window, or other events.
        name += f" ({names[name]})" if names[name] > 1 else ""
        seen[name] = _fill(_SHOWN, aggregate=_aggregate(test))
    arguments = [part for name, value in seen.items() for part in (exp.Literal.string(name), value)]
    objects: list[exp.Expr] = [
        exp.func("jsonb_build_object", *arguments[at : at + _MOST_ARGUMENTS], dialect="postgres")
        for at in range(0, max(len(arguments), 1), _MOST_ARGUMENTS)
    ]
    return reduce(lambda one, other: exp.DPipe(this=one, expression=other, safe=True), objects)


def _tests(shape: Shape) -> Iterator[FieldTest | SampleTest | AggregateTest | ReferenceTest]:
    if isinstance(shape, Group):
        for part in shape.parts:
            yield from _tests(part)
    else:
        yield shape


def _expression(shape: Shape, table: str = "features") -> exp.Expr:
    match shape:
        case Group("any", ()):
            return exp.false()
        case Group("all", ()):
            return exp.true()
        case Group("all"):
            return exp.and_(*(_expression(part, table) for part in shape.parts), copy=False)
        case Group("any"):
            return exp.or_(*(_expression(part, table) for part in shape.parts), copy=False)
        case Group():
            return exp.not_(_expression(shape.parts[0], table), copy=False)
        case SampleTest():
            sampled = _fill(_IS_SAMPLED, seed=_slot(shape.seed), share=_slot(shape.share))
            return _known(sampled)
        case ReferenceTest():
            return _known(_fill(_IS_KEPT, test=_slot(shape.test)))
        case AggregateTest():
            number = _aggregate(shape)
            return _holds(shape.op, FieldType.NUMBER, shape.slots, number, number)
        case FieldTest():
            column = _column(shape.field, table)
            is_text = shape.type is FieldType.TEXT
            comparable = exp.Lower(this=column.copy()) if is_text else column
            return _holds(shape.op, shape.type, shape.slots, column, comparable)


def _aggregate(test: AggregateTest) -> exp.Expr:
    template = _OR_ZERO if test.aggregate in _ZERO_IF_NONE else _AGGREGATE
    return _fill(template, test=_slot(test.test))


def _holds(
    op: str, kind: FieldType, slots: tuple[Slots, ...], value: exp.Expr, comparable: exp.Expr
) -> exp.Expr:
    """Whether an operator holds for a value; texts are compared in lower case."""
    parts: dict[str, exp.Expr] = {"field": value, "comparable": comparable}
    for name, slot in zip(("first", "second"), slots, strict=False):
        if slot.kind == "windows":
            for part, array in (
                ("starts", "window_starts"),
                ("ends", "window_ends"),
                ("last_day", "window_days"),
            ):
                parts[part] = _slot(Slots(array, slot.first, slot.last))
        else:
            is_list = op in ("in", "not_in")
            parts[name] = _slice(slot) if is_list else _slot(slot)
    holds = _known(_fill(_BETWEEN[kind] if op == "between" else _TESTS[op], **parts))
    return exp.not_(holds) if op in _NEGATED else holds


def _column(name: str, table: str = "features") -> exp.Expr:
    return exp.column(name, table=table)


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
