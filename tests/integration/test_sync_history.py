"""Random histories of a source, step by step and from many writers at once: raw equals it.

LOYALTY_TEST_ROUNDS=10 runs ten times as many.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from random import Random
from threading import Condition
from typing import Any

import psycopg
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from oracles import mirror
from psycopg import errors, sql
from psycopg.rows import TupleRow
from sync_pair import Pair, pair, result_of

from orchestration.sync import SyncResult

Connection = psycopg.Connection[TupleRow]
NewDatabaseOn = Callable[[int], str]
Step = tuple[Any, ...]

ROUNDS = int(os.environ.get("LOYALTY_TEST_ROUNDS", "1"))
MAJORS = [15, 16, 18]

SCHEMA = """
drop schema public cascade;
create schema public;
create type mood as enum ('good', 'bad', 'so so');
create domain feeling as mood;
create type moods as range (subtype = mood);
create type pair as (a integer, m mood);
create table campaigns (
    id integer primary key, value numeric, note json, n1 integer, campaign_type text, r1 moods
);
create table campaign_participations (
    id bigint primary key, value numeric, note json, v1 varchar(9), g1 mood,
    campaign_id integer default 1 references campaigns on delete cascade on update cascade
);
create table words (value numeric, s1 mood[], word varchar(20) primary key, note json);
create table spots (
    x smallint, value numeric, y text, note json, p1 pair,
    twice numeric generated always as (value * 2) GENERATED, primary key (y, x)
);
create table events (
    id bigint primary key, value numeric, note json, n1 integer default 7, n2 integer default 8
) partition by range (id);
create table events_low partition of events for values from (minvalue) to (0);
create table events_mid partition of events for values from (0) to (64);
create table events_high partition of events for values from (64) to (maxvalue);
create table things (id integer primary key, value numeric, note json, g2 feeling);
create table more_things (like things including all);
create table others (note json, id integer primary key, g2 feeling, value numeric);
insert into campaigns select n, n, null, n, 'x', '[good,bad]' from generate_series(1, 3) as n;
insert into campaign_participations
select n, n, null, 'x', 'bad', abs(n) % 3 + 1 from unnest(array[-65, -1, 0, 1, 3, 64]) as n;
insert into events select n, n from unnest(array[-65, -1, 0, 1, 63, 64]) as n;
insert into things select n, n, null, 'good' from generate_series(1, 3) as n;
insert into more_things select n, n from generate_series(1001, 1002) as n;
insert into others select '{}', n, 'bad', n from generate_series(2, 4) as n;
insert into words values (1, '{bad,null}', 'old'), (2, '{}', 'a');
insert into spots (x, value, y, p1) values (1, 1, 'old', '(1,bad)'), (-1, 2, 'a', null)
"""

TABLES = ("campaigns", "campaign_participations", "words", "spots", "events", "things")
PARTITIONS = {
    "events_low": "from (minvalue) to (0)",
    "events_mid": "from (0) to (64)",
    "events_high": "from (64) to (maxvalue)",
}

TYPES = {
    "n": ("integer", "bigint", "numeric(12, 2)", "text"),
    "v": ("varchar(9)", "varchar(40)", "text"),
    "g": ("mood", "feeling"),
    "s": ("mood[]",),
    "p": ("pair",),
    "r": ("moods",),
    "c": ("varchar(9)", "text"),
}
"""The types that a column may have, by the first letter of its name."""
COLUMNS = ("n1", "n2", "v1", 'v "2" 100%', "g1", "g2", "s1", "p1", "r1", "campaign_type")

IMAGES = {"campaigns": {"id", "campaign_type"}, "campaign_participations": {"id", "campaign_id"}}
"""What is kept of a row before it changes: id, foreign keys, types (architecture.md, rule 2)."""

SMALL = [1, 2, 3, 63, 64, 0, -1, -64, -65]
INTEGERS = [(n,) for n in (*SMALL, 2**31 - 1, -(2**31))]
BIGINTS = [(n,) for n in (*SMALL, 2**32, 2**63 - 1, -(2**63))]
KEYS: dict[str, list[tuple[Any, ...]]] = {
    "campaigns": INTEGERS,
    "campaign_participations": BIGINTS,
    "words": [(w,) for w in ("", "a", "A", "é", "e\u0301", "a ", "\\'\"", "old")],
    "spots": [(y, x) for y in ("a", "", "old") for x in (-1, 1, 32767)],
    "events": BIGINTS,
    "things": INTEGERS,
    "others": INTEGERS,
    "more_things": [(n,) for n in (1001, 1002, 1024, -1001)],
} | dict.fromkeys(PARTITIONS, BIGINTS)
KEY = dict.fromkeys(KEYS, ("id",)) | {"words": ("word",), "spots": ("y", "x")}

# A row or a column is drawn as a number, and is that one of those which are there by then.
which = st.integers(0, 7)
few = st.integers(0, 5)
pens = st.sampled_from(["now", "now", "one", "two"])
late_pens = st.sampled_from(["one", "two"])
numbers = st.sampled_from([None, "1", "1.0", "1.00", "NaN", "-0.5"])
notes = st.sampled_from([None, "{}", "{ }", '{"a":1,"a":1}', '"\\u00e9"', '"é"'])
tables = st.sampled_from(TABLES)
written_tables = st.sampled_from(sorted(KEYS))


def put(table: str) -> st.SearchStrategy[Step]:
    keys = st.sampled_from(KEYS[table])
    return st.tuples(st.just("put"), pens, st.just(table), keys, numbers, notes)


def rekey(table: str) -> st.SearchStrategy[Step]:
    keys = st.sampled_from(KEYS[table])
    return st.tuples(st.just("rekey"), pens, st.just(table), which, keys)


rows = st.one_of(
    written_tables.flatmap(put),
    st.tuples(
        st.sampled_from(["touch", "delete", "delete", "write again"]), pens, written_tables, which
    ),
    written_tables.flatmap(rekey),
    st.tuples(st.just("fill"), pens, written_tables, which, which, few),
)
transactions = st.one_of(
    st.tuples(st.sampled_from(["savepoint", "savepoint", "release", "back"]), late_pens),
    st.tuples(st.sampled_from(["commit", "commit", "rollback"]), late_pens),
)
upkeep = st.one_of(
    st.tuples(
        st.just("vacuum"), st.sampled_from(["", "(freeze)", "(full)", "(full, freeze)"]), tables
    ),
    st.tuples(st.sampled_from(["cluster", "truncate"]), tables),
    st.tuples(st.just("burn"), few),
)
designs = st.one_of(
    st.tuples(st.just("add"), tables, st.sampled_from(COLUMNS), few),
    st.tuples(st.just("add again"), tables, which, few),
    st.tuples(st.just("drop"), tables, which),
    st.tuples(st.just("retype"), tables, which, which),
    st.tuples(st.just("rename"), tables, which, st.sampled_from(COLUMNS)),
    st.tuples(st.just("relabel"), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("make anew"), st.sampled_from(["words", "spots", "things"])),
    st.tuples(st.just("attach or detach"), st.sampled_from(sorted(PARTITIONS))),
    st.tuples(st.sampled_from(["inherit or not", "swap tables", "extend a type", "reorder a key"])),
    st.tuples(st.just("widen a key"), st.sampled_from(["words", "things"])),
    st.tuples(st.just("compute"), st.integers(2, 4)),
)
some_tables = st.sets(tables, min_size=1).map(lambda names: tuple(sorted(names)))
syncs = st.tuples(
    st.just("sync"),
    st.one_of(st.just(TABLES), some_tables),
    st.sampled_from(["", "", "", "full", "verify"]),
)
steps = st.one_of(transactions, rows, rows, rows, rows, upkeep, designs)
histories = st.lists(
    st.tuples(st.lists(steps, min_size=5, max_size=25), syncs), min_size=3, max_size=8
)
ENDING: list[Step] = [
    ("commit", "two"),
    ("sync", TABLES, ""),
    ("commit", "one"),
    ("sync", TABLES, ""),
    ("sync again",),
]

# What a step may run into where anything may have come before it; it has then not happened.
REFUSALS = (
    errors.IntegrityError,
    errors.DataError,
    errors.LockNotAvailable,
    errors.UndefinedColumn,
)
BARRED = (
    errors.ProgrammingError,
    errors.OperationalError,
    errors.NotSupportedError,
    errors.DependentObjectsStillExist,
)


def name(identifier: str) -> sql.Identifier:
    return sql.Identifier(identifier)


def names(identifiers: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(name, identifiers))


def literals(values: Iterable[Any]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Literal, values))


class World:
    """A source with three writers, its warehouse, and what raw must hold after the last sync."""

    def __init__(self, both: Pair, pens: dict[str, Connection], reader: Connection) -> None:
        self.both, self.pens, self.reader = both, pens, reader
        self.version = pens["now"].info.server_version // 10000
        self.depth = dict.fromkeys(pens, 0)
        self.labels = ["good", "bad", "so so"]
        self.attributes = 2
        self.is_reordered = False
        self.fresh = count(1)
        self.expected = mirror.Mirror()
        self.syncs = 0

    def begin(self) -> None:
        """Makes everything anew."""
        generated = "virtual" if self.version >= 18 else "stored"
        self.pens["now"].execute(SCHEMA.replace("GENERATED", generated).encode())
        self.reader.execute("drop schema if exists raw, ops, raw__build cascade")

    def keep_images(self) -> None:
        """Names a model that has yet to see what syncs change."""
        self.reader.execute(
            "insert into ops.model_watermarks (model, sync_id, as_of, built_at) "
            "values ('slow', 0, now(), now())"
        )

    def do(self, step: Step) -> str:
        """Takes a step; says whether there was anything to do, for Hypothesis's statistics."""
        kind, *rest = step
        is_done = getattr(self, "_" + kind.replace(" ", "_"))(*rest)
        return f"{kind}: {'refused' if is_done is False else 'done'}"

    def _run(self, pen: str, statement: str, *parts: sql.Composable) -> bool:
        """Runs a statement; one that is refused takes its savepoint or transaction with it."""
        try:
            self.pens[pen].execute(sql.SQL(statement).format(*parts))
        except REFUSALS:
            if depth := self.depth[pen]:
                self.pens[pen].execute(f"rollback to savepoint s{depth}".encode())
            elif pen != "now":
                self.pens[pen].rollback()
            return False
        return True

    def _design(self, statement: str, *parts: sql.Composable) -> bool:
        """Changes tables or types, in one transaction; something may be in the way."""
        try:
            return self._run("now", statement, *parts)
        except BARRED:
            return False

    # --- rows ---

    def _put(self, pen: str, table: str, key: Any, number: str | None, note: str | None) -> bool:
        return self._run(
            pen,
            "insert into {} ({}, value, note) values ({}) on conflict ({}) "
            "do update set value = excluded.value, note = excluded.note",
            *(name(table), names(KEY[table]), literals([*key, number, note]), names(KEY[table])),
        )

    def _on(self, pen: str, statement: str, table: str, which: int, *parts: sql.Composable) -> bool:
        """Runs a statement on one of the rows that the writer sees."""
        # Not on those of a table that inherits: they would get keys that it has already.
        of = sql.SQL("{}" if table.startswith("event") else "only {}").format(name(table))
        key = names(KEY[table])
        query = sql.SQL("select {0} from {1} order by {0}").format(key, of)
        found = self.pens[pen].execute(query).fetchall()
        if not found:
            return False
        place = sql.SQL("({}) = ({})").format(key, literals(found[which % len(found)]))
        return self._run(pen, statement, of, place, *parts)

    def _touch(self, pen: str, table: str, which: int) -> bool:
        return self._on(pen, "update {} set value = value where {}", table, which)

    def _delete(self, pen: str, table: str, which: int) -> bool:
        return self._on(pen, "delete from {} where {}", table, which)

    def _fill(self, pen: str, table: str, which: int, column: int, choice: int) -> bool:
        if not (filled := self._column(table, column)):
            return False
        parts = name(filled), self._value(filled, choice)
        return self._on(pen, "update {0} set {2} = {3} where {1}", table, which, *parts)

    def _rekey(self, pen: str, table: str, which: int, key: Any) -> bool:
        parts = names(KEY[table]), literals(key)
        return self._on(pen, "update {0} set ({2}) = row({3}) where {1}", table, which, *parts)

    def _write_again(self, pen: str, table: str, which: int) -> bool:
        """Deletes a row and inserts it as it was."""
        return self._on(
            pen,
            "with gone as (delete from {0} where {1} returning {3}) "
            "insert into {2} ({3}) select {3} from gone",
            *(table, which, name(table), names(self._columns(table))),
        )

    def _value(self, column: str, choice: int) -> sql.Literal:
        label = self.labels[choice % 3]
        more = "," * (self.attributes - 2)
        values = {
            "n": ["7", "8", "-1", "0", None, "32"],
            "v": ["new", "x", "", "é", None, "  "],
            "g": [label, label, label, label, None, label],
            "s": [f'{{"{label}",NULL}}', "{}", None] * 2,
            "p": [f'({choice},"{label}"{more})', f"(,{more})", None] * 2,
            "r": [f'["{label}","{label}"]', "(,)", "empty", None, f'["{label}",]', "(,)"],
            "c": ["new", "old", "", "é", None, "x"],
        }
        return sql.Literal(values[column[0]][choice])

    def _key(self, table: str) -> sql.Identifier:
        """The name of the primary key."""
        row = self.pens["now"].execute(
            "select relname from pg_index inner join pg_class on indexrelid = oid "
            "where indrelid = %s::regclass and indisprimary",
            [table],
        )
        return name(row.fetchall()[0][0])

    def _columns(self, table: str) -> list[str]:
        """The columns that can be written."""
        rows = self.pens["now"].execute(
            "select attname from pg_attribute where attrelid = %s::regclass "
            "and attnum > 0 and not attisdropped and attgenerated = '' order by attnum",
            [table],
        )
        return [column for (column,) in rows]

    def _column(self, table: str, which: int) -> str | None:
        """One of the table's columns that come and go."""
        found = [column for column in self._columns(table) if column in COLUMNS]
        return found[which % len(found)] if found else None

    # --- transactions ---

    def _savepoint(self, pen: str) -> None:
        self.depth[pen] += 1
        self.pens[pen].execute(f"savepoint s{self.depth[pen]}".encode())

    def _release(self, pen: str) -> bool:
        if depth := self.depth[pen]:
            self.pens[pen].execute(f"release savepoint s{depth}".encode())
            self.depth[pen] -= 1
        return bool(depth)

    def _back(self, pen: str) -> bool:
        if depth := self.depth[pen]:
            self.pens[pen].execute(f"rollback to savepoint s{depth}".encode())
        return bool(depth)

    def _commit(self, pen: str) -> None:
        self.pens[pen].commit()
        self.depth[pen] = 0

    def _rollback(self, pen: str) -> None:
        self.pens[pen].rollback()
        self.depth[pen] = 0

    # --- upkeep ---

    def _vacuum(self, how: str, table: str) -> bool:
        return self._run("now", f"vacuum {how} {{}}", name(table))

    def _cluster(self, table: str) -> bool:
        return self._run("now", "cluster {} using {}", name(table), self._key(table))

    def _truncate(self, table: str) -> bool:
        return self._run("now", "truncate {} cascade", name(table))

    def _burn(self, transactions: int) -> None:
        for _ in range(transactions):
            self.pens["now"].execute("select pg_current_xact_id()")

    # --- designs ---

    def _add(self, table: str, column: str, choice: int) -> bool:
        parts = name(table), name(column), sql.SQL(TYPES[column[0]][0])
        if choice == 0:
            return self._design("alter table {} add {} {}", *parts)
        default = self._value(column, choice)
        return self._design("alter table {} add {} {} default {}", *parts, default)

    def _add_again(self, table: str, which: int, choice: int) -> bool:
        """Drops a column, and adds another of its name and, often, with another value."""
        if not (column := self._column(table, which)):
            return False
        parts = name(table), name(column), sql.SQL(TYPES[column[0]][0])
        default = self._value(column, choice)
        return self._design("alter table {0} drop {1}, add {1} {2} default {3}", *parts, default)

    def _drop(self, table: str, which: int) -> bool:
        column = self._column(table, which)
        return column is not None and self._design(
            "alter table {} drop {}", name(table), name(column)
        )

    def _retype(self, table: str, which: int, choice: int) -> bool:
        if not (column := self._column(table, which)):
            return False
        types = TYPES[column[0]]
        parts = name(table), name(column), sql.SQL(types[choice % len(types)])
        change = "alter table {0} alter {1} drop default, alter {1} type {2}"
        # Without an expression, the rows may stay as they are.
        return self._design(change + (" using {1}::text::{2}" if choice % 2 else ""), *parts)

    def _rename(self, table: str, which: int, new: str) -> bool:
        """Renames a column, or swaps the names of two."""
        column = self._column(table, which)
        if not column or column == new or column[0] != new[0]:
            return False
        parts = name(table), name(column), name(new)
        if new not in self._columns(table):
            return self._design("alter table {} rename {} to {}", *parts)
        return self._design(
            "alter table {0} rename {1} to between; alter table {0} rename {2} to {1}; "
            "alter table {0} rename between to {2}",
            *parts,
        )

    def _relabel(self, first: int, second: int) -> bool:
        """Renames a label of the enumeration, or swaps two."""
        rename = "alter type mood rename value {} to {};"
        old, other = self.labels[first], self.labels[second]
        if first == second:
            self.labels[first] = f"mood, no. {next(self.fresh)}"
            return self._design(rename, sql.Literal(old), sql.Literal(self.labels[first]))
        self.labels[first], self.labels[second] = other, old
        swap = (old, "between", other, old, "between", other)
        return self._design(rename * 3, *map(sql.Literal, swap))

    def _extend_a_type(self) -> bool:
        if self.attributes == 4:
            return False
        self.attributes += 1
        return self._design("alter type pair add attribute {} integer", name(f"a{self.attributes}"))

    def _compute(self, factor: int) -> bool:
        how = (
            "alter twice set expression as (value * {})"
            if self.version >= 17
            else "drop twice, add twice numeric generated always as (value * {}) stored"
        )
        return self._design(f"alter table spots {how}", sql.Literal(factor))

    def _widen_a_key(self, table: str) -> bool:
        if table == "words":
            return self._design("alter table words alter word type text")
        row = self.pens["now"].execute(
            "select case atttypid when 'integer'::regtype then 'bigint' else 'numeric' end "
            "from pg_attribute where attrelid = 'things'::regclass and attname = 'id'"
        )
        return self._design("alter table things alter id type {}", sql.SQL(row.fetchall()[0][0]))

    def _reorder_a_key(self) -> bool:
        """Gives the key's columns another order, in which they tell the same rows apart."""
        self.is_reordered = not self.is_reordered
        return self._design(
            "alter table spots drop constraint {}, add primary key ({})",
            *(self._key("spots"), names(["x", "y"] if self.is_reordered else ["y", "x"])),
        )

    def _make_anew(self, table: str) -> bool:
        """Puts a new table with the same rows in the place of one."""
        return self._design(
            "create table anew (like {0} including all); "
            "insert into anew ({1}) select {1} from {0}; "
            "drop table {0}; alter table anew rename to {0}",
            *(name(table), names(self._columns(table))),
        )

    def _swap_tables(self) -> bool:
        """Puts another table with rows of old in the place of one."""
        return self._design(
            "alter table things rename to between; alter table others rename to things; "
            "alter table between rename to others"
        )

    def _inherit_or_not(self) -> bool:
        """Lets a table with rows of old be part of another, or no longer."""
        return self._design("alter table more_things inherit things") or self._design(
            "alter table more_things no inherit things"
        )

    def _attach_or_detach(self, partition: str) -> bool:
        parts = name(partition), sql.SQL(PARTITIONS[partition])
        return self._design("alter table events attach partition {} for values {}", *parts) or (
            self._design("alter table events detach partition {}", name(partition))
        )

    # --- the sync ---

    def _sync(self, tables: tuple[str, ...], how: str) -> SyncResult:
        before, columns = mirror.places(self.reader, *TABLES), dict(self.expected.columns)
        result = self.both.sync(*tables, **({how: True} if how else {}))
        self.syncs += 1
        assert result.sync_id == self.syncs
        assert [table.table_name for table in result.verified if not table.is_equal] == []
        seen = {name: mirror.read_source(self.pens["now"], name) for name in tables}
        changes = self.expected.sync(self.syncs, seen)
        assert mirror.differences(self.expected, mirror.read_raw(self.reader, *TABLES)) == []
        counted = {name: (len(c.written), len(c.deleted)) for name, c in changes.items()}
        assert {name: result_of(result, name) for name in tables} == counted
        self._check_places(before, changes)
        self._check_images(columns, changes)
        self._check_state()
        return result

    def _sync_again(self) -> None:
        """Syncs when nothing has happened, which writes no row and reads none."""
        before = mirror.places(self.reader, *TABLES)
        result = self._sync(TABLES, "")
        assert mirror.places(self.reader, *TABLES) == before
        # A table from which others inherit may repeat keys, and is always read whole.
        modes = {table.mode for table in result.tables if table.table_name != "things"}
        assert modes == {"incremental"}

    def _check_places(self, before: mirror.Places, changes: dict[str, mirror.Change]) -> None:
        """Rows that did not change have not been written."""
        after = mirror.places(self.reader, *TABLES)
        for table, (types, rows) in before.items():
            kept = rows.keys()
            if table in changes:
                kept -= changes[table].written.keys() | changes[table].deleted.keys()
            # A table whose columns get wider types is written anew.
            if after[table][0] == after[table][0] | types:
                assert {k: after[table][1][k] for k in kept} == {k: rows[k] for k in kept}, table

    def _check_images(
        self, columns: dict[str, frozenset[str]], changes: dict[str, mirror.Change]
    ) -> None:
        """Of every row that was changed or deleted, it is kept what it was."""
        kept = self.reader.execute(
            "select table_name, image from ops.before_images where sync_id = %s", [self.syncs]
        ).fetchall()
        found = [
            (table, {c: None if v is None else str(v) for c, v in image.items()})
            for table, image in kept
        ]
        expected = [
            (table, {column: values[column] for column in IMAGES[table] & columns[table]})
            for table in IMAGES.keys() & changes.keys()
            for values in (*changes[table].written.values(), *changes[table].deleted.values())
            if values is not None
        ]
        assert sorted(found, key=repr_of_image) == sorted(expected, key=repr_of_image)

    def _check_state(self) -> None:
        rows = self.reader.execute("select table_name, live_rows from ops.sync_state").fetchall()
        assert dict(rows) == {
            table: sum(not row.is_deleted for row in rows.values())
            for table, rows in self.expected.rows.items()
        }


