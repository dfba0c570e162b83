"""Our own copy of the application's schema: what it declares, and what it enforces."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from orchestration.operational import enumerations
from orchestration.operational.tables import OURS, metadata

NOT_CASCADING = {
    "customer_loyalty_profiles.current_tier_id",
    "point_transactions.campaign_id",
    "point_transactions.redemption_id",
}
ARCHIVED = {
    "shops",
    "customer_loyalty_profiles",
    "tier_definitions",
    "reward_definitions",
    "campaigns",
    "referral_links",
    "customer_segments",
}
ENUMERATED = {
    "point_transactions.transaction_type": enumerations.TRANSACTION_TYPES,
    "point_transactions.source": enumerations.TRANSACTION_SOURCES,
    "point_transactions.created_by": enumerations.TRANSACTION_CREATORS,
    "tier_definitions.tier_type": enumerations.TIER_TYPES,
    "customer_tier_history.reason": enumerations.TIER_CHANGE_REASONS,
    "reward_definitions.reward_type": enumerations.REWARD_TYPES,
    "redemption_logs.status": enumerations.REDEMPTION_STATUSES,
    "campaigns.campaign_type": enumerations.CAMPAIGN_TYPES,
    "campaigns.status": enumerations.CAMPAIGN_STATUSES,
    "referral_conversions.status": enumerations.CONVERSION_STATUSES,
    "loyalty_analytics.period_type": enumerations.PERIOD_TYPES,
    "customer_segments.segment_type": enumerations.SEGMENT_TYPES,
}


def test_foreign_keys_cascade_except_the_optional_ones() -> None:
    holding_back = {
        str(key.parent)
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if key.ondelete != "CASCADE"
    }
    assert holding_back == NOT_CASCADING


def test_only_the_archived_tables_have_a_column_that_a_deployment_lacks() -> None:
    ours = {
        str(column)
        for table in metadata.tables.values()
        for column in table.columns
        if OURS in column.info
    }
    assert ours == {f"{table}.archived_at" for table in ARCHIVED}


def test_every_timestamp_has_a_time_zone() -> None:
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, sa.DateTime):
                assert column.type.timezone, column


def test_every_enumerated_column_has_a_check_that_lists_its_values() -> None:
    checks = {
        f"{table.name}.{str(check.sqltext).split(' ')[0]}": str(check.sqltext)
        for table in metadata.tables.values()
        for check in table.constraints
        if isinstance(check, sa.CheckConstraint) and " in (" in str(check.sqltext)
    }
    assert checks.keys() == ENUMERATED.keys()
    for column, values in ENUMERATED.items():
        assert checks[column].count("'") == 2 * len(values)
        assert all(f"'{value}'" in checks[column] for value in values)


@pytest.mark.parametrize(("column", "values"), ENUMERATED.items(), ids=list(ENUMERATED))
def test_every_enumerated_value_fits_its_column(column: str, values: tuple[str, ...]) -> None:
    table, name = column.split(".")
    column_type = metadata.tables[table].columns[name].type
    assert isinstance(column_type, sa.String)
    assert max(map(len, values)) <= (column_type.length or 0)


def test_names_of_constraints_and_indexes_are_distinct_and_none_is_truncated() -> None:
    tables = metadata.tables.values()
    constraints = [str(each.name) for table in tables for each in table.constraints]
    indexes = [str(each.name) for table in tables for each in table.indexes]
    names = constraints + indexes
    assert len(names) == len(set(names))
    assert all(len(name) <= 63 for name in names)  # what PostgreSQL keeps of a name
