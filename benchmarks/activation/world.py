"""The application before an activation, and a warehouse that wants it otherwise; set-based."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from benchmarks.frame.gates import require
from orchestration.database import Database
from orchestration.warehouse import prepare

AS_OF = "2026-07-01 10:10:00+00"
BEFORE = "2026-06-01 10:10:00+00"
SHARE = 2
"""Every so-many-th customer of a shop is in each of its segments."""

# The relations that activation reads, with the columns that it reads; dbt would build the rest.
_MARTS = """
create schema marts;
create schema intermediate;
create table intermediate.int_reachable_contacts (
    customer_id bigint, channel text, address_hash bytea
);
create schema staging;
create table marts.dim_shops (
    shop_id bigint primary key, shop_domain text not null, timezone text not null
);
create table marts.customer_segments (
    segment_id bigint primary key, shop_id bigint not null, name text not null,
    rule_status text not null, customer_count bigint, avg_lifetime_value numeric(14, 2),
    avg_points_balance numeric(14, 2), last_computed_at timestamptz
);
create table marts.customer_segment_memberships (
    segment_id bigint not null, shop_id bigint not null, customer_id bigint not null,
    added_at timestamptz not null, removed_at timestamptz, is_active boolean not null,
    qualification_reason text, qualification_data jsonb
);
create table marts.loyalty_analytics (
    shop_id bigint, period_type text, date date, period_starts_at timestamptz,
    is_complete boolean, total_customers bigint, active_customers bigint, new_customers bigint,
    points_earned bigint, points_redeemed bigint, points_expired bigint,
    total_revenue numeric(14, 2), loyalty_revenue numeric(14, 2), redemptions_count bigint,
    referrals_count bigint, campaign_participations bigint, tier_distributions jsonb,
    tier_upgrades bigint, tier_downgrades bigint
);
create table staging.stg_campaigns (
    campaign_id bigint, shop_id bigint, name text, rules json, status text
);
create table customers (customer_id bigint, shop_id bigint);
"""

# The first pairs of a segment and a customer, of every shop, by chance. `kind` says what becomes of
# them: 0 stays, 1 enters, 2 comes back, 3 leaves.
_PAIRS = """
create table pairs as
select
    picked.shop_id, picked.segment_id, picked.customer_id,
    case when picked.place > {changes} then 0 when {is_first} then 1 else 1 + picked.place % 3 end
        as kind
from (
    select
        segments.shop_id, segments.segment_id, customers.customer_id,
        row_number() over (
            order by hashint8(customers.customer_id * 1000 + segments.segment_id),
            segments.segment_id, customers.customer_id
        ) as place
    from marts.customer_segments as segments
    inner join customers on segments.shop_id = customers.shop_id
    where abs(hashint8(customers.customer_id * 31 + segments.segment_id)) % {share} = 0
) as picked
where picked.place <= {changes} + {unchanged}
"""

_REASON = "Points balance is at least 500 and last order was within the last 30 days"

_STAYS = """
insert into marts.customer_segment_memberships
select
    segment_id, shop_id, customer_id,
    (case when kind in (1, 2) then {as_of} else {before} end)::timestamptz,
    case when kind = 3 then {as_of}::timestamptz end,
    kind <> 3,
    {reason},
    jsonb_build_object(
        'points_balance', customer_id % 1000 + 500, 'last_order_at', '2026-06-20T08:30:00+00:00'
    )
from pairs
"""

# What the application has before: everybody who stays, leaves or comes back.
_PRESENT = """
copy (
    select
        pairs.segment_id, pairs.customer_id,
        (case when pairs.kind = 2 then '2026-05-01' else {before} end)::timestamptz,
        (case when pairs.kind = 2 then {before} end)::timestamptz,
        pairs.kind <> 2,
        stays.qualification_reason, stays.qualification_data
    from pairs
    inner join marts.customer_segment_memberships as stays
        on pairs.segment_id = stays.segment_id and pairs.customer_id = stays.customer_id
    where pairs.kind in (0, 2, 3)
    order by pairs.segment_id, pairs.customer_id
) to stdout
"""

_COLUMNS = (
    "segment_id, customer_id, added_at, removed_at, is_active,"
    " qualification_reason, qualification_data"
)


@dataclass(frozen=True)
class Changes:
    """How many membership rows are to change, and how.

    Attributes:
        name: The database of the application before.
        is_first: Whether all of them are new; else a third each enters, comes back and leaves.
        unchanged: How many rows are there besides and stay as they are.
    """

    name: str
    rows: int
    is_first: bool
    unchanged: int


def fill_warehouse(warehouse: Database, source: Database, segments_per_shop: int) -> None:
    """Makes the relations that activation reads, with the source's shops and customers."""
    with warehouse.connect(autocommit=True) as marts, source.connect() as application:
        prepare(marts)
        marts.execute(_MARTS.encode())
        _copy(application, "select id, shop_id from customer_loyalty_profiles", marts, "customers")
        _copy(application, "select id, shop_domain, 'UTC' from shops", marts, "marts.dim_shops")
        marts.execute(
            "insert into marts.customer_segments"
            " select (shops.shop_id - 1) * %s + number, shops.shop_id, 'Segment ' || number,"
            " 'valid', null, 12.5, 250, %s"
            " from marts.dim_shops as shops cross join generate_series(1, %s) as number",
            [segments_per_shop, AS_OF, segments_per_shop],
        )
        marts.execute("analyze")