def repr_of_image(image: tuple[str, dict[str, str | None]]) -> str:
    return repr((image[0], sorted(image[1].items())))


@contextmanager
def world(both: Pair) -> Iterator[World]:
    with ExitStack() as stack:
        # One thread holds all transactions, so a statement that waits for another waits for ever.
        opened = {
            name: stack.enter_context(
                both.source.connect(autocommit=name == "now", options="-c lock_timeout=5ms")
            )
            for name in ("now", "one", "two")
        }
        reader = stack.enter_context(both.warehouse.connect(autocommit=True))
        made = World(both, opened, reader)
        made.begin()
        yield made
        for name in ("one", "two"):
            opened[name].rollback()


@pytest.mark.parametrize("major", MAJORS)
def test_raw_equals_the_source_after_every_sync(new_database_on: NewDatabaseOn, major: int) -> None:
    both = pair(new_database_on(major), new_database_on(18))

    @settings(max_examples=6 * ROUNDS, deadline=None, print_blob=True, report_multiple_bugs=False)
    @given(histories)
    def equals(history: list[tuple[list[Step], Step]]) -> None:
        with world(both) as made:
            made.do(("sync", TABLES, ""))
            made.keep_images()
            for steps, sync in history:
                for step in (*steps, sync):
                    event(made.do(step))
            for step in ENDING:
                made.do(step)

    equals()


