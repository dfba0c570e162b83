"""Rules that are not saved: checked and compiled as if they were, in the shop that they are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestration.errors import LoyaltyError
from orchestration.segments.assessment import RuleResult, StoredRule, assess_all, references
from orchestration.segments.binding import Target
from orchestration.segments.catalogue import Catalogue
from orchestration.segments.compiler import read_rules
from orchestration.segments.criteria import Node
from orchestration.segments.errors import RuleError
from orchestration.segments.evaluation import Connection
from orchestration.segments.finding import Shop
from orchestration.segments.parsing import parse
from orchestration.segments.predicate import compile_criteria
from orchestration.segments.words import in_words

# No rule can name it: text in rules has no NUL.
_NAME = "\0"


def assess_draft(
    connection: Connection,
    shop: Shop,
    criteria: str,
    catalogue: Catalogue,
    segment_id: int | None = None,
) -> RuleResult:
    """Says what a rule would be worth beside the other segments of its shop, and compiles it.

    Args:
        connection: A connection to the warehouse.
        shop: The shop.
        criteria: The rule as JSON text.
        catalogue: The fields and events that rules may read.
        segment_id: The segment whose rule it would become; None for one of its own.

    Raises:
        LoyaltyError: The rule cannot be used; the message names the place in the JSON.
    """
    rules = read_rules(connection, shop.shop_id)
    draft = StoredRule(0, shop.shop_id, shop.shop_domain, _NAME, None, None, True, True)
    for rule in rules:
        if rule.segment_id == segment_id:
            draft = replace(rule, is_active=True, is_automatic=True)
    draft = replace(draft, criteria=criteria)
    result = assess_beside(draft, rules, catalogue)[0]
    if result.compiled is None:
        raise LoyaltyError(
            f"The rule cannot be used in {shop.shop_domain}: {result.error}.",
            remedy="What rules may say: docs/marketers.md, or loyalty segments fields",
        )
    return result


def assess_beside(
    rule: StoredRule, rules: Sequence[StoredRule], catalogue: Catalogue
) -> list[RuleResult]:
    """Says what a rule is worth, and all rules of its shop where it may depend on them.

    Args:
        rule: The rule, the first of the results.
        rules: All rules of its shop; one of the same segment is left out.
        catalogue: The fields and events that rules may read.
    """
    try:
        is_alone = not references(parse(rule.criteria, catalogue))
    except RuleError:
        is_alone = True
    others = [] if is_alone else [one for one in rules if one.segment_id != rule.segment_id]
    return assess_all([rule, *others], catalogue)


def part_of_rule(
    number: int, shop: Shop, part: Node, catalogue: Catalogue, targets: Mapping[str, Target]
) -> RuleResult:
    """A condition of a rule as a rule of its own.

    Args:
        number: Its id.
        shop: The shop.
        part: The condition.
        catalogue: The fields and events that it was checked with.
        targets: The segments that it may name.
    """
    return RuleResult(
        StoredRule(number, shop.shop_id, shop.shop_domain, _NAME, None, None, True, True),
        "valid",
        words=in_words(part, catalogue),
        criteria=part,
        compiled=compile_criteria(part, catalogue, targets),
    )
