"""What a run can be told: Dagster config classes shared by the assets and `loyalty run`."""

from __future__ import annotations

import dagster as dg
from pydantic import Field


class SyncConfig(dg.Config):
    """How to mirror the operational tables."""

    full: bool = Field(default=False, description="Compare every row, whatever changed.")
    allow_large_changes: bool = Field(
        default=False, description="Let a sync through that tombstones most of a table."
    )


class BuildConfig(dg.Config):
    """What to build."""

    as_of: str | None = Field(
        default=None, description="ISO 8601 instant; default: the last sync's snapshot."
    )
    full_refresh: bool = Field(default=False, description="Recompute every model from raw.")
    test_all_rows: bool = Field(
        default=False, description="Test all rows, also those that this run does not touch."
    )


class BrakesConfig(dg.Config):
    """What the brakes let through."""

    allow_large_changes: bool = Field(
        default=False, description="Let changes through that the brakes would hold."
    )


class ApplyConfig(dg.Config):
    """How fast to write."""

    max_rows_per_second: int | None = Field(
        default=None,
        gt=0,
        description="Rows of the application per second; default: LOYALTY_MAX_ROWS_PER_SECOND.",
    )


class ActivationConfig(BrakesConfig, ApplyConfig):
    """How to write back."""