# --- many writers at once ---

BOOKS = """
create table accounts (
    id integer primary key, balance bigint not null default 0, entries bigint not null default 0
);
create table entries (
    id bigint generated always as identity primary key, amount bigint not null, note text,
    account_id integer not null references accounts on delete cascade on update cascade
);
create table vault (id integer primary key, amount bigint not null);
create index on entries (account_id);
insert into accounts select generate_series(1, 50);
insert into vault select n, 0 from generate_series(0, 19) as n
"""

BALANCE = """
with
sums as (
    select account_id, sum(amount) as balance, count(*) as entries
    from raw.entries where _deleted_at is null group by 1
),
live as (select * from raw.accounts where _deleted_at is null)
select
    (
        select count(*) from live full join sums on live.id = sums.account_id
        where live.id is null or (live.balance, live.entries)
            is distinct from (coalesce(sums.balance, 0), coalesce(sums.entries, 0))
    ),
    (select sum(balance) from live) + (select sum(amount) from raw.vault where _deleted_at is null)
"""
"""How many accounts are not what their entries say, and what all accounts and the vault sum to."""


@dataclass
class Clock:
    """Counts the syncs, and lets writers wait for the next ones."""

    syncs: int = 0
    has_stopped: bool = False
    changed: Condition = field(default_factory=Condition)

    def tick(self) -> None:
        with self.changed:
            self.syncs += 1
            self.changed.notify_all()

    def stop(self) -> None:
        with self.changed:
            self.has_stopped = True
            self.changed.notify_all()

    def wait(self, syncs: int) -> None:
        with self.changed:
            until = self.syncs + syncs
            self.changed.wait_for(lambda: self.has_stopped or self.syncs >= until)


