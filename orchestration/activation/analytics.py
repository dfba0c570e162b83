"""Rows of loyalty_analytics: what is wanted, and which existing row is whose."""

from __future__ import annotations

from datetime import datetime

from psycopg.sql import SQL, Composed, Identifier, Literal

from orchestration.activation.fence import is_later

_COUNTS = (
    "total_customers",
    "active_customers",
    "new_customers",
    "points_earned",
    "points_redeemed",
    "points_expired",
    "redemptions_count",
    "referrals_count",
    "campaign_participations",
    "tier_upgrades",
    "tier_downgrades",
)
_MONEY = ("total_revenue", "loyalty_revenue")

COLUMNS = (*_COUNTS, *_MONEY, "tier_distributions", "computed_at")
"""The columns that are written besides the key."""


def columns(names: tuple[str, ...], qualifier: str = "") -> Composed:
    """The columns' names, separated by commas."""
    parts = ([qualifier, name] if qualifier else [name] for name in names)
    return SQL(", ").join(Identifier(*part) for part in parts)


def figures(qualifier: str) -> Composed:
    """What decides whether a row differs: every value but the time, JSON as its text."""
    return SQL("{}, {}::text").format(
        columns((*_COUNTS, *_MONEY), qualifier), Identifier(qualifier, "tier_distributions")
    )


def declared() -> Composed:
    """The value columns with types wide enough for anything the marts hold."""
    types = dict.fromkeys(_COUNTS, "bigint") | dict.fromkeys(_MONEY, "numeric")
    types |= {"tier_distributions": "text", "computed_at": "timestamptz"}
    return SQL(", ").join(
        SQL("{} {}").format(Identifier(name), SQL(types[name])) for name in COLUMNS
    )


def _fits() -> Composed:
    """Whether every value is within the application's integer and numeric(12,2)."""
    counts = [
        SQL("coalesce(analytics.{} between -2147483648 and 2147483647, true)").format(
            Identifier(name)
        )
        for name in _COUNTS
    ]
    money = [
        SQL("coalesce(abs(round(analytics.{}, 2)) < 10000000000, true)").format(Identifier(name))
        for name in _MONEY
    ]
    return SQL(" and ").join([*counts, *money])


def wanted_periods(as_of: datetime) -> Composed:
    """The marts' rows; the application's `date` is the instant of the period's first midnight."""
    return SQL("""
        select
            analytics.shop_id,
            analytics.period_type,
            analytics.date::date,
            analytics.period_starts_at,
            (
                analytics.date::timestamp
                + case analytics.period_type
                    when 'weekly' then interval '7 days'
                    when 'monthly' then interval '1 month'
                    else interval '1 day'
                end
            ) at time zone shops.timezone,
            analytics.is_complete,
            {fits},
            {counts},
            {money},
            analytics.tier_distributions::jsonb::text,
            {as_of}
        from marts.loyalty_analytics as analytics
        inner join marts.dim_shops as shops
            on analytics.shop_id = shops.shop_id
        inner join pg_temp.activation_shops as scope
            on analytics.shop_id = scope.shop_id
    """).format(
        fits=_fits(),
        counts=columns(_COUNTS, "analytics"),
        money=SQL(", ").join(
            SQL("round({}, 2)").format(Identifier("analytics", name)) for name in _MONEY
        ),
        as_of=Literal(as_of),
    )


# Rows that we wrote and that the marts no longer put at that instant.
STALE = SQL("""
    select ours.shop_id, ours.period_type, ours.date, ours.period_on
    from ops.activated_analytics as ours
    inner join pg_temp.activation_shops as scope
        on ours.shop_id = scope.shop_id
    where
        not exists (
            select
            from marts.loyalty_analytics as analytics
            where
                analytics.shop_id = ours.shop_id
                and analytics.period_type = ours.period_type
                and analytics.period_starts_at = ours.date
        )
""")

# Before they are written: a row of ours that nobody remembers could never be taken back.
REMEMBER = SQL("""
    insert into ops.activated_analytics (shop_id, period_type, date, period_on)
    select
        analytics.shop_id,
        analytics.period_type,
        analytics.period_starts_at,
        analytics.date::date
    from marts.loyalty_analytics as analytics
    inner join pg_temp.activation_shops as scope
        on analytics.shop_id = scope.shop_id
    where
        not exists (
            select
            from ops.activated_analytics as ours
            where
                ours.shop_id = analytics.shop_id
                and ours.period_type = analytics.period_type
                and ours.date = analytics.period_starts_at
        )
    on conflict do nothing
""")

TABLES = (
    SQL("""create temporary table loyalty_periods (
        shop_id bigint, period_type text, period_on date, date timestamptz, ends_at timestamptz,
        is_complete boolean, fits boolean, {}
    ) on commit drop""").format(declared()),
    SQL("""create temporary table loyalty_stale (
        shop_id bigint, period_type text, date timestamptz, period_on date
    ) on commit drop"""),
)


