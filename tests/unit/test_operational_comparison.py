"""What the comparison of a database with the v2 schema reports, over described catalogues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from orchestration.operational.catalogue import Catalogue, Column, ForeignKey, Relation
from orchestration.operational.comparison import Difference, Severity, compare
from orchestration.operational.tables import OURS, metadata


def column_as_a_deployment_has_it(column: sa.Column[Any]) -> Column:
    kind = column.type
    match kind:
        case sa.Integer():
            found = Column("integer", "int4")
        case sa.Numeric(precision=precision):
            found = Column(f"numeric({precision},2)", "numeric")
        case sa.Text():
            found = Column("text", "text")
        case sa.String(length=length):
            found = Column(f"character varying({length})", "varchar")
        case sa.Boolean():
            found = Column("boolean", "bool")
        case sa.DateTime():
            found = Column("timestamp with time zone", "timestamptz")
        case _:
            found = Column("json", "json")
    return replace(found, is_nullable=bool(column.nullable), has_default=column.name == "id")


def table_as_a_deployment_has_it(table: sa.Table) -> Relation:
    uniques = {
        frozenset(column.name for column in constraint.columns)
        for constraint in table.constraints
        if isinstance(constraint, sa.UniqueConstraint)
    }
    return Relation(
        columns={
            column.name: column_as_a_deployment_has_it(column)
            for column in table.columns
            if OURS not in column.info
        },
        primary_key=("id",),
        unique_keys=frozenset(uniques | {frozenset({"id"})}),
        foreign_keys=frozenset(
            ForeignKey((key.parent.name,), key.column.table.name, key.ondelete == "CASCADE")
            for key in table.foreign_keys
        ),
    )


FAULTLESS = Catalogue(
    schema="public",
    schemas={"public": 15},
    is_usable=True,
    relations={
        name: table_as_a_deployment_has_it(table) for name, table in metadata.tables.items()
    },
)


def with_table(name: str, **changes: Any) -> Catalogue:
    changed = replace(FAULTLESS.relations[name], **changes)
    return replace(FAULTLESS, relations={**FAULTLESS.relations, name: changed})


def with_column(table: str, name: str, **changes: Any) -> Catalogue:
    columns = FAULTLESS.relations[table].columns
    changed = replace(columns.get(name, Column("text", "text")), **changes)
    return with_table(table, columns={**columns, name: changed})


def without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in names}


def only(differences: list[Difference]) -> Difference:
    assert len(differences) == 1, differences
    return differences[0]


def test_a_deployment_as_described_has_no_difference() -> None:
    assert compare(FAULTLESS) == []


def test_our_own_additions_are_no_difference() -> None:
    catalogue = with_column(
        "shops", "archived_at", type="timestamp with time zone", base_type="timestamptz"
    )
    relations = {**catalogue.relations, "loyalty_schema_version": Relation()}
    assert compare(replace(catalogue, relations=relations)) == []


def test_every_missing_table_is_an_error() -> None:
    relations = without(FAULTLESS.relations, "shops", "campaigns")
    found = compare(replace(FAULTLESS, relations=relations))
    assert {(each.severity, each.table, each.column) for each in found} == {
        (Severity.ERROR, "shops", None),
        (Severity.ERROR, "campaigns", None),
    }


def test_every_missing_column_is_an_error() -> None:
    columns = without(FAULTLESS.relations["referral_clicks"].columns, "converted", "utm_source")
    found = compare(with_table("referral_clicks", columns=columns))
    assert {str(each) for each in found} == {
        "referral_clicks.converted: the column is missing",
        "referral_clicks.utm_source: the column is missing",
    }
    assert {each.severity for each in found} == {Severity.ERROR}


def test_the_access_token_need_not_exist() -> None:
    columns = without(FAULTLESS.relations["shops"].columns, "access_token")
    assert compare(with_table("shops", columns=columns)) == []


@pytest.mark.parametrize(
    ("kind", "called"),
    [("v", "a view"), ("m", "a materialized view"), ("f", "a foreign table")],
)
def test_what_stands_in_a_tables_place_is_one_error(kind: str, called: str) -> None:
    found = only(compare(with_table("shops", kind=kind, columns={}, primary_key=())))
    assert found == Difference(Severity.ERROR, "shops", None, f"is {called}; a table is needed")


def test_a_partitioned_table_is_a_table() -> None:
    assert compare(with_table("point_transactions", kind="p")) == []


@pytest.mark.parametrize(
    ("table", "column", "type_", "base_type"),
    [
        ("shops", "id", "uuid", "uuid"),
        ("shops", "welcome_points", "text", "text"),
        ("shops", "welcome_points", "numeric", "numeric"),
        ("shops", "shop_domain", "integer", "int4"),
        ("shops", "loyalty_enabled", "integer", "int4"),
        ("shops", "points_per_dollar", "money", "money"),
        ("shops", "created_at", "date", "date"),
        ("customer_segments", "criteria", "text", "text"),
        ("customer_segments", "name", "text[]", "_text"),
    ],
)
def test_an_incompatible_type_is_an_error(
    table: str, column: str, type_: str, base_type: str
) -> None:
    found = only(compare(with_column(table, column, type=type_, base_type=base_type)))
    assert (found.severity, found.table, found.column) == (Severity.ERROR, table, column)
    assert f"is {type_}" in found.problem


def test_a_timestamp_without_time_zone_is_an_error_that_says_why() -> None:
    found = only(
        compare(
            with_column(
                "campaigns",
                "start_date",
                type="timestamp without time zone",
                base_type="timestamp",
            )
        )
    )
    assert found.severity is Severity.ERROR
    assert "names no instant" in found.problem


@pytest.mark.parametrize(
    ("table", "column", "type_", "base_type"),
    [
        ("shops", "id", "bigint", "int8"),
        ("shops", "points_per_dollar", "double precision", "float8"),
        ("shops", "points_per_dollar", "integer", "int4"),
        ("shops", "shop_domain", "citext", "citext"),
        ("shops", "shop_domain", "character varying(100)", "varchar"),
        ("point_transactions", "source", "point_source", "enum"),
        ("customer_loyalty_profiles", "email", "email_address", "text"),
        ("customer_segments", "criteria", "jsonb", "jsonb"),
    ],
)
def test_a_compatible_type_is_only_mentioned(
    table: str, column: str, type_: str, base_type: str
) -> None:
    found = only(compare(with_column(table, column, type=type_, base_type=base_type)))
    assert found.severity is Severity.INFO
    assert type_ in found.problem


def test_nullability_is_a_warning_where_it_loosens_and_a_note_where_it_tightens() -> None:
    loosened = only(compare(with_column("point_transactions", "source", is_nullable=True)))
    assert loosened.severity is Severity.WARNING
    tightened = only(compare(with_column("point_transactions", "created_by", is_nullable=False)))
    assert tightened.severity is Severity.INFO


@pytest.mark.parametrize("key", [(), ("id", "created_at")])
def test_a_primary_key_other_than_the_id_is_an_error(key: tuple[str, ...]) -> None:
    found = only(compare(with_table("point_transactions", primary_key=key)))
    assert (found.severity, found.table) == (Severity.ERROR, "point_transactions")
    assert "primary key" in found.problem


def test_a_missing_unique_key_is_a_warning_unless_a_narrower_one_implies_it() -> None:
    found = only(compare(with_table("shops", unique_keys=frozenset({frozenset({"id"})}))))
    assert (found.severity, found.problem) == (Severity.WARNING, "(shop_domain) is not unique")
    narrower = frozenset({frozenset({"id"}), frozenset({"customer_id"})})
    assert compare(with_table("campaign_participations", unique_keys=narrower)) == []


@pytest.mark.parametrize(
    ("found_key", "said"),
    [
        (None, "no foreign key to shops"),
        (ForeignKey(("shop_id",), "crm.shops", cascades=True), "refers to crm.shops"),
        (ForeignKey(("shop_id",), "shops", cascades=False), "does not cascade"),
    ],
)
def test_a_different_foreign_key_is_a_warning(found_key: ForeignKey | None, said: str) -> None:
    keys = frozenset({found_key} if found_key else ())
    found = only(compare(with_table("loyalty_analytics", foreign_keys=keys)))
    assert (found.severity, found.place) == (Severity.WARNING, "loyalty_analytics.shop_id")
    assert said in found.problem


def test_a_deployments_own_columns_and_tables_are_notes() -> None:
    catalogue = with_column("shops", "Favourite Colour")
    relations = {**catalogue.relations, "gift_cards": Relation(), "v_shops": Relation(kind="v")}
    found = compare(replace(catalogue, relations=relations))
    assert [(each.severity, each.place) for each in found] == [
        (Severity.INFO, "shops.Favourite Colour"),
        (Severity.INFO, "gift_cards"),
        (Severity.INFO, "v_shops"),
    ]


def test_what_keeps_activation_from_inserting_is_a_warning() -> None:
    extra = with_column("loyalty_analytics", "region", is_nullable=False)
    no_serial = with_column("customer_segment_memberships", "id", has_default=False)
    for catalogue in (extra, no_serial):
        found = only(compare(catalogue))
        assert found.severity is Severity.WARNING
        assert "activation cannot insert" in found.problem
    defaulted = with_column("loyalty_analytics", "region", is_nullable=False, has_default=True)
    assert only(compare(defaulted)).severity is Severity.INFO


def test_a_table_without_any_privilege_is_one_error() -> None:
    relation = FAULTLESS.relations["shops"]
    closed = {name: replace(col, is_readable=False) for name, col in relation.columns.items()}
    found = only(
        compare(
            with_table(
                "shops",
                is_readable=False,
                columns=closed,
                unreadable_system_columns=("xmin", "ctid"),
            )
        )
    )
    assert (found.severity, found.place) == (Severity.ERROR, "shops")


def test_column_privileges_do_where_they_cover_what_is_read() -> None:
    relation = FAULTLESS.relations["shops"]
    columns = {
        **relation.columns,
        "access_token": replace(relation.columns["access_token"], is_readable=False),
    }
    assert compare(with_table("shops", is_readable=False, columns=columns)) == []

    columns["brand_color"] = replace(relation.columns["brand_color"], is_readable=False)
    found = compare(
        with_table("shops", is_readable=False, columns=columns, unreadable_system_columns=("xmin",))
    )
    assert [(each.severity, each.place) for each in found] == [
        (Severity.ERROR, "shops.brand_color"),
        (Severity.WARNING, "shops.xmin"),
    ]


def test_row_level_security_is_an_error() -> None:
    found = only(compare(with_table("shops", hides_rows=True)))
    assert found.severity is Severity.ERROR
    assert "row-level security" in found.problem


def test_no_usage_on_the_schema_is_an_error() -> None:
    found = only(compare(replace(FAULTLESS, is_usable=False)))
    assert found.severity is Severity.ERROR
    assert "no USAGE on schema public" in found.problem


def test_an_empty_schema_is_one_error_that_names_where_the_tables_are() -> None:
    found = only(
        compare(
            Catalogue(
                schema="public", schemas={"app": 15, "public": 0}, is_usable=True, relations={}
            )
        )
    )
    assert found.severity is Severity.ERROR
    assert found.problem.startswith("none of the 15 tables is in schema public; ")
    assert "app (15 of the 15): set LOYALTY_OPERATIONAL_SCHEMA" in found.problem


def test_an_empty_database_is_one_error_that_names_its_schemas_and_the_way_out() -> None:
    schemas = {"crm": 0, "public": 0}
    found = only(compare(Catalogue("public", schemas, is_usable=True, relations={})))
    assert "(schemas: crm, public)" in found.problem
    assert "loyalty operational create" in found.problem


def test_a_schema_that_does_not_exist_is_said_to_be_so() -> None:
    found = only(compare(Catalogue("nope", {"public": 0}, is_usable=False, relations={})))
    assert found.problem.startswith("schema nope does not exist; ")


def test_the_gravest_differences_come_first() -> None:
    catalogue = with_column("shops", "extra")
    relations = without(catalogue.relations, "referral_conversions")
    relations["campaigns"] = replace(relations["campaigns"], foreign_keys=frozenset())
    found = compare(replace(catalogue, relations=relations))
    assert [each.severity for each in found] == [Severity.ERROR, Severity.WARNING, Severity.INFO]
