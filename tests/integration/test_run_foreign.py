"""`loyalty run` on PostgreSQL 15 and an application's database that knows nothing of this project.

The tests are chapters of one story and share its databases: a run that writes nothing back, one
that is interrupted, one that activates, one that finds nothing to do, and one that looks back.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import PostgresServer
from deployment import Deployment, Finished, locked, wait_for_lock, wait_until_gone

from orchestration.settings import PROJECT_DIR


@dataclass(frozen=True)
class Story:
    """The deployment, and how its first run ended."""

    deployment: Deployment
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    first: Finished

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.first.out)
        return document


@pytest.fixture(scope="module")
def story(
    servers: Mapping[int, PostgresServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    if 15 not in servers:
        pytest.skip("PostgreSQL 15 is not installed here")
    made = Deployment(servers[15], servers[15], tmp_path_factory.mktemp("home"))
    before = made.state_of_source()
    first = made.loyalty("run", "--no-activate", "--json")
    yield Story(made, before, made.state_of_source(), first)
    made.drop()


def test_a_run_that_may_only_read_succeeds_and_prints_one_json_document(story: Story) -> None:
    assert story.first.code == 0, story.first.said
    assert "Traceback" not in story.first.said
    assert story.document["success"] is True
    assert story.document["failed_checks"] == []
    assert story.document["built"] > 40
    assert {row["table_name"] for row in story.document["summary"]["synced"]} >= {"shops"}


def test_it_leaves_nothing_in_the_application(story: Story) -> None:
    assert story.after == story.before


def test_no_secret_reaches_the_warehouse(story: Story) -> None:
    columns = story.deployment.rows(
        "select attrelid::regclass::text || '.' || attname from pg_attribute "
        "where attname ~ 'token|secret|password' and attnum > 0 and not attisdropped "
        "and attrelid::regclass::text !~ '^pg_|^information_schema|^(ops\\.)?pg_'"
    )
    assert columns == []


def test_points_outstanding_are_the_sums_of_the_shops_transactions(story: Story) -> None:
    expected = story.deployment.source_rows(
        """
        select p.shop_id, sum(t.points_amount)::bigint
        from point_transactions t join customer_loyalty_profiles p on p.id = t.customer_id
        where (t.created_at is null or not isfinite(t.created_at) or t.created_at <= now())
        group by p.shop_id order by p.shop_id
        """
    )
    assert expected == [(1, 2000000900), (2, 75)]
    assert expected == story.deployment.rows(
        "select shop_id, sum(points_amount)::bigint from marts.fct_point_ledger "
        "group by shop_id order by shop_id"
    )
    assert expected == story.deployment.rows(
        "select distinct on (shop_id) shop_id, closing_points from marts.loyalty_analytics "
        "where period_type = 'daily' order by shop_id, date desc"
    )
    shown = {row["shop"]: row["points_outstanding"] for row in story.document["summary"]["shops"]}
    assert shown["aurora-coffee.myshopify.com"] == 2000000900


def test_customers_are_those_who_have_enrolled_by_now(story: Story) -> None:
    expected = story.deployment.source_rows(
        """
        select shop_id, count(*) from customer_loyalty_profiles
        where created_at is null or not isfinite(created_at) or created_at <= now()
        group by shop_id order by shop_id
        """
    )
    assert expected == [(1, 8), (2, 3)]
    assert expected == story.deployment.rows(
        "select shop_id, count(*) from marts.dim_customers group by shop_id order by shop_id"
    )
    assert expected == story.deployment.rows(
        "select distinct on (shop_id) shop_id, total_customers::bigint "
        "from marts.loyalty_analytics where period_type = 'monthly' order by shop_id, date desc"
    )


def test_a_months_flows_are_the_sums_over_its_transactions(story: Story) -> None:
    expected = story.deployment.source_rows(
        """
        select p.shop_id, to_char(date_trunc('month', t.created_at, 'UTC'), 'YYYY-MM-DD'),
            coalesce(sum(points_amount) filter (where transaction_type in ('earned', 'bonus')), 0),
            coalesce(-sum(points_amount) filter (where transaction_type = 'redeemed'), 0),
            coalesce(-sum(points_amount) filter (where transaction_type = 'expired'), 0)
        from point_transactions t join customer_loyalty_profiles p on p.id = t.customer_id
        where isfinite(t.created_at) and t.created_at between '2000-01-01' and now()
        group by 1, 2 order by 1, 2
        """
    )
    assert len(expected) >= 10
    assert expected == story.deployment.rows(
        """
        select shop_id, date::text, points_earned::bigint, points_redeemed::bigint,
            points_expired::bigint
        from marts.loyalty_analytics
        where period_type = 'monthly'
            and (shop_id, date) in (
                select shop_id, date_trunc('month', date)::date from marts.fct_points_daily
                where opening_points <> closing_points
                    or earned + bonus + redeemed + expired + adjusted + refunded + other <> 0
            )
        order by 1, 2
        """
    )


def test_revenue_is_that_of_the_orders_worked_out_by_hand(story: Story) -> None:
    # Shop 1: 400 / 2.00; 84 / (2.00 * 1.50 gold * 2.00 campaign) less 20 of 84; 50 / (2.00 * 1.50);
    # A-1003 and A-2001 as the referrals recorded them. Shop 2: 1 point a dollar; B-2 as recorded.
    assert story.deployment.rows(
        "select shop_id, order_id, amount, amount_basis from marts.fct_orders order by 1, 2"
    ) == [
        (1, "A-1001", Decimal("200.00"), "implied"),
        (1, "A-1002", Decimal("10.67"), "implied"),
        (1, "A-1003", Decimal("200.00"), "recorded"),
        (1, "A-1004", Decimal("16.67"), "implied"),
        (1, "A-2001", Decimal("80.00"), "recorded"),
        (2, "A-1001", Decimal("100.00"), "implied"),
        (2, "B-1", Decimal("100.00"), "implied"),
        (2, "B-2", Decimal("0.01"), "recorded"),
    ]
    assert story.deployment.rows(
        "select shop_id, sum(total_revenue), sum(referrals_count)::bigint, "
        "sum(redemptions_count)::bigint from marts.loyalty_analytics "
        "where period_type = 'monthly' group by shop_id order by shop_id"
    ) == [(1, Decimal("507.34"), 1, 1), (2, Decimal("200.01"), 0, 1)]


def test_rules_that_cannot_be_used_say_why_and_stop_no_other(story: Story) -> None:
    rows = story.deployment.rows(
        "select name, rule_status, rule_error, customer_count::bigint from marts.customer_segments "
        "where shop_id = 1"
    )
    status = {name: said for name, said, _, _ in rows}
    error = {name: said or "" for name, _, said, _ in rows}
    size = {name: count for name, _, _, count in rows}
    broken = {
        "No such field": "no_such_field",
        "A list, no object": "a list is not a condition",
        "JSON null": "null is not a condition",
        "Text for a number": '"100" is not a number',
        "Empty group": "empty",
        "NUL": "NUL",
        "Lone surrogate": "surrogate",
        "Doubled key": '"value" is there twice',
        "Huge": "too large",
    }
    assert {name: status[name] for name in broken} == dict.fromkeys(broken, "invalid")
    for name, word in broken.items():
        assert word in error[name]
    assert [status[name] for name in ("Hand-picked", "Retired")] == ["manual", "inactive"]
    expected = story.deployment.source_rows(
        """
        select count(*) filter (where lifetime_spent >= 500),
            count(*) filter (
                where (email_opt_in or sms_opt_in) and birthday is null
                    and coalesce(t.name not in ('Gold', 'Founders'), true)
            ),
            count(*) filter (where points_balance > 0)
        from customer_loyalty_profiles p left join tier_definitions t on t.id = p.current_tier_id
        where p.shop_id = 1
            and (p.created_at is null or p.created_at <= now() or not isfinite(p.created_at))
        """
    )
    assert status["Big spenders"] == status["Reachable, not gold"] == "valid"
    # 105's birthday is infinite, which counts as not known.
    big, reachable, with_points = expected[0]
    assert (size["Big spenders"], size["Reachable, not gold"]) == (big, reachable + 1)
    assert size["Flags unknown"] == with_points


def test_ctrl_c_while_dbt_builds_ends_the_run_and_dbt_and_is_recorded(story: Story) -> None:
    own = story.deployment
    target = own.target.url(own.warehouse)
    with locked(target, "marts.dim_shops"), own.started("run", "--no-activate") as process:
        wait_for_lock(target, "loyalty-dbt")
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()
        wait_until_gone(target, "loyalty-dbt")
    assert process.returncode == 130, out + err
    assert "✓ Mirroring the application's tables" in err
    assert "Stopped. What was under way is undone" in err
    assert "Traceback" not in out + err
    assert own.rows("select count(*) from marts.dim_shops") == [(3,)]


def test_with_the_printed_grants_a_run_writes_back_what_is_right_and_then_nothing(
    story: Story,
) -> None:
    own = story.deployment
    grants = own.loyalty("operational", "grants", "--role", own.writer)
    assert grants.code == 0
    own.on_source(grants.out)

    written = own.loyalty("run", "--json", **own.as_writer())
    assert written.code == 0, written.said
    active = own.source_rows(
        "select segment_id, array_agg(customer_id order by customer_id) "
        "from customer_segment_memberships where is_active group by segment_id order by segment_id"
    )
    members = dict(active)
    assert members[1] == [101, 109]  # 103 and 105 left, 109 came back
    assert members[2] == [102, 105, 107]
    assert members[3] == [101]  # broken: as it was
    assert members[9] == [102, 107]  # the staff's own
    assert members[11] == [101, 102, 103, 106, 109]
    assert members[21] == [202, 203]  # and not the customer of another shop
    assert own.source_rows(
        "select added_at is not null, removed_at from "
        "customer_segment_memberships where segment_id = 1 and customer_id = 109"
    ) == [(True, None)]
    counters = (
        "select id, customer_count, avg_lifetime_value, avg_points_balance from customer_segments "
        "where id in (1, 3, 9, 21) order by id"
    )
    assert own.source_rows(counters) == [
        (1, 2, Decimal("5000000260.25"), 1000000270),
        (3, 1, Decimal("1.00"), 1),
        (9, 2, Decimal("0.00"), 0),
        (21, 2, Decimal("7.50"), 10),
    ]
    assert own.source_rows(
        "select points_earned, points_redeemed, total_revenue from loyalty_analytics "
        "where shop_id = 1 and period_type = 'monthly' and date = '2024-03-01 00:00+00'"
    ) == [(84, 200, Decimal("10.67"))]
    assert own.source_rows("select count(*) from loyalty_analytics where period_type = 'quarterly'")

    settled = own.state_of_source()
    again = own.loyalty("run", "--json", **own.as_writer())
    assert again.code == 0, again.said
    assert own.state_of_source() == settled


def test_a_run_that_looks_back_builds_beside_the_marts_and_writes_nothing_back(
    story: Story,
) -> None:
    own = story.deployment
    settled = own.state_of_source()
    newest = "select max(date)::text from marts.loyalty_analytics"
    shown = own.rows(newest)
    past = own.loyalty("run", "--as-of", "2024-06-30", **own.as_writer())
    assert past.code == 0, past.said
    assert "<name>_asof" in past.err
    assert "nothing is written back" in past.err
    assert own.rows(newest) == shown
    assert own.rows("select max(date)::text from marts_asof.loyalty_analytics") == [("2024-06-30",)]
    assert own.state_of_source() == settled


def test_a_selection_is_built_and_dbt_works_by_hand(story: Story) -> None:
    own = story.deployment
    selected = own.loyalty("build", "--select", "+fct_orders", "--json")
    assert selected.code == 0, selected.said
    assert json.loads(selected.out)["failures"] == []
    folder = Path(sys.executable).parent
    by_hand = subprocess.run(
        ["bash", "-ec", 'eval "$(loyalty env)"; dbt build --select +dim_shops'],
        cwd=PROJECT_DIR,
        env=own.environment(
            PATH=f"{folder}:{os.environ['PATH']}",
            DBT_TARGET_PATH=str(own.home / "by-hand"),
            DBT_LOG_PATH=str(own.home / "by-hand"),
        ),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert by_hand.returncode == 0, by_hand.stdout
    assert "Completed successfully" in by_hand.stdout
