"""What the environment configures; `loyalty doctor` shows the effective values."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, PositiveInt, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestration.errors import LoyaltyError

PROJECT_DIR = Path(__file__).resolve().parent.parent
"""The checkout: where dbt_project.yml lies."""


class Settings(BaseSettings):
    """The configuration, from LOYALTY_* variables or a `.env` file in the working directory.

    Attributes:
        operational_url: The application's database; None means the embedded server's `operational`.
        warehouse_url: The warehouse; None means the embedded server's `warehouse`.
        operational_schema: The PostgreSQL schema that holds the application's 15 tables.
        home: Where the embedded server, Dagster's records and exports live.
        max_rows_per_second: How many of the application's rows activation may write in a second;
            None means as many as it can.
        webhook_url: Where failed and held runs are told to, as JSON by POST; may hold a token.
        webhook_secret: The key that such messages are signed with.
    """

    model_config = SettingsConfigDict(
        env_prefix="LOYALTY_", env_file=".env", extra="ignore", env_ignore_empty=True
    )

    operational_url: SecretStr | None = None
    warehouse_url: SecretStr | None = None
    operational_schema: str = "public"
    home: Path = Field(default=PROJECT_DIR / ".loyalty")
    max_rows_per_second: PositiveInt | None = None
    webhook_url: SecretStr | None = None
    webhook_secret: SecretStr | None = None

    @field_validator("webhook_url")
    @classmethod
    def _is_http(cls, url: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(url.get_secret_value()) if url else None
        # The message must not quote the URL: its path is often a secret.
        if parts and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError("it is not a URL of http or https")
        return url

    @property
    def needs_embedded_server(self) -> bool:
        """Whether at least one of the two databases is the embedded server's."""
        return self.operational_url is None or self.warehouse_url is None

    def folder(self, name: str) -> Path:
        """A folder below `home`, by its absolute path, made where it is missing.

        Raises:
            LoyaltyError: `home` cannot be written.
        """
        folder = self.home.resolve() / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            usable = os.access(folder, os.W_OK | os.X_OK)
            reason = f"{folder} may not be written"
        except OSError as error:
            usable, reason = False, f"{error.strerror} ({error.filename})"
        if not usable:
            raise LoyaltyError(
                f"LOYALTY_HOME ({self.home}) cannot be used: {reason}.",
                remedy="Set LOYALTY_HOME to a folder that you may write.",
            )
        return folder
