"""Parts a rule into its shape, which rules of other constants share, and its own constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

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

_SAMPLE_RANGE = Decimal(2**32)


@dataclass
class Parameters:
    """The constants of one rule, by type; its shape names them by position, from 1.

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
class Group:
    """A group; `kind` is all, any or not (of one part)."""

    kind: str
    parts: tuple[Shape, ...]


Shape = Group | FieldTest | SampleTest
"""A rule without its constants."""

NOBODY = Group("any", ())
"""The shape of the empty rule."""


def bind(criteria: Node | None, catalogue: Catalogue) -> tuple[Shape, Parameters]:
    """Parts checked criteria (None: the empty rule) into shape and constants."""
    binder = _Binder(catalogue)
    shape = NOBODY if criteria is None else binder.shape(criteria)
    return shape, binder.parameters


class _Binder:
    """Collects the constants of one rule in the order in which its shape names them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.parameters = Parameters()

    def shape(self, node: Node) -> Shape:
        match node:
            case AllOf():
                return Group("all", tuple(self.shape(child) for child in node.all))
            case AnyOf():
                return Group("any", tuple(self.shape(child) for child in node.any))
            case Not():
                return Group("not", (self.shape(node.not_),))
            case RandomSample():
                share = node.random_sample.percent * _SAMPLE_RANGE / 100
                seed = self._add("seeds", [node.random_sample.seed])
                return SampleTest(seed, self._add("numbers", [share]))
            case FieldCondition():
                kind = self.catalogue[node.field].type
                return FieldTest(node.field, kind, node.op, self._slots(node, kind))
        raise TypeError(f"{type(node).__name__} is not a condition")

    def _slots(self, node: FieldCondition, kind: FieldType) -> tuple[Slots, ...]:
        scalars = "texts" if kind is FieldType.TEXT else "numbers"
        match node:
            case Flag():
                return ()
            case Moment():
                return (self._moment(node.value),)
            case Between() if kind is FieldType.TIMESTAMP:
                return tuple(self._moment(value) for value in node.value)
            case Between():
                return tuple(self._add(scalars, [value]) for value in node.value)
            case Equality() | Comparison() | Pattern():
                return (self._add(scalars, [node.value]),)
            case Membership():
                # Filled up to a power of two, so that lists of about one length share a shape.
                missing = (1 << (len(node.value) - 1).bit_length()) - len(node.value)
                return (self._add(scalars, node.value + node.value[-1:] * missing),)
            case Window() | Anniversary():
                self.parameters.window_units.append(node.unit)
                added = self._add("window_values", [node.value])
                return (Slots("windows", added.first, added.last),)
        raise TypeError(f"{type(node).__name__} is not a field condition")

    def _moment(self, value: object) -> Slots:
        moment = parse_moment(value, ())
        is_local = moment.tzinfo is None
        self.parameters.local_times.append(moment if is_local else None)
        added = self._add("instants", [None if is_local else moment])
        return Slots("moments", added.first, added.last)

    def _add(self, kind: str, values: Sequence[Any]) -> Slots:
        constants: list[Any] = getattr(self.parameters, kind)
        constants.extend(values)
        return Slots(kind, len(constants) - len(values) + 1, len(constants))
