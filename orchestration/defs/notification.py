"""A sensor that tells the webhook of runs that failed or held something back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from orchestration.notification import Notice, notify
from orchestration.run import COMMAND_TAG, problems_of
from orchestration.settings import Settings


@dg.run_failure_sensor(
    name="webhook",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells LOYALTY_WEBHOOK_URL of runs that failed or held something back.",
)
def webhook(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Posts what failed; says why where it does not."""
    run = context.dagster_run
    if COMMAND_TAG in run.tags:
        return dg.SkipReason(f"`loyalty {run.tags[COMMAND_TAG]}` tells the webhook by itself.")
    settings = Settings()
    if settings.webhook_url is None:
        return dg.SkipReason("LOYALTY_WEBHOOK_URL is not set.")
    notice = notice_of(run, context.get_step_failure_events())
    if not notify(settings, notice):
        context.log.warning("The webhook was not told; the daemon's log says why.")
    return None


def notice_of(run: dg.DagsterRun, failures: Iterable[dg.DagsterEvent]) -> Notice:
    """What is told of a run."""
    failed = list(failures)
    problems: list[Mapping[str, Any]] = [p for event in failed for p in problems_of(event)]
    steps = [event.step_key for event in failed if event.step_key]
    return Notice(run.job_name, run.run_id, steps, problems=problems)
