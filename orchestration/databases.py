"""Which two databases this run works on: the configured ones, or the embedded server's."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration import embedded
from orchestration.database import WAREHOUSE, Database
from orchestration.settings import Settings


@dataclass(frozen=True)
class Databases:
    """The application's database (with the schema of its tables) and the warehouse."""

    operational: Database
    operational_schema: str
    warehouse: Database


def open_databases(settings: Settings) -> Databases:
    """Resolves both databases; starts the embedded server only where one of them is not configured.

    Raises:
        LoyaltyError: The embedded server is needed and cannot be started.
    """
    server = embedded.ensure_running(settings.home) if settings.needs_embedded_server else None

    def resolve(name: str, configured: str | None, dbname: str) -> Database:
        url = configured or (server.url(dbname) if server else "")
        return Database(name=name, url=url, variable=f"LOYALTY_{dbname.upper()}_URL")

    operational, warehouse = settings.operational_url, settings.warehouse_url
    return Databases(
        operational=resolve(
            "operational database",
            operational.get_secret_value() if operational else None,
            "operational",
        ),
        operational_schema=settings.operational_schema,
        warehouse=resolve(
            WAREHOUSE, warehouse.get_secret_value() if warehouse else None, "warehouse"
        ),
    )