class Clerk:
    """Writes transactions that leave every account equal to its entries, and the total 0."""

    def __init__(self, both: Pair, clock: Clock, seed: str) -> None:
        self.both, self.clock, self.random = both, clock, Random(seed)
        self.actions = [self.book, self.book, self.book, self.void, self.amend, self.move]
        self.actions += [self.open, self.renumber, self.close]

    def work(self) -> int:
        """Writes until the clock stops; the number of transactions that were committed."""
        committed = 0
        with self.both.source.connect(options="-c lock_timeout=100ms") as self.connection:
            while not self.clock.has_stopped:
                with suppress(*REFUSALS, errors.DeadlockDetected), self.connection.transaction():
                    self.transact()
                    committed += 1
        return committed

    def transact(self) -> None:
        for _ in range(self.random.randint(1, 5)):
            action = self.random.choice(self.actions)
            if self.random.random() < 0.5:
                action()
                continue
            with self.connection.transaction() as savepoint:
                action()
                if self.random.random() < 0.3:
                    raise psycopg.Rollback(savepoint)
        if self.random.random() < 0.03:
            self.clock.wait(self.random.randint(1, 3))
        if self.random.random() < 0.1:
            raise psycopg.Rollback

    def run(self, statement: str, *parameters: Any) -> tuple[Any, ...] | None:
        cursor = self.connection.execute(statement.encode(), parameters)
        return cursor.fetchone() if cursor.description else None

    def account(self) -> int:
        return self.random.randint(1, 60)

    def keep(self, amount: int) -> None:
        where = self.random.randrange(20)
        self.run("update vault set amount = amount + %s where id = %s", amount, where)

    def entry(self) -> tuple[int, int] | None:
        """An entry and its account, which is locked."""
        found = self.run(
            "select id, account_id from entries where id >= %s order by id limit 1",
            self.random.randint(1, 1000),
        )
        if found and self.run("select id from accounts where id = %s for update", found[1]):
            return found[0], found[1]
        return None

    def book(self) -> None:
        amount, account = self.random.randint(-9, 9), self.account()
        if self.run(
            "update accounts set balance = balance + %s, entries = entries + 1 "
            "where id = %s returning id",
            *(amount, account),
        ):
            self.run("insert into entries (account_id, amount) values (%s, %s)", account, amount)
            self.keep(-amount)

    def void(self) -> None:
        if found := self.entry():
            gone = self.run(
                "delete from entries where id = %s and account_id = %s returning amount", *found
            )
            if gone:
                self.run(
                    "update accounts set balance = balance - %s, entries = entries - 1 "
                    "where id = %s",
                    *(gone[0], found[1]),
                )
                self.keep(gone[0])

    def amend(self) -> None:
        if found := self.entry():
            more = self.random.choice([0, 0, 1, -5])
            if self.run(
                "update entries set amount = amount + %s, note = %s "
                "where id = %s and account_id = %s returning id",
                *(more, self.random.choice([None, "x", "y" * 3000]), *found),
            ):
                self.run("update accounts set balance = balance + %s where id = %s", more, found[1])
                self.keep(-more)

    def move(self) -> None:
        to = self.account()
        if (found := self.entry()) and self.run("select id from accounts where id = %s", to):
            moved = self.run(
                "update entries set account_id = %s where id = %s and account_id = %s "
                "returning amount",
                *(to, *found),
            )
            for account, sign in ((found[1], -1), (to, 1)) if moved else ():
                assert moved
                self.run(
                    "update accounts set balance = balance + %s, entries = entries + %s "
                    "where id = %s",
                    *(sign * moved[0], sign, account),
                )

    def open(self) -> None:
        self.run("insert into accounts (id) values (%s) on conflict do nothing", self.account())

    def renumber(self) -> None:
        self.run("update accounts set id = %s where id = %s", self.account(), self.account())

    def close(self) -> None:
        """Deletes an account and, by the cascade, its entries."""
        if gone := self.run("delete from accounts where id = %s returning balance", self.account()):
            self.keep(gone[0])


