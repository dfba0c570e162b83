"""The whole graph at a glance: 15 raw assets, the dbt models and their checks, the write-back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.defs.activation import written_back
from orchestration.defs.dbt import compile_segment_rules, dbt_models, dbt_resource
from orchestration.defs.handover import HandoverIOManager
from orchestration.defs.jobs import daily, loyalty_run, verify_raw
from orchestration.defs.notification import webhook
from orchestration.defs.progress import progress_logger
from orchestration.defs.raw import raw_checks, raw_tables
from orchestration.defs.resources import DatabasesResource


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions; a test may replace resources by name (`databases`, `dbt`)."""
    resources: dict[str, Any] = {
        "databases": DatabasesResource(),
        "dbt": dbt_resource(),
        "handover": HandoverIOManager(),
    }
    return dg.Definitions(
        assets=[raw_tables, compile_segment_rules, dbt_models, written_back],
        asset_checks=[raw_checks],
        jobs=[loyalty_run, verify_raw],
        schedules=[daily],
        sensors=[webhook],
        resources={**resources, **(resource_overrides or {})},
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    )


defs = build_defs()