def want(warehouse: Database, changes: Changes) -> None:
    """Fills the stays with what is wanted, and forgets earlier activations.

    Raises:
        GateError: The sample has too few customers.
    """
    with warehouse.connect(autocommit=True) as marts:
        marts.execute("drop table if exists pairs")
        marts.execute(
            "truncate marts.customer_segment_memberships, ops.activations, ops.activation_runs,"
            " ops.activation_state, ops.activated_segments restart identity"
        )
        marts.execute(
            sql.SQL(_PAIRS).format(
                changes=sql.Literal(changes.rows),
                unchanged=sql.Literal(changes.unchanged),
                is_first=sql.Literal(changes.is_first),
                share=sql.Literal(SHARE),
            )
        )
        made = marts.execute("select count(*) from pairs").fetchone()
        wanted = changes.rows + changes.unchanged
        require(
            made == (wanted,),
            f"The sample has customers for {made} membership rows, not for {wanted:,}.",
        )
        marts.execute(
            sql.SQL(_STAYS).format(
                as_of=sql.Literal(AS_OF), before=sql.Literal(BEFORE), reason=sql.Literal(_REASON)
            )
        )
        marts.execute(
            "update marts.customer_segments as segments set customer_count = (select count(*)"
            " from pairs where pairs.segment_id = segments.segment_id and pairs.kind <> 3)"
        )
        for model in ("marts.customer_segments", "marts.loyalty_analytics"):
            marts.execute(
                "insert into ops.model_watermarks values (%s, 1, %s, now())"
                " on conflict (model) do nothing",
                [model, AS_OF],
            )
        marts.execute("vacuum (analyze)")


def fill_application(application: Database, warehouse: Database) -> None:
    """Puts the segments, and the rows that are there before, into a copy of the sample."""
    with application.connect(autocommit=True) as open_, warehouse.connect() as marts:
        open_.execute("truncate customer_segments, customer_segment_memberships restart identity")
        _copy(
            marts,
            "select segment_id, shop_id, name, '{}' from marts.customer_segments",
            open_,
            "customer_segments (id, shop_id, name, criteria)",
        )
        query = sql.SQL(_PRESENT).format(before=sql.Literal(BEFORE))
        target = f"copy customer_segment_memberships ({_COLUMNS}) from stdin"
        with (
            marts.cursor().copy(query) as rows,
            open_.cursor().copy(target.encode()) as copy,
        ):
            for block in rows:
                copy.write(block)
        open_.execute("vacuum (analyze) customer_segments")
        open_.execute("vacuum (analyze) customer_segment_memberships")


_CONTENT = """
select
    count(*),
    coalesce(sum(hashtextextended(
        concat_ws(
            '|', segment_id, customer_id, extract(epoch from added_at), qualification_reason,
            qualification_data::text
        ), 0
    )::numeric), 0)
from {relation}
where is_active
"""

_LEFT = """
select count(*), count(distinct (segment_id, customer_id)) filter (where removed_at = {as_of})
from customer_segment_memberships
where not is_active
"""


def require_written(application: Database, warehouse: Database) -> int:
    """Compares all active rows of the application with the stays, by count and content hash.

    Returns:
        How many there are.

    Raises:
        GateError: They differ, or who left is not marked as left.
    """
    found = []
    for database, name in (
        (application, "customer_segment_memberships"),
        (warehouse, "marts.customer_segment_memberships"),
    ):
        with database.connect() as connection:
            relation = sql.Identifier(*name.split("."))
            found.append(connection.execute(sql.SQL(_CONTENT).format(relation=relation)).fetchone())
    with application.connect() as connection:
        left = connection.execute(sql.SQL(_LEFT).format(as_of=sql.Literal(AS_OF))).fetchone()
    with warehouse.connect() as connection:
        leaving = connection.execute("select count(*) from pairs where kind = 3").fetchone()
    require(found[0] == found[1], f"The application has {found[0]}, the warehouse {found[1]}.")
    assert left is not None
    assert leaving is not None
    require(left == (leaving[0], leaving[0]), f"{left[0]:,} rows left, not {leaving[0]:,}.")
    assert found[0] is not None
    return int(found[0][0])


def _copy(
    source: psycopg.Connection[psycopg.rows.TupleRow],
    query: str,
    target: psycopg.Connection[psycopg.rows.TupleRow],
    into: str,
) -> None:
    with (
        source.cursor().copy(f"copy ({query}) to stdout".encode()) as rows,
        target.cursor().copy(f"copy {into} from stdin".encode()) as copy,
    ):
        for block in rows:
            copy.write(block)
