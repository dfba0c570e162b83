"""What sync decides before it reads a row: wide types, secrets, and how raw follows the source."""

from __future__ import annotations

import pytest

from orchestration.errors import LoyaltyError
from orchestration.sync.plan import RawTable, plan_table
from orchestration.sync.source import Column, SourceTable, is_secret
from orchestration.sync.types import PgType, holds, wide_type

TYPES = {
    23: PgType("int4", True, "b", 0, 0, 1007),
    1007: PgType("_int4", True, "b", 0, 23, 0),
    22: PgType("int2vector", True, "b", 0, 21, 1006),
    1043: PgType("varchar", True, "b", 0, 0, 1015),
    3802: PgType("jsonb", True, "b", 0, 0, 3807),
    600: PgType("point", True, "b", 0, 701, 1017),
    20001: PgType("mood", False, "e", 0, 0, 20002),
    20002: PgType("_mood", False, "b", 0, 20001, 0),
    20003: PgType("positive", False, "d", 23, 0, 20004),
    20005: PgType("very_positive", False, "d", 20003, 0, 0),
    20006: PgType("numbers", False, "d", 1007, 0, 0),
    20007: PgType("numeric", False, "c", 0, 0, 0),
}


@pytest.mark.parametrize(
    ("oid", "wide"),
    [
        (23, "bigint"),
        (1007, "bigint[]"),
        (22, "text"),
        (1043, "text"),
        (3802, "json"),
        (600, "text"),
        (20001, "text"),
        (20002, "text[]"),
        (20003, "bigint"),
        (20005, "bigint"),
        (20006, "bigint[]"),
        (20007, "text"),
        (99999, "text"),
    ],
)
def test_a_column_travels_as_the_wide_type_of_its_base(oid: int, wide: str) -> None:
    assert wide_type(oid, TYPES) == wide


@pytest.mark.parametrize(
    "name",
    ["access_token", "api_key", "apiKey", "APIKey", "webhook_secret", "password_hash", "tokens"],
)
def test_columns_named_like_credentials_are_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["monkey", "keyboard", "secretary", "id", "tokenised", "", "_"])
def test_columns_that_only_contain_such_letters_are_not(name: str) -> None:
    assert not is_secret(name)


def test_text_holds_everything_and_narrower_types_hold_less() -> None:
    assert holds("text", "bigint")
    assert holds("numeric", "bigint")
    assert holds("timestamp with time zone", "date")
    assert not holds("bigint", "numeric")
    assert not holds("bigint", "text")


def source(*columns: tuple[str, str], key: tuple[str, ...] = ("id",)) -> SourceTable:
    return SourceTable("public", "things", tuple(Column(*c) for c in columns), key, 0)


def raw(*columns: tuple[str, str], key: tuple[str, ...] = ("id",)) -> RawTable:
    return RawTable(tuple(Column(*c) for c in columns), key)


def test_a_table_that_raw_lacks_is_loaded() -> None:
    plan = plan_table(source(("id", "bigint")), None, full=False)
    assert plan.mode == "first load"
    assert plan.travelling == (Column("id", "bigint"),)


def test_new_columns_are_added_behind_and_vanished_ones_stay_but_do_not_travel() -> None:
    plan = plan_table(
        source(("id", "bigint"), ("new", "text")),
        raw(("id", "bigint"), ("old", "text")),
        full=False,
    )
    assert [column.name for column in plan.columns] == ["id", "old", "new"]
    assert [column.name for column in plan.travelling] == ["id", "new"]
    assert plan.added == (Column("new", "text"),)
    assert len(plan.warnings) == 1


def test_a_narrower_column_travels_as_what_raw_has() -> None:
    plan = plan_table(
        source(("id", "bigint"), ("n", "bigint")),
        raw(("id", "bigint"), ("n", "numeric")),
        full=True,
    )
    assert plan.columns[1] == Column("n", "numeric")
    assert not plan.widened


def test_a_wider_column_is_followed() -> None:
    plan = plan_table(
        source(("id", "bigint"), ("n", "text")), raw(("id", "bigint"), ("n", "bigint")), full=True
    )
    assert plan.widened == (Column("n", "text"),)


def test_a_type_that_raw_cannot_become_is_refused_by_name() -> None:
    with pytest.raises(LoyaltyError, match=r"public\.things\.n is now boolean"):
        plan_table(
            source(("id", "bigint"), ("n", "boolean")),
            raw(("id", "bigint"), ("n", "bigint")),
            full=False,
        )


def test_a_changed_primary_key_is_refused_by_name() -> None:
    with pytest.raises(LoyaltyError, match=r"primary key of public\.things is \(id, n\)"):
        plan_table(
            source(("id", "bigint"), ("n", "bigint"), key=("id", "n")),
            raw(("id", "bigint"), ("n", "bigint")),
            full=False,
        )


def test_columns_that_the_login_may_not_read_are_left_out_with_a_warning() -> None:
    source = SourceTable("public", "t", (Column("id", "bigint"),), ("id",), 0, ("extra",))
    plan = plan_table(source, None, full=False)
    assert plan.columns == (Column("id", "bigint"),)
    assert plan.warnings == ("public.t.extra is not mirrored: the login may not read it.",)


def test_a_column_that_may_no_longer_be_read_is_refused_and_never_turned_null() -> None:
    source = SourceTable("public", "t", (Column("id", "bigint"),), ("id",), 0, ("extra",))
    raw = RawTable((Column("id", "bigint"), Column("extra", "text")), ("id",))
    with pytest.raises(LoyaltyError, match=r"may no longer read public\.t \(columns extra\)"):
        plan_table(source, raw, full=False)
