"""An application and a warehouse for activation's tests: rows go in, an activation comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from orchestration import activation
from orchestration.database import Database
from orchestration.warehouse import prepare

FOREIGN = Path(__file__).parents[1] / "fixtures" / "foreign_operational.sql"
AS_OF = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
TABLES = (
    "customer_segment_memberships",
    "customer_segments",
    "loyalty_analytics",
    "campaigns",
    "customer_loyalty_profiles",
    "shops",
)

# The relations that activation reads, with interfaces.md's columns.
MARTS = """
create schema marts;
create schema intermediate;
create table intermediate.int_reachable_contacts (
    customer_id bigint, channel text, address_hash bytea, primary key (customer_id, channel)
);
create schema staging;
create table marts.dim_shops (
    shop_id bigint primary key, shop_domain text not null, timezone text not null
);
create table marts.customer_segments (
    segment_id bigint primary key, shop_id bigint not null, name text not null,
    rule_status text not null, rule_error text, customer_count bigint,
    avg_lifetime_value numeric(14, 2), avg_points_balance numeric(14, 2), points_liability numeric,
    reachable_by_email bigint, reachable_by_sms bigint, last_computed_at timestamptz
);
create table marts.customer_segment_memberships (
    segment_id bigint not null, shop_id bigint not null, customer_id bigint not null,
    added_at timestamptz not null, removed_at timestamptz, is_active boolean not null,
    qualification_reason text, qualification_data jsonb,
    primary key (segment_id, customer_id, added_at)
);
create table marts.analytics_rows (
    shop_id bigint not null, period_type text not null, date date not null,
    is_complete boolean not null, total_customers bigint, active_customers bigint,
    new_customers bigint, points_earned bigint, points_redeemed bigint, points_expired bigint,
    points_adjusted bigint, points_refunded bigint, opening_points bigint, closing_points bigint,
    total_revenue numeric(14, 2), loyalty_revenue numeric(14, 2), redemptions_count bigint,
    referrals_count bigint, campaign_participations bigint, tier_distributions jsonb,
    tier_upgrades bigint, tier_downgrades bigint, primary key (shop_id, period_type, date)
);
create view marts.loyalty_analytics as
select analytics_rows.*, date::timestamp at time zone timezone as period_starts_at
from marts.analytics_rows inner join marts.dim_shops using (shop_id);
create table staging.stg_campaigns (
    campaign_id bigint primary key, shop_id bigint, name text, rules json, status text
);
"""


class World:
    """Both databases, with a connection each, and short ways to fill and read them."""

    def __init__(self, new_database: Callable[[], str], *, schema: str = "public") -> None:
        self.schema = schema
        self.operational = Database(
            "operational database", new_database(), "LOYALTY_OPERATIONAL_URL"
        )
        self.warehouse = Database("warehouse", new_database(), "LOYALTY_WAREHOUSE_URL")
        self.application = self.operational.connect(autocommit=True)
        if schema != "public":
            self.application.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        self.application.execute(
            "select set_config('search_path', quote_ident(%s), false)", [schema]
        )
        self.application.execute(FOREIGN.read_bytes())
        self.application.execute("truncate shops restart identity cascade")
        self.marts = self.warehouse.connect(autocommit=True)
        prepare(self.marts)
        self.marts.execute(MARTS)
        self.built(AS_OF)

    def close(self) -> None:
        self.application.close()
        self.marts.close()

    def clear(self) -> None:
        """Takes out every row, and everything that was remembered."""
        self.application.execute("truncate shops restart identity cascade")
        self.marts.execute(
            "truncate marts.dim_shops, marts.customer_segments, marts.analytics_rows,"
            " marts.customer_segment_memberships, staging.stg_campaigns, ops.activations,"
            " intermediate.int_reachable_contacts,"
            " ops.activation_runs, ops.activation_state, ops.activated_segments,"
            " ops.activated_analytics, ops.activation_approvals restart identity"
        )
        self.marts.execute("delete from ops.model_watermarks")
        self.built(AS_OF)

    def activate(self, **options: Any) -> activation.ActivationResult:
        return activation.activate(self.operational, self.schema, self.warehouse, **options)

    def built(self, as_of: datetime) -> None:
        """The warehouse was built as of that time."""
        for model in ("marts.customer_segments", "marts.loyalty_analytics"):
            self.marts.execute(
                "insert into ops.model_watermarks values (%s, 1, %s, now())"
                " on conflict (model) do update set as_of = excluded.as_of",
                [model, as_of],
            )

    def shop(self, shop_id: int, *, timezone: str = "UTC") -> None:
        domain = f"shop-{shop_id}.myshopify.com"
        self.insert("shops", id=shop_id, shop_domain=domain)
        self.put("marts.dim_shops", shop_id=shop_id, shop_domain=domain, timezone=timezone)

    def customers(self, shop_id: int, ids: Sequence[int]) -> None:
        self.application.execute(
            "insert into customer_loyalty_profiles (id, shop_id, shopify_customer_id)"
            " select id, %s, id::text from unnest(%s::int[]) as customers (id)",
            [shop_id, list(ids)],
        )

    def segment(
        self,
        segment_id: int,
        shop_id: int,
        *,
        status: str = "valid",
        name: str | None = None,
        count: int = 0,
        in_application: bool = True,
        **counters: Any,
    ) -> None:
        name = name or f"segment {segment_id}"
        if in_application:
            self.insert(
                "customer_segments",
                id=segment_id,
                shop_id=shop_id,
                name=name,
                criteria="{}",
                is_active=None if segment_id % 2 else status != "inactive",
                auto_update=False if status == "manual" else None,
            )
        self.put(
            "marts.customer_segments",
            segment_id=segment_id,
            shop_id=shop_id,
            name=name,
            rule_status=status,
            customer_count=count,
            last_computed_at=AS_OF,
            **counters,
        )

    def stays(
        self,
        segment_id: int,
        shop_id: int,
        customer_ids: Sequence[int],
        *,
        added_at: datetime = AS_OF,
        removed_at: datetime | None = None,
        reason: str | None = "points over 100",
        data: Any = None,
    ) -> None:
        """The warehouse's stays."""
        self.marts.execute(
            "insert into marts.customer_segment_memberships"
            " select %s, %s, id, %s, %s, %s::timestamptz is null, %s,"
            " coalesce(%s::jsonb, jsonb_build_object('points', id))"
            " from unnest(%s::int[]) as customers (id)",
            [
                segment_id,
                shop_id,
                added_at,
                removed_at,
                removed_at,
                reason,
                None if data is None else json.dumps(data),
                list(customer_ids),
            ],
        )

    def members(self, segment_id: int, customer_ids: Sequence[int], **values: Any) -> None:
        """The application's own rows."""
        columns = {"is_active": True, "added_at": AS_OF, **values}
        for customer_id in customer_ids:
            self.insert(
                "customer_segment_memberships",
                segment_id=segment_id,
                customer_id=customer_id,
                **columns,
            )

    def period(self, shop_id: int, date: str, revenue: Any, **values: Any) -> None:
        """A row of the marts' analytics."""
        common = {"period_type": "daily", "is_complete": True, **values}
        self.put(
            "marts.analytics_rows", shop_id=shop_id, date=date, total_revenue=revenue, **common
        )

    def campaign(self, campaign_id: int, shop_id: int, rules: Any, **values: Any) -> None:
        text = rules if isinstance(rules, str) else json.dumps(rules)
        common = {
            "shop_id": shop_id,
            "name": f"campaign {campaign_id}",
            "rules": text,
            "status": values.pop("status", "active"),
        }
        times = {"start_date": AS_OF, "end_date": AS_OF + timedelta(days=1)}
        self.insert("campaigns", id=campaign_id, **common, **times, **values)
        self.put("staging.stg_campaigns", campaign_id=campaign_id, **common)

    def contacts(self, channel: str, addresses: Mapping[int, str]) -> None:
        """Whom the warehouse knows to be reachable, and where."""
        for customer_id, address in addresses.items():
            self.put(
                "intermediate.int_reachable_contacts",
                customer_id=customer_id,
                channel=channel,
                address_hash=address.encode(),
            )

    def insert(self, table: str, **values: Any) -> None:
        _insert(self.application, sql.Identifier(self.schema, table), values)

    def put(self, table: str, **values: Any) -> None:
        _insert(self.marts, sql.Identifier(*table.split(".")), values)

    def active(self, segment_id: int) -> set[int]:
        rows = self.application.execute(
            "select customer_id from customer_segment_memberships"
            " where segment_id = %s and is_active",
            [segment_id],
        )
        return {customer_id for (customer_id,) in rows}

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.application.execute(query.encode(), parameters).fetchall()

    def versions(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row's place and transaction: equal only where no row was written."""
        return {
            table: self.rows(f"select ctid::text, xmin::text, id from {table} order by id")
            for table in TABLES
        }


def _insert(
    connection: psycopg.Connection[Any], table: sql.Identifier, values: dict[str, Any]
) -> None:
    connection.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            table,
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join([sql.Placeholder()] * len(values)),
        ),
        list(values.values()),
    )


