"""What stored rules are worth: each by itself, then by the segments of its shop that it names."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

from orchestration.segments.binding import Target
from orchestration.segments.catalogue import Catalogue
from orchestration.segments.criteria import Node, SegmentCondition, conditions_in, descendants
from orchestration.segments.cycles import LONGEST_NAMED, cycles
from orchestration.segments.errors import Path, RuleError, quoted, suggest
from orchestration.segments.parsing import parse
from orchestration.segments.predicate import CompiledRule, compile_criteria
from orchestration.segments.words import in_words

logger = logging.getLogger(__name__)

MAXIMUM_LEVELS = 8
"""How deep segments may read segments, the first one counted."""
MAXIMUM_CONDITIONS_IN_ALL = 500
"""Conditions of a rule and of all that it reads: they are evaluated together."""
COMPARED_NAMES = 1000
"""Among how many of a shop's segments the one that was meant is looked for."""


@dataclass(frozen=True)
class StoredRule:
    """A segment as raw has it; `criteria` is its raw JSON text."""

    segment_id: int
    shop_id: int
    shop_domain: str | None
    name: str
    criteria: str | None
    criteria_hash: str | None
    is_active: bool
    is_automatic: bool


@dataclass(frozen=True)
class RuleResult:
    """What a rule is worth.

    Attributes:
        rule: The segment.
        status: valid; invalid; inactive (switched off); manual (the application's own members); or
            stale: a good rule that reads an invalid or stale segment.
        error: Of an invalid rule, where in the JSON, what is wrong and the nearest valid name; of a
            stale one, which segment it reads.
        words: For a valid or stale rule: the rule in words.
        criteria: For a valid or stale rule: the rule itself; None is the empty one.
        compiled: For a valid or stale rule: its shape and constants.
        levels: How deep segments read segments here; 1 is a rule that reads none.
        conditions: Its conditions, those of the segments that it reads included.
        target: What it means to rules of the shop that name it.
    """

    rule: StoredRule
    status: str
    error: str | None = None
    words: str | None = None
    criteria: Node | None = None
    compiled: CompiledRule | None = None
    levels: int = 0
    conditions: int = 0
    target: Target | None = None


def assess(rule: StoredRule, catalogue: Catalogue) -> RuleResult:
    """Says what a rule is worth where its shop has no other segments."""
    return assess_all([rule], catalogue)[0]


def assess_all(rules: Sequence[StoredRule], catalogue: Catalogue) -> list[RuleResult]:
    """Says what each rule is worth, in the order given, and compiles those to be evaluated.

    Args:
        rules: All segments of the shops that they are of.
        catalogue: The fields and events that rules may read.
    """
    of_shop: dict[int, list[RuleResult]] = defaultdict(list)
    for rule in rules:
        of_shop[rule.shop_id].append(_alone(rule, catalogue))
    settled = {
        result.rule.segment_id: result
        for results in of_shop.values()
        for result in _together(results, catalogue)
    }
    return [settled[rule.segment_id] for rule in rules]


def targets_of(results: Sequence[RuleResult]) -> dict[str, Target]:
    """The segments that another rule of the shop may name, from what `assess_all` says of them."""
    named = _by_name(results)
    return {name: _target(found[0]) for name, found in named.items() if len(found) == 1}


def _alone(rule: StoredRule, catalogue: Catalogue) -> RuleResult:
    """What a rule is worth by itself; `valid` is yet to be settled."""
    if not rule.is_active:
        return RuleResult(rule, "inactive")
    if not rule.is_automatic:
        return RuleResult(rule, "manual")
    try:
        return RuleResult(rule, "valid", criteria=parse(rule.criteria, catalogue))
    except RuleError as error:
        return RuleResult(rule, "invalid", error=str(error))
    except Exception:
        return _broken(rule)


def _together(results: Sequence[RuleResult], catalogue: Catalogue) -> list[RuleResult]:
    """Settles the rules of a shop, those first that others read."""
    named = _by_name(results)
    settled = {result.rule.segment_id: result for result in results}
    reads = {result.rule.segment_id: references(result.criteria) for result in results}
    good = {
        result.rule.segment_id: [
            other.rule.segment_id
            for _, name in reads[result.rule.segment_id]
            for other in named.get(name, ())
            if other.status == "valid"
        ]
        for result in results
        if result.status == "valid"
    }
    for one, way in cycles(good).items():
        error = _cycle(settled[one], [settled[other].rule.name for other in way])
        settled[one] = RuleResult(settled[one].rule, "invalid", error=str(error))
    waiting = {one: others for one, others in good.items() if settled[one].status == "valid"}
    for one in TopologicalSorter(waiting).static_order():
        if one in waiting:
            found = {
                name: [settled[other.rule.segment_id] for other in named.get(name, ())]
                for _, name in reads[one]
            }
            settled[one] = _settle(settled[one], reads[one], found, named, catalogue)
    return list(settled.values())


