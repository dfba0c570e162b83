"""Campaign audiences: which campaigns name segments, who is meant, how it is written."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from psycopg.sql import SQL, Composed, Identifier

from orchestration.activation.batches import Work

CHANNELS = ("email", "sms")
NAMES_SHOWN = 3
NAME_LENGTH_SHOWN = 40
"""How much of a rule that cannot be followed is quoted: a marketer may have written anything."""


@dataclass(frozen=True)
class Target:
    """A campaign whose rules name segments, or the reason why they cannot be followed.

    Attributes:
        channel: Whose consent a customer must have given: `email`, `sms`, or None for anybody's.
    """

    campaign_id: int
    shop_id: int
    name: str
    rules: str
    segment_ids: tuple[int, ...] = ()
    channel: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Audience:
    """What is to become of one campaign's audience.

    Attributes:
        action: `update`, `keep`, or `skip` where the application changed the campaign meanwhile.
        customers: How many customers it has.
        unreachable: Members who are left out, as they may not be reached on its channel.
        beyond_limit: Members who are left out, as it takes only so many.
    """

    action: str
    customers: int
    unreachable: int = 0
    beyond_limit: int = 0


TARGETING_CAMPAIGNS = SQL("""
    select
        campaigns.campaign_id,
        campaigns.shop_id,
        campaigns.name,
        campaigns.rules::text
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
        rows: Campaigns: id, shop, name, rules as text.
        segments: The segments' ids by shop and name.
    """
    names_by_shop: dict[int, list[str]] = defaultdict(list)
    for shop_id, name in segments:
        names_by_shop[shop_id].append(name)
    found = []
    for campaign_id, shop_id, campaign, text in rows:
        rules = _read(text)
        names, channel = rules.get("target_segments"), rules.get("channel")
        if names is None or names == []:
            continue
        ids: tuple[int, ...] = ()
        problem = None
        if not isinstance(names, list) or not all(isinstance(entry, str) for entry in names):
            problem = "rules.target_segments is not a list of segment names"
        elif channel is not None and channel not in CHANNELS:
            problem = "rules.channel is neither email nor sms"
        elif unknown := [entry for entry in names if (shop_id, entry) not in segments]:
            problem = _unknown(unknown, names_by_shop[shop_id])
        else:
            ids = tuple(sorted({segments[shop_id, entry] for entry in names}))
        found.append(
            Target(campaign_id, shop_id, campaign, text, ids, None if problem else channel, problem)
        )
    return found


def _read(rules: str) -> Mapping[str, Any]:
    try:
        document = json.loads(rules)
    except (ValueError, RecursionError):  # numbers and depths that only PostgreSQL takes
        return {"target_segments": "unreadable"}
    return document if isinstance(document, dict) else {}


def _unknown(names: Sequence[str], known: Collection[str]) -> str:
    """Which names its shop has no segment of, in bounded length, with the likeliest meant."""
    shown = names[:NAMES_SHOWN]
    listed = ", ".join(repr(_short(name)) for name in shown)
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    near = get_close_matches(_short(names[0]), known, n=1)
    hint = f"; did you mean {_short(near[0])!r}?" if near else ""
    return f"its shop has no segment {listed}{more}{hint}"


def _short(name: str) -> str:
    return name if len(name) <= NAME_LENGTH_SHOWN else name[: NAME_LENGTH_SHOWN - 1] + "…"


# Whom a channel reaches is what contact lists say (int_reachable_contacts): of members with one
# address the first stands for it.
WANTED_AUDIENCE = SQL("""
    select
        members.campaign_id,
        members.customer_id,
        members.added_at,
        members.channel is null
        or (
            contacts.customer_id is not null
            and row_number() over (
                partition by members.campaign_id, contacts.address_hash
                order by members.customer_id
            ) = 1
        )
    from (
        select
            named.campaign_id,
            named.channel,
            stays.customer_id,
            min(stays.added_at) as added_at
        from pg_temp.activation_targets as named
        inner join marts.customer_segment_memberships as stays
            on named.segment_id = stays.segment_id
        where stays.is_active
        group by named.campaign_id, named.channel, stays.customer_id
    ) as members
    left join (
        select customer_id, channel, address_hash
        from intermediate.int_reachable_contacts
        where exists (select from pg_temp.activation_targets where channel is not null)
    ) as contacts
        on
            members.customer_id = contacts.customer_id
            and members.channel = contacts.channel
