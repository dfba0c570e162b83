"""Campaign audiences: which campaigns name segments, who is meant, how it is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.sql import SQL, Composed, Identifier

from orchestration.activation.batches import Work


@dataclass(frozen=True)
class Target:
    """A campaign whose rules name segments, or the reason why they cannot be followed."""

    campaign_id: int
    shop_id: int
    name: str
    rules: str
    max_participants: int | None
    segment_ids: tuple[int, ...] = ()
    problem: str | None = None


TARGETING_CAMPAIGNS = SQL("""
    select
        campaigns.campaign_id,
        campaigns.shop_id,
        campaigns.name,
        campaigns.rules::text,
        campaigns.max_participants
    from staging.stg_campaigns as campaigns
    inner join pg_temp.activation_shops as scope
        on campaigns.shop_id = scope.shop_id
    where
        campaigns.status in ('draft', 'active')
        and campaigns.rules::text like '%target_segments%'
    order by campaigns.shop_id, campaigns.campaign_id
""")


def targets(rows: Iterable[Sequence[Any]], segments: Mapping[tuple[int, str], int]) -> list[Target]:
    """Reads the campaigns' rules.

    Args:
        rows: Campaigns: id, shop, name, rules as text, max_participants.
        segments: The segments' ids by shop and name.
    """
    found = []
    for campaign_id, shop_id, name, rules, max_participants in rows:
        names = _named(rules)
        if names is None or names == []:
            continue
        ids: tuple[int, ...] = ()
        problem = None
        if not isinstance(names, list) or not all(isinstance(entry, str) for entry in names):
            problem = "rules.target_segments is not a list of segment names"
        elif unknown := [entry for entry in names if (shop_id, entry) not in segments]:
            listed = ", ".join(repr(entry) for entry in unknown)
            problem = f"its shop has no segment {listed}"
        else:
            ids = tuple(sorted({segments[shop_id, entry] for entry in names}))
        found.append(Target(campaign_id, shop_id, name, rules, max_participants, ids, problem))
    return found


def _named(rules: str) -> Any:
    """What stands under target_segments, None where nothing does."""
    try:
        document = json.loads(rules)
    except (ValueError, RecursionError):  # numbers and depths that only PostgreSQL takes
        return "unreadable"
    return document.get("target_segments") if isinstance(document, dict) else None


# Where a campaign takes only so many, it takes those who have been in its segments longest, and of
# those who came at once the lowest ids.
WANTED_AUDIENCE = SQL("""
    select ranked.campaign_id, ranked.customer_id
    from (
        select
            named.campaign_id,
            stays.customer_id,
            named.max_participants,
            row_number() over (
                partition by named.campaign_id
                order by min(stays.added_at), stays.customer_id
            ) as place
        from pg_temp.activation_targets as named
        inner join marts.customer_segment_memberships as stays
            on named.segment_id = stays.segment_id
        where stays.is_active
        group by named.campaign_id, named.max_participants, stays.customer_id
    ) as ranked
    where ranked.place <= coalesce(ranked.max_participants, ranked.place)
""")

TABLES = (
    SQL("""create temporary table loyalty_targets (
        campaign_id bigint, shop_id bigint, rules text
    ) on commit drop"""),
    SQL("""create temporary table loyalty_audience (
        campaign_id bigint, customer_id bigint
    ) on commit drop"""),
)


def audience_changes(schema: str) -> Composed:
    """Creates one row per campaign: its audience as JSON, and whether that is news.

    A campaign whose rules or status changed since the sync waits for the next run.
    """
    return SQL("""
        create temporary table loyalty_audience_changes on commit drop as
        with wanted as (
            select
                targets.campaign_id,
                jsonb_agg(customers.id order by customers.id)::text as ids,
                count(*) as customers
            from pg_temp.loyalty_targets as targets
            inner join pg_temp.loyalty_audience as audience
                on targets.campaign_id = audience.campaign_id
            inner join {schema}.customer_loyalty_profiles as customers
                on
                    audience.customer_id = customers.id
                    and targets.shop_id = customers.shop_id
            group by targets.campaign_id
        )

        select
            targets.shop_id,
            targets.campaign_id,
            targets.rules,
            coalesce(wanted.ids, '[]') as ids,
            coalesce(wanted.customers, 0) as customers,
            case
                when campaigns.id is null then 'skip'
                when
                    campaigns.target_all_customers is distinct from false
                    or campaigns.target_customer_ids::text
                    is distinct from coalesce(wanted.ids, '[]')
                    then 'update'
                else 'keep'
            end as action
        from pg_temp.loyalty_targets as targets
        left join wanted
            on targets.campaign_id = wanted.campaign_id
        left join {schema}.campaigns as campaigns
            on
                targets.campaign_id = campaigns.id
                and targets.shop_id = campaigns.shop_id
                and campaigns.status in ('draft', 'active')
                and targets.rules = campaigns.rules::text
    """).format(schema=Identifier(schema))


AUDIENCE_STATES = SQL("""
    select campaign_id, action, customers
    from pg_temp.loyalty_audience_changes
""")

AUDIENCE_LINES = SQL("""
    select shop_id, campaign_id, rules, ids
    from pg_temp.loyalty_audience_changes
    where action = 'update'
    order by shop_id, campaign_id
""")


def audience_work(schema: str) -> Work:
    """How audiences are written; a campaign that changed since the plan is left alone."""
    statement = SQL("""
        with written as (
            update {schema}.campaigns as campaigns
            set target_customer_ids = batch.ids::json, target_all_customers = false
            from pg_temp.loyalty_batch as batch
            where
                campaigns.id = batch.campaign_id
                and campaigns.shop_id = batch.shop_id
                and campaigns.status in ('draft', 'active')
                and campaigns.rules::text = batch.rules
                and (
                    campaigns.target_all_customers is distinct from false
                    or campaigns.target_customer_ids::text is distinct from batch.ids
                )
            returning campaigns.id
        )
        select id, count(*) from written group by id
    """).format(schema=Identifier(schema))
    return Work(
        columns=SQL("shop_id bigint, campaign_id bigint, rules text, ids text"),
        statements=[("written", statement)],
    )
