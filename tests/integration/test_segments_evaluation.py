"""What the commands say of rules against what a build made of them, on one built warehouse."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import PostgresServer
from dbt_in_process import Dbt
from pyarrow import parquet
from segment_shops import BOUGHT, GOOD, NOW, ONE, RICH, TWO, field, tables
from warehouses import filled_warehouse

from orchestration.cli._frame import guarded
from orchestration.cli.app import app
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
def warehouse(server: PostgresServer, dbt: Dbt) -> Iterator[Database]:
    names = [server.create_database() for _ in range(2)]
    target = filled_warehouse(server.url(names[0]), server.url(names[1]), tables())
    compile_rules(target)
    (as_of,) = rows(target, "select max(snapshot_at) from ops.sync_runs")[0]
    assert dbt.build(target, as_of.isoformat()) == []
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
            assert re.search(r"shop_id = \(?1\b", definition), name
        for model in MODELS:
            of_others = f"select from pg_temp.{model} where shop_id != 1"
            assert evaluation.rows(of_others) == []
        assert re.search(r"customer_id = \(?105\b", definitions["int_event_order_placed"])


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


Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def loyalty(
    warehouse: Database, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Said:
    """Runs `loyalty segments …` on the built warehouse; gives exit code, output and errors."""
    monkeypatch.setenv("LOYALTY_WAREHOUSE_URL", warehouse.url)
    monkeypatch.setenv("LOYALTY_OPERATIONAL_URL", warehouse.url)

    # This process keeps its own way to be stopped.
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = guarded(lambda: app(["segments", *map(str, arguments)]))
        sys.stdout.flush()
        return (code, *capfd.readouterr())

    return run


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "rule.json"
    path.write_text(json.dumps(RICH))
    return path


def test_preview_is_for_people_and_for_machines(loyalty: Said, rule: Path) -> None:
    code, said, _ = loyalty("preview", "--shop", ONE, "--criteria", rule)
    assert code == 0
    assert "reachable by e-mail" in said
    code, said, _ = loyalty("preview", "--shop", ONE, "--criteria", rule, "--json")
    found = json.loads(said)
    assert (code, found["rule_in_words"]) == (0, "Points balance at least 500")
    assert found["as_of"].endswith("Z")
    assert len(found["sample"]) == 10


def test_a_backtest_is_said_to_be_one(loyalty: Said, rule: Path) -> None:
    then = (NOW - timedelta(days=30)).date().isoformat()
    code, said, _ = loyalty("preview", "--shop", ONE, "--criteria", rule, "--as-of", then)
    assert code == 0
    assert "A backtest" in said
    later = (NOW + timedelta(days=2)).date().isoformat()
    code, said, error = loyalty("preview", "--shop", ONE, "--criteria", rule, "--as-of", later)
    assert (code, said) == (1, "")
    assert "loyalty run" in error


def test_explain_draws_the_rule_as_a_tree(loyalty: Said) -> None:
    arguments = ("explain", "--segment", "Nested", "--shop", ONE, "--customer", "profile:100")
    code, said, _ = loyalty(*arguments)
    assert code == 0
    assert "all of these" in said
    assert "\N{CHECK MARK}" in said or "\N{BALLOT X}" in said
    found = json.loads(loyalty(*arguments, "--json")[1])
    assert found["verdict"]["kind"] == "all"
    assert found["verdict"]["parts"][0]["path"] == "all[0]"


def test_diff_lists_all_who_move_for_machines(loyalty: Said, rule: Path) -> None:
    arguments = ("diff", "--segment", "Picked", "--shop", ONE, "--criteria", rule)
    code, said, _ = loyalty(*arguments)
    assert code == 0
    assert "would enter: " in said
    found = json.loads(loyalty(*arguments, "--json")[1])
    assert len(found["enters"]) == found["entering"] > 10
    assert len(found["leaves"]) == found["leaving"]


def test_export_writes_the_list_and_nothing_else_to_standard_output(loyalty: Said) -> None:
    code, said, error = loyalty("export", "--segment", "Quiet", "--shop", ONE, "--channel", "email")
    lines = list(csv.DictReader(io.StringIO(said.removeprefix("\ufeff"), newline="")))
    assert code == 0
    assert f"{len(lines)} e-mail addresses of Quiet" in error
    assert not any(line["email"] in error for line in lines)
    assert {line["first_name"] for line in lines} <= {"Zo\u00eb", "'=1+1", "", "Ann"}


def test_export_says_to_machines_what_it_wrote(loyalty: Said, tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    code, said, _ = loyalty(
        *("export", "--segment", "1", "--format", "parquet", "--out", path, "--json")
    )
    assert code == 0
    assert json.loads(said)["rows"] == parquet.read_table(path).num_rows > 10
    assert loyalty("export", "--segment", "1", "--json")[0] == 2


def test_a_rule_that_cannot_be_used_is_an_error_with_its_place(loyalty: Said, rule: Path) -> None:
    rule.write_text(json.dumps({"all": [RICH, field("points_balanc", "gte", 1)]}))
    for command in (("preview", "--shop", ONE), ("diff", "--segment", "1")):
        code, said, error = loyalty(*command, "--criteria", rule)
        assert (code, said) == (1, "")
        assert 'all[1].field: unknown field "points_balanc"; did you mean points_balance?' in error


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe{", "not UTF-8"),
        (b"{", "not JSON"),
        (b" " * 70_000, "larger than 64 KB"),
        ("\u00e9".encode() * 65_536, "larger than 64 KB"),
        (None, "No such file"),
    ],
    ids=["not UTF-8", "not JSON", "large", "cut in a character", "not there"],
)
def test_a_file_that_is_no_rule_says_so(
    loyalty: Said, rule: Path, content: bytes | None, said: str
) -> None:
    rule.unlink()
    if content is not None:
        rule.write_bytes(content)
    code, _, error = loyalty("preview", "--shop", ONE, "--criteria", rule)
    assert code == 1
    assert said in error
    assert "Traceback" not in error


def test_a_mark_before_the_rule_is_no_error(loyalty: Said, rule: Path) -> None:
    rule.write_bytes(b"\xef\xbb\xbf" + rule.read_bytes())
    assert loyalty("preview", "--shop", ONE, "--criteria", rule)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("preview",),
        ("preview", "--shop", ONE),
        ("explain", "--segment", "1"),
        ("diff", "--criteria", "rule.json"),
        ("export",),
        ("export", "--segment", "1", "--channel", "pigeon"),
        ("export", "--segment", "1", "--format", "xlsx"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_two(loyalty: Said, arguments: tuple[str, ...]) -> None:
    assert loyalty(*arguments)[0] == 2


def test_fields_and_schema_are_printed(loyalty: Said) -> None:
    code, said, _ = loyalty("fields", "--json")
    found = json.loads(said)
    assert code == 0
    assert {"fields", "events"} == set(found)
    assert loyalty("fields")[1].count("\n") > 50
    assert json.loads(loyalty("schema")[1])["title"] == "Segment rule"
