"""Activation beside a living application: brakes, kills, locks, lost connections, two at once."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from activation_world import (
    AS_OF,
    World,
    in_background,
    locked,
    new_world,
    shared_world,
    wait_until_blocked,
    world,
)
from cutting_proxy import Cut, through_proxy
from psycopg import sql

from orchestration.activation import (
    Applied,
    Plan,
    Verdict,
    apply,
    batches,
    judge,
    make_plan,
    pace,
    session,
    spool,
)
from orchestration.activation.privileges import READ, WRITE
from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.operational.grants import grants
from orchestration.warehouse import WriterLock, writer_lock

__all__ = ["new_world", "shared_world", "world"]

ACTIVATE = """
import sys
from orchestration.activation import activate, spool
from orchestration.database import Database
spool.BATCH_ROWS = int(sys.argv[3])
activate(
    Database("operational database", sys.argv[1], "A"), "public",
    Database("warehouse", sys.argv[2], "B"),
)
"""


DROP_UNIQUE = (
    "alter table customer_segment_memberships"
    " drop constraint customer_segment_memberships_segment_id_customer_id_key"
)
RIGHT = """
select count(*) from customer_segment_memberships
where is_active and qualification_reason = 'points over 100'
"""
COMMIT = b"COMMIT\0"
DOUBLES = """
select segment_id, customer_id from customer_segment_memberships
group by segment_id, customer_id having count(*) > 1
"""


def plan_of(world: World, folder: Path) -> Plan:
    folder.mkdir()
    return make_plan(world.operational, world.schema, world.warehouse, folder)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that a test can live with."""
    monkeypatch.setattr(session, "LOCK_TIMEOUT", "30ms")
    monkeypatch.setattr(session, "SHORT_LOCK_TIMEOUT", "30ms")
    monkeypatch.setattr(session, "WAIT_SECONDS", 0.001)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "BATCH_ROWS", 50)


def two_shops(world: World, members: int = 100) -> None:
    """A segment of 1… in shop 1 and one of 10001… in shop 2, whose last were members before."""
    for shop_id, first in ((1, 1), (2, 10_001)):
        ids = range(first, first + members)
        world.shop(shop_id)
        world.customers(shop_id, ids)
        world.segment(10 * shop_id, shop_id, count=members)
        world.stays(10 * shop_id, shop_id, ids)
        world.members(10 * shop_id, [ids[-1]], is_active=False)


def complete(world: World, members: int = 100) -> bool:
    return world.active(10) == set(range(1, 1 + members)) and world.active(20) == set(
        range(10_001, 10_001 + members)
    )


def test_a_held_segment_keeps_its_rows_and_counters_while_the_rest_goes_on(world: World) -> None:
    two_shops(world)
    world.customers(1, range(500, 900))
    world.members(10, range(500, 900))
    result = world.activate()
    held, written = result.segments
    assert (held.held, held.added, held.removed) == (500, 0, 0)
    assert held.reason == "it would lose 400 of its 400 members"
    assert written.added == 100
    assert world.active(10) == set(range(500, 900))
    assert world.rows("select customer_count from customer_segments order by id") == [
        (None,),
        (100,),
    ]
    assert world.marts.execute(
        "select segment_id, held, reason is not null from ops.activation_runs order by 1"
    ).fetchall() == [(10, 500, True), (20, 0, False)]
    assert world.marts.execute("select status from ops.activations").fetchone() == ("degraded",)

    released = world.activate(allow_large_changes=True)
    assert released.problems == []
    assert complete(world)


def test_a_dry_run_shows_the_same_plan_and_writes_nothing(world: World) -> None:
    two_shops(world)
    world.campaign(5, 1, {"target_segments": ["segment 10"]})
    world.period(1, "2026-03-08", 5)
    before = world.versions()
    planned = world.activate(dry_run=True)
    assert world.versions() == before
    assert world.marts.execute("select count(*) from ops.activations").fetchone() == (0,)
    done = world.activate()
    assert planned.segments == done.segments
    assert planned.campaigns == done.campaigns
    assert planned.analytics == done.analytics
    assert (planned.run_id, planned.rows_written) == (None, done.rows_written)


