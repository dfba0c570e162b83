"""When what the last sync left is enough to read only what changed, and when it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration.sync.memory import TableMemory, why_full
from orchestration.sync.plan import RawTable, plan_table
from orchestration.sync.point import SourceIdentity, SourcePoint
from orchestration.sync.presence import choose
from orchestration.sync.source import Column, SourceTable
from orchestration.sync.types import PgType, shape

STARTED = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = (Column("id", "bigint"), Column("name", "text"))
SOURCE = SourceTable(
    "public", "things", COLUMNS, ("id",), 0, columns_version="c1", storage_version="s1"
)
RAW = RawTable(COLUMNS, ("id",), "r1")
THEN = SourcePoint(SourceIdentity("7001", "shop", 5), 1000, 1010, 1, STARTED, STARTED, 5_000)
NOW = replace(THEN, horizon=2000, next_xid=2010, wal_bytes=9_000)
MEMORY = TableMemory(3, THEN, "public", "c1", "s1", "r1", "masks", 10)


def test_a_source_that_went_on_is_read_by_what_was_written_since() -> None:
    plan = plan_table(SOURCE, RAW, NOW, MEMORY, full=False)
    assert (plan.mode, plan.warnings) == ("incremental", ())
    assert "age(xmin) between 0 and age('1000'::xid)" in plan.query.as_string()


def test_a_horizon_beyond_the_wrap_around_is_asked_for_as_the_rows_have_it() -> None:
    memory = replace(MEMORY, point=replace(THEN, horizon=2**32 + 1000, next_xid=2**32 + 1010))
    now = replace(NOW, horizon=2**32 + 1500, next_xid=2**32 + 2000)
    plan = plan_table(SOURCE, RAW, now, memory, full=False)
    assert "age('1000'::xid)" in plan.query.as_string()


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ({"identity": SourceIdentity("7002", "shop", 5)}, "another database"),
        ({"identity": SourceIdentity("7001", "other", 6)}, "another database"),
        ({"timeline": 2}, "restored or failed over"),
        ({"wal_bytes": 4_999}, "gone back in time"),
        ({"next_xid": 999}, "gone back in time"),
        ({"started_at": datetime(2026, 2, 1, tzinfo=UTC)}, "restarted"),
        ({"stats_reset_at": datetime(2026, 2, 1, tzinfo=UTC)}, "restarted"),
        ({"next_xid": 1000 + 2**31}, "2 billion transactions"),
    ],
)
def test_a_source_whose_past_does_not_count_is_read_whole(now: dict[str, Any], reason: str) -> None:
    plan = plan_table(SOURCE, RAW, replace(NOW, **now), MEMORY, full=False)
    assert plan.mode == "full pass"
    assert reason in plan.reason
    assert plan.is_source_wide


def test_a_role_that_may_no_longer_see_the_system_is_no_other_database() -> None:
    now = replace(NOW, identity=SourceIdentity(None, "shop", 5), timeline=None)
    assert why_full(SOURCE, now, MEMORY) is None


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"columns_version": "c2"}, "columns or their types changed"),
        ({"storage_version": "s2"}, "replaced or rewritten"),
        ({"untracked": "the login may not read xmin: grant it"}, "may not read xmin"),
    ],
)
def test_a_table_that_is_not_what_it_was_is_read_whole_with_a_warning(
    source: dict[str, Any], reason: str
) -> None:
    plan = plan_table(replace(SOURCE, **source), RAW, NOW, MEMORY, full=False)
    assert plan.mode == "full pass"
    assert reason in plan.reason
    assert reason in plan.warnings[0]


@pytest.mark.parametrize("memory", [None, replace(MEMORY, point=None)])
def test_nothing_remembered_is_a_full_pass_without_a_warning(memory: TableMemory | None) -> None:
    plan = plan_table(SOURCE, RAW, NOW, memory, full=False)
    assert (plan.mode, plan.warnings) == ("full pass", ())


def test_asked_for_is_a_full_pass() -> None:
    plan = plan_table(SOURCE, RAW, NOW, MEMORY, full=True)
    assert (plan.mode, plan.reason) == ("full pass", "asked for")


@pytest.mark.parametrize(
    ("key", "rows", "blocks", "expected"),
    [
        ("bigint", 5_000_000, 78_126, "masks"),
        ("bigint", 5_000_000, 4_900_000, "keys"),
        ("bigint", 900, 900, "masks"),
        ("text", 5_000_000, 0, "keys"),
    ],
)
def test_masks_tell_which_rows_exist_unless_ids_are_sparse(
    key: str, rows: int, blocks: int, expected: str
) -> None:
    source = replace(SOURCE, columns=(Column("id", key),))
    plan = plan_table(source, None, NOW, None, full=False)
    assert choose(plan, rows, blocks) == expected


def test_a_types_shape_changes_with_what_it_is_made_of() -> None:
    def types(label: str) -> dict[int, PgType]:
        return {
            23: PgType("int4", True, "b", 0, 0, 1007),
            1007: PgType("_int4", True, "b", 0, 23, 0),
            90: PgType("mood", False, "e", 0, 0, 91, ("good", label)),
            91: PgType("_mood", False, "b", 0, 90, 0),
            92: PgType("moody", False, "d", 90, 0, 0),
            93: PgType("pair", False, "c", 0, 0, 0, ("a", "b"), (23, 92)),
        }

    for oid in (90, 91, 92, 93):
        assert shape(oid, types("bad")) == shape(oid, types("bad"))
        assert shape(oid, types("bad")) != shape(oid, types("worse"))
    assert shape(1007, types("bad")) == shape(1007, types("worse"))
