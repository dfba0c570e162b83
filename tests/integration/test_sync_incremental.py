"""What an incremental sync reads, what makes it read everything, and what it leaves for models."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sync_pair import FOREIGN, THINGS, Pair, pair, result_of, with_application, with_tables

from orchestration import sync
from orchestration.errors import LoyaltyError
from orchestration.sync import TableResult
from orchestration.sync.images import IMAGES

NewDatabase = Callable[[], str]


@pytest.fixture
def things(new_database: NewDatabase) -> Pair:
    return with_tables(
        new_database,
        THINGS,
        "insert into things (id, name) select n, 'thing ' || n from generate_series(1, 1000) as n",
    )


def only(both: Pair, table: str = "things") -> TableResult:
    return both.sync(table).tables[0]


@pytest.mark.parametrize("major", [15, 16, 18])
def test_only_what_was_written_since_is_read(
    new_database_on: Callable[[int], str], major: int
) -> None:
    both = pair(new_database_on(major), new_database_on(major))
    both.write(FOREIGN.read_text(encoding="utf-8"))
    both.sync()
    both.write(
        "update customer_loyalty_profiles set points_balance = 7 where id = 101",
        "delete from customer_loyalty_profiles where id = 103",
    )
    result = both.sync()

    assert {table.mode for table in result.tables} == {"incremental"}
    read = {table.table_name: table.rows_read for table in result.tables if table.rows_read}
    assert read == {"customer_loyalty_profiles": 1}
    assert both.differing() == []


def test_a_row_that_was_written_but_not_changed_is_read_and_not_written(things: Pair) -> None:
    things.sync("things")
    things.write("update things set name = name where id <= 10")
    result = only(things)
    assert (result.rows_read, result.rows_changed, result.live_rows) == (10, 0, 1000)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("alter table things add color text default 'red'", "columns or their types changed"),
        ("alter table things alter name type varchar(60)", "columns or their types changed"),
        (
            "begin; alter table things drop name; "
            "alter table things add name varchar(50) default 'x'; commit",
            "columns or their types changed",
        ),
        ("vacuum full things", "replaced or rewritten"),
        (
            "begin; create table swap (like things including all); "
            "insert into swap select * from things; alter table things rename to old; "
            "alter table swap rename to things; commit",
            "replaced or rewritten",
        ),
        ("select pg_stat_reset_shared('bgwriter')", "restarted, or its statistics were reset"),
    ],
)
def test_what_writes_no_row_has_a_table_read_whole(
    things: Pair, statement: str, reason: str
) -> None:
    things.sync("things")
    things.write(statement)
    result = things.sync("things")

    assert result.tables[0].mode == "full pass"
    assert reason in result.tables[0].reason
    assert result.warnings
    assert things.differing("things") == []
    assert only(things).mode == "incremental"


def test_a_renamed_label_reaches_every_row_that_has_it(new_database: NewDatabase) -> None:
    both = with_tables(
        new_database,
        "create type mood as enum ('good', 'bad')",
        "create domain feeling as mood",
        "create table things (id integer primary key, moods feeling[])",
        "insert into things values (1, '{bad}'), (2, '{good}')",
    )
    both.sync("things")
    both.write("alter type mood rename value 'bad' to 'worse'")
    result = both.sync("things")

    assert result_of(result, "things") == (1, 0)
    assert both.rows("select moods from raw.things where id = 1") == [(["worse"],)]


@pytest.mark.parametrize(
    ("key", "value", "presence"),
    [
        ("id integer primary key", "n", "masks"),
        ("id bigint primary key", "(n - 1000) * 64 - 1", "keys"),
        ("id bigint primary key", "n + 9223372036854773807", "masks"),
        ("id text primary key", "'code ' || n", "keys"),
        ("id uuid primary key", "md5(n::text)::uuid", "keys"),
        ("id integer, part text default 'a', primary key (part, id)", "n", "keys"),
    ],
)
def test_deleted_rows_are_found_whatever_the_key(
    new_database: NewDatabase, key: str, value: str, presence: str
) -> None:
    both = with_tables(
        new_database,
        f"create table things ({key}, n integer)",
        f"insert into things (id, n) select {value}, n from generate_series(1, 2000) as n",
    )
    both.sync("things")
    assert both.rows("select presence, live_rows from ops.sync_state") == [(presence, 2000)]
    both.write(
        "delete from things where n % 100 = 1",
        f"insert into things (id, n) select {value}, n from generate_series(1, 1) as n",
    )
    result = only(both)

    assert result.mode == "incremental"
    assert (result.rows_read, result.rows_deleted, result.live_rows) == (1, 19, 1981)
    assert both.differing("things") == []


def test_raw_that_was_tampered_with_is_noticed_and_mended_by_the_next_sync(things: Pair) -> None:
    things.sync("things")
    with things.warehouse.connect(autocommit=True) as connection:
        connection.execute("delete from raw.things where id = 5")
    things.write("delete from things where id = 5")

    with pytest.raises(LoyaltyError, match=r"raw\.things is not as the last sync left it") as held:
        things.sync("things")
    assert held.value.is_transient
    assert only(things).mode == "full pass"
    assert things.differing("things") == []


def test_a_partial_sync_leaves_the_other_tables_where_they_were(new_database: NewDatabase) -> None:
    both = with_application(new_database)
    both.sync()
    both.write("update shops set welcome_points = 77")
    both.sync("campaigns")
    result = both.sync()

    assert {table.mode for table in result.tables} == {"incremental"}
    assert both.differing() == []


def test_images_hold_what_models_group_by_as_it_was(new_database: NewDatabase) -> None:
    both = with_application(new_database)
    both.sync()
    assert both.rows("select count(*) from ops.before_images") == [(0,)]
    with both.warehouse.connect(autocommit=True) as connection:
        connection.execute(
            "insert into ops.model_watermarks values ('marts.fct_point_ledger', 1, now(), now())"
        )
    before = both.rows(
        "select id, customer_id, transaction_type, created_at from raw.point_transactions "
        "order by id limit 2"
    )
    (moved, gone) = (row[0] for row in before)
    both.write(
        "update point_transactions set customer_id = (select max(id) from "
        f"customer_loyalty_profiles), transaction_type = 'adjusted' where id = {moved}",
        f"delete from point_transactions where id = {gone}",
        "insert into shops (id, shop_domain) values (44, 'new.example')",
    )
    both.sync()

    images = both.rows(
        "select (image ->> 'id')::bigint, (image ->> 'customer_id')::bigint, "
        "image ->> 'transaction_type', (image ->> 'created_at')::timestamptz "
        "from ops.before_images where sync_id = 2 and table_name = 'point_transactions' order by 1"
    )
    assert images == before
    assert both.rows("select count(*) from ops.before_images") == [(2,)]


def test_images_go_when_every_model_has_passed_them(new_database: NewDatabase) -> None:
    both = with_application(new_database)
    both.sync()

    def watermarks(*sync_ids: int) -> None:
        with both.warehouse.connect(autocommit=True) as connection:
            connection.execute("truncate ops.model_watermarks")
            for sync_id in sync_ids:
                connection.execute(
                    "insert into ops.model_watermarks values (%s, %s, now(), now())",
                    [f"marts.of_{sync_id}", sync_id],
                )

    def kept() -> list[int]:
        both.write("update shops set points_per_dollar = coalesce(points_per_dollar, 0) + 1")
        both.sync()
        return [
            sync_id
            for (sync_id,) in both.rows("select distinct sync_id from ops.before_images order by 1")
        ]

    watermarks(1)
    assert kept() == [2]
    assert kept() == [2, 3]
    watermarks(2, 3)
    assert kept() == [3, 4]
    watermarks()  # no model is built yet: one that comes will read everything
    assert kept() == []


def test_no_personal_data_is_in_an_image() -> None:
    personal = {"email", "first_name", "last_name", "phone", "birthday", "shopify_customer_id"}
    assert not personal & {column for columns in IMAGES.values() for column in columns}
    assert set(IMAGES) == set(sync.TABLES) - {"loyalty_analytics"}


def test_raw_that_was_emptied_or_restored_by_hand_is_compared_whole(things: Pair) -> None:
    things.sync("things")
    with things.warehouse.connect(autocommit=True) as connection:
        connection.execute("truncate raw.things")
    result = things.sync("things")
    assert "emptied, replaced or rewritten" in result.warnings[0]
    assert things.differing("things") == []
    assert only(things).mode == "incremental"


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("alter table things add primary key (id, name)", 0),
        ("update things set name = 'x ' || name where id = 3", 1),
        ("alter table things add serial bigint generated always as identity primary key", 999),
    ],
)
def test_another_primary_key_is_followed(things: Pair, statement: str, changed: int) -> None:
    things.write("update things set name = 'thing 9' where id = 8")
    things.sync("things")
    things.write("delete from things where id = 8")
    things.sync("things")
    with things.warehouse.connect(autocommit=True) as connection:
        connection.execute("create view raw_things as select id, name from raw.things")
    things.write("alter table things drop constraint things_pkey", statement)
    if "primary key" not in statement:
        things.write("alter table things add primary key (name)")
    result = things.sync("things")

    assert "its primary key is now" in result.tables[0].reason
    assert result_of(result, "things")[0] == changed
    assert things.differing("things") == []
    assert only(things).mode == "incremental"
    things.write("delete from things where id = 5")
    assert only(things).rows_deleted == 1


def test_a_key_that_grew_wider_is_followed(things: Pair) -> None:
    things.sync("things")
    things.write("alter table things alter id type text", "update things set name = 'x'")
    things.write("delete from things where id = '7'")
    assert things.sync("things").tables[0].rows_deleted == 1
    assert things.differing("things") == []
    assert only(things).mode == "incremental"


def test_another_key_does_not_get_past_the_brake_and_leaves_images(
    new_database: NewDatabase,
) -> None:
    both = with_application(new_database)
    both.write(
        "insert into shops (id, shop_domain) select n, n || '.example' "
        "from generate_series(100, 1700) as n"
    )
    both.sync()
    both.write(
        "delete from shops where id >= 102",
        "alter table shops drop constraint shops_pkey cascade",
        "alter table shops add uid uuid default gen_random_uuid() primary key",
    )
    with pytest.raises(LoyaltyError, match="have vanished"):
        both.sync()
    with both.warehouse.connect(autocommit=True) as connection:
        connection.execute(
            "insert into ops.model_watermarks values ('marts.dim_shops', 1, now(), now())"
        )
    result = both.sync(allow_large_changes=True)

    assert any("its primary key is now (uid)" in warning for warning in result.warnings)
    assert both.differing() == []
    images = both.rows("select count(*) from ops.before_images where table_name = 'shops'")
    assert images == [(result_of(result, "shops")[1],)]


def test_a_wider_type_is_followed_where_raw_has_dead_rows(things: Pair) -> None:
    things.write("alter table things add n integer default 1")
    things.sync("things")
    things.write("update things set name = 'x' where id % 2 = 0")
    things.sync("things")
    things.write(
        "alter table things alter n type numeric(9, 2)",
        "update things set name = 'y' where id = 9",
        "delete from things where id = 10",
    )
    result = things.sync("things")

    assert result_of(result, "things") == (999, 1)
    assert things.differing("things") == []