def test_two_at_once_write_every_row_once(world: World, small_batches: None) -> None:
    two_shops(world)
    with ThreadPoolExecutor(2) as pool:
        results = [f.result() for f in [pool.submit(world.activate) for _ in range(2)]]
    assert sorted(r.rows_written for r in results) == [0, 202]
    assert complete(world)


@pytest.mark.parametrize("constrained", [True, False])
def test_two_that_know_nothing_of_each_other_write_every_row_once(
    new_world: Callable[..., World],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    constrained: bool,
) -> None:
    """Both have made the same plan, and nothing but the application keeps them apart."""
    world = new_world()
    monkeypatch.setattr(spool, "BATCH_ROWS", 20)
    if not constrained:
        world.application.execute(DROP_UNIQUE)
    two_shops(world)
    world.members(10, range(50, 60))
    plans = [plan_of(world, tmp_path / str(n)) for n in range(2)]
    barrier = threading.Barrier(2)

    def carry_out(plan: Plan) -> Applied:
        with world.operational.connect(autocommit=True) as connection:
            barrier.wait()
            lock = WriterLock(connection, world.operational)
            verdict = judge(plan, allow_large_changes=True)
            return apply(world.operational, "public", world.warehouse, plan, verdict, lock)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(carry_out, plans))
    written = [sum(applied.outcome.members.rows.values()) for applied in both]
    assert sum(written) == 200
    assert complete(world)
    assert world.rows(DOUBLES) == []


def test_after_a_kill_the_next_run_finishes(world: World) -> None:
    two_shops(world)
    last = world.rows("select id from customer_segment_memberships where segment_id = 20")[0][0]
    with locked(world, "select from customer_segment_memberships where id = %s for update", last):
        process = started(world, batch_rows=50)
        wait_until_blocked(world)
        process.kill()
        process.wait()
    committed = len(world.active(10)) + len(world.active(20))
    assert 0 < committed < 200
    result = world.activate()
    assert complete(world)
    assert (result.problems, sum(s.added for s in result.segments)) == ([], 200 - committed)
    assert world.rows(DOUBLES) == []
    assert world.marts.execute("select status from ops.activations order by 1").fetchall() == [
        ("aborted",),
        ("done",),
    ]


def test_the_rest_of_a_first_write_is_not_held_as_a_large_change(world: World) -> None:
    two_shops(world, 400)
    world.members(20, [10_151], is_active=False)
    row = "select from customer_segment_memberships where customer_id = 10151 for update"
    with locked(world, row):
        process = started(world, batch_rows=150)
        wait_until_blocked(world)
        process.kill()
        process.wait()
    assert 0 < len(world.active(20)) < 151
    world.customers(2, range(20_000, 20_700))
    world.stays(20, 2, range(20_000, 20_700))
    assert "gain" in str(world.activate(dry_run=True).problems)  # that many nobody approved
    world.marts.execute("delete from marts.customer_segment_memberships where customer_id >= 20000")
    assert world.activate().problems == []
    assert complete(world, 400)
    assert world.marts.execute("select count(*) from ops.activation_approvals").fetchone() == (0,)


@pytest.mark.parametrize("constrained", [True, False])
def test_kills_at_any_instant_leave_a_part_that_the_next_run_completes(
    new_world: Callable[..., World], constrained: bool
) -> None:
    """Killed again and again, each time at another instant of the way."""
    rng = random.Random(1)
    world = new_world()
    if not constrained:
        world.application.execute(DROP_UNIQUE)
    two_shops(world, 400)
    world.members(10, range(1, 301), qualification_reason="of old")
    world.campaign(5, 1, {"target_segments": ["segment 10"]})
    world.period(1, "2026-03-08", 5)
    seen = set()
    for _ in range(8):
        kill_at_a_message(world, rng)
        seen.add(world.rows(RIGHT)[0][0])
        assert world.rows(DOUBLES) == []
    assert len(seen) > 2, seen
    result = world.activate()
    assert (result.problems, complete(world, 400)) == ([], True)
    assert world.rows("select target_customer_ids from campaigns") == [(list(range(1, 401)),)]
    assert world.rows("select count(*) from loyalty_analytics") == [(1,)]
    assert world.rows(DOUBLES) == []
    before = world.versions()
    assert world.activate().rows_written == 0
    assert world.versions() == before