TABLES_OF_BOOKS = ("accounts", "entries", "vault")
ANEW = (
    "lock table {0}; create temporary table kept on commit drop as select * from {0}; "
    "truncate {0}; "
)
CHORES = (
    "vacuum entries",
    "vacuum (freeze) accounts, vault",
    "vacuum (full) vault",
    ANEW.format("vault") + "insert into vault select * from kept",
    ANEW.format("entries") + "insert into entries overriding system value select * from kept",
    "alter table vault add extra text default 'new'",
    "alter table vault drop extra",
    "alter table entries add extra text default 'new'",
    "alter table entries drop extra",
    "lock table vault; create table new_vault (like vault including all); "
    "insert into new_vault select * from vault; drop table vault; "
    "alter table new_vault rename to vault",
)


def keep_house(both: Pair, clock: Clock, seed: str) -> int:
    """Changes and replaces tables, and puts all rows back; how often it could."""
    random, done = Random(seed), 0
    with both.source.connect(autocommit=True, options="-c lock_timeout=500ms") as connection:
        while not clock.has_stopped:
            with suppress(*REFUSALS, *BARRED):
                connection.execute(random.choice(CHORES).encode())
                done += 1
            connection.execute("select pg_sleep(0.02)")  # chores lock everybody else out
    return done


