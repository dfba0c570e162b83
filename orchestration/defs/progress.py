"""A Dagster logger that only forwards: whoever runs a job in process listens to it by its name."""

from __future__ import annotations

import logging

import dagster as dg

LOGGER_NAME = "loyalty.progress"


@dg.logger(description="Forwards a run's events to the Python logger loyalty.progress.")
def progress_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """The Python logger `loyalty.progress`; silent unless a handler listens."""
    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger
