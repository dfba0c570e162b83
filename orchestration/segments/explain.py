"""Why a customer is in a segment, or is not: each condition, what it saw, and what is lacking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from orchestration.database import Database
from orchestration.segments.assessment import RuleResult, targets_of
from orchestration.segments.catalogue import Catalogue, load_catalogue
from orchestration.segments.compiler import read_rules
from orchestration.segments.criteria import (
    AllOf,
    AnyOf,
    EventCondition,
    FieldCondition,
    Node,
    children,
)
from orchestration.segments.draft import assess_beside, part_of_rule
from orchestration.segments.errors import Path, render_path
from orchestration.segments.evaluation import Evaluation, evaluate, snapshot
from orchestration.segments.finding import (
    find_customer,
    find_segment,
    find_shop,
    shop_of,
)
from orchestration.segments.shortfall import Bounds, shortfall, value_in_words
from orchestration.segments.words import in_words

_STAYS = """
    select added_at, removed_at, qualification_reason as reason
    from ops.segment_stays
    where segment_id = %(segment_id)s and customer_id = %(customer_id)s
    order by added_at
"""
_BUILT = "select criteria_hash from ops.segment_rules where segment_id = %(segment_id)s"
_AGGREGATES = "select parameters.segment_id as number, {values} as seen from {source}"


@dataclass(frozen=True)
class Verdict:
    """A condition or group of a rule, and what became of it for one customer.

    Attributes:
        path: Where it is in the rule's JSON.
        kind: all, any, not or condition.
        words: The condition in words; what the group asks for.
        holds: Whether it holds.
        reads: Of a condition, the field that it reads; None where it reads none.
        seen: The value of that; None: not known.
        lacking: Of a condition that does not hold, how far it is from it; None where the value says
            it all.
        parts: What is inside a group.
    """

    path: str
    kind: str
    words: str
    holds: bool
    reads: str | None = None
    seen: Any = None
    lacking: str | None = None
    parts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Obstacle:
    """A condition that would have to turn for the customer to be selected.

    Attributes:
        path: Where it is in the rule's JSON.
        words: The condition in words.
        lacking: How far it is from that; of one that holds and must not, that.
    """

    path: str
    words: str
    lacking: str


@dataclass(frozen=True)
class Stay:
    """A stay of the customer in the segment; `removed_at` is None while it lasts."""

    added_at: datetime
    removed_at: datetime | None
    reason: str | None


@dataclass(frozen=True)
class Explanation:
    """What a segment's rule says of a customer.

    Attributes:
        segment_id: The segment.
        name: Its name.
        shop_domain: The shop of both.
        customer_id: The customer's profile.
        shopify_customer_id: The customer's id in Shopify.
        as_of: The instant that the rule was evaluated for: the last build's.
        timezone: The shop's, in which its days are counted.
        rule_status: As the rule is now: valid, stale, invalid, inactive or manual.
        rule_error: What is wrong with an invalid one, and why a stale one is.
        rule_in_words: Of a valid or stale one.
        is_member: Whether the customer is in the segment since the last build.
        is_selected: Whether the rule selects them; None where there is no verdict.
        verdict: The whole rule; None where there is no verdict, and for the empty rule.
        nearest_miss: The fewest conditions that would have to turn for one who is not selected.
        stays: The customer's stays in the segment, the earliest first.
        notes: What to bear in mind.
    """

    segment_id: int
    name: str
    shop_domain: str
    customer_id: int
    shopify_customer_id: str | None
    as_of: datetime
    timezone: str
    rule_status: str
    rule_error: str | None
    rule_in_words: str | None
    is_member: bool
    is_selected: bool | None
    verdict: Verdict | None
    nearest_miss: tuple[Obstacle, ...]
    stays: tuple[Stay, ...]
    notes: tuple[str, ...]


def explain(
    warehouse: Database,
    segment: str,
    customer: str,
    *,
    shop_domain: str | None = None,
    catalogue: Catalogue | None = None,
) -> Explanation:
    """Evaluates each condition of a segment's rule for one customer of its shop.

    Args:
        warehouse: The warehouse, built.
        segment: The segment's id or name.
        customer: The customer's Shopify id, or `profile:<id>`.
        shop_domain: The segment's shop; None means any.
        catalogue: The fields that rules may read; None means the project's.

    Raises:
        LoyaltyError: The segment, shop or customer is unknown, the segment's name ambiguous, or the
            warehouse not built.
    """
    known = load_catalogue() if catalogue is None else catalogue
    with snapshot(warehouse) as connection:
        given_shop = find_shop(connection, shop_domain) if shop_domain is not None else None
        found = find_segment(connection, segment, given_shop)
        shop = given_shop or shop_of(connection, found.shop_id)
        person = find_customer(connection, customer, shop)
        rules = read_rules(connection, shop.shop_id)
        (rule,) = (one for one in rules if one.segment_id == found.segment_id)
        results = assess_beside(rule, rules, known)
        result = results[0]
        criteria = result.criteria if result.compiled else None
        leaves = [] if criteria is None else list(_leaves(criteria))
        targets = targets_of(results)
        parts = [
            part_of_rule(number, shop, leaf, known, targets)
            for number, (_, leaf) in enumerate(leaves)
        ]
        evaluation = evaluate(connection, shop, parts, known, customer_id=person.customer_id)
        verdict = None if criteria is None else _judge(evaluation, criteria, leaves, known)
        ids = {"segment_id": found.segment_id, "customer_id": person.customer_id}
        stays = tuple(Stay(**stay) for stay in evaluation.rows(_STAYS, **ids))
        is_member = any(stay.removed_at is None for stay in stays)
        is_selected = (verdict is not None and verdict.holds) if result.compiled else None
        return Explanation(
            segment_id=found.segment_id,
            name=found.name,
            shop_domain=found.shop_domain,
            customer_id=person.customer_id,
            shopify_customer_id=person.shopify_customer_id,
            as_of=evaluation.as_of,
            timezone=shop.timezone,
            rule_status=result.status,
            rule_error=result.error,
            rule_in_words=result.words,
            is_member=is_member,
            is_selected=is_selected,
            verdict=verdict,
            nearest_miss=tuple(_obstacles(verdict, ZoneInfo(shop.timezone))) if verdict else (),
            stays=stays,
            notes=tuple(_notes(evaluation, result, is_member, is_selected)),
        )


def _leaves(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """The conditions of a rule with their paths, in the order of its text."""
    parts = list(children(node))
    if not parts:
        yield path, node
    for step, part in parts:
        yield from _leaves(part, (*path, *step))


def _judge(
    evaluation: Evaluation,
    criteria: Node,
    leaves: Sequence[tuple[Path, Node]],
    catalogue: Catalogue,
) -> Verdict:
    """Puts the verdicts on the conditions, each evaluated as a rule of its own, into the groups."""
    matches = evaluation.rows("select segment_id from pg_temp.int_segment_matches")
    constants = evaluation.rows(
        "select segment_id, moments, window_starts, window_ends, window_days"
        " from pg_temp.int_segment_parameters"
    )
    (values,) = evaluation.rows("select * from pg_temp.int_customer_features")
    selected = {match["segment_id"] for match in matches}
    zone = ZoneInfo(evaluation.shop.timezone)
    bounds = {row.pop("segment_id"): Bounds(evaluation.as_of, zone, **row) for row in constants}
    aggregates = {row["number"]: row["seen"] for row in evaluation.values_seen(_AGGREGATES)}
    judged = {}
    for number, (path, leaf) in enumerate(leaves):
        reads, seen = None, None
        if isinstance(leaf, FieldCondition):
            reads, seen = leaf.field, values[leaf.field]
        elif isinstance(leaf, EventCondition):
            ((reads, seen),) = aggregates[number].items()
        holds = number in selected
        judged[path] = Verdict(
            path=render_path(path),
            kind="condition",
            words=in_words(leaf, catalogue),
            holds=holds,
            reads=reads,
            seen=seen,
            lacking=None if holds else shortfall(leaf, seen, bounds[number]) or None,
        )
    return _grouped(criteria, (), judged)


def _grouped(node: Node, path: Path, judged: Mapping[Path, Verdict]) -> Verdict:
    if path in judged:
        return judged[path]
    parts = tuple(_grouped(part, (*path, *step), judged) for step, part in children(node))
    kind, words, holds = "not", "not", not parts[0].holds
    if isinstance(node, AllOf):
        kind, words, holds = "all", "all of these", all(part.holds for part in parts)
    elif isinstance(node, AnyOf):
        kind, words, holds = "any", "any of these", any(part.holds for part in parts)
    return Verdict(render_path(path), kind, words, holds, parts=parts)


def _obstacles(verdict: Verdict, zone: ZoneInfo, *, wanted: bool = True) -> list[Obstacle]:
    """The fewest conditions that have to turn for a condition or group to be as wanted."""
    if verdict.holds == wanted:
        return []
    if verdict.kind == "condition":
        return [Obstacle(verdict.path, verdict.words, _in_the_way(verdict, zone))]
    if verdict.kind == "not":
        return _obstacles(verdict.parts[0], zone, wanted=not wanted)
    of_each = [_obstacles(part, zone, wanted=wanted) for part in verdict.parts]
    if (verdict.kind == "all") == wanted:
        return [obstacle for obstacles in of_each for obstacle in obstacles]
    return min(of_each, key=len)


def _in_the_way(verdict: Verdict, zone: ZoneInfo) -> str:
    seen = f"it is {value_in_words(verdict.seen, zone)}" if verdict.reads else "it does not hold"
    if verdict.holds:
        return f"{seen}, which must not be" if verdict.reads else "it holds, and must not"
    return verdict.lacking or seen


def _notes(
    evaluation: Evaluation,
    result: RuleResult,
    is_member: bool,
    is_selected: bool | None,
) -> Iterator[str]:
    if result.status in _STATUSES:
        yield _STATUSES[result.status]
    built = evaluation.rows(_BUILT, segment_id=result.rule.segment_id)
    if not built:
        yield "The segment is newer than the last build, so nobody is in it yet."
    elif built[0]["criteria_hash"] != result.rule.criteria_hash:
        yield "The rule has changed since the last build: this is the rule as it is now."
    if is_selected is not None and is_selected != is_member:
        yield f"The next build {'adds' if is_selected else 'removes'} the customer."


_STATUSES = {
    "stale": "The rule reads a segment that cannot be used, by the members that that one keeps.",
    "invalid": "The rule cannot be used: its members stay as they were.",
    "inactive": "The segment is switched off: its members stay as they were.",
    "manual": "The segment is manual: its members are those of the application.",
}
