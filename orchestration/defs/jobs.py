"""The run: sync, build and activate as one job, daily; and the comparison of raw, on demand."""

from __future__ import annotations

import dagster as dg

from orchestration.defs.raw import raw_checks

RETRY = dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL)
"""For lost connections and restarts; failures that a retry cannot mend say so themselves."""

loyalty_run = dg.define_asset_job(
    name="loyalty_run",
    description="Sync the application's tables, build and test every model, write segments back.",
    selection=dg.AssetSelection.all() - dg.AssetSelection.checks(raw_checks),
    executor_def=dg.in_process_executor,
    op_retry_policy=RETRY,
)

verify_raw = dg.define_asset_job(
    name="verify_raw_job",
    description="Sync, then compare every table of raw with the source, by count and content.",
    selection=dg.AssetSelection.checks(raw_checks),
    executor_def=dg.in_process_executor,
)

daily = dg.ScheduleDefinition(
    name="daily",
    job=loyalty_run,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    run_config={"ops": {"dbt_build": {"config": {"test_all_rows": True}}}},
    description="Every night at 03:00 UTC, with tests of all rows.",
)