def period_changes(schema: str, as_of: datetime) -> Composed:
    """Creates the comparison: one row per wanted period, and one per row of ours that must go.

    An existing row is taken for a period where it stands at its local midnight, else at the same
    date's midnight in UTC, else where we wrote it before the shop's time zone changed. A row that
    was computed after the build (see fence.py) gets the action `later`.
    """
    return SQL("""
        create temporary table loyalty_period_changes on commit drop as
        with present as materialized (
            select distinct on (analytics.shop_id, analytics.period_type, analytics.date)
                analytics.*
            from {schema}.loyalty_analytics as analytics
            where
                analytics.shop_id in (
                    select shop_id from pg_temp.loyalty_periods
                    union
                    select shop_id from pg_temp.loyalty_stale
                )
            order by
                analytics.shop_id, analytics.period_type, analytics.date, analytics.id
        ),

        moved as (
            select stale.shop_id, stale.period_type, stale.period_on, min(present.id) as id
            from pg_temp.loyalty_stale as stale
            inner join present
                on
                    stale.shop_id = present.shop_id
                    and stale.period_type = present.period_type
                    and stale.date = present.date
            group by stale.shop_id, stale.period_type, stale.period_on
        ),

        matched as (
            select periods.*, coalesce(exact.id, utc.id, moved.id) as analytics_id
            from pg_temp.loyalty_periods as periods
            left join present as exact
                on
                    periods.shop_id = exact.shop_id
                    and periods.period_type = exact.period_type
                    and periods.date = exact.date
            left join present as utc
                on
                    exact.id is null
                    and periods.shop_id = utc.shop_id
                    and periods.period_type = utc.period_type
                    and periods.period_on::timestamp at time zone 'UTC' = utc.date
            left join moved
                on
                    exact.id is null
                    and utc.id is null
                    and periods.shop_id = moved.shop_id
                    and periods.period_type = moved.period_type
                    and periods.period_on = moved.period_on
        ),

        compared as (
            select
                matched.shop_id,
                matched.period_type,
                matched.period_on,
                case
                    when not matched.fits then 'skip'
                    when present.id is null then 'insert'
                    when (present.date, {present_figures})
                        is distinct from (matched.date, {matched_figures})
                        then case when {is_later} then 'later' else 'update' end
                    else 'keep'
                end as action,
                matched.analytics_id,
                matched.date,
                present.total_revenue as old_revenue,
                matched.total_revenue as new_revenue,
                matched.is_complete
                and coalesce(present.computed_at >= matched.ends_at, true) as was_closed,
                {matched_values}
            from matched
            left join present on matched.analytics_id = present.id
            union all
            select
                stale.shop_id, stale.period_type, stale.period_on,
                case when {is_later} then 'later' else 'delete' end, present.id, stale.date,
                present.total_revenue, null, not exists (
                    select
                    from pg_temp.loyalty_periods as periods
                    where
                        periods.shop_id = stale.shop_id
                        and periods.period_type = stale.period_type
                        and periods.period_on = stale.period_on
                ),
                {no_values}
            from pg_temp.loyalty_stale as stale
            inner join present
                on
                    stale.shop_id = present.shop_id
                    and stale.period_type = present.period_type
                    and stale.date = present.date
            where
                not exists (
                    select from matched where matched.analytics_id = present.id
                )
        )

        select
            row_number() over (order by shop_id, period_type, date, action) as change_no, compared.*
        from compared
    """).format(
        schema=Identifier(schema),
        is_later=is_later(as_of, "present", "computed_at"),
        present_figures=figures("present"),
        matched_figures=figures("matched"),
        matched_values=columns(COLUMNS, "matched"),
        no_values=SQL(", ").join(SQL("null") for _ in COLUMNS),
    )


ANY_STALE = SQL("select exists (select from pg_temp.loyalty_stale)")

ACTION_COUNTS = SQL("select action, count(*) from pg_temp.loyalty_period_changes group by action")

# What the brakes judge: closed periods whose revenue would not stay what it is.
REVENUE_CHANGES = SQL("""
    select change_no, shop_id, period_type, period_on::text, action, old_revenue, new_revenue
    from pg_temp.loyalty_period_changes
    where
        action in ('update', 'delete')
        and was_closed
        and old_revenue is distinct from new_revenue
    order by change_no
""")

# Rows that are passed over: what does not fit, and what the application knows better.
PASSED_OVER = SQL("""
    select action, shop_id, period_type, period_on::text
    from pg_temp.loyalty_period_changes
    where action in ('skip', 'later')
    order by change_no
""")

PERIOD_LINES = SQL("""
    select shop_id, change_no, action, analytics_id, period_type, date, {}
    from pg_temp.loyalty_period_changes
    where action in ('insert', 'update', 'delete')
    order by change_no
""").format(columns(COLUMNS))


# Only once nothing of ours is left there.
FORGET = SQL("""
    delete from ops.activated_analytics as ours
    using ({stale}) as stale
    where
        ours.shop_id = stale.shop_id
        and ours.period_type = stale.period_type
        and ours.date = stale.date
""").format(stale=STALE)
