"""Parts a rule into its shape, which rules of other constants share, and its own constants.

A rule that names another segment has that segment's rule inside its own: who belongs to the one at
an instant follows from the same customer's values. What does not follow from them, such as who was
a member before, is a test of its own, as is what a customer's events come to: such tests belong to
the shop, whatever rules share them, and a rule names them by id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from orchestration.segments.catalogue import AGGREGATES_OF, Catalogue, Fields, FieldType
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
from orchestration.segments.moments import parse_moment

_SAMPLE_RANGE = Decimal(2**32)


OCCURRED_AT = "occurred_at"
"""The column of every event model that says when it happened; NULL where nobody knows."""


@dataclass
class Constants:
    """Constants by type; a shape names them by position, from 1.

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


@dataclass
class Parameters(Constants):
    """The constants of one rule, and the tests of its shop that it reads.

    Attributes:
        event_tests: Ids of the event tests, by position.
        reference_tests: Ids of the reference tests, by position.
    """

    event_tests: list[int] = field(default_factory=list)
    reference_tests: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Slots:
    """The positions, from 1, of one or several constants.

    Attributes:
        kind: The array that has them: numbers, texts, seeds, moments (the instants and local times)
            or windows.
        first: The first position.
        last: The last one, `first` itself for a single constant.
    """

    kind: str
    first: int
    last: int


@dataclass(frozen=True)
class FieldTest:
    """A field condition whose constants are elsewhere."""

    field: str
    type: FieldType
    op: str
    slots: tuple[Slots, ...]


@dataclass(frozen=True)
class SampleTest:
    """A random sample: its seed, and its share of the numbers below 2^32."""

    seed: Slots
    share: Slots


@dataclass(frozen=True)
class AggregateTest:
    """A test of what a customer's events come to.

    Attributes:
        event: The name of the event.
        aggregate: What its events are made into, which says what it is without any.
        of: The field of which the aggregate is; None for one of the events themselves.
        op: An operator of numbers.
        test: The position of the event test, in `event_tests`.
        slots: The constants of the operator.
    """

    event: str
    aggregate: str
    of: str | None
    op: str
    test: Slots
    slots: tuple[Slots, ...]


@dataclass(frozen=True)
class ReferenceTest:
    """Whether the customer is, or was, in another segment, by what is kept of its members."""

    test: Slots


@dataclass(frozen=True)
class Group:
    """A group; `kind` is all, any or not (of one part)."""

    kind: str
    parts: tuple[Shape, ...]


Shape = Group | FieldTest | SampleTest | AggregateTest | ReferenceTest
"""A rule without its constants."""

NOBODY = Group("any", ())
"""The shape of the empty rule."""

EVERYBODY = Group("all", ())
"""The shape of an event test that tests nothing."""


@dataclass(frozen=True)
class EventShape:
    """An event test without its constants: which events count, and which number of them."""

    event: str
    of: str | None
    where: Group


@dataclass(frozen=True)
class EventTest:
    """What an aggregate is made of; a shop's rules share equal ones.

    Attributes:
        test_id: 64 bits of the hash of all the rest.
        aggregate: One of the language's.
    """

    test_id: int
    aggregate: str
    shape: EventShape
    constants: Constants


@dataclass(frozen=True)
class KeptMembers:
    """A reference to members that are kept, not computed; a shop's rules share equal ones.

    Attributes:
        test_id: 64 bits of the hash of all the rest.
        segment_id: Whose members.
        is_current: Whether present members count; else only those of the window.
        window_values: How many units a window lasts; empty where only present members count.
        window_units: The unit of it.
    """

    test_id: int
    segment_id: int
    is_current: bool
    window_values: tuple[int, ...]
    window_units: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A segment that rules of its shop may name.

    Attributes:
        segment_id: Its id.
        is_computed: Whether its members follow from its rule in this evaluation; else they are the
            last good ones, or the application's own.
        criteria: The rule of a computed one; None is the empty rule.
        targets: What the rule's own references mean.
    """

    segment_id: int
    is_computed: bool = False
    criteria: Node | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)


@dataclass(frozen=True)
class BoundRule:
    """A rule in parts."""

    shape: Shape
    parameters: Parameters
    event_tests: tuple[EventTest, ...]
    references: tuple[KeptMembers, ...]


def bind(
    criteria: Node | None, catalogue: Catalogue, targets: Mapping[str, Target] | None = None
) -> BoundRule:
    """Parts checked criteria (None: the empty rule) into shape, constants and tests.

    Args:
        criteria: What `parse` returned.
        catalogue: The fields and events that it was checked against.
        targets: The segments that it may name.

    Raises:
        KeyError: It names a segment that is not among the targets.
    """
    binder = _Binder(catalogue)
    shape = binder.rule(criteria, targets or {})
    return BoundRule(shape, binder.parameters, tuple(binder.event_tests), tuple(binder.references))


def hashed(*parts: object) -> int:
    """64 bits of a hash that is the same tomorrow and on another machine."""
    digest = hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], signed=True)


class _Operands:
    """Collects constants in the order in which a shape names them."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants

    def field_test(self, node: FieldCondition, fields: Fields) -> FieldTest:
        kind = fields[node.field].type
        return FieldTest(node.field, kind, node.op, self._slots(node, kind))

    def _slots(self, node: FieldCondition, kind: FieldType) -> tuple[Slots, ...]:
        scalars = "texts" if kind is FieldType.TEXT else "numbers"
        match node:
            case Flag():
                return ()
            case Moment():
                return (self.moment(node.value),)
            case Between() if kind is FieldType.TIMESTAMP:
                return tuple(self.moment(value) for value in node.value)
            case Between():
                return tuple(self.add(scalars, [value]) for value in node.value)
            case Equality() | Comparison() | Pattern():
                return (self.add(scalars, [node.value]),)
            case Membership():
                return (self.several(scalars, node.value),)
            case Window() | Anniversary():
                return (self.window(node.value, node.unit),)
        raise TypeError(f"{type(node).__name__} is not a field condition")

    def number_slots(self, node: EventCondition) -> tuple[Slots, ...]:
        match node:
            case EventFlag():
                return ()
            case EventComparison():
                return (self.add("numbers", [node.value]),)
            case EventMembership():
                return (self.several("numbers", node.value),)
            case EventBetween():
                return tuple(self.add("numbers", [value]) for value in node.value)
        raise TypeError(f"{type(node).__name__} is not an event condition")

    def several(self, kind: str, values: Sequence[Any]) -> Slots:
        # Filled up to a power of two, so that lists of about one length share a shape.
        missing = (1 << (len(values) - 1).bit_length()) - len(values)
        return self.add(kind, [*values, *[values[-1]] * missing])

    def window(self, value: int, unit: str) -> Slots:
        self.constants.window_units.append(unit)
        added = self.add("window_values", [value])
        return Slots("windows", added.first, added.last)

    def moment(self, value: object) -> Slots:
        moment = parse_moment(value, ())
        is_local = moment.tzinfo is None
        self.constants.local_times.append(moment if is_local else None)
        added = self.add("instants", [None if is_local else moment])
        return Slots("moments", added.first, added.last)

    def add(self, kind: str, values: Sequence[Any]) -> Slots:
        constants: list[Any] = getattr(self.constants, kind)
        constants.extend(values)
        return Slots(kind, len(constants) - len(values) + 1, len(constants))


