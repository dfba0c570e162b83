"""Sizes, performance, contact lists and fields from the marts against the plain-Python oracles."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from dbt_in_process import Dbt
from oracles import kpis, lists, standings
from oracles.history import History, Row, random_history
from oracles.lists import Stay, Suppression
from psycopg import sql
from psycopg.rows import dict_row
from warehouses import filled_warehouse

from orchestration.database import Database

SELECT = "+segment_contacts +segment_reach +segment_sizes_daily +segment_performance"

CASES = [
    (18, 1, datetime(2025, 1, 8, 15, 30, tzinfo=UTC)),
    (16, 2, datetime(2025, 3, 9, 7, 0, tzinfo=UTC)),  # clocks change in New York
    (15, 3, datetime(2024, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
]

EMAILS = [
    *(None, "", "  ", "not an address", "a@b", "@example.com", "two@at@example.com"),
    *("ada@example.com", " Ada@Example.COM", "ADA@EXAMPLE.COM\u00a0", "+ada@example.com"),
    *("grace@shop.example.org", "Grace@Shop.Example.org ", "jos\u00e9@m\u00fcnchen.de"),
    *("a b@example.com", "dot.@example..com", "semi;colon@example.com", "x" * 243 + "@example.com"),
    *(f"person{number}@mail.example" for number in range(9)),
]
PHONES = [
    *(None, "", "n/a", "12345", "0000000", "555-0199 x3", "+1", "+0123456789", "9" * 16),
    *("+1 (555) 010-0199", "001 555 010 0199", "15550100199", "+1.555.010.0199"),
    *("0151 2345678", "0151/2345678", "+49 151 2345678"),
    *(f"+1555010{number:04}" for number in range(9)),
]
SUPPRESSED = [*EMAILS[7:14], *PHONES[9:16], "person1@mail.example", "+15550100001"]


@dataclass(frozen=True)
class Built:
    history: History
    warehouse: Database
    suppressions: list[Suppression]

    def rows(self, schema: str, relation: str) -> list[Row]:
        query = sql.SQL("select * from {}").format(sql.Identifier(schema, relation))
        with self.warehouse.connect() as connection:
            return connection.cursor(row_factory=dict_row).execute(query).fetchall()

    @property
    def stays(self) -> list[Stay]:
        """As the build left them; what they became is test_segments_stays' matter."""
        names = ("segment_id", "shop_id", "customer_id", "added_at", "removed_at")
        rows = self.rows("ops", "segment_stays")
        return [Stay(*(row[name] for name in names)) for row in rows]

    def expected_lists(self) -> Any:
        return lists.contacts(self.history, self.stays, self.suppressions)


def with_addresses(history: History, draw: random.Random) -> None:
    for row in history.rows("customer_loyalty_profiles"):
        row.update(
            email=draw.choice(EMAILS),
            phone=draw.choice(PHONES),
            email_opt_in=draw.choice([None, *[True] * 12, False]),
            sms_opt_in=draw.choice([None, *[True] * 12, False]),
            is_active=draw.choice([None, True, True, True, False]),
            first_name=draw.choice([None, "Ada"]),
        )


def random_stays(history: History, draw: random.Random) -> list[Stay]:
    """Of customers of the segment's shop: some never, some once, some again and again."""
    stays = []
    people: dict[int, list[int]] = {}
    for row in history.rows("customer_loyalty_profiles"):
        people.setdefault(row["shop_id"], []).append(row["id"])
    for segment in [*history.rows("customer_segments"), {"id": 777_777, "shop_id": 1}]:
        for person in people.get(segment["shop_id"], []):
            moment = history.as_of - timedelta(days=draw.randrange(0, 60))
            for _ in range(draw.choice([0, 0, 1, 1, 2, 4])):
                begins = moment + draw.choice(
                    [timedelta(), timedelta(seconds=draw.randrange(9**6))]
                )
                ends = begins + draw.choice([timedelta(), timedelta(seconds=draw.randrange(9**6))])
                if begins > history.as_of:
                    break
                is_open = draw.random() < 0.4 or ends >= history.as_of
                removed_at = None if is_open else ends
                stays.append(Stay(segment["id"], segment["shop_id"], person, begins, removed_at))
                if is_open:
                    break
                moment = ends + timedelta(microseconds=1)
    return stays


def random_suppressions(history: History, draw: random.Random) -> list[Suppression]:
    shops = [row["shop_domain"] for row in history.rows("shops")]
    people = history.rows("customer_loyalty_profiles")
    found = {
        Suppression(
            draw.choice([None, shops[0], shops[1].upper()]),
            draw.choice([None, "email", "sms"]),
            address,
        )
        for address in draw.sample(SUPPRESSED, 3)
    }
    for person in draw.sample(people, 4):
        shop = next(s for s in history.rows("shops") if s["id"] == person["shop_id"])
        channel = draw.choice([None, "email", "sms"])
        found.add(Suppression(shop["shop_domain"], channel, None, person["shopify_customer_id"]))
    found.add(Suppression("no-such-shop.example", None, "person2@mail.example"))
    return sorted(found, key=str)


