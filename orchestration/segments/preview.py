"""What a rule would select, before anybody saves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestration.database import Database
from orchestration.segments.catalogue import Catalogue, load_catalogue
from orchestration.segments.draft import assess_draft
from orchestration.segments.evaluation import Evaluation, evaluate, snapshot
from orchestration.segments.finding import find_shop

SAMPLE_SIZE = 10
"""How many customers a preview or a difference shows."""

# The order is that of a hash: by id, the sample would be of the oldest customers only.
SAMPLED = "order by md5({of}.customer_id::text), {of}.customer_id limit %(sample_size)s"

_SIZES = """
    select
        count(*) as shop_customers,
        count(matches.customer_id) as customers,
        count(matches.customer_id) filter (where features.is_reachable_by_email) as email,
        count(matches.customer_id) filter (where features.is_reachable_by_sms) as sms
    from pg_temp.int_customer_features as features
    left join pg_temp.int_segment_matches as matches on features.customer_id = matches.customer_id
"""
_OVERLAPS = """
    with members as (
        select stays.segment_id, stays.customer_id
        from pg_temp.segment_stays as stays
        where
            stays.segment_id in (
                select segments.id from raw.customer_segments as segments
                where segments.shop_id = %(shop_id)s and segments._deleted_at is null
            )
            and stays.removed_at is null
    ),
    sizes as (
        select
            members.segment_id,
            count(*) as customers,
            count(matches.customer_id) as in_common
        from members
        left join pg_temp.int_segment_matches as matches
            on members.customer_id = matches.customer_id
        group by members.segment_id
    )
    select
        segments.id as segment_id,
        segments.name,
        coalesce(sizes.customers, 0) as customers,
        coalesce(sizes.in_common, 0) as in_common
    from raw.customer_segments as segments
    left join sizes on segments.id = sizes.segment_id
    where segments.shop_id = %(shop_id)s and segments._deleted_at is null
    order by in_common desc, customers desc, segments.name collate "C", segments.id
"""


# Chosen first: values are put together for these few only.
_CHOSEN = "select matches.customer_id from pg_temp.int_segment_matches as matches "
_SAMPLE = """
    select features.shopify_customer_id, features.customer_id, {values} as values
    from {source}
    inner join ({chosen}) as sampled on features.customer_id = sampled.customer_id
"""


@dataclass(frozen=True)
class Overlap:
    """What a rule has in common with an existing segment of the shop.

    Attributes:
        segment_id: The existing segment.
        name: Its name.
        customers: Its members.
        in_common: Those of them whom the rule selects, too.
        share_of_rule: in_common among those whom the rule selects, from 0 to 1; None of nobody.
        share_of_segment: in_common among the segment's members, likewise.
    """

    segment_id: int
    name: str
    customers: int
    in_common: int
    share_of_rule: float | None
    share_of_segment: float | None


@dataclass(frozen=True)
class SampleCustomer:
    """One of the customers, with the values that the rule saw; personal ones are left out."""

    shopify_customer_id: str | None
    customer_id: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Preview:
    """What a rule selects at an instant.

    Attributes:
        shop_domain: The shop.
        timezone: The shop's, in which its days are counted.
        as_of: The instant that the rule was evaluated for.
        built_as_of: The instant that the last build shows.
        is_backtest: Whether `as_of` is the earlier one.
        rule_in_words: The rule.
        customers: Whom it selects.
        shop_customers: All customers of the shop.
        share: The part of them whom it selects, from 0 to 1; None in a shop of nobody.
        reachable_by_email: Of the selected, those who may be written to.
        reachable_by_sms: Likewise by text message.
        overlaps: The shop's segments, the largest overlap first.
        sample: A few of the selected, the same in every preview.
        notes: What to bear in mind when reading the numbers.
    """

    shop_domain: str
    timezone: str
    as_of: datetime
    built_as_of: datetime
    is_backtest: bool
    rule_in_words: str
    customers: int
    shop_customers: int
    share: float | None
    reachable_by_email: int
    reachable_by_sms: int
    overlaps: tuple[Overlap, ...]
    sample: tuple[SampleCustomer, ...]
    notes: tuple[str, ...]


def preview(
    warehouse: Database,
    shop_domain: str,
    criteria: str,
    *,
    as_of: datetime | None = None,
    catalogue: Catalogue | None = None,
) -> Preview:
    """Evaluates a rule for a shop and saves nothing.

    Args:
        warehouse: The warehouse, built.
        shop_domain: The shop.
        criteria: The rule as JSON text.
        as_of: An earlier instant for a backtest; None means the last build's.
        catalogue: What rules may read; None means the project's.

    Raises:
        LoyaltyError: The shop is unknown, the rule cannot be used, the warehouse is not built, or
            `as_of` is after the last build.
    """
    known = load_catalogue() if catalogue is None else catalogue
    with snapshot(warehouse) as connection:
        shop = find_shop(connection, shop_domain)
        rule = assess_draft(connection, shop, criteria, known)
        evaluation = evaluate(connection, shop, [rule], known, as_of=as_of)
        (sizes,) = evaluation.rows(_SIZES)
        return Preview(
            shop_domain=shop.shop_domain,
            timezone=shop.timezone,
            as_of=evaluation.as_of,
            built_as_of=evaluation.built_as_of,
            is_backtest=evaluation.is_backtest,
            rule_in_words=rule.words or "",
            customers=sizes["customers"],
            shop_customers=sizes["shop_customers"],
            share=share(sizes["customers"], sizes["shop_customers"]),
            reachable_by_email=sizes["email"],
            reachable_by_sms=sizes["sms"],
            overlaps=tuple(
                Overlap(
                    **overlap,
                    share_of_rule=share(overlap["in_common"], sizes["customers"]),
                    share_of_segment=share(overlap["in_common"], overlap["customers"]),
                )
                for overlap in evaluation.rows(_OVERLAPS)
            ),
            sample=_sample(evaluation),
            notes=(
                *(_BACKTEST if evaluation.is_backtest else ()),
                *([f"{rule.error}."] if rule.error else []),
            ),
        )


_BACKTEST = (
    "A backtest: times are relative to the earlier instant, what is dated after it is left out.",
    "What has no history is as it is now: balances, totals, tiers, scores, consent. A last order,"
    " login or the like that came later hides the one before it, which is not known any more.",
    "Segments are compared by their members of then, as far as builds had recorded them.",
)


def share(part: int, whole: int) -> float | None:
    """A part of a whole from 0 to 1, to four digits; None where the whole is nothing."""
    return round(part / whole, 4) if whole else None


def _sample(evaluation: Evaluation) -> tuple[SampleCustomer, ...]:
    query = _SAMPLE.replace("{chosen}", _CHOSEN + SAMPLED.format(of="matches"))
    rows = evaluation.values_seen(query + SAMPLED.format(of="features"), sample_size=SAMPLE_SIZE)
    return tuple(SampleCustomer(**row) for row in rows)
