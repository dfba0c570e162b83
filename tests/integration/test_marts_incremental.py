"""An incremental build gives what a full one would, over random histories of a live application.

LOYALTY_HISTORIES=50 follows fifty histories of ten steps each, and compares after each step.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt_in_process import Dbt
from oracles.changes import Application, LiveHistory, Tables, live_history, write
from psycopg import sql
from warehouses import create_bare_tables, operational, warehouse

from orchestration import segments, sync
from orchestration.build import DBT_EXECUTABLE, dbt_build_arguments, dbt_environment
from orchestration.database import Database
from orchestration.settings import PROJECT_DIR

MAJORS = (18, 16, 15)
HISTORIES = int(os.environ.get("LOYALTY_HISTORIES", "0"))
CASES = [(seed, MAJORS[seed % 3], 10) for seed in range(HISTORIES)] or [
    (1, 18, 10),
    (2, 16, 2),
    (3, 15, 2),
]
COMPARED = 1 if HISTORIES else 2
"""After how many steps the warehouses are compared: what is stale stays so until it is touched."""

# Who was a member when is state, and what it says depends on when builds ran (architecture.md,
# rule 4): compared are the members of the segments that have a verdict now.
OF_A_VERDICT = """
        where segment_id in (
            select segment_id from marts.dim_segments where rule_status in ('valid', 'manual')
        )"""
INSTEAD = {
    ("marts", "customer_segment_memberships"): """
        select segment_id, shop_id, customer_id
        from marts.customer_segment_memberships
        where is_active and segment_id in (
            select segment_id from marts.dim_segments where rule_status in ('valid', 'manual')
        )""",
    ("marts", "customer_segments"): """
        select
            segment_id, shop_id, name, rule_status, rule_error,
            case when rule_status in ('valid', 'manual') then row(
                customer_count, avg_lifetime_value, avg_points_balance, points_liability,
                reachable_by_email, reachable_by_sms
            ) end
        from marts.customer_segments""",
    ("marts", "segment_performance"): f"select * from marts.segment_performance {OF_A_VERDICT}",
    ("marketing", "segment_contacts"): f"select * from marketing.segment_contacts {OF_A_VERDICT}",
    ("marketing", "segment_reach"): f"select * from marketing.segment_reach {OF_A_VERDICT}",
    ("marts", "segment_sizes_daily"): "select",
    ("ops", "segment_stays"): "select",
}


@dataclass
class World:
    """A source, a warehouse that builds on what it has, and one that does not."""

    dbt: Dbt
    live: LiveHistory
    source: Database
    kept: Database
    fresh: Database
    written: Tables

    @property
    def as_of(self) -> str:
        return self.live.as_of.isoformat()

    def write(self) -> None:
        after = self.live.copy()
        write(self.source, self.written, after)
        self.written = after

    def sync(self, target: Database) -> None:
        sync.sync(self.source, "public", target, allow_large_changes=True)
        segments.compile_rules(target)

    def build(self) -> list[str]:
        """Writes what has changed, and builds on what is there."""
        self.write()
        self.sync(self.kept)
        return self.dbt.build(self.kept, self.as_of)

    def differences(self, *, from_nothing: bool) -> list[str]:
        """What the warehouse that was built on shows otherwise than one that is built whole."""
        self.sync(self.fresh)
        if from_nothing:
            with self.fresh.connect() as connection:
                connection.execute("drop schema if exists intermediate, marts, marketing cascade")
        failures = self.dbt.build(self.fresh, self.as_of, full_refresh=True)
        assert not failures, failures
        relations = self.relations()
        with self.kept.connect() as kept, self.fresh.connect() as fresh:
            return [line for one in relations for line in compare(one, kept, fresh)]

    def relations(self) -> list[tuple[str, str]]:
        """What analysts read, and what other models keep for them."""
        models = self.dbt.models(self.kept).values()
        stored = {(n.schema, n.alias) for n in models if n.config.materialized == "incremental"}
        with self.kept.connect() as connection:
            read = connection.execute(
                "select table_schema, table_name from information_schema.tables "
                "where table_schema in ('marts', 'marketing')"
            ).fetchall()
        return sorted(stored | {(schema, name) for schema, name in read})

    def row_versions(self) -> dict[str, str]:
        """Which version of each row every stored relation holds: any write changes it."""
        versions = {}
        with self.kept.connect() as connection:
            for schema, name in self.relations():
                query = sql.SQL("select string_agg(ctid::text || xmin, ' ' order by ctid) from {}")
                try:
                    with connection.transaction():
                        row = connection.execute(query.format(sql.Identifier(schema, name)))
                        versions[f"{schema}.{name}"] = str(row.fetchone())
                except psycopg.errors.UndefinedColumn:
                    continue  # a view
        return versions


def compare(
    relation: tuple[str, str],
    kept: psycopg.Connection[tuple[object, ...]],
    fresh: psycopg.Connection[tuple[object, ...]],
) -> Iterator[str]:
    query = sql.SQL(INSTEAD.get(relation, "select * from {}")).format(sql.Identifier(*relation))
    rows = sql.SQL("select compared::text from ({}) as compared").format(query)
    one, other = (Counter(row for (row,) in each.execute(rows)) for each in (kept, fresh))
    for word, extra in (("should not have", one - other), ("lacks", other - one)):
        if extra:
            columns = kept.execute(sql.SQL("{} limit 0").format(query)).description or []
            names = ", ".join(column.name for column in columns)
            yield f"{'.'.join(relation)} {word} {extra.total()} rows of ({names}):"
            yield from (f"    {row}" for row in sorted(map(str, extra))[:5])


@pytest.fixture
def new_world(dbt: Dbt, new_database_on: Callable[[int], str]) -> Callable[[int, int], World]:
    def make(seed: int, major: int) -> World:
        source, kept, fresh = (new_database_on(major) for _ in range(3))
        world = World(
            dbt, live_history(seed), operational(source), warehouse(kept), warehouse(fresh), {}
        )
        create_bare_tables(world.source)
        assert not world.build()
        return world

    return make


def interrupt(world: World, draw: random.Random) -> str:
    """Builds that do not come to their end: of parts, or with a model that fails."""
    world.write()
    world.sync(world.kept)
    models = world.dbt.models(world.kept)
    said = []
    for _ in range(draw.choice([1, 1, 2, 3])):
        if draw.random() < 0.6:
            select = draw.choice(["+{}", "+{}", "{}", "{}+", "+{}+"]).format(
                draw.choice(sorted(models))
            )
            full_refresh = draw.random() < 0.3
            failed = world.dbt.build(
                world.kept, world.as_of, select=select, full_refresh=full_refresh
            )
            said.append(f"select {select}{' fully' * full_refresh}: {failed or 'built'}")
        else:
            said.append(fail(world, draw.choice([n for n in models.values() if is_stored(n)])))
    return "\n".join(said)


def is_stored(node: Any) -> bool:
    return node.config.materialized in ("incremental", "table")


def fail(world: World, node: Any) -> str:
    """A build in which this model cannot be written."""
    limit = sql.SQL("alter database {} set lock_timeout = {}")
    database = sql.Identifier(world.kept.fields["dbname"])
    with (
        world.kept.connect() as holder,
        world.kept.connect(autocommit=True) as connection,
    ):
        connection.execute(limit.format(database, sql.Literal("100ms")))
        try:
            lock = sql.SQL("lock table {} in access exclusive mode")
            holder.execute(lock.format(sql.Identifier(node.schema, node.alias)))
            return f"fails at {node.name}: {world.dbt.build(world.kept, world.as_of)}"
        finally:
            connection.execute(limit.format(database, sql.Literal("0")))


@pytest.mark.parametrize(("seed", "major", "steps"), CASES)
def test_incremental_equals_full(
    seed: int, major: int, steps: int, new_world: Callable[[int, int], World]
) -> None:
    world = new_world(seed, major)
    application = Application(seed, world.live)
    draw = random.Random(f"interruptions {seed}")
    told: list[str] = []
    for step in range(1, steps + 1):
        said = application.step()
        if draw.random() < 0.35:
            if draw.random() < 0.5:
                said.append(application.pass_time())
            said.append(interrupt(world, draw))
            said += application.step()
        said.append(application.pass_time())
        failures = world.build()
        told += [f"History {seed}, step {step} of {steps}:", *said]
        story = "\n".join(told[-40:])
        assert not failures, "\n".join([story, *failures])
        if step % COMPARED == 0:
            found = world.differences(from_nothing=step % 4 == 0)
            assert not found, "\n".join([story, *found])

    before = world.row_versions()
    assert len(before) > 12
    assert not world.build()
    assert world.row_versions() == before, "A build where nothing changed wrote rows."


def test_a_killed_build_and_then_a_whole_one_equal_a_full_one(
    new_world: Callable[[int, int], World], tmp_path: Path
) -> None:
    world = new_world(4, 18)
    application = Application(4, world.live)
    for _ in range(3):
        application.step()
    application.pass_time()
    world.write()
    world.sync(world.kept)
    with world.kept.connect() as holder, world.kept.connect(autocommit=True) as watcher:
        # Models upstream of it are committed by then, and others run beside it.
        holder.execute("lock table marts.fct_orders in access exclusive mode")
        process = subprocess.Popen(
            [DBT_EXECUTABLE, "--quiet", *dbt_build_arguments(as_of=world.as_of)],
            cwd=PROJECT_DIR,
            env={
                **os.environ,
                **dbt_environment(world.kept),
                "DBT_TARGET_PATH": str(tmp_path),
                "DBT_LOG_PATH": str(tmp_path),
            },
        )
        try:
            blocked: list[tuple[int]] = []
            while not blocked and process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
                blocked = watcher.execute(
                    "select pid from pg_locks where not granted "
                    "and relation = 'marts.fct_orders'::regclass"
                ).fetchall()
            assert blocked, "the build ended without the lock"
        finally:
            process.kill()
            process.wait()
        watcher.execute(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity "
            "where datname = current_database() and pid not in (pg_backend_pid(), %s)",
            [holder.info.backend_pid],
        )
    for _ in range(3):
        application.step()
    application.pass_time()
    assert not world.build()
    found = world.differences(from_nothing=True)
    assert not found, "\n".join(found)
