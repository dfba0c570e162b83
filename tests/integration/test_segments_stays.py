"""How memberships come, go and stay over builds of dbt."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import PostgresServer
from dbt_in_process import Dbt
from warehouses import filled_warehouse, operational

from orchestration import sync
from orchestration.build import dbt_build_arguments, run_dbt
from orchestration.database import Database
from orchestration.segments import compile_rules, list_segments

SELECT = "+segment_stays +customer_segments +customer_segment_memberships +dim_segments"
RICH = '{"field": "points_balance", "op": "gte", "value": 500}'
YOUNG = '{"field": "birthday", "op": "after", "value": "1990-01-01"}'
EARNED = json.dumps(
    {
        "event": "points_earned",
        "aggregate": "sum",
        "of": "points",
        "op": "gte",
        "value": 100,
        "where": [{"field": "source", "op": "eq", "value": "Purchase"}],
    }
)
LAPSED = json.dumps(
    {
        "all": [
            {"segment": "Rich", "held_within_last": {"value": 1, "unit": "day"}},
            {"not": {"segment": "Rich"}},
        ]
    }
)
BROKEN = '{"field": "points", "op": "gte", "value": 500}'

BEFORE = datetime(2024, 6, 1, tzinfo=UTC)
BIRTHDAY = datetime(2000, 5, 17, tzinfo=UTC)
TABLES: dict[str, list[dict[str, Any]]] = {
    "shops": [
        {"id": 1, "shop_domain": "one.example"},
        {"id": 2, "shop_domain": "two.example"},
    ],
    "customer_loyalty_profiles": [
        {
            "id": id_,
            "shop_id": shop,
            "shopify_customer_id": str(id_),
            "points_balance": points,
            "lifetime_spent": 10 * id_,
            "birthday": BIRTHDAY,
            "email": "someone@mail.example",
            "email_opt_in": True,
        }
        for id_, shop, points in (
            *((1, 1, 600), (2, 1, 100), (3, 1, 700), (4, 1, 50), (5, 2, 999), (6, 1, 0)),
        )
    ],
    "customer_segments": [
        {"id": 1, "shop_id": 1, "name": "Rich", "criteria": RICH},
        {"id": 2, "shop_id": 1, "name": "Broken", "criteria": BROKEN},
        {"id": 3, "shop_id": 1, "name": "By hand", "criteria": "{}", "auto_update": False},
        {"id": 4, "shop_id": 1, "name": "Young", "criteria": YOUNG},
        {"id": 5, "shop_id": 1, "name": "Resting", "criteria": RICH, "is_active": False},
        {"id": 6, "shop_id": 1, "name": "Of a broken one", "criteria": '{"segment": "Broken"}'},
        {"id": 7, "shop_id": 1, "name": "Earned", "criteria": EARNED},
        {"id": 8, "shop_id": 1, "name": "Lapsed", "criteria": LAPSED},
    ],
    "point_transactions": [
        {
            "id": id_,
            "customer_id": customer,
            "transaction_type": kind,
            "source": source,
            "points_amount": points,
            "points_balance_after": 0,
            "created_at": BEFORE,
        }
        for id_, customer, kind, source, points in (
            (1, 2, "earned", "purchase", 90),
            (2, 2, "bonus", "purchase", 60),
            (3, 2, "bonus", "manual", 500),
            (4, 1, "earned", "purchase", 99),
            (5, 5, "earned", "purchase", 999),
        )
    ],
    "customer_segment_memberships": [
        {"id": id_, "segment_id": segment, "customer_id": customer, "added_at": BEFORE}
        for id_, segment, customer in (
            *((1, 1, 3), (2, 1, 4), (3, 2, 2), (4, 3, 4), (5, 5, 2)),
            (6, 3, 5),  # of another shop
            (7, 5, 6),
        )
    ],
}

STAYS = "select segment_id, customer_id, added_at, removed_at from {}.segment_stays"


@dataclass
class Story:
    """A warehouse that is built again after each change of the application."""

    source: Database
    warehouse: Database
    dbt: Dbt
    as_of: list[datetime] = field(default_factory=list)
    stays: list[set[tuple[Any, ...]]] = field(default_factory=list)
    versions: list[list[tuple[Any, ...]]] = field(default_factory=list)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.warehouse.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def build(self, *changes: str) -> None:
        with self.source.connect(autocommit=True) as connection:
            for change in changes:
                connection.execute(change.encode())
        self.as_of.append(sync.sync(self.source, "public", self.warehouse).snapshot_at)
        compile_rules(self.warehouse)
        assert self.dbt.build(self.warehouse, select=SELECT, data_tests=True) == []
        self.stays.append(set(self.rows(STAYS.format("ops"))))
        self.versions.append(
            self.rows("select xmin::text, ctid::text from ops.segment_stays")
            + self.rows("select xmin::text, ctid::text from marts.customer_segments")
            + self.rows("select xmin::text, ctid::text from marts.dim_segments")
        )


@pytest.fixture(scope="module")
def story(server: PostgresServer, dbt: Dbt) -> Story:
    source_url, warehouse_url = (server.url(server.create_database()) for _ in range(2))
    warehouse = filled_warehouse(source_url, warehouse_url, TABLES)
    story = Story(operational(source_url), warehouse, dbt)
    story.build()
    story.build()
    story.build(
        "update customer_loyalty_profiles set points_balance = 100 where id = 1",
        "update customer_loyalty_profiles set points_balance = 900 where id = 2",
        "delete from customer_loyalty_profiles where id = 4",
        f"update customer_segments set criteria = '{BROKEN}' where id = 4",
    )
    story.build(
        "update customer_loyalty_profiles set points_balance = 800 where id = 1",
        "update customer_loyalty_profiles set shop_id = 2 where id = 6",
    )
    return story


def test_members_enter_at_as_of_or_when_the_application_added_them(story: Story) -> None:
    assert {(1, 1, story.as_of[0], None), (1, 3, BEFORE, None)} <= story.stays[0]


def test_a_member_of_the_application_whom_the_rule_does_not_select_leaves(story: Story) -> None:
    assert (1, 4, BEFORE, story.as_of[0]) in story.stays[0]


def test_invalid_and_inactive_segments_keep_the_members_of_the_application(story: Story) -> None:
    assert {(2, 2, BEFORE, None), (5, 2, BEFORE, None)} <= story.stays[0]


def test_a_manual_segment_holds_the_applications_own_members_of_its_shop(story: Story) -> None:
    assert {stay for stay in story.stays[0] if stay[0] == 3} == {(3, 4, BEFORE, None)}


def test_a_build_that_changes_nothing_writes_nothing(story: Story) -> None:
    assert story.versions[1] == story.versions[0]


def test_whom_the_rule_no_longer_selects_leaves_at_as_of(story: Story) -> None:
    assert (1, 1, story.as_of[0], story.as_of[2]) in story.stays[2]


def test_whoever_comes_back_opens_a_new_stay(story: Story) -> None:
    assert {stay for stay in story.stays[3] if stay[:2] == (1, 1)} == {
        (1, 1, story.as_of[0], story.as_of[2]),
        (1, 1, story.as_of[3], None),
    }


def test_a_customer_whom_the_source_deleted_leaves_every_segment(story: Story) -> None:
    assert {stay for stay in story.stays[2] if stay[1] == 4} == {
        (1, 4, BEFORE, story.as_of[0]),
        (3, 4, BEFORE, story.as_of[2]),
        (4, 4, story.as_of[0], story.as_of[2]),
        (8, 4, story.as_of[0], story.as_of[2]),
    }


def test_a_customer_whom_another_shop_has_now_leaves_every_segment(story: Story) -> None:
    assert {stay for stay in story.stays[3] if stay[1] == 6} == {
        (4, 6, story.as_of[0], story.as_of[3]),
        (5, 6, BEFORE, story.as_of[3]),
    }


def test_a_rule_that_breaks_keeps_its_members(story: Story) -> None:
    kept = {(4, customer, story.as_of[0], None) for customer in (1, 2, 3)}
    assert kept == {stay for stay in story.stays[3] if stay[0] == 4 and stay[3] is None}


def test_reasons_are_in_words_and_data_hold_no_birthday(story: Story) -> None:
    rows = story.rows(
        "select segment_id, qualification_reason, qualification_data from ops.segment_stays "
        "where customer_id = 1 and added_at = (select min(as_of) from ops.dbt_runs) "
        "order by segment_id"
    )
    assert rows == [
        (1, "Points balance at least 500", {"points_balance": 600}),
        (4, "Birthday after 1990-01-01", {}),
    ]


def test_a_rule_on_events_says_what_it_saw_of_them(story: Story) -> None:
    rows = story.rows(
        "select customer_id, qualification_reason, qualification_data from ops.segment_stays "
        "where segment_id = 7"
    )
    assert rows == [
        (
            2,
            "Total points in point earnings (source is Purchase) at least 100",
            {"sum of points_earned.points": 150},
        )
    ]


def test_a_rule_that_reads_an_invalid_segment_goes_by_the_members_that_it_keeps(
    story: Story,
) -> None:
    assert {stay for stay in story.stays[3] if stay[0] == 6} == {(6, 2, story.as_of[0], None)}
    (said,) = story.rows(
        "select rule_status, rule_error from marts.dim_segments where segment_id=6"
    )
    error = 'segment: reads the segment "Broken", which is invalid; its last good members count'
    assert said == ("stale", error)


def test_who_left_a_segment_was_held_by_it_and_who_is_back_is_in_it(story: Story) -> None:
    assert {stay for stay in story.stays[3] if stay[:2] == (8, 1)} == {
        (8, 1, story.as_of[2], story.as_of[3])
    }


def test_sizes_and_statuses_are_listed(story: Story) -> None:
    listed = {s.name: (s.rule_status, s.customer_count) for s in list_segments(story.warehouse)}
    assert listed == {
        "Rich": ("valid", 3),
        "Broken": ("invalid", 1),
        "By hand": ("manual", 0),
        "Young": ("invalid", 3),
        "Resting": ("inactive", 1),
        "Of a broken one": ("stale", 1),
        "Earned": ("valid", 1),
        "Lapsed": ("valid", 0),
    }


def test_figures_of_the_members_are_right(story: Story) -> None:
    (figures,) = story.rows(
        "select avg_lifetime_value::text, avg_points_balance::text, points_liability::text, "
        "reachable_by_email, reachable_by_sms, last_computed_at "
        "from marts.customer_segments where segment_id = 1"
    )
    assert figures == ("20.00", "800.00", "24.00", 3, 0, story.as_of[3])


def test_the_past_is_built_beside_and_shows_the_stays_of_then(story: Story, tmp_path: Path) -> None:
    as_of = story.as_of[1].isoformat()
    arguments = dbt_build_arguments(as_of=as_of, past=True, select=SELECT)
    result = run_dbt(story.warehouse, arguments, target_dir=tmp_path, quiet=True)
    assert result.failures == []
    assert set(story.rows(STAYS.format("ops_asof"))) == story.stays[0]


def test_constants_of_another_plan_stop_the_build_and_never_meet_a_wrong_predicate(
    story: Story,
) -> None:
    with story.warehouse.connect(autocommit=True) as connection:
        connection.execute(
            "update raw.customer_segments set criteria = %s where id = 1",
            ['{"field": "points_balance", "op": "lt", "value": 500}'],
        )
    compile_rules(story.warehouse)
    failures = story.dbt.build(story.warehouse, select="int_segment_matches", data_tests=True)
    assert "int_segment_parameters" in " ".join(failures)
