"""The segments themselves: which of them are ours to write, and their counters."""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier

from orchestration.activation.batches import Work

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


def live_segments(schema: str) -> Composed:
    """Creates the list of the wanted segments that are still the application's, and still ours."""
    return SQL("""
        create temporary table loyalty_live on commit drop as
        select wanted.*
        from pg_temp.loyalty_segments as wanted
        inner join {schema}.customer_segments as segments
            on wanted.segment_id = segments.id and wanted.shop_id = segments.shop_id
        where {ours}
    """).format(schema=Identifier(schema), ours=OURS)


def counter_lines(schema: str) -> Composed:
    """The live segments whose counters differ; what does not fit the application stays out."""
    return SQL("""
        select
            live.shop_id, live.segment_id, live.customer_count, live.avg_lifetime_value,
            live.avg_points_balance, live.last_computed_at
        from pg_temp.loyalty_live as live
        inner join {schema}.customer_segments as segments on live.segment_id = segments.id
        where
            live.fits
            and (segments.customer_count, segments.avg_lifetime_value, segments.avg_points_balance)
            is distinct from (live.customer_count, live.avg_lifetime_value, live.avg_points_balance)
        order by live.shop_id, live.segment_id
    """).format(schema=Identifier(schema))


def counter_work(schema: str) -> Work:
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
                and (
                    segments.customer_count, segments.avg_lifetime_value,
                    segments.avg_points_balance
                ) is distinct from (
                    batch.customer_count, batch.avg_lifetime_value, batch.avg_points_balance
                )
            returning segments.id
        )
        select id, count(*) from written group by id
    """).format(schema=Identifier(schema), ours=OURS)
    return Work(
        columns=SQL(
            "shop_id bigint, segment_id bigint, customer_count bigint, avg_lifetime_value numeric,"
            " avg_points_balance bigint, last_computed_at timestamptz"
        ),
        statements=[("written", statement)],
    )
