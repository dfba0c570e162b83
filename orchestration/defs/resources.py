"""The resources that Dagster hands to assets: both databases, resolved when a step runs."""

from __future__ import annotations

import dagster as dg

from orchestration.databases import Databases, open_databases
from orchestration.errors import LoyaltyError
from orchestration.settings import Settings


class DatabasesResource(dg.ConfigurableResource["DatabasesResource"]):
    """The operational database and the warehouse of the LOYALTY_* environment."""

    def open(self) -> Databases:
        """Resolves both; starts the embedded server where one of them is not configured."""
        return open_databases(Settings())


def failure(error: LoyaltyError) -> dg.Failure:
    """A Dagster failure in plain words, retried only where the error may be over by itself."""
    metadata = {"what_to_do": error.remedy} if error.remedy else {}
    return dg.Failure(
        description=error.problem, metadata=metadata, allow_retries=error.is_transient
    )
