"""Rules that are not saved: checked and compiled as if they were, in the shop that they are for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestration.errors import LoyaltyError
from orchestration.segments.assessment import RuleResult, StoredRule, assess_all
from orchestration.segments.binding import Target
from orchestration.segments.catalogue import Catalogue
from orchestration.segments.compiler import read_rules
from orchestration.segments.criteria import Node
from orchestration.segments.evaluation import Connection
from orchestration.segments.finding import Shop
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
    others = read_rules(connection, shop.shop_id)
    draft = StoredRule(0, shop.shop_id, shop.shop_domain, _NAME, None, None, True, True)
    for rule in others:
        if rule.segment_id == segment_id:
            draft = replace(rule, is_active=True, is_automatic=True)
    draft = replace(draft, criteria=criteria)
    kept = [rule for rule in others if rule.segment_id != draft.segment_id]
    result = assess_all([draft, *kept], catalogue)[0]
    if result.compiled is None:
        raise LoyaltyError(
            f"The rule cannot be used in {shop.shop_domain}: {result.error}.",
            remedy="What rules may say: docs/marketers.md, or loyalty segments fields",
        )
    return result


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
