"""What the commands say of rules against what a build made of them, on one built warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import PostgresServer
from dbt_in_process import Dbt
from segment_shops import BOUGHT, GOOD, NOW, ONE, RICH, TWO, field, tables
from warehouses import filled_warehouse

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.segments import (
    Channel,
    Explanation,
    Format,
    Preview,
    Verdict,
    assess_all,
    compile_rules,
    difference,
    explain,
    export,
    load_catalogue,
    preview,
    read_rules,
)
from orchestration.segments.draft import assess_draft
from orchestration.segments.evaluation import MODELS, evaluate, snapshot
from orchestration.segments.finding import find_shop

CATALOGUE = load_catalogue()


@pytest.fixture(scope="module")
def warehouse(
    server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    names = [server.create_database() for _ in range(2)]
    target = filled_warehouse(server.url(names[0]), server.url(names[1]), tables())
    compile_rules(target)
    (as_of,) = rows(target, "select max(snapshot_at) from ops.sync_runs")[0]
    assert Dbt(tmp_path_factory.mktemp("dbt")).build(target, as_of.isoformat()) == []
    yield target
    for name in names:
        server.drop_database(name)


def rows(target: Database, query: str, *given: Any) -> list[tuple[Any, ...]]:
    with target.connect() as connection:
        return connection.execute(query.encode(), given or None).fetchall()


def members(target: Database, segment_id: int) -> set[int]:
    built = "select customer_id from intermediate.int_segment_members where segment_id = %s"
    return {customer for (customer,) in rows(target, built, segment_id)}


def shop_customers(target: Database, shop: int) -> set[int]:
    built = "select customer_id from intermediate.int_customer_features where shop_id = %s"
    return {customer for (customer,) in rows(target, built, shop)}


def look(target: Database, rule: Any, shop: str = ONE, **given: Any) -> Preview:
    return preview(target, shop, json.dumps(rule), **given)


def selected(target: Database, rule: Any, as_of: datetime | None = None) -> set[int]:
    """Everybody of shop one whom a rule selects: of an empty segment, all of them would enter."""
    with snapshot(target) as connection:
        shop = find_shop(connection, ONE)
        draft = assess_draft(connection, shop, json.dumps(rule), CATALOGUE)
        evaluation = evaluate(connection, shop, [draft], CATALOGUE, as_of=as_of)
        found = evaluation.rows("select customer_id from pg_temp.int_segment_matches")
        return {row["customer_id"] for row in found}


@pytest.mark.parametrize("shop", [1, 2])
def test_an_evaluation_selects_whom_the_build_selected(warehouse: Database, shop: int) -> None:
    with snapshot(warehouse) as connection:
        results = assess_all(read_rules(connection, shop), CATALOGUE)
        compiled = [result for result in results if result.compiled]
        evaluation = evaluate(
            connection, find_shop(connection, ONE if shop == 1 else TWO), compiled, CATALOGUE
        )
        found = evaluation.rows("select segment_id, customer_id from pg_temp.int_segment_matches")
    assert len(compiled) >= len(GOOD)
    for result in compiled:
        segment = result.rule.segment_id
        evaluated = {row["customer_id"] for row in found if row["segment_id"] == segment}
        assert evaluated == members(warehouse, segment), result.rule.name
    assert sum(bool(members(warehouse, r.rule.segment_id)) for r in compiled) > 10


def test_an_evaluation_leaves_nothing_behind(warehouse: Database) -> None:
    state = (
        "select (select count(*) from pg_class), (select sum(rules) from ops.segment_plan),"
        " (select count(*) from ops.segment_stays)"
    )
    before = rows(warehouse, state)
    look(warehouse, RICH)
    explain(warehouse, "Rich", "profile:100", shop_domain=ONE)
    with difference(warehouse, "1", "{}") as opened:
        list(opened.customers("leaves"))
    assert rows(warehouse, state) == before


def test_an_evaluation_reads_the_rows_of_its_shop_and_customer_only(warehouse: Database) -> None:
    with snapshot(warehouse) as connection:
        shop = find_shop(connection, ONE)
        draft = assess_draft(connection, shop, json.dumps(BOUGHT), CATALOGUE)
        evaluation = evaluate(connection, shop, [draft], CATALOGUE, customer_id=105)
        views = evaluation.rows(
            "select viewname, definition from pg_views where schemaname like 'pg_temp%%'"
        )
        definitions = {view["viewname"]: view["definition"] for view in views}
        assert {"int_customer_features", "int_event_order_placed"} <= set(definitions)
        for name, definition in definitions.items():
            assert "(shop_id = (1)::bigint)" in definition or "(shop_id = 1)" in definition, name
        for model in MODELS:
            of_others = f"select from pg_temp.{model} where shop_id != 1"
            assert evaluation.rows(of_others) == []
        assert "customer_id = 105" in definitions["int_event_order_placed"]


def test_a_preview_says_who_how_many_and_how_to_reach_them(warehouse: Database) -> None:
    found = look(warehouse, RICH)
    built = members(warehouse, 1)
    reach = rows(
        warehouse,
        "select count(*) filter (where is_reachable_by_email),"
        " count(*) filter (where is_reachable_by_sms)"
        " from intermediate.int_customer_features where customer_id = any(%s)",
        list(built),
    )
    assert found.customers == len(built) > 10
    assert found.shop_customers == len(shop_customers(warehouse, 1))
    assert found.share == round(len(built) / found.shop_customers, 4)
    assert [(found.reachable_by_email, found.reachable_by_sms)] == reach
    assert found.rule_in_words == "Points balance at least 500"
    assert not found.is_backtest


def test_a_preview_compares_with_every_segment_of_the_shop(warehouse: Database) -> None:
    overlaps = {overlap.name: overlap for overlap in look(warehouse, RICH).overlaps}
    assert overlaps["Rich"].share_of_rule == overlaps["Rich"].share_of_segment == 1
    picked = overlaps["Picked"]
    both = members(warehouse, 1) & members(warehouse, 51)
    assert (picked.customers, picked.in_common) == (5, len(both))
    assert overlaps["Nobody"].share_of_segment is None
    assert "Only of two" not in overlaps


def test_a_preview_shows_some_customers_the_same_every_time(warehouse: Database) -> None:
    rule = {"all": [field("birthday", "is_set"), BOUGHT]}
    sample = look(warehouse, rule).sample
    assert sample == look(warehouse, rule).sample
    assert 0 < len(sample) <= 10
    for customer in sample:
        assert set(customer.values) == {"count of order_placed"}  # never a birthday
        assert customer.values["count of order_placed"] >= 2


def test_a_rule_of_nobody_is_previewed_as_well(warehouse: Database) -> None:
    found = look(warehouse, {})
    assert (found.customers, found.share, found.sample) == (0, 0.0, ())


def test_a_backtest_knows_nothing_later_than_its_instant(warehouse: Database) -> None:
    then = NOW - timedelta(days=60)
    orders = rows(
        warehouse,
        "select customer_id from marts.fct_orders where shop_id = 1"
        " and coalesce(ordered_at <= %s, true) group by customer_id having count(*) >= 2",
        then,
    )
    there = "select customer_id from intermediate.int_customer_features where shop_id = 1 and {}"
    enrolled = {
        row[0] for row in rows(warehouse, there.format("coalesce(created_at <= %s, true)"), then)
    }
    assert selected(warehouse, BOUGHT, then) == {row[0] for row in orders} & enrolled
    assert selected(warehouse, BOUGHT, then) < selected(warehouse, BOUGHT)
    assert selected(warehouse, {"not": {"not": field("points_balance", "is_set")}}, then) < enrolled
    # An order that came later hides the one before it; the end of a tier was known all along.
    known = {row[0] for row in rows(warehouse, there.format("last_order_at <= %s"), then)}
    assert selected(warehouse, field("last_order_at", "is_set"), then) == known & enrolled
    assert selected(warehouse, field("tier_expires_at", "is_set"), then) == enrolled


def test_a_backtest_is_relative_to_its_instant_and_says_what_it_cannot_know(
    warehouse: Database,
) -> None:
    then = NOW - timedelta(days=100)
    joined = rows(
        warehouse,
        "select count(*) from intermediate.int_customer_features"
        " where shop_id = 1 and created_at <= %s and created_at >= %s",
        *(then, (then - timedelta(days=30)).replace(hour=0, minute=0, second=0)),
    )
    found = look(warehouse, field("created_at", "within_last", 30, "day"), as_of=then)
    assert [(found.customers,)] == joined
    assert found.is_backtest
    assert any("no history" in note for note in found.notes)


def test_the_future_is_refused_with_a_remedy(warehouse: Database) -> None:
    with pytest.raises(LoyaltyError, match=r"later than the last build's.*\n.*loyalty run"):
        look(warehouse, RICH, as_of=NOW + timedelta(days=1))


def leaves(verdict: Verdict) -> Iterator[Verdict]:
    if not verdict.parts:
        yield verdict
    for part in verdict.parts:
        yield from leaves(part)


@pytest.mark.parametrize("name", [*GOOD, "Picked", "Broken", "Resting"])
def test_an_explanation_agrees_with_the_build(warehouse: Database, name: str) -> None:
    (segment_id,) = rows(
        warehouse, "select segment_id from marts.dim_segments where shop_id = 1 and name = %s", name
    )[0]
    for customer in (100, 107, 113, 139):
        found = explain(warehouse, name, f"profile:{customer}", shop_domain=ONE)
        if name in GOOD:
            assert found.is_selected == (customer in members(warehouse, segment_id))
            assert found.is_member == found.is_selected
            assert_consistent(found)
        else:
            assert (found.is_selected, found.verdict) == (None, None)
            assert found.notes
        assert bool([stay for stay in found.stays if stay.removed_at is None]) == found.is_member


def assert_consistent(found: Explanation) -> None:
    """Whoever is not selected has a nearest miss of conditions that are in the rule."""
    if found.verdict is None:
        return
    paths = {leaf.path for leaf in leaves(found.verdict)}
    assert bool(found.nearest_miss) != found.verdict.holds
    assert {obstacle.path for obstacle in found.nearest_miss} <= paths
    for leaf in leaves(found.verdict):
        assert leaf.words
        assert leaf.lacking is None or not leaf.holds


def test_an_explanation_names_what_was_seen_and_what_is_lacking(warehouse: Database) -> None:
    (poor,) = rows(
        warehouse,
        "select min(customer_id) from intermediate.int_customer_features"
        " where shop_id = 1 and points_balance = 50",
    )[0]
    found = explain(warehouse, "Rich", f"profile:{poor}", shop_domain=ONE)
    assert found.verdict
    assert (found.verdict.holds, found.verdict.seen, found.verdict.lacking) == (
        False,
        50,
        "450 short",
    )
    assert [o.lacking for o in found.nearest_miss] == ["450 short"]


def test_an_explanation_shows_what_events_came_to(warehouse: Database) -> None:
    found = explain(warehouse, "Bought twice", "610101", shop_domain=ONE)
    (counted,) = rows(warehouse, "select count(*) from marts.fct_orders where customer_id = 101")[0]
    assert found.verdict
    assert (found.verdict.reads, found.verdict.seen) == ("count of order_placed", counted)


def test_the_nearest_miss_is_the_shortest_way_in(warehouse: Database) -> None:
    (customer,) = rows(
        warehouse,
        "select min(customer_id) from intermediate.int_customer_features"
        " where shop_id = 1 and points_balance < 500 and lifetime_orders = 0",
    )[0]
    rule = {
        "any": [
            {"all": [RICH, field("lifetime_orders", "gte", 9)]},
            field("lifetime_orders", "gte", 8),
        ]
    }
    with warehouse.connect(autocommit=True) as connection:
        change = "update raw.customer_segments set criteria = %s where id = 53 returning criteria"
        connection.execute(change, [json.dumps(rule)])
        try:
            found = explain(warehouse, "53", f"profile:{customer}")
        finally:
            connection.execute(change, [json.dumps(RICH)])
    assert [(o.path, o.lacking) for o in found.nearest_miss] == [("any[1]", "8 short")]
    assert any("changed since the last build" in note for note in found.notes)


def test_a_difference_is_who_would_enter_and_leave(warehouse: Database) -> None:
    rule = field("points_balance", "gte", 50)
    now, then = members(warehouse, 51), selected(warehouse, rule)
    with difference(warehouse, "Picked", json.dumps(rule), shop_domain=ONE) as opened:
        found = opened.summary
        entering = {customer.customer_id for customer in opened.customers("enters")}
        leaving = {customer.customer_id for customer in opened.customers("leaves")}
        shown = opened.sample("enters")
        assert shown == opened.sample("enters")
    assert (entering, leaving) == (then - now, now - then)
    assert (found.entering, found.leaving) == (len(entering), len(leaving))
    assert (found.customers_now, found.customers_then) == (len(now), len(then))
    assert len(shown) == 10
    assert {customer.customer_id for customer in shown} < entering
    assert leaving


def test_a_difference_with_a_segment_that_would_read_itself_is_refused(warehouse: Database) -> None:
    cycle = {"all": [{"segment": "Rich but not half"}]}
    with (
        pytest.raises(LoyaltyError, match=r"all\[0\]\.segment: a cycle"),
        difference(warehouse, "Rich", json.dumps(cycle), shop_domain=ONE),
    ):
        pass


def test_a_rule_cannot_name_the_segments_of_another_shop(warehouse: Database) -> None:
    with pytest.raises(LoyaltyError, match="has no segment called"):
        look(warehouse, {"segment": "Only of two"})


def listed(warehouse: Database, path: Path, segment: str, **given: Any) -> list[dict[str, Any]]:
    written = export(warehouse, segment, path, to=Format.JSONL, shop_domain=ONE, **given)
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert written.rows == len(found)
    return found


def test_an_export_has_all_members_but_no_addresses(warehouse: Database, tmp_path: Path) -> None:
    found = listed(warehouse, tmp_path / "list.jsonl", "Rich")
    assert {row["profile_id"] for row in found} == members(warehouse, 1)
    assert set(found[0]) == {"shopify_customer_id", "profile_id", "added_at", "reason"}


@pytest.mark.parametrize(
    ("channel", "address", "consent"),
    [(Channel.EMAIL, "email", "email_opt_in"), (Channel.SMS, "phone", "sms_opt_in")],
)
def test_an_export_by_channel_has_whom_it_may_reach(
    warehouse: Database, tmp_path: Path, channel: Channel, address: str, consent: str
) -> None:
    found = listed(warehouse, tmp_path / "list.jsonl", "Quiet", channel=channel)
    consented = rows(
        warehouse,
        f"select id, {address} from raw.customer_loyalty_profiles where {consent}"
        f" and coalesce(is_active, true) and {address} is not null and id = any(%s)",
        list(members(warehouse, 4)),
    )
    assert {(row["profile_id"], row[address]) for row in found} == set(consented)
    assert found


def test_an_export_of_kept_members_says_that_they_are_kept(
    warehouse: Database, tmp_path: Path
) -> None:
    written = export(warehouse, "Broken", tmp_path / "list.csv", shop_domain=ONE)
    assert (written.rows, written.rule_status) == (1, "invalid")


def test_an_exported_file_is_private_and_complete_or_not_there(
    warehouse: Database, tmp_path: Path
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("of yesterday")
    export(warehouse, "Rich", path, shop_domain=ONE)
    assert path.stat().st_mode & 0o777 == 0o600
    yesterday = path.read_bytes()
    with pytest.raises(LoyaltyError):
        export(warehouse, "nowhere", path, shop_domain=ONE)
    with pytest.raises(LoyaltyError, match="not a file that can be replaced"):
        export(warehouse, "Rich", tmp_path, shop_domain=ONE)
    with pytest.raises(LoyaltyError, match="no folder"):
        export(warehouse, "Rich", tmp_path / "none" / "list.csv", shop_domain=ONE)
    assert path.read_bytes() == yesterday
    assert [file.name for file in tmp_path.iterdir()] == ["list.csv"]


def problem(error: pytest.ExceptionInfo[LoyaltyError]) -> str:
    return str(error.value)


def test_an_unknown_name_is_answered_with_the_nearest(warehouse: Database) -> None:
    with pytest.raises(LoyaltyError) as error:
        look(warehouse, RICH, shop="onee.example")
    said = 'There is no shop "onee.example".\nDid you mean "one.example" or "two.example"?'
    assert problem(error) == said
    with pytest.raises(LoyaltyError) as error:
        explain(warehouse, "Ritch", "610100", shop_domain=ONE)
    assert 'There is no segment "Ritch" in one.example.\nDid you mean "Rich"' in problem(error)
    with pytest.raises(LoyaltyError) as error:
        explain(warehouse, "Rich", "105", shop_domain=ONE)
    assert problem(error).endswith("Did you mean profile:105 (Shopify id 610105)?")


def test_an_ambiguous_name_is_refused_with_the_choices(warehouse: Database) -> None:
    with pytest.raises(LoyaltyError) as error:
        explain(warehouse, "Rich", "610100")
    assert '2 segments "Rich": 1 of one.example, 100 of two.example.' in problem(error)
    with pytest.raises(LoyaltyError) as error:
        explain(warehouse, "TWINS", "610100", shop_domain=ONE)
    assert "53 of one.example, 54 of one.example" in problem(error)
    assert explain(warehouse, "twins", "610100", shop_domain=ONE).segment_id == 54
    assert explain(warehouse, "ONLY OF TWO", "610200").segment_id == 152


@pytest.mark.parametrize(
    "text", ["'; drop table raw.shops; --", "%s", "\0", "\udcff", "9" * 30, ""]
)
def test_odd_names_are_found_nowhere(warehouse: Database, text: str) -> None:
    for arguments in ((text, "610100"), ("1", text), ("1", f"profile:{text}")):
        with pytest.raises(LoyaltyError) as error:
            explain(warehouse, *arguments)
        assert len(problem(error)) < 500
    with pytest.raises(LoyaltyError, match="There is no shop"):
        look(warehouse, RICH, shop=text)


def test_a_customer_of_another_shop_is_not_there(warehouse: Database) -> None:
    with pytest.raises(LoyaltyError, match=r"one.example has no customer \"610205\""):
        explain(warehouse, "1", "610205")


def test_a_warehouse_that_was_not_built_says_what_to_do(server: PostgresServer) -> None:
    names = [server.create_database() for _ in range(2)]
    target = filled_warehouse(server.url(names[0]), server.url(names[1]), tables())
    for attempt in (
        lambda: look(target, RICH),
        lambda: explain(target, "1", "610100"),
        lambda: export(target, "1", Path("nowhere.csv")),
    ):
        with pytest.raises(LoyaltyError, match="loyalty run"):
            attempt()
    for name in names:
        server.drop_database(name)