def suppress(connection: psycopg.Connection[Any], row: Suppression) -> None:
    connection.execute(
        "insert into ops.suppressions "
        "(shop_domain, channel, address_hash, shopify_customer_id, reason) "
        "values (%s, %s, ops.address_hash(%s), %s, 'asked us to')",
        [row.shop_domain, row.channel, row.address, row.shopify_customer_id],
    )


@pytest.fixture(scope="module", params=CASES, ids=[f"pg{case[0]}" for case in CASES])
def built(
    request: pytest.FixtureRequest,
    servers: dict[int, Any],
    dbt: Dbt,
) -> Built:
    major, seed, as_of = request.param
    if major not in servers:
        pytest.skip(f"PostgreSQL {major} is not installed here")
    server = servers[major]
    draw = random.Random(f"lists {seed}")
    history = random_history(seed, as_of=as_of)
    with_addresses(history, draw)
    suppressions = random_suppressions(history, draw)
    source, target = (server.url(server.create_database()) for _ in range(2))
    warehouse = filled_warehouse(source, target, history.tables)
    with warehouse.connect() as connection:
        for stay in random_stays(history, draw):
            connection.execute(
                "insert into ops.segment_stays values (%s, %s, %s, %s, %s)",
                [stay.segment_id, stay.shop_id, stay.customer_id, stay.added_at, stay.removed_at],
            )
        for row in suppressions:
            suppress(connection, row)
    assert dbt.build(warehouse, as_of.isoformat(), select=SELECT, data_tests=True) == []
    return Built(history, warehouse, suppressions)


def differences(actual: dict[Any, Row], expected: dict[Any, Row]) -> list[tuple[Any, ...]]:
    assert actual.keys() == expected.keys()
    return [
        (key, column, actual[key][column], value)
        for key, row in expected.items()
        for column, value in row.items()
        if actual[key][column] != value
    ]


def test_sizes_are_the_stays_day_by_day(built: Built) -> None:
    expected = lists.sizes(built.history, built.stays)
    rows = built.rows("marts", "segment_sizes_daily")
    actual = {(row["segment_id"], row["date"]): row for row in rows}
    assert len(actual) == len(rows)
    assert sum(row["left"] for row in rows) > 20
    assert not differences(actual, expected)


def test_performance_is_that_of_the_present_members(built: Built) -> None:
    expected = lists.performance(built.history, built.stays)
    actual = {row["segment_id"]: row for row in built.rows("marts", "segment_performance")}
    assert sum(row["customers"] for row in actual.values()) > 40
    assert any(row["redemption_index"] for row in actual.values())
    assert not differences(actual, expected)


def test_lists_hold_whom_they_may(built: Built) -> None:
    found: dict[Any, dict[int, str]] = {}
    for row in built.rows("marketing", "segment_contacts"):
        listed = found.setdefault((row["segment_id"], row["channel"]), {})
        assert row["customer_id"] not in listed
        listed[row["customer_id"]] = row["contact"]
    expected = built.expected_lists()
    assert sum(map(len, expected.values())) > 20
    assert found == expected
    # The suppressions and the shared addresses made a difference.
    assert expected != lists.contacts(built.history, built.stays, [])


def test_reach_says_why_a_list_is_shorter_than_its_segment(built: Built) -> None:
    expected = built.expected_lists()
    rows = built.rows("marketing", "segment_reach")
    segments = {row["id"] for row in built.history.rows("customer_segments")}
    assert {(row["segment_id"], row["channel"]) for row in rows} == {
        (segment, channel) for segment in segments for channel in lists.CHANNELS
    }
    steps = ("without_address", "without_consent", "suppressed", "duplicates", "contacts")
    assert all(any(row[step] for row in rows) for step in steps)
    for row in rows:
        members = {
            stay.customer_id
            for stay in built.stays
            if stay.segment_id == row["segment_id"] and stay.removed_at is None
        }
        assert row["members"] == len(members) == sum(row[step] for step in steps)
        assert row["contacts"] == len(expected.get((row["segment_id"], row["channel"]), {}))