class _Binder:
    """Collects the constants and tests of a rule and of the segments whose rules it reads."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.parameters = Parameters()
        self.operands = _Operands(self.parameters)
        self.event_tests: list[EventTest] = []
        self.references: list[KeptMembers] = []
        self._computed: dict[int, Shape] = {}

    def rule(self, criteria: Node | None, targets: Mapping[str, Target]) -> Shape:
        return NOBODY if criteria is None else self.shape(criteria, targets)

    def shape(self, node: Node, targets: Mapping[str, Target]) -> Shape:
        match node:
            case AllOf():
                return Group("all", tuple(self.shape(child, targets) for child in node.all))
            case AnyOf():
                return Group("any", tuple(self.shape(child, targets) for child in node.any))
            case Not():
                return Group("not", (self.shape(node.not_, targets),))
            case RandomSample():
                share = node.random_sample.percent * _SAMPLE_RANGE / 100
                seed = self.operands.add("seeds", [node.random_sample.seed])
                return SampleTest(seed, self.operands.add("numbers", [share]))
            case FieldCondition():
                return self.operands.field_test(node, self.catalogue)
            case EventCondition():
                return self._aggregate_test(node)
            case SegmentCondition():
                return self._reference(targets[node.segment], node.held_within_last)
        raise TypeError(f"{type(node).__name__} is not a condition")

    def _aggregate_test(self, node: EventCondition) -> AggregateTest:
        constants = Constants()
        operands = _Operands(constants)
        parts: list[Shape] = []
        if node.within_last:
            window = operands.window(node.within_last.value, node.within_last.unit)
            parts.append(FieldTest(OCCURRED_AT, FieldType.TIMESTAMP, "within_last", (window,)))
        if node.between:
            ends = tuple(operands.moment(value) for value in node.between)
            parts.append(FieldTest(OCCURRED_AT, FieldType.TIMESTAMP, "between", ends))
        fields = self.catalogue.events[node.event].fields
        parts += [operands.field_test(test, fields) for test in node.where or ()]
        of = node.of if node.aggregate in AGGREGATES_OF else None
        shape = EventShape(node.event, of, Group("all", tuple(parts)))
        test_id = hashed(shape, node.aggregate, astuple(constants))
        if test_id not in self.parameters.event_tests:
            self.event_tests.append(EventTest(test_id, node.aggregate, shape, constants))
        test = self._test("event_tests", test_id)
        slots = self.operands.number_slots(node)
        return AggregateTest(node.event, node.aggregate, of, node.op, test, slots)

    def _reference(self, target: Target, span: Span | None) -> Shape:
        if not target.is_computed:
            return self._kept(target, span, is_current=True)
        if target.segment_id not in self._computed:
            self._computed[target.segment_id] = self.rule(target.criteria, target.targets)
        now = self._computed[target.segment_id]
        return Group("any", (now, self._kept(target, span, is_current=False))) if span else now

    def _kept(self, target: Target, span: Span | None, *, is_current: bool) -> ReferenceTest:
        values, units = ((span.value,), (span.unit,)) if span else ((), ())
        test_id = hashed(target.segment_id, is_current, values, units)
        if test_id not in self.parameters.reference_tests:
            kept = KeptMembers(test_id, target.segment_id, is_current, values, units)
            self.references.append(kept)
        return ReferenceTest(self._test("reference_tests", test_id))

    def _test(self, kind: str, test_id: int) -> Slots:
        tests: list[int] = getattr(self.parameters, kind)
        if test_id not in tests:
            tests.append(test_id)
        position = tests.index(test_id) + 1
        return Slots(kind, position, position)
