"""The segments themselves: which of them are ours to write, and their counters."""

from __future__ import annotations

from datetime import datetime

from psycopg.sql import SQL, Composed, Identifier

from orchestration.activation.batches import Work
from orchestration.activation.fence import is_later_segment

WANTED_SEGMENTS = SQL("""
    select
        segments.segment_id,
        segments.shop_id,
        segments.customer_count::bigint,
        round(segments.avg_lifetime_value, 2),
        round(segments.avg_points_balance)::bigint,
        segments.last_computed_at,
        coalesce(segments.customer_count <= 2147483647, true)
        and coalesce(abs(round(segments.avg_lifetime_value, 2)) < 10000000000, true)
        and coalesce(abs(round(segments.avg_points_balance)) <= 2147483647, true)
    from marts.customer_segments as segments
    inner join pg_temp.activation_scope as scope
        on segments.segment_id = scope.segment_id
    where scope.rule_status = 'valid'
""")

TABLES = (
    SQL("""create temporary table loyalty_segments (
        segment_id bigint, shop_id bigint, customer_count bigint, avg_lifetime_value numeric,
        avg_points_balance bigint, last_computed_at timestamptz, fits boolean
    ) on commit drop"""),
)

# A NULL flag means true, as it does to the application.
OURS = SQL("coalesce(segments.auto_update, true) and coalesce(segments.is_active, true)")
"""Whether a row of the application's customer_segments is one that we may update."""


def live_segments(schema: str, as_of: datetime) -> Composed:
    """Creates the list of the wanted segments that are still the application's, and still ours."""
    return SQL("""
        create temporary table loyalty_live on commit drop as
        select
            wanted.*,
            case when {is_later} then segments.last_computed_at end as later_than_built,
            wanted.fits
            and (segments.customer_count, segments.avg_lifetime_value, segments.avg_points_balance)
            is distinct from
            (wanted.customer_count, wanted.avg_lifetime_value, wanted.avg_points_balance)
            as differs
        from pg_temp.loyalty_segments as wanted
        inner join {schema}.customer_segments as segments
            on wanted.segment_id = segments.id and wanted.shop_id = segments.shop_id
        where {ours}
    """).format(schema=Identifier(schema), ours=OURS, is_later=is_later_segment(as_of))


# What does not fit the application stays out.
COUNTER_LINES = SQL("""
    select
        shop_id, segment_id, customer_count, avg_lifetime_value, avg_points_balance,
        last_computed_at
    from pg_temp.loyalty_live
    where differs
    order by shop_id, segment_id
""")


def counter_work(schema: str, as_of: datetime) -> Work:
    """How the segments' counters are written; the time only ever beside another changed value."""
    statement = SQL("""
        with written as (
            update {schema}.customer_segments as segments
            set
                customer_count = batch.customer_count,
                avg_lifetime_value = batch.avg_lifetime_value,
                avg_points_balance = batch.avg_points_balance,
                last_computed_at = batch.last_computed_at
            from pg_temp.loyalty_batch as batch
            where
                segments.id = batch.segment_id
                and {ours}
                and not {is_later}
                and (
                    segments.customer_count, segments.avg_lifetime_value,
                    segments.avg_points_balance
                ) is distinct from (
                    batch.customer_count, batch.avg_lifetime_value, batch.avg_points_balance
                )
            returning segments.id
        )
        select 'written', id, count(*) from written group by id
    """).format(schema=Identifier(schema), ours=OURS, is_later=is_later_segment(as_of))
    return Work(
        columns=SQL(
            "shop_id bigint, segment_id bigint, customer_count bigint, avg_lifetime_value numeric,"
            " avg_points_balance bigint, last_computed_at timestamptz"
        ),
        statements=[statement],
    )