def started(world: World, *, batch_rows: int, url: str | None = None) -> subprocess.Popen[bytes]:
    """An activation in a process of its own."""
    databases = (url or world.operational.url, world.warehouse.url)
    return subprocess.Popen([sys.executable, "-c", ACTIVATE, *databases, str(batch_rows)])


def kill_at_a_message(world: World, rng: random.Random) -> None:
    """Starts an activation and kills it when it sends one of its first 150 messages."""
    messages = itertools.count(1)
    last, arrives = rng.randrange(1, 150), rng.choice((Cut.PASS, Cut.LOSE_IT))
    ready = threading.Event()

    def judge_block(_: bytes) -> Cut:
        if next(messages) < last:
            return Cut.PASS
        ready.wait()
        process.kill()
        return arrives

    with through_proxy(world.operational.url, judge_block) as (url, _):
        process = started(world, batch_rows=20, url=url)
        ready.set()
        process.wait()
    world.rows(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        " where datname = current_database() and application_name = 'loyalty-activation'"
    )


def test_a_connection_lost_in_the_middle_of_a_batch_is_healed(
    world: World, small_batches: None
) -> None:
    two_shops(world)
    with (
        locked(
            world, "select from customer_segment_memberships where segment_id = 20 for update"
        ) as other,
        in_background(world) as running,
    ):
        world.rows("select pg_terminate_backend(%s)", wait_until_blocked(world))
        other.rollback()
        result = running.result()
    assert (complete(world), result.problems) == (True, [])
    assert sum(s.added for s in result.segments) == 200


COMMITS_ARE_TOLD = """
do $do$ begin
    execute format('alter database %I set synchronous_commit = on', current_database());
end $do$;
create table told (what text, synchronous_commit text);
create function tell_batch() returns trigger language plpgsql as $$ begin
    insert into told values ('batch', current_setting('synchronous_commit'));
    return null;
end $$;
create trigger tell after insert on customer_segment_memberships
for each row execute function tell_batch();
create function tell_settled() returns event_trigger language plpgsql as $$ begin
    insert into told select 'settled', current_setting('synchronous_commit')
    from pg_event_trigger_ddl_commands() where object_identity ~ 'loyalty_settled';
end $$;
create event trigger tell_settled on ddl_command_end execute function tell_settled();
"""


def at_commits(verdicts: Sequence[Cut]) -> Callable[[bytes], Cut]:
    """Judges a client's messages: only its commits are cut, in turn, as long as there are any."""
    left = iter(verdicts)

    def judge_block(block: bytes) -> Cut:
        return next(left, Cut.PASS) if COMMIT in block else Cut.PASS

    return judge_block


