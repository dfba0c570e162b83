"""Membership rows: what is wanted, what differs from it, how it is written."""

from __future__ import annotations

from datetime import datetime

from psycopg.sql import SQL, Composed, Identifier, Literal

from orchestration.activation.batches import Work
from orchestration.activation.counters import OURS
from orchestration.activation.fence import is_later_membership, is_later_segment

WANTED_MEMBERS = SQL("""
    select
        stays.segment_id,
        stays.customer_id,
        stays.added_at,
        left(stays.qualification_reason, 200),
        stays.qualification_data::text
    from marts.customer_segment_memberships as stays
    inner join pg_temp.activation_scope as scope
        on stays.segment_id = scope.segment_id
    where
        stays.is_active
        and scope.rule_status = 'valid'
""")

# Whoever left since the segment was last written: they tell when a row's stay truly ended.
LEAVERS = SQL("""
    select
        stays.segment_id,
        stays.customer_id,
        max(stays.removed_at)
    from marts.customer_segment_memberships as stays
    inner join pg_temp.activation_scope as scope
        on stays.segment_id = scope.segment_id
    where
        not stays.is_active
        and scope.rule_status = 'valid'
        and stays.removed_at > coalesce(scope.activated_as_of, '-infinity')
    group by stays.segment_id, stays.customer_id
""")

TABLES = (
    SQL("""create temporary table loyalty_members (
        segment_id bigint, customer_id bigint, added_at timestamptz, reason text, data text
    ) on commit drop"""),
    SQL("""create temporary table loyalty_leavers (
        segment_id bigint, customer_id bigint, removed_at timestamptz
    ) on commit drop"""),
)


def member_changes(schema: str, as_of: datetime) -> Composed:
    """Creates the difference. Where a member has several rows, one counts and the others go.

    A member counts only where the application has the customer in the segment's own shop. Rows
    that say more than the warehouse can know (see fence.py) get the action `later`.
    """
    return SQL("""
        create temporary table loyalty_member_changes on commit drop as
        with present as (
            select
                memberships.id,
                memberships.segment_id,
                memberships.customer_id,
                memberships.added_at,
                memberships.removed_at,
                memberships.is_active,
                memberships.qualification_reason as reason,
                memberships.qualification_data::text as data,
                {is_later} as is_later,
                row_number() over (
                    partition by memberships.segment_id, memberships.customer_id
                    order by coalesce(memberships.is_active, true) desc, memberships.id
                ) as copy_no
            from {schema}.customer_segment_memberships as memberships
            inner join pg_temp.loyalty_live as live
                on memberships.segment_id = live.segment_id
        ),

        wanted as (
            select members.*, customers.id is not null as is_here
            from pg_temp.loyalty_members as members
            inner join pg_temp.loyalty_live as live
                on members.segment_id = live.segment_id
            left join {schema}.customer_loyalty_profiles as customers
                on
                    members.customer_id = customers.id
                    and live.shop_id = customers.shop_id
        ),

        compared as (
            select
                coalesce(wanted.segment_id, present.segment_id) as segment_id,
                coalesce(wanted.customer_id, present.customer_id) as customer_id,
                present.id as membership_id,
                wanted.segment_id is not null as is_wanted,
                present.is_later,
                case
                    when wanted.is_here is not true and coalesce(present.is_active, true)
                        then case when present.id is null then 'skip' else 'deactivate' end
                    when not wanted.is_here then 'skip'
                    when wanted.segment_id is null then null
                    when present.id is null then 'insert'
                    when not present.is_active then 'activate'
                    when
                        (
                            present.is_active, present.added_at, present.removed_at,
                            present.reason, present.data
                        ) is distinct from
                        (true, wanted.added_at, null::timestamptz, wanted.reason, wanted.data)
                        then 'refresh'
                end as action,
                coalesce(wanted.added_at, present.added_at) as added_at,
                present.added_at as present_added_at,
                wanted.reason,
                wanted.data
            from wanted
            full join (select * from present where copy_no = 1) as present
                on
                    wanted.segment_id = present.segment_id
                    and wanted.customer_id = present.customer_id
            union all
            select
                segment_id, customer_id, id, false, is_later, 'withdraw', added_at, added_at,
                null, null
            from present
            where copy_no > 1 and coalesce(is_active, true)
        )

        select
            live.shop_id,
            compared.segment_id,
            compared.customer_id,
            compared.membership_id,
            compared.is_wanted,
            case
                when compared.is_later and compared.action <> 'skip' then 'later'
                else compared.action
            end as action,
            compared.added_at,
            case
                when compared.action in ('deactivate', 'withdraw')
                    then greatest(
                        coalesce(leavers.removed_at, {as_of}), compared.present_added_at
                    )
            end as removed_at,
            compared.reason,
            compared.data
        from compared
        inner join pg_temp.loyalty_live as live
            on compared.segment_id = live.segment_id
        left join pg_temp.loyalty_leavers as leavers
            on
                compared.action = 'deactivate'
                and not compared.is_wanted
                and compared.segment_id = leavers.segment_id
                and compared.customer_id = leavers.customer_id
        where compared.action is not null
    """).format(
        schema=Identifier(schema), as_of=Literal(as_of), is_later=is_later_membership(as_of)
    )