""")

TABLES = (
    SQL("""create temporary table loyalty_targets (
        campaign_id bigint, shop_id bigint, channel text, rules text
    ) on commit drop"""),
    SQL("""create temporary table loyalty_audience (
        campaign_id bigint, customer_id bigint, added_at timestamptz, is_reachable boolean
    ) on commit drop"""),
)


_SAME_LIST = SQL("translate({}::text, E' \\t\\n\\r', '') = translate({}, ' ', '')")


def audience_changes(schema: str) -> Composed:
    """Creates one row per campaign: its audience as JSON, and whether that is news.

    Whoever a channel reaches by the warehouse must consent by the profile as it is now, too. Where
    a campaign takes only so many, it takes those who have been in its segments longest, and of
    those who came at once the lowest ids. A campaign whose rules or status changed since the sync
    waits for the next run.
    """
    return SQL("""
        create temporary table loyalty_audience_changes on commit drop as
        with present as (
            select
                targets.campaign_id,
                targets.shop_id,
                targets.channel,
                targets.rules,
                campaigns.id is not null as is_there,
                campaigns.max_participants,
                campaigns.target_all_customers,
                campaigns.target_customer_ids
            from pg_temp.loyalty_targets as targets
            left join {schema}.campaigns as campaigns
                on
                    targets.campaign_id = campaigns.id
                    and targets.shop_id = campaigns.shop_id
                    and campaigns.status in ('draft', 'active')
                    and targets.rules = campaigns.rules::text
        ),

        members as (
            select
                present.campaign_id,
                present.max_participants,
                audience.added_at,
                customers.id as customer_id,
                audience.is_reachable
                and case present.channel
                    when 'email'
                        then
                            coalesce(customers.email_opt_in, false)
                            and coalesce(customers.is_active, true)
                            and coalesce(customers.email, '') <> ''
                    when 'sms'
                        then
                            coalesce(customers.sms_opt_in, false)
                            and coalesce(customers.is_active, true)
                            and coalesce(customers.phone, '') <> ''
                    else true
                end as is_reachable
            from present
            inner join pg_temp.loyalty_audience as audience
                on present.campaign_id = audience.campaign_id
            inner join {schema}.customer_loyalty_profiles as customers
                on
                    audience.customer_id = customers.id
                    and present.shop_id = customers.shop_id
        ),

        ranked as (
            select
                members.*,
                members.is_reachable
                and (
                    members.max_participants is null
                    or row_number() over (
                        partition by members.campaign_id, members.is_reachable
                        order by members.added_at, members.customer_id
                    ) <= members.max_participants
                ) as is_taken
            from members
        ),

        wanted as (
            select
                campaign_id,
                coalesce(
                    jsonb_agg(customer_id order by customer_id) filter (where is_taken), '[]'
                )::text as ids,
                count(*) filter (where is_taken) as customers,
                count(*) filter (where not is_reachable) as unreachable,
                count(*) filter (where is_reachable and not is_taken) as beyond_limit
            from ranked
            group by campaign_id
        )

        select
            present.shop_id,
            present.campaign_id,
            present.rules,
            coalesce(wanted.ids, '[]') as ids,
            coalesce(wanted.customers, 0) as customers,
            coalesce(wanted.unreachable, 0) as unreachable,
            coalesce(wanted.beyond_limit, 0) as beyond_limit,
            case
                when not present.is_there then 'skip'
                when
                    present.target_all_customers is distinct from false
                    or {same_list} is not true
                    then 'update'
                else 'keep'
            end as action
        from present
        left join wanted on present.campaign_id = wanted.campaign_id
    """).format(
        schema=Identifier(schema),
        same_list=_SAME_LIST.format(
            Identifier("present", "target_customer_ids"), SQL("coalesce(wanted.ids, '[]')")
        ),
    )


AUDIENCE_STATES = SQL("""
    select campaign_id, action, customers, unreachable, beyond_limit
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
                    or {same_list} is not true
                )
            returning campaigns.id
        )
        select 'written', id, count(*) from written group by id
    """).format(
        schema=Identifier(schema),
        same_list=_SAME_LIST.format(
            Identifier("campaigns", "target_customer_ids"), Identifier("batch", "ids")
        ),
    )
    return Work(
        columns=SQL("shop_id bigint, campaign_id bigint, rules text, ids text"),
        statements=[statement],
    )