@contextmanager
def locked(world: World, query: str, *parameters: Any) -> Iterator[psycopg.Connection[Any]]:
    """Another connection of the application, holding what the query locks."""
    with world.operational.connect() as other:
        other.execute(query.encode(), parameters)
        yield other


def wait_until_blocked(world: World) -> int:
    """Waits until an activation waits for a lock; gives the server process's id."""
    while True:
        rows = world.rows(
            "select pid from pg_stat_activity where application_name = 'loyalty-activation'"
            " and wait_event_type = 'Lock' and datname = current_database()"
        )
        if rows:
            return int(rows[0][0])


@contextmanager
def in_background(world: World) -> Iterator[Future[Any]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(world.activate)


@pytest.fixture(scope="module")
def shared_world(server: Any) -> Iterator[World]:
    """One world for a module's tests: emptying it is quicker than making it."""
    names: list[str] = []

    def create() -> str:
        names.append(server.create_database())
        return str(server.url(names[-1]))

    world = World(create)
    yield world
    world.close()
    for name in names:
        server.drop_database(name)


@pytest.fixture
def world(shared_world: World) -> World:
    """A world with nothing in it."""
    shared_world.clear()
    return shared_world


@pytest.fixture
def new_world(new_database: Callable[[], str]) -> Iterator[Callable[..., World]]:
    """Makes worlds of one's own, for tests that change the tables themselves."""
    worlds: list[World] = []

    def create(**options: Any) -> World:
        worlds.append(World(new_database, **options))
        return worlds[-1]

    yield create
    for world in worlds:
        world.close()