def _settle(
    result: RuleResult,
    reads: Sequence[tuple[Path, str]],
    found: Mapping[str, Sequence[RuleResult]],
    named: Mapping[str, Sequence[RuleResult]],
    catalogue: Catalogue,
) -> RuleResult:
    rule, criteria = result.rule, result.criteria
    try:
        for path, name in reads:
            if len(found[name]) != 1:
                raise RuleError(path, _unclear(name, named))
        read = {name: others[0] for name, others in found.items()}
        computed = [read[name] for _, name in reads if read[name].compiled]
        levels = 1 + max((other.levels for other in computed), default=0)
        if levels > MAXIMUM_LEVELS:
            problem = f"it reads segments that read others, over {MAXIMUM_LEVELS} levels deep"
            raise RuleError((), problem)
        conditions = conditions_in(criteria) + sum(other.conditions for other in computed)
        if conditions > MAXIMUM_CONDITIONS_IN_ALL:
            problem = f"{conditions} conditions with those of the segments that it reads"
            raise RuleError((), f"{problem}; {MAXIMUM_CONDITIONS_IN_ALL} at most")
        targets = {name: _target(other) for name, other in read.items()}
        compiled = compile_criteria(criteria, catalogue, targets)
        words = in_words(criteria, catalogue)
    except RuleError as error:
        return RuleResult(rule, "invalid", error=str(error))
    except Exception:
        return _broken(rule)
    unsound = [(p, read[name]) for p, name in reads if read[name].status in ("invalid", "stale")]
    return replace(
        result,
        status="stale" if unsound else "valid",
        error=str(RuleError(*_stale(*unsound[0]))) if unsound else None,
        words=words,
        compiled=compiled,
        levels=levels,
        conditions=conditions,
        target=Target(rule.segment_id, True, criteria, targets),
    )


def references(criteria: Node | None) -> list[tuple[Path, str]]:
    """The segments that a rule names, each with where it names it."""
    if criteria is None:
        return []
    return [
        ((*path, "segment"), node.segment)
        for path, _, node in descendants(criteria)
        if isinstance(node, SegmentCondition)
    ]


def _by_name(results: Sequence[RuleResult]) -> dict[str, list[RuleResult]]:
    named: dict[str, list[RuleResult]] = defaultdict(list)
    for result in results:
        named[result.rule.name].append(result)
    return dict(named)


def _target(result: RuleResult) -> Target:
    return result.target or Target(result.rule.segment_id)


def _unclear(name: str, named: Mapping[str, Sequence[RuleResult]]) -> str:
    count = len(named.get(name, ()))
    if count:
        return f"the shop has {count} segments called {quoted(name)}"
    names = list(named)[:COMPARED_NAMES]
    nearest = suggest(name, names, when_none="none has a similar name")
    return f"the shop has no segment called {quoted(name)}; {nearest}"


def _stale(path: Path, other: RuleResult) -> tuple[Path, str]:
    name, status = quoted(other.rule.name), other.status
    kept = "; its last good members count" if status == "invalid" else ""
    return path, f"reads the segment {name}, which is {status}{kept}"


def _cycle(result: RuleResult, way: Sequence[str]) -> RuleError:
    path = next(path for path, name in references(result.criteria) if name == way[0])
    own = result.rule.name
    if way == [own]:
        return RuleError(path, f"a cycle: {quoted(own)} reads itself")
    steps = ", which reads ".join(quoted(name) for name in way)
    rest = "" if way[-1] == own else f" and so on, over more than {LONGEST_NAMED} segments"
    return RuleError(path, f"a cycle: {quoted(own)} reads {steps}{rest}")


def _broken(rule: StoredRule) -> RuleResult:
    # A mistake of ours in one merchant's rule must not stop the rules of all others.
    logger.exception("The rule of segment %s cannot be compiled.", rule.segment_id)
    return RuleResult(rule, "invalid", error="the rule could not be compiled: please report it")
