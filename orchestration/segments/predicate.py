"""From checked criteria to a shape: SQL of catalogue names and operators, and its typed parameters.

Nothing that a user typed is in the SQL. It reads two relations: `features`, a customer, and
`parameters`, the constants of one rule (the model int_segment_parameters). Every condition is
two-valued, so that groups are plain and, or and not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlglot import exp, parse_one

from orchestration.segments.catalogue import Catalogue, FieldType
from orchestration.segments.criteria import (
    AllOf,
    Anniversary,
    AnyOf,
    Between,
    Comparison,
    Equality,
    FieldCondition,
    Flag,
    Membership,
    Moment,
    Node,
    Not,
    Pattern,
    RandomSample,
    Window,
)
from orchestration.segments.moments import parse_moment

# Fixed SQL; the placeholders become expressions of catalogue columns and parameter slots.
_COMPARE = {
    "gt": ":field > :value",
    "gte": ":field >= :value",
    "lt": ":field < :value",
    "lte": ":field <= :value",
}
_PATTERN = {
    "contains": "strpos(lower(:field), :value) > 0",
    "starts_with": "starts_with(lower(:field), :value)",
    "ends_with": "right(lower(:field), length(:value)) = :value",
}
_FLAG = {
    "is_true": ":field is true",
    "is_false": ":field is false",
    "is_set": ":field is not null",
    "is_not_set": ":field is null",
}
_MOMENT = {"before": ":field < :value", "after": ":field > :value"}
_WITHIN_LAST = ":field >= :starts and :field <= parameters.as_of"
_WINDOW = {
    "within_last": _WITHIN_LAST,
    "not_within_last": _WITHIN_LAST,
    "within_next": ":field >= parameters.as_of and :field <= :ends",
    "more_than_ago": ":field < :starts",
}
# The anniversary of this year (of next year for a date of this year), or else the one after it.
# Adding years to 29 February gives the 28th in years without one.
_YEARS = (
    "greatest(extract(year from parameters.today)"
    " - extract(year from :field at time zone parameters.timezone), 1)"
)
_ANNIVERSARY = " or ".join(
    "cast(cast(:field at time zone parameters.timezone as date)"
    f" + make_interval(years => cast({_YEARS} + {more} as int)) as date)"
    " between parameters.today and :last_day"
    for more in (0, 1)
)
# segments.md fixes this for good: experiments run over many builds.
_SAMPLE = (
    "cast(cast('x' || left(md5(:seed || ':' || features.shop_domain || ':'"
    " || features.shopify_customer_id), 8) as bit(32)) as bigint) < :value"
)
_SAMPLE_RANGE = Decimal(2**32)
_INSTANT_TEXT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'


@dataclass
class Parameters:
    """The constants of one rule, by type; the SQL of its shape names them by position.

    Attributes:
        numbers: Compared with number fields.
        texts: Compared with text fields, ignoring case.
        seeds: Of random samples, as they are.
        instants: Points in time; None where the time is local to the shop.
        local_times: The local times that stand in the gaps of `instants`.
        window_values: How many units a window lasts.
        window_units: hour, day, week or month.
    """

    numbers: list[Decimal] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    seeds: list[str] = field(default_factory=list)
    instants: list[datetime | None] = field(default_factory=list)
    local_times: list[datetime | None] = field(default_factory=list)
    window_values: list[int] = field(default_factory=list)
    window_units: list[str] = field(default_factory=list)


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
    compiler = _Compiler(catalogue)
    predicate = exp.false() if criteria is None else compiler.condition(criteria)
    fields = tuple(dict.fromkeys(compiler.fields))
    kept = [name for name in fields if not catalogue[name].is_personal]
    predicate_sql = predicate.sql(dialect="postgres", normalize_functions="lower")
    digest = hashlib.sha256(predicate_sql.encode()).digest()
    return CompiledRule(
        shape_id=int.from_bytes(digest[:8], signed=True),
        predicate=predicate_sql,
        values_seen=_values_seen(kept, catalogue),
        fields=fields,
        parameters=compiler.parameters,
    )


def _values_seen(names: list[str], catalogue: Catalogue) -> str:
    arguments: list[exp.Expr] = []
    for name in names:
        value: exp.Expr = _column(name)
        if catalogue[name].type is FieldType.TIMESTAMP:
            # As text of our own making: jsonb would write it in the session's time zone.
            value = _fill(
                "to_char(:field at time zone 'UTC', :format)",
                field=value,
                format=exp.Literal.string(_INSTANT_TEXT),
            )
        arguments += [exp.Literal.string(name), value]
    call = exp.func("jsonb_build_object", *arguments, dialect="postgres")
    return call.sql(dialect="postgres", normalize_functions="lower")


class _Compiler:
    """Collects the fields and parameters of one rule while its expression is built."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.parameters = Parameters()
        self.fields: list[str] = []

    def condition(self, node: Node) -> exp.Expr:
        match node:
            case AllOf():
                return exp.and_(*(self.condition(child) for child in node.all), dialect="postgres")
            case AnyOf():
                return exp.or_(*(self.condition(child) for child in node.any), dialect="postgres")
            case Not():
                return exp.not_(self.condition(node.not_))
            case RandomSample():
                share = node.random_sample.percent * _SAMPLE_RANGE / 100
                seed = self._slot("seeds", [node.random_sample.seed])
                return _known(_fill(_SAMPLE, seed=seed, value=self._slot("numbers", [share])))
            case FieldCondition():
                return self._field_condition(node)
        raise TypeError(f"{type(node).__name__} is not a condition")

    def _field_condition(self, node: FieldCondition) -> exp.Expr:
        self.fields.append(node.field)
        test = self._test(node)
        is_negated = node.op in ("neq", "not_in", "not_within_last")
        return exp.not_(_known(test)) if is_negated else _known(test)

    def _test(self, node: FieldCondition) -> exp.Expr:
        column = _column(node.field)
        match node:
            case Equality():
                return exp.EQ(
                    this=self._comparable(node.field), expression=self._scalars([node.value])
                )
            case Comparison():
                return _fill(_COMPARE[node.op], field=column, value=self._scalars([node.value]))
            case Membership():
                values = self._list(node.value)
                return exp.EQ(this=self._comparable(node.field), expression=exp.Any(this=values))
            case Between() if self._type(node.field) is FieldType.TIMESTAMP:
                first, second = (self._moment(value) for value in node.value)
                return _fill(
                    ":field >= :first and :field < :second",
                    field=column,
                    first=first,
                    second=second,
                )
            case Between():
                first, second = (self._scalars([value]) for value in node.value)
                return _fill(
                    ":field between :first and :second", field=column, first=first, second=second
                )
            case Pattern():
                return _fill(_PATTERN[node.op], field=column, value=self._scalars([node.value]))
            case Flag():
                return _fill(_FLAG[node.op], field=column)
            case Moment():
                return _fill(_MOMENT[node.op], field=column, value=self._moment(node.value))
            case Window():
                slot = self._window(node)
                return _fill(
                    _WINDOW[node.op],
                    field=column,
                    starts=_parameter("window_starts", slot),
                    ends=_parameter("window_ends", slot),
                )
            case Anniversary():
                slot = self._window(node)
                return _fill(_ANNIVERSARY, field=column, last_day=_parameter("window_days", slot))
        raise TypeError(f"{type(node).__name__} is not a field condition")

    def _type(self, name: str) -> FieldType:
        return self.catalogue[name].type

    def _comparable(self, name: str) -> exp.Expr:
        column = _column(name)
        return exp.Lower(this=column) if self._type(name) is FieldType.TEXT else column

    def _scalars(self, values: list[Decimal | str]) -> exp.Expr:
        kind = "texts" if isinstance(values[0], str) else "numbers"
        return self._slot(kind, values)

    def _list(self, values: list[Decimal | str]) -> exp.Expr:
        # Filled up to a power of two, so that lists of about one length share a shape.
        length = 1 << (len(values) - 1).bit_length()
        padded = values + values[-1:] * (length - len(values))
        kind = "texts" if isinstance(values[0], str) else "numbers"
        first = self._add(kind, padded)
        ends = exp.Slice(
            this=exp.Literal.number(first), expression=exp.Literal.number(first + length - 1)
        )
        return exp.Paren(this=_subscript(kind, ends))

    def _moment(self, value: object) -> exp.Expr:
        moment = parse_moment(value, ())
        is_local = moment.tzinfo is None
        self.parameters.instants.append(None if is_local else moment)
        self.parameters.local_times.append(moment if is_local else None)
        return _parameter("moments", len(self.parameters.instants))

    def _window(self, node: Window | Anniversary) -> int:
        self.parameters.window_values.append(node.value)
        self.parameters.window_units.append(node.unit)
        return len(self.parameters.window_values)

    def _slot(self, kind: str, values: list[Decimal | str]) -> exp.Expr:
        return _parameter(kind, self._add(kind, values))

    def _add(self, kind: str, values: list[Decimal | str]) -> int:
        slots: list[Decimal | str] = getattr(self.parameters, kind)
        slots.extend(values)
        return len(slots) - len(values) + 1


def _column(name: str) -> exp.Column:
    return exp.column(name, table="features")


def _parameter(kind: str, position: int) -> exp.Expr:
    return _subscript(kind, exp.Literal.number(position))


def _subscript(kind: str, index: exp.Expr) -> exp.Expr:
    return exp.Bracket(this=exp.column(kind, table="parameters"), expressions=[index], offset=1)


def _fill(template: str, **parts: exp.Expr) -> exp.Expr:
    return exp.replace_placeholders(parse_one(template, dialect="postgres"), **parts)


def _known(test: exp.Expr) -> exp.Expr:
    """The test, false where it is NULL; what cannot be NULL is left as it is."""
    if isinstance(test, exp.Is) or (isinstance(test, exp.Not) and isinstance(test.this, exp.Is)):
        return test
    return exp.Is(this=exp.Paren(this=test), expression=exp.true())
