"""After a sync raw equals the source as of one snapshot, whatever happened to the source before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql
from sync_pair import FOREIGN, THINGS, Pair, pair, result_of, with_application, with_tables

from orchestration import sync
from orchestration.errors import LoyaltyError

NewDatabase = Callable[[], str]


@pytest.fixture
def application(new_database: NewDatabase) -> Pair:
    return with_application(new_database)


@pytest.fixture
def things(new_database: NewDatabase) -> Pair:
    return with_tables(
        new_database,
        THINGS,
        "insert into things select n, 'thing ' || n, n + 0.50, '{\"a\": 1, \"a\": 2}', "
        "'2025-01-01' from generate_series(1, 10) as n",
    )


@contextmanager
def transaction(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url) as connection:
        yield connection


def test_a_first_sync_mirrors_every_table_and_records_itself(application: Pair) -> None:
    result = application.sync()

    assert application.differing() == []
    assert {table.table_name for table in result.tables} == set(sync.TABLES)
    assert {table.mode for table in result.tables} == {"first load"}
    with application.warehouse.connect() as connection:
        state = sync.raw_state(connection)
    assert state is not None
    assert (state.sync_id, state.snapshot_at, state.is_mixed) == (1, result.snapshot_at, False)
    stamps = application.rows(
        "select distinct _sync_id, _synced_at, _deleted_at from raw.point_transactions"
    )
    assert stamps == [(1, result.snapshot_at, None)]
    assert application.rows("select to_regnamespace('raw__build')") == [(None,)]


def test_raw_is_wide_and_keeps_the_key_and_the_index_of_the_ledger(application: Pair) -> None:
    application.sync()

    types = dict(
        application.rows(
            "select attname::text, format_type(atttypid, atttypmod) from pg_attribute "
            "where attrelid = 'raw.point_transactions'::regclass and attnum > 0"
        )
    )
    assert types["id"] == types["points_amount"] == types["_sync_id"] == "bigint"
    assert types["transaction_type"] == types["channel"] == "text"
    indexes = application.rows(
        "select indexdef from pg_indexes where schemaname = 'raw' "
        "and tablename = 'point_transactions' order by indexdef"
    )
    assert "(customer_id, created_at, id)" in indexes[0][0]
    assert "UNIQUE INDEX" in indexes[1][0]
    assert "(id)" in indexes[1][0]


def test_credentials_are_nowhere_in_the_warehouse(application: Pair) -> None:
    application.sync()

    with application.warehouse.connect(autocommit=True) as connection:
        relations = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_schema in ('raw', 'ops', 'raw__build')"
        ).fetchall()
        for schema, name in relations:
            found = connection.execute(
                sql.SQL("select count(*) from {} as t where t::text like '%never_mirror%'").format(
                    sql.Identifier(schema, name)
                )
            ).fetchone()
            assert found == (0,), f"{schema}.{name}"
    columns = application.rows(
        "select column_name from information_schema.columns "
        "where table_schema = 'raw' and column_name in ('access_token', 'webhook_secret')"
    )
    assert columns == []


def test_a_sync_with_nothing_new_writes_no_row_but_moves_the_snapshot(application: Pair) -> None:
    first = application.sync()
    before = application.versions()

    for options in ({}, {"full": True}):
        second = application.sync(**options)
        assert application.versions() == before
        assert [(t.rows_changed, t.rows_deleted) for t in second.tables] == [(0, 0)] * 15
    assert application.rows(
        "select max(snapshot_at) > %s from ops.sync_runs", first.snapshot_at
    ) == [(True,)]
    assert application.rows("select max(sync_id) from ops.sync_runs") == [(3,)]


def test_updates_without_a_timestamp_inserts_and_cascading_deletes_arrive(
    application: Pair,
) -> None:
    application.sync()
    application.write(
        "update customer_loyalty_profiles set points_balance = 7 where id = 101",
        "insert into shops (id, shop_domain) values (4, 'new.example')",
        "delete from customer_loyalty_profiles where id = 103",
    )
    result = application.sync()

    assert application.differing() == []
    assert result_of(result, "shops") == (1, 0)
    assert result_of(result, "customer_loyalty_profiles") == (1, 1)
    assert application.rows(
        "select _sync_id, _synced_at, _deleted_at from raw.customer_loyalty_profiles where id = 103"
    ) == [(2, result.snapshot_at, result.snapshot_at)]
    gone = application.rows(
        "select count(*) > 0, bool_and(_sync_id = 2) from raw.point_transactions "
        "where customer_id = 103 and _deleted_at is not null"
    )
    assert gone == [(True, True)]


def test_a_row_that_comes_back_loses_its_tombstone(things: Pair) -> None:
    things.sync("things")
    things.write(
        "create table kept as select * from things where id = 3",
        "delete from things where id = 3",
    )
    things.sync("things")
    things.write("insert into things select * from kept")
    result = things.sync("things")

    assert result_of(result, "things") == (1, 0)
    assert things.rows("select _sync_id, _deleted_at from raw.things where id = 3") == [(3, None)]


def test_only_values_that_differ_byte_for_byte_move_a_row(things: Pair) -> None:
    things.sync("things")
    things.write(
        "update things set name = name where id = 1",
        "update things set amount = 2.5 where id = 2",
        'update things set facts = \'{"a": 1,  "a": 2}\' where id = 3',
    )
    assert result_of(things.sync("things"), "things") == (2, 0)
    assert things.rows("select amount::text, facts::text from raw.things where id in (2, 3)") == [
        ("2.5", '{"a": 1, "a": 2}'),
        ("3.50", '{"a": 1,  "a": 2}'),
    ]


def test_a_row_committed_late_appears_with_the_sync_after_its_commit(things: Pair) -> None:
    with transaction(things.source.url) as late:
        late.execute("insert into things (id, seen_at) values (99, '2020-01-01')")
        things.write("insert into things (id) values (100)")
        things.sync("things")
        assert things.rows("select id from raw.things where id > 10") == [(100,)]
    things.sync("things")
    assert things.rows("select id from raw.things where id > 10 order by id") == [(99,), (100,)]


def test_no_row_is_dated_after_the_snapshot_that_shows_it(things: Pair) -> None:
    things.write("update things set seen_at = now()")
    result = things.sync("things")
    assert things.rows("select bool_and(seen_at <= %s) from raw.things", result.snapshot_at) == [
        (True,)
    ]


def test_every_type_travels_unharmed(new_database: NewDatabase) -> None:
    both = with_tables(
        new_database,
        "create type mood as enum ('good', 'bad')",
        "create domain positive as integer check (value > 0)",
        "create type pair as (a integer, b text)",
        """
        create table things (
            "Weird "" 100% id" integer, part text, mood mood, moods mood[], positive positive,
            positives positive[], small smallint, ints integer[], names varchar(9)[], flag boolean,
            exact numeric, money numeric(12, 2), real real, double double precision,
            facts json, facts_b jsonb, day date, at timestamptz, local timestamp, clock time,
            span interval, who uuid, bytes bytea, host inet, net cidr, bits bit(3), code char(5),
            "pair" pair, point point, span_of int4range, doc text, twice integer
                generated always as (small * 2) stored,
            primary key (part, "Weird "" 100% id")
        )
        """,
        """
        insert into things values (
            1, 'a', 'bad', '{good,bad,null}', 5, '{1,2}', -32768, '{{1,2},{3,4}}', '{"a b",null}',
            true, 'NaN', 1.10, 'infinity', 1e-300, '{"a": 1, "a": [1.0]}', '{"b": 1}',
            '4713-01-01 BC', 'infinity', '-infinity', '24:00', '1 mon -1 day', gen_random_uuid(),
            '\\x00ff', '10.0.0.1/8', '10.0.0.0/8', '101', 'ab', '(1,"x,y")', '(1,2)', '[1,5)',
            repeat('ü', 1000000)
        ), (
            2, 'a', null, '{}', null, null, null, '{}', null, null, '-Infinity', null, 'NaN', 'NaN',
            'null', 'null', 'infinity', '0044-03-15 12:00:00+00 BC', '294276-12-31 23:59:59', null,
            '-178000000 years', null, '', null, null, null, null, null, null, null, ''
        )
        """,
    )
    both.sync("things")
    assert both.differing("things") == []
    assert both.rows(
        "select mood, moods, positive, exact::text, facts::text, length(doc), twice, "
        "day::text, at::text from raw.things order by 1 nulls last limit 1"
    ) == [
        (
            "bad",
            ["good", "bad", None],
            5,
            "NaN",
            '{"a": 1, "a": [1.0]}',
            1000000,
            -65536,
            "4713-01-01 BC",
            "infinity",
        )
    ]
    before = both.versions("things")
    both.sync("things")
    assert both.versions("things") == before


def test_new_columns_appear_dropped_ones_turn_null_and_refill(things: Pair) -> None:
    things.sync("things")
    things.write(
        "alter table things add color varchar(9) default 'red'", "alter table things drop name"
    )
    result = things.sync("things")

    assert result.warnings == ["public.things.color is new; raw mirrors it from now on."]
    assert result_of(result, "things") == (10, 0)
    assert things.rows("select distinct color, name from raw.things") == [("red", None)]
    assert result_of(things.sync("things"), "things") == (0, 0)
    things.write("alter table things add name text default 'again'")
    things.sync("things")
    assert things.rows("select distinct name from raw.things") == [("again",)]
    assert things.differing("things") == []


def test_a_wider_type_is_followed_and_refused_by_name_under_a_view(things: Pair) -> None:
    things.write("alter table things add n integer default 1, add m integer default 1")
    things.sync("things")
    things.write("alter table things alter n type numeric(9, 2)")
    things.sync("things")
    assert things.rows("select distinct n::text from raw.things") == [("1.00",)]

    with things.warehouse.connect(autocommit=True) as connection:
        connection.execute("create view below as select m from raw.things")
    things.write("alter table things alter m type text")
    with pytest.raises(LoyaltyError, match=r"raw\.things\.m cannot follow while views depend"):
        things.sync("things")
    assert things.rows("select max(sync_id) from ops.sync_runs") == [(2,)]


def test_the_brake_holds_a_table_that_lost_more_than_half(new_database: NewDatabase) -> None:
    both = with_tables(
        new_database,
        "create table things (id integer primary key)",
        "create table others (id integer primary key)",
        "insert into things select generate_series(1, 2500)",
    )
    both.sync("things", "others")
    before = both.versions("things", "others")
    both.write("delete from things where id > 1200", "insert into others values (1)")

    with pytest.raises(LoyaltyError, match=r"1,300 of the 2,500 rows of public\.things") as caught:
        both.sync("others", "things")
    assert "--allow-large-changes" in caught.value.remedy
    assert both.versions("things", "others") == before
    assert both.rows("select count(*) from ops.sync_runs") == [(1,)]

    both.sync("things", "others", allow_large_changes=True)
    assert both.differing("things", "others") == []


def test_a_partial_sync_leaves_raw_mixed_until_the_whole_set(application: Pair) -> None:
    def is_mixed() -> bool | None:
        with application.warehouse.connect() as connection:
            state = sync.raw_state(connection)
        return state.is_mixed if state else None

    assert is_mixed() is None
    application.sync()
    application.write("update shops set welcome_points = 1", "update campaigns set name = 'x'")
    application.sync("shops")
    assert is_mixed() is True
    assert application.differing() == ["campaigns"]
    application.sync("gift_cards")
    assert is_mixed() is True
    application.sync()
    assert is_mixed() is False
    application.sync("gift_cards")
    assert is_mixed() is False


def test_another_source_database_is_noticed(new_database: NewDatabase) -> None:
    first = with_tables(new_database, THINGS)
    first.sync("things")
    assert first.sync("things").warnings == []
    second = pair(new_database(), first.warehouse.url)
    second.write(THINGS)
    assert "another database" in second.sync("things").warnings[0]


@pytest.mark.parametrize(("source", "warehouse"), [(15, 18), (18, 15), (16, 18), (18, 16)])
def test_source_and_warehouse_may_be_of_different_versions(
    new_database_on: Callable[[int], str], source: int, warehouse: int
) -> None:
    both = pair(new_database_on(source), new_database_on(warehouse))
    both.write(FOREIGN.read_text(encoding="utf-8"))
    both.sync()
    both.write(
        "delete from point_transactions where id % 2 = 0", "update shops set welcome_points = 9"
    )
    both.sync()
    assert both.differing() == []


def test_rows_of_inheriting_tables_count_and_repeated_keys_are_refused(
    new_database: NewDatabase,
) -> None:
    both = with_tables(new_database, THINGS, "create table more () inherits (things)")
    both.write("insert into things values (1, 'own')", "insert into more values (2, 'inherited')")
    both.sync("things")
    assert both.rows("select id, name from raw.things order by id") == [
        (1, "own"),
        (2, "inherited"),
    ]

    both.write("insert into more values (1, 'again')")
    with pytest.raises(LoyaltyError, match="several rows of the same key"):
        both.sync("things")
    assert both.rows("select name from raw.things where id = 1") == [("own",)]
    with both.warehouse.connect(autocommit=True) as connection:
        connection.execute("drop table raw.things")
    with pytest.raises(LoyaltyError, match="several rows of the same key"):
        both.sync("things")
