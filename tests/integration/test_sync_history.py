"""Random histories against an oracle in plain Python: raw's values, tombstones and _sync_id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sync_pair import Pair, with_tables

Key = tuple[str, int]
Step = tuple[Any, ...]

TABLES = [
    "create table parents (id integer primary key, value numeric, note json)",
    "create table children (id integer primary key, "
    "parent_id integer not null references parents on delete cascade, value numeric, note json)",
]

ids = st.integers(1, 6)
values = st.sampled_from([None, "1", "1.0", "1.00", "NaN", "-0.5"])
notes = st.sampled_from([None, "{}", "{ }", '{"a":1,"a":1}', '"\\u00e9"', '"é"'])
steps = st.one_of(
    st.tuples(st.just("parent"), ids, values, notes),
    st.tuples(st.just("child"), ids, ids, values, notes),
    st.tuples(st.just("delete"), st.sampled_from(["parents", "children"]), ids),
    st.tuples(st.just("late"), values),
    st.tuples(st.just("commit")),
    st.tuples(st.just("rollback")),
    st.tuples(st.just("sync")),
)


class History:
    """The source's committed rows, and what raw must hold after the last sync."""

    def __init__(self, both: Pair, writer: psycopg.Connection, late: psycopg.Connection) -> None:
        self.both, self.writer, self.late = both, writer, late
        self.source: dict[Key, tuple[Any, ...]] = {}
        self.pending: dict[Key, tuple[Any, ...]] = {}
        # Per key: the values when it was last seen, whether it is gone, the sync that said so.
        self.raw: dict[Key, tuple[tuple[Any, ...], bool, int]] = {}
        self.syncs = 0
        self.next_late = 100

    def parent(self, id_: int, value: str | None, note: str | None) -> None:
        self.writer.execute(
            "insert into parents values (%(id)s, %(value)s, %(note)s) "
            "on conflict (id) do update set value = excluded.value, note = excluded.note",
            {"id": id_, "value": value, "note": note},
        )
        self.source["parents", id_] = (value, note)

    def child(self, id_: int, parent: int, value: str | None, note: str | None) -> None:
        if ("parents", parent) not in self.source:
            return
        self.writer.execute(
            "insert into children values (%(id)s, %(parent)s, %(value)s, %(note)s) "
            "on conflict (id) do update set parent_id = excluded.parent_id, "
            "value = excluded.value, note = excluded.note",
            {"id": id_, "parent": parent, "value": value, "note": note},
        )
        self.source["children", id_] = (parent, value, note)

    def delete(self, table: str, id_: int) -> None:
        self.writer.execute(f"delete from {table} where id = %s".encode(), [id_])
        self.source.pop((table, id_), None)
        if table == "parents":
            for key in [
                k for k, row in self.source.items() if k[0] == "children" and row[0] == id_
            ]:
                del self.source[key]

    def begin_late(self, value: str | None) -> None:
        """A row of a transaction that stays open, half of it in a subtransaction."""
        self.late.execute("select 1")
        with self.late.transaction():
            self.late.execute("insert into parents values (%s, %s)", [self.next_late, value])
        self.pending["parents", self.next_late] = (value, None)
        self.next_late += 1

    def end_late(self, *, is_committed: bool) -> None:
        if is_committed:
            self.late.commit()
            self.source |= self.pending
        else:
            self.late.rollback()
        self.pending = {}

    def sync(self) -> None:
        self.both.sync("parents", "children")
        self.syncs += 1
        for key in self.raw.keys() | self.source.keys():
            values, is_gone, _ = self.raw.get(key, ((), True, 0))
            now = self.source.get(key)
            if now is not None and (is_gone or now != values):
                self.raw[key] = (now, False, self.syncs)
            elif now is None and not is_gone:
                self.raw[key] = (values, True, self.syncs)
        assert self.mirrored() == self.raw

    def mirrored(self) -> dict[Key, tuple[tuple[Any, ...], bool, int]]:
        parents = self.both.rows(
            "select id, value::text, note::text, _deleted_at is not null, _sync_id from raw.parents"
        )
        children = self.both.rows(
            "select id, parent_id, value::text, note::text, _deleted_at is not null, _sync_id "
            "from raw.children"
        )
        return {("parents", row[0]): (row[1:3], row[3], row[4]) for row in parents} | {
            ("children", row[0]): (row[1:4], row[4], row[5]) for row in children
        }

    def do(self, step: Step) -> None:
        match step:
            case ("parent", id_, value, note):
                self.parent(id_, value, note)
            case ("child", id_, parent, value, note):
                self.child(id_, parent, value, note)
            case ("delete", table, id_):
                self.delete(table, id_)
            case ("late", value):
                self.begin_late(value)
            case ("commit" | "rollback" as how,):
                self.end_late(is_committed=how == "commit")
            case ("sync",):
                self.sync()


@pytest.fixture
def both(new_database: Callable[[], str]) -> Pair:
    return with_tables(new_database, *TABLES)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(steps, min_size=5, max_size=40))
def test_raw_equals_the_oracle_after_every_sync(both: Pair, history: list[Step]) -> None:
    both.write("truncate parents cascade")
    with both.warehouse.connect(autocommit=True) as connection:
        connection.execute("drop schema if exists raw cascade")
        connection.execute("drop schema if exists ops cascade")
    with (
        both.source.connect(autocommit=True) as writer,
        both.source.connect() as late,
    ):
        oracle = History(both, writer, late)
        for step in [*history, ("commit",), ("sync",), ("sync",)]:
            oracle.do(step)
        late.rollback()