@pytest.mark.parametrize("seed", range(3))
def test_a_connection_lost_at_a_commit_is_healed_and_counted_once(
    world: World, small_batches: None, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whether the commit arrived or not, and again while it is being found out."""
    rng = random.Random(seed)
    verdicts = rng.choices(list(Cut), k=8)
    two_shops(world)
    monkeypatch.setattr(session, "WAIT_SECONDS", 0.001)
    with through_proxy(world.operational.url, at_commits(verdicts)) as (url, proxy):
        monkeypatch.setattr(world, "operational", Database("application", url, "A"))
        result = world.activate()
    assert proxy.cuts == len(verdicts) - verdicts.count(Cut.PASS)
    assert [(s.added, s.skipped, s.failed) for s in result.segments] == [(100, 0, 0), (100, 0, 0)]
    assert (result.problems, complete(world)) == ([], True)
    assert world.rows(DOUBLES) == []


def test_what_a_crash_of_the_server_took_along_is_written_again_and_counted_once(
    world: World, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits are answered before they are on disk; a crash then ends all connections."""
    two_shops(world)
    ((last,),) = world.rows("select coalesce(max(id), 0) from customer_segment_memberships")
    commits = itertools.count(1)

    def judge_block(block: bytes) -> Cut:
        if COMMIT in block and next(commits) == 3:
            gone = "delete from customer_segment_memberships where id > %s returning id"
            assert world.rows(gone, last)
            return Cut.LOSE_IT
        return Cut.PASS

    with through_proxy(world.operational.url, judge_block) as (url, proxy):
        monkeypatch.setattr(world, "operational", Database("application", url, "A"))
        result = world.activate()
    assert proxy.cuts == 1
    assert [(s.added, s.skipped, s.failed) for s in result.segments] == [(100, 0, 0), (100, 0, 0)]
    assert (result.problems, complete(world)) == ([], True)


def test_batches_do_not_wait_for_the_disk_and_every_few_of_them_do(
    new_world: Callable[..., World], small_batches: None
) -> None:
    world = new_world()
    two_shops(world)
    world.application.execute(COMMITS_ARE_TOLD)
    world.activate()
    told = world.rows("select distinct what, synchronous_commit from told order by what")
    assert told == [("batch", "off"), ("settled", "on")]


def test_a_connection_that_cannot_be_had_back_ends_the_run_in_plain_words(
    world: World, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_shops(world)
    monkeypatch.setattr(session, "WAIT_SECONDS", 0.001)
    monkeypatch.setattr(session, "RECONNECT_SECONDS", 0.05)
    commits = iter([Cut.PASS])

    def judge_block(block: bytes) -> Cut:
        if COMMIT in block:
            return next(commits, Cut.LOSE_IT)
        return Cut.PASS

    with through_proxy(world.operational.url, judge_block) as (url, _):
        monkeypatch.setattr(world, "operational", Database("application", url, "A"))
        with pytest.raises(LoyaltyError, match="could not be had back") as error:
            world.activate()
    assert error.value.is_transient
    assert len(world.active(10)) + len(world.active(20)) == 50
    assert world.marts.execute("select status from ops.activations").fetchone() == ("aborted",)


def test_a_run_that_lost_the_writer_lock_writes_no_more(world: World, small_batches: None) -> None:
    two_shops(world)
    with (
        locked(world, "select from customer_segment_memberships where segment_id = 20 for update"),
        in_background(world) as running,
    ):
        wait_until_blocked(world)
        world.marts.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and application_name = 'loyalty-writer-lock'"
        )
        world.rows("select pg_terminate_backend(%s)", wait_until_blocked(world))
        with suppress(LoyaltyError):
            running.result()
    error = running.exception()
    assert isinstance(error, LoyaltyError)
    assert "kept other runs out" in error.problem
    assert len(world.active(20)) < 100
    world.activate()
    assert complete(world)


def test_a_row_that_stays_locked_fails_alone_and_the_next_run_writes_it(
    world: World, impatient: None
) -> None:
    two_shops(world)
    with locked(world, "select from customer_segment_memberships where segment_id = 20 for update"):
        result = world.activate()
    assert [(s.added, s.failed, s.counters_written) for s in result.segments] == [
        (100, 0, True),
        (99, 1, False),
    ]
    assert "lock timeout" in result.problems[0]
    assert world.marts.execute("select status from ops.activations").fetchone() == ("degraded",)
    again = world.activate()
    assert ([s.added for s in again.segments], complete(world)) == ([0, 1], True)


def test_many_locked_rows_are_waited_for_a_bounded_number_of_times(
    world: World, impatient: None, small_batches: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the run's patience is used up, each batch is tried once, and what fails is left."""
    two_shops(world, 500)
    world.members(10, range(1, 500), is_active=False)
    tries: list[int] = []
    run = batches._Transaction.run

    def counted(transaction: batches._Transaction) -> Any:
        tries.append(1)
        return run(transaction)

    monkeypatch.setattr(batches._Transaction, "run", counted)
    monkeypatch.setattr(pace, "PATIENCE_SECONDS", 0.0001)
    with locked(world, "select from customer_segment_memberships where segment_id = 10 for update"):
        result = world.activate(allow_large_changes=True)
    assert [(s.added, s.failed) for s in result.segments] == [(0, 500), (500, 0)]
    # The first batch with all attempts, each other of the 20, and the counters, once.
    assert len(tries) <= session.ATTEMPTS + 20
    assert world.activate().problems == []
    assert complete(world, 500)


def test_a_row_that_the_application_refuses_fails_alone(new_world: Callable[..., World]) -> None:
    world = new_world()
    two_shops(world)
    world.application.execute(
        "alter table customer_segment_memberships add check (customer_id not in (7, 10007))"
    )
    result = world.activate()
    assert [(s.added, s.failed) for s in result.segments] == [(99, 1), (99, 1)]
    assert "check constraint" in result.problems[0]


def test_a_plan_that_another_build_overtook_is_refused(world: World, tmp_path: Path) -> None:
    two_shops(world)
    plan = plan_of(world, tmp_path / "plan")
    world.built(AS_OF + timedelta(hours=1))
    before = world.versions()
    with (
        writer_lock(world.warehouse) as lock,
        pytest.raises(LoyaltyError, match="built again after the plan"),
    ):
        apply(world.operational, "public", world.warehouse, plan, Verdict(), lock)
    assert world.versions() == before


def test_a_plan_that_a_newer_activation_overtook_is_refused(world: World, tmp_path: Path) -> None:
    two_shops(world)
    plan = plan_of(world, tmp_path / "plan")
    world.built(AS_OF + timedelta(hours=1))
    world.activate()
    world.built(AS_OF)
    before = world.versions()
    with (
        writer_lock(world.warehouse) as lock,
        pytest.raises(LoyaltyError, match="never goes back"),
    ):
        apply(world.operational, "public", world.warehouse, plan, Verdict(), lock)
    assert world.versions() == before


def test_a_step_can_be_done_again(world: World, tmp_path: Path) -> None:
    two_shops(world)
    plan = plan_of(world, tmp_path / "plan")
    with writer_lock(world.warehouse) as lock:
        both = [
            apply(world.operational, "public", world.warehouse, plan, Verdict(), lock)
            for _ in range(2)
        ]
    assert [sum(applied.outcome.members.rows.values()) for applied in both] == [200, 0]
    assert complete(world)


def test_shops_are_locked_one_by_one(world: World, impatient: None) -> None:
    two_shops(world, 20)
    with locked(
        world,
        "select pg_advisory_xact_lock(hashtextextended('loyalty.activation/public/2', 0))",
    ):
        result = world.activate()
    assert [(s.added, s.failed) for s in result.segments] == [(20, 0), (0, 20)]


def test_what_changes_between_plan_and_batch_is_looked_at_again(world: World) -> None:
    two_shops(world)
    with (
        locked(
            world,
            "select pg_advisory_xact_lock(hashtextextended('loyalty.activation/public/1', 0))",
        ) as other,
        in_background(world) as running,
    ):
        wait_until_blocked(world)
        world.application.execute("delete from customer_loyalty_profiles where id = 5")
        world.members(10, [6])
        world.application.execute("update customer_segments set auto_update = false where id = 20")
        other.rollback()
        result = running.result()
    assert [(s.added, s.skipped, s.failed) for s in result.segments] == [(98, 2, 0), (0, 100, 0)]
    assert world.active(10) == set(range(1, 101)) - {5}
    assert world.active(20) == set()


def test_a_customer_deleted_while_a_row_is_inserted_is_skipped(world: World) -> None:
    two_shops(world)
    with (
        locked(world, "delete from customer_loyalty_profiles where id = 5") as other,
        in_background(world) as running,
    ):
        wait_until_blocked(world)
        other.commit()
        result = running.result()
    assert (result.segments[0].added, result.segments[0].skipped) == (99, 1)
    assert result.problems == []


def test_a_row_that_the_application_inserts_at_the_same_time_is_left_to_the_next_run(
    world: World,
) -> None:
    two_shops(world)
    insert = "insert into customer_segment_memberships (segment_id, customer_id) values (10, 5)"
    with locked(world, insert) as other, in_background(world) as running:
        wait_until_blocked(world)
        other.commit()
        result = running.result()
    assert (result.segments[0].added, result.segments[0].skipped, result.problems) == (99, 1, [])
    assert world.rows(DOUBLES) == []
    assert [s.refreshed for s in world.activate().segments] == [1, 0]
    assert complete(world)


@pytest.fixture
def role(world: World) -> Iterator[str]:
    """A role that may log in and nothing else."""
    name = world.operational.fields["dbname"] + "_reader"
    world.application.execute(
        sql.SQL("create role {} login password 'for-tests'").format(sql.Identifier(name))
    )
    yield name
    for statement in ("drop owned by {}", "drop role {}"):
        world.application.execute(sql.SQL(statement).format(sql.Identifier(name)))


def as_role(world: World, role: str) -> Database:
    fields = world.operational.fields
    url = f"postgresql://{role}:for-tests@{fields['host']}:{fields['port']}/{fields['dbname']}"
    return Database(world.operational.name, url, world.operational.variable)


def test_a_role_that_may_only_select_is_told_what_it_lacks(
    world: World, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_shops(world)
    world.application.execute(
        sql.SQL("grant select on all tables in schema public to {}").format(sql.Identifier(role))
    )
    monkeypatch.setattr(world, "operational", as_role(world, role))
    before = world.versions()
    with pytest.raises(LoyaltyError) as error:
        world.activate()
    assert world.versions() == before
    for lacking in (
        "INSERT on customer_segment_memberships (segment_id, customer_id,",
        "UPDATE on customer_segments (customer_count,",
        "DELETE on loyalty_analytics;",
        "USAGE on sequence customer_segment_memberships_id_seq",
    ):
        assert lacking in error.value.problem
    assert "loyalty operational grants" in error.value.remedy
    assert "--no-activate" in error.value.remedy
    assert world.activate(dry_run=True).segments[0].added == 100


def test_the_printed_grants_are_enough(
    world: World, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_shops(world)
    world.period(1, "2026-03-08", 5)
    world.campaign(5, 1, {"target_segments": ["segment 10"]})
    world.application.execute(grants("public", role).encode())
    monkeypatch.setattr(world, "operational", as_role(world, role))
    assert world.activate().problems == []
    assert complete(world)


@pytest.mark.parametrize(
    ("table", "privilege"),
    [*WRITE, *((table, "select") for table in READ)],
    ids=lambda part: str(part),
)
def test_each_of_the_printed_grants_is_needed(
    world: World, role: str, monkeypatch: pytest.MonkeyPatch, table: str, privilege: str
) -> None:
    world.application.execute(grants("public", role).encode())
    names = {"table": sql.Identifier(table), "role": sql.Identifier(role)}
    world.application.execute(
        sql.SQL("revoke {} on {table} from {role}").format(sql.SQL(privilege), **names)
    )
    monkeypatch.setattr(world, "operational", as_role(world, role))
    with pytest.raises(LoyaltyError, match=f"lacks: {privilege.upper()} on {table}"):
        world.activate()


def test_a_read_only_database_is_named_as_such(
    world: World, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.application.execute(grants("public", role).encode())
    world.application.execute(
        sql.SQL("alter role {} set default_transaction_read_only = on").format(sql.Identifier(role))
    )
    monkeypatch.setattr(world, "operational", as_role(world, role))
    with pytest.raises(LoyaltyError, match="read-only"):
        world.activate()


def test_a_missing_column_is_named(new_world: Callable[..., World]) -> None:
    world = new_world()
    world.application.execute("alter table customer_segments drop column last_computed_at")
    world.application.execute("drop table campaigns cascade")
    with pytest.raises(LoyaltyError, match=r"customer_segments\.last_computed_at, campaigns\."):
        world.activate()