@pytest.mark.parametrize("major", MAJORS)
def test_raw_is_one_instant_of_a_source_that_many_write(
    new_database_on: NewDatabaseOn, major: int
) -> None:
    both, clock, books = pair(new_database_on(major), new_database_on(18)), Clock(), TABLES_OF_BOOKS
    both.write(BOOKS)
    clerks = [Clerk(both, clock, f"clerk {n} of {major}") for n in range(4)]
    random = Random(f"syncs of {major}")
    with ThreadPoolExecutor() as pool:
        try:
            committed = [pool.submit(clerk.work) for clerk in clerks]
            kept = pool.submit(keep_house, both, clock, f"house of {major}")
            for _ in range(8 * ROUNDS):
                if random.random() < 0.3:
                    both.sync(*random.sample(books, random.randint(1, 2)))
                    clock.tick()
                result = both.sync(*books, **{random.choice(["full", "verify", "verify"]): True})
                clock.tick()
                assert [table.table_name for table in result.verified if not table.is_equal] == []
                assert both.rows(BALANCE) == [(0, 0)]
        finally:
            clock.stop()
        assert all(number.result() for number in committed)
        assert kept.result()
    both.sync(*books)
    assert both.differing(*books) == []
    assert both.rows(BALANCE) == [(0, 0)]