def test_fields_from_the_marts_are_theirs(built: Built) -> None:
    expiries = lists.expiries(built.history)
    rfm = kpis.customer_rfm(built.history)
    standing = standings.standings(built.history)
    expected = {
        who: {
            "next_expiry_at": expiries.get(who, (None, 0))[0],
            "points_expiring_30d": expiries.get(who, (None, 0))[1],
            "orders_365d": row["orders_365d"],
            "spend_365d": row["spend_365d"],
            "recency_score": row["r_score"],
            "frequency_score": row["f_score"],
            "monetary_score": row["m_score"],
            "points_to_next_tier": standing[who]["points_to_next"],
            "spend_to_next_tier": standing[who]["spend_to_next"],
            "orders_to_next_tier": standing[who]["orders_to_next"],
            "is_at_risk": standing[who]["is_at_risk"],
        }
        for who, row in rfm.items()
    }
    rows = built.rows("intermediate", "int_customer_features")
    actual = {row["customer_id"]: row for row in rows}
    assert sum(points > 0 for _, points in expiries.values()) > 2
    assert not differences(actual, expected)


def test_a_suppression_works_at_once(built: Built) -> None:
    (row, *_) = built.rows("marketing", "segment_contacts")
    query = "select count(*) from marketing.segment_contacts where contact = %s and shop_id = %s"
    with built.warehouse.connect() as connection:

        def times_listed() -> int:
            found = connection.execute(query, [row["contact"], row["shop_id"]]).fetchone()
            return int(found[0]) if found else 0

        assert times_listed() > 0
        suppress(connection, Suppression(row["shop_domain"].upper(), None, row["contact"].upper()))
        assert times_listed() == 0
        connection.rollback()
        assert times_listed() > 0
        by_id = Suppression(row["shop_domain"], row["channel"], None, row["shopify_customer_id"])
        suppress(connection, by_id)
        assert times_listed() == 0
        connection.rollback()


@pytest.mark.parametrize(
    "change",
    [
        "set email_opt_in = false, sms_opt_in = false",
        "set email_opt_in = null, sms_opt_in = null",
        "set is_active = false",
        "set email = 'new@example.com', phone = '+4912345678'",
        "set _deleted_at = now()",
        "set shop_id = shop_id + 1",
    ],
)
def test_what_was_synced_and_not_yet_built_counts_as_well(built: Built, change: str) -> None:
    (row, *_) = built.rows("marketing", "segment_contacts")
    with built.warehouse.connect() as connection:
        connection.execute(
            f"update raw.customer_loyalty_profiles {change} where id = %s".encode(),
            [row["customer_id"]],
        )
        found = connection.execute(
            "select * from marketing.segment_contacts where customer_id = %s",
            [row["customer_id"]],
        ).fetchall()
        connection.rollback()
    assert not found


@pytest.mark.parametrize(
    "values",
    [
        "(null, null, null, null, 'nobody')",
        "(null, null, ops.address_hash('a@b.cd'), '5', 'two at once')",
        "(null, null, null, '5', 'of which shop?')",
        "(null, 'fax', ops.address_hash('a@b.cd'), null, 'no such channel')",
        "(null, null, ops.address_hash('no address'), null, 'nothing to compare')",
        "(null, null, 'ada@example.com', null, 'not a hash')",
        "(null, null, ops.address_hash('a@b.cd'), null, ' ')",
    ],
)
def test_a_suppression_that_would_not_work_is_refused(built: Built, values: str) -> None:
    columns = "(shop_domain, channel, address_hash, shopify_customer_id, reason)"
    with (
        built.warehouse.connect() as connection,
        pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.InvalidTextRepresentation)),
    ):
        connection.execute(f"insert into ops.suppressions {columns} values {values}".encode())


def test_addresses_are_told_apart_as_the_oracle_does(built: Built) -> None:
    with built.warehouse.connect() as connection:
        for channel, addresses in (("email", EMAILS), ("sms", PHONES)):
            for address in addresses:
                found = connection.execute(
                    "select ops.contact_address(%s, %s)", [channel, address]
                ).fetchone()
                assert found == (lists.contact(channel, address),), address


def test_whoever_reads_the_marts_does_not_read_the_lists(built: Built) -> None:
    with built.warehouse.connect() as connection:
        connection.execute("create role bi_in_test")
        connection.execute("create role marketer_in_test")
        for role, schema in (("bi_in_test", "marts"), ("marketer_in_test", "marketing")):
            connection.execute(f"grant usage on schema {schema} to {role}".encode())
            grant = f"grant select on all tables in schema {schema} to {role}"
            connection.execute(grant.encode())
        query = "select count(*) from marketing.segment_contacts"
        connection.execute("set local role marketer_in_test")
        found = connection.execute(query).fetchone()
        assert found == (len(built.rows("marketing", "segment_contacts")),)
        connection.execute("set local role bi_in_test")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(query)
        connection.rollback()


def test_a_rate_has_six_places_and_halves_go_up() -> None:
    assert lists.rounded(1, 3, "0.000001") == Decimal("0.333333")
    assert lists.rounded(-1, 8, "0.01") == Decimal("-0.13")
