"""What Alembic runs to apply revisions, on the connection and in the transaction it is given.

`operational.create` passes everything in `config.attributes`; there is no alembic.ini.
"""

from __future__ import annotations

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

attributes = context.config.attributes


def _applied(ctx: MigrationContext, step: MigrationInfo, heads: Any, run_args: Any) -> None:
    attributes["applied"].append(step.up_revision_id)


context.configure(
    connection=attributes["connection"],
    version_table=attributes["version_table"],
    version_table_schema=attributes["schema"],
    on_version_apply=_applied,
)
context.run_migrations()
