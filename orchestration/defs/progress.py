"""A Dagster logger that only forwards: whoever runs a job in process listens to it by its name."""

from __future__ import annotations

import logging

import dagster as dg

from orchestration.run import PROGRESS_LOGGER


def _forward(_: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.getLogger(PROGRESS_LOGGER)
    logger.setLevel(logging.DEBUG)  # a step that starts or succeeds is a debug event
    logger.propagate = False
    logger.addHandler(logging.NullHandler())  # else Python prints the warnings that nobody hears
    return logger


progress_logger = dg.LoggerDefinition(
    _forward, description="Forwards a run's events to the Python logger loyalty.progress."
)