def member_counts(schema: str) -> Composed:
    """Per wanted segment: is it live, active and wanted members, and the changes by action."""
    return SQL("""
        with active as (
            select memberships.segment_id, count(distinct memberships.customer_id) as customers
            from {schema}.customer_segment_memberships as memberships
            inner join pg_temp.loyalty_live as live
                on memberships.segment_id = live.segment_id
            where coalesce(memberships.is_active, true)
            group by memberships.segment_id
        ),

        wanted as (
            select segment_id, count(*) as customers
            from pg_temp.loyalty_members
            group by segment_id
        ),

        changes as (
            select
                segment_id,
                count(*) filter (where action in ('insert', 'activate')) as added,
                count(*) filter (where action = 'deactivate') as removed,
                count(*) filter (where action in ('refresh', 'withdraw')) as refreshed,
                count(*) filter (where is_wanted) as unlike,
                count(*) filter (where action = 'skip') as skipped,
                count(*) filter (where action = 'later') as later
            from pg_temp.loyalty_member_changes
            group by segment_id
        )

        select
            segments.segment_id,
            live.segment_id is not null,
            segments.fits,
            live.later_than_built,
            live.differs is true,
            coalesce(active.customers, 0),
            coalesce(wanted.customers, 0),
            coalesce(changes.added, 0),
            coalesce(changes.removed, 0),
            coalesce(changes.refreshed, 0),
            coalesce(changes.unlike, 0),
            coalesce(changes.skipped, 0),
            coalesce(changes.later, 0)
        from pg_temp.loyalty_segments as segments
        left join pg_temp.loyalty_live as live on segments.segment_id = live.segment_id
        left join active on segments.segment_id = active.segment_id
        left join wanted on segments.segment_id = wanted.segment_id
        left join changes on segments.segment_id = changes.segment_id
    """).format(schema=Identifier(schema))


MEMBER_LINES = SQL("""
    select
        shop_id, segment_id, customer_id, membership_id, action, added_at, removed_at, reason, data
    from pg_temp.loyalty_member_changes
    where action not in ('skip', 'later')
    order by shop_id, segment_id, customer_id, membership_id
""")


def member_work(schema: str, as_of: datetime) -> Work:
    """How membership changes are written; each statement looks again whether it is needed."""
    names = {
        "schema": Identifier(schema),
        "ours": SQL("{} and not {}").format(OURS, is_later_segment(as_of)),
        "is_later": is_later_membership(as_of),
    }

    deactivate = SQL("""
        with written as (
            update {schema}.customer_segment_memberships as memberships
            set is_active = false, removed_at = batch.removed_at
            from pg_temp.loyalty_batch as batch
            inner join {schema}.customer_segments as segments
                on
                    batch.segment_id = segments.id
                    and batch.shop_id = segments.shop_id
                    and {ours}
            where
                batch.action in ('deactivate', 'withdraw')
                and memberships.id = batch.membership_id
                and memberships.segment_id = batch.segment_id
                and memberships.customer_id = batch.customer_id
                and coalesce(memberships.is_active, true)
                and not {is_later}
            returning
                case batch.action when 'withdraw' then 'refreshed' else 'removed' end as what,
                memberships.segment_id
        )
        select what, segment_id, count(*) from written group by what, segment_id
    """).format(**names)

    activate = SQL("""
        with written as (
            update {schema}.customer_segment_memberships as memberships
            set
                added_at = batch.added_at,
                removed_at = null,
                is_active = true,
                qualification_reason = batch.reason,
                qualification_data = batch.data::json
            from pg_temp.loyalty_batch as batch
            inner join {schema}.customer_segments as segments
                on
                    batch.segment_id = segments.id
                    and batch.shop_id = segments.shop_id
                    and {ours}
            inner join {schema}.customer_loyalty_profiles as customers
                on batch.customer_id = customers.id and batch.shop_id = customers.shop_id
            where
                batch.action in ('activate', 'refresh')
                and memberships.id = batch.membership_id
                and memberships.segment_id = batch.segment_id
                and memberships.customer_id = batch.customer_id
                and not {is_later}
                and (
                    memberships.is_active, memberships.added_at, memberships.removed_at,
                    memberships.qualification_reason, memberships.qualification_data::text
                ) is distinct from
                (true, batch.added_at, null::timestamptz, batch.reason, batch.data)
            returning
                case batch.action when 'refresh' then 'refreshed' else 'added' end as what,
                memberships.segment_id
        )
        select what, segment_id, count(*) from written group by what, segment_id
    """).format(**names)

    # Without `on conflict`, which costs a second look at each unique index: a row that the
    # application inserts at the same time makes the batch look again.
    insert = SQL("""
        with written as (
            insert into {schema}.customer_segment_memberships (
                segment_id, customer_id, added_at, removed_at, is_active,
                qualification_reason, qualification_data
            )
            select
                segments.id, customers.id, batch.added_at, null, true,
                batch.reason, batch.data::json
            from pg_temp.loyalty_batch as batch
            inner join {schema}.customer_segments as segments
                on
                    batch.segment_id = segments.id
                    and batch.shop_id = segments.shop_id
                    and {ours}
            inner join {schema}.customer_loyalty_profiles as customers
                on batch.customer_id = customers.id and batch.shop_id = customers.shop_id
            where
                batch.action = 'insert'
                and not exists (
                    select
                    from {schema}.customer_segment_memberships as memberships
                    where
                        memberships.segment_id = batch.segment_id
                        and memberships.customer_id = batch.customer_id
                )
            order by segments.id, customers.id
            returning segment_id
        )
        select 'added', segment_id, count(*) from written group by segment_id
    """).format(**names)
    return Work(
        columns=SQL(
            "shop_id bigint, segment_id bigint, customer_id bigint, membership_id bigint,"
            " action text, added_at timestamptz, removed_at timestamptz, reason text, data text"
        ),
        statements=[deactivate, activate, insert],
    )
