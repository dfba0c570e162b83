"""What the environment configures; `loyalty doctor` shows the effective values."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_DIR = Path(__file__).resolve().parent.parent
"""The checkout: where dbt_project.yml lies."""


class Settings(BaseSettings):
    """The configuration, from LOYALTY_* variables or a `.env` file in the working directory.

    Attributes:
        operational_url: The application's database; None means the embedded server's `operational`.
        warehouse_url: The warehouse; None means the embedded server's `warehouse`.
        operational_schema: The PostgreSQL schema that holds the application's 15 tables.
        home: Where the embedded server, Dagster's records and exports live.
    """

    model_config = SettingsConfigDict(
        env_prefix="LOYALTY_", env_file=".env", extra="ignore", env_ignore_empty=True
    )

    operational_url: SecretStr | None = None
    warehouse_url: SecretStr | None = None
    operational_schema: str = "public"
    home: Path = Field(default=PROJECT_DIR / ".loyalty")

    @property
    def needs_embedded_server(self) -> bool:
        """Whether at least one of the two databases is the embedded server's."""
        return self.operational_url is None or self.warehouse_url is None
