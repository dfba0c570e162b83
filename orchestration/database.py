"""Connections to PostgreSQL, and the plain words for why one could not be had."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.rows import TupleRow

from orchestration.errors import LoyaltyError

MINIMUM_VERSION = 15
"""The oldest PostgreSQL major version that is supported."""


_TLS = re.compile(r"certificate|SSL|sslmode|private key")

WAREHOUSE = "warehouse"
"""What the warehouse is called, as `Database.name`."""

_WAREHOUSE_SESSION = """
set timezone = 'UTC';
set datestyle = 'ISO, YMD';
set intervalstyle = 'postgres';
set quote_all_identifiers = off;
set default_transaction_isolation = 'read committed';
set default_transaction_deferrable = off;
set statement_timeout = 0;
set idle_in_transaction_session_timeout = 0;
set idle_session_timeout = 0
"""


@dataclass(frozen=True)
class Database:
    """A database and what to call it in messages.

    Attributes:
        name: How messages call it: "operational database" or "warehouse".
        url: A libpq URL or connection string. May hold a password: never log it, show `location`.
        variable: The environment variable that sets it, for messages.
    """

    name: str
    url: str
    variable: str

    @property
    def fields(self) -> dict[str, str]:
        """The connection fields of the URL, by libpq's names (host, port, user, password …).

        Raises:
            LoyaltyError: The URL is not one that libpq understands.
        """
        url = self.url
        for driver in ("postgresql+psycopg://", "postgresql+psycopg2://"):
            url = url.replace(driver, "postgresql://", 1) if url.startswith(driver) else url
        try:
            fields = {key: str(value) for key, value in conninfo.conninfo_to_dict(url).items()}
        except psycopg.Error:
            # libpq's own message may quote the URL, password and all.
            raise self._malformed() from None
        # An unescaped / or @ in a password ends up in these, and messages would show it.
        if any("@" in fields.get(name, "") for name in ("host", "port", "dbname")):
            raise self._malformed()
        return fields

    def _malformed(self) -> LoyaltyError:
        return LoyaltyError(
            f"The URL of the {self.name} is not a PostgreSQL URL.",
            remedy=f"Set {self.variable} to postgresql://user:password@host:5432/database, "
            "with special characters in the password percent-encoded (/ is %2F, @ is %40).",
        )

    @property
    def location(self) -> str:
        """Where the database is, without secrets: `user@host:port/dbname`."""
        fields = self.fields
        user, host = fields.get("user", ""), fields.get("host", "localhost")
        at = f"{user}@" if user else ""
        return f"{at}{host}:{fields.get('port', '5432')}/{fields.get('dbname', user)}"

    def connect(self, *, autocommit: bool = False, **options: Any) -> psycopg.Connection[TupleRow]:
        """Opens a connection with prepared statements off (poolers).

        The warehouse's sessions are ours alone and get the settings that we count on, whatever its
        role or database has. The application's are not: a pooler would hand our settings on.

        Args:
            autocommit: Whether each statement is a transaction of its own.
            options: More libpq fields, such as `application_name`.

        Raises:
            LoyaltyError: It cannot be reached, refuses the login, does not exist, or is too old.
        """
        fields: dict[str, Any] = {
            "application_name": "loyalty-warehouse",
            "connect_timeout": "10",
            # A connection that idles through a build must not be dropped on the way in silence.
            "keepalives_idle": "30",
            "keepalives_interval": "10",
            "keepalives_count": "3",
            **self.fields,
            **options,
        }
        try:
            connection = psycopg.connect(autocommit=True, prepare_threshold=None, **fields)
        except psycopg.Error as error:
            raise self.explained(error) from None
        try:
            self.require_version(connection.info.server_version)
            if self.name == WAREHOUSE:
                connection.execute(_WAREHOUSE_SESSION)
                if connection.info.server_version >= 170000:
                    connection.execute("set transaction_timeout = 0")
                # A statement of a process that was killed ends, too, where the platform can tell.
                with suppress(psycopg.errors.InvalidParameterValue):
                    connection.execute("set client_connection_check_interval = '10s'")
        except LoyaltyError:
            connection.close()
            raise
        except psycopg.Error as error:
            connection.close()
            raise self.explained(error) from None
        connection.autocommit = autocommit
        return connection

    def require_version(self, server_version: int) -> None:
        """Refuses servers that are too old.

        Args:
            server_version: As libpq gives it: 150004 is 15.4.

        Raises:
            LoyaltyError: It is before PostgreSQL 15.
        """
        major = server_version // 10000
        if major < MINIMUM_VERSION:
            raise LoyaltyError(
                f"The {self.name} at {self.location} runs PostgreSQL {major}, which is too old.",
                remedy=f"PostgreSQL {MINIMUM_VERSION} or newer is needed.",
            )

    def explained(self, error: psycopg.Error) -> LoyaltyError:
        """In plain words, why a connection could not be had, and what to do."""
        text = str(error)
        is_transient = False
        if "password authentication failed" in text or "no password supplied" in text:
            problem, remedy = "refused the user name or the password", "Check the login in"
        elif _TLS.search(text):
            problem, remedy = (
                "cannot be reached over TLS as its URL says",
                "Check sslmode, sslrootcert, sslcert and sslkey in",
            )
        elif "does not exist" in text and "database" in text:
            problem, remedy = "does not exist on that server", "Create it, or correct the name in"
        elif "pg_hba.conf" in text:
            problem, remedy = (
                "does not let this client in (pg_hba.conf)",
                "Allow it there, or check",
            )
        elif "connection option" in text:
            problem, remedy = "has a URL that cannot be used", "Correct"
        elif "too many" in text or "reserved for" in text:
            problem, remedy = "has no connection left", "Try again later, or raise the limit; see"
            is_transient = True
        elif "starting up" in text or "shutting down" in text or "recovery" in text:
            problem, remedy = "is starting up or shutting down", "Try again in a moment; see"
            is_transient = True
        else:
            problem, remedy = "cannot be reached", "Is the server running? Check host and port in"
            is_transient = True
        return LoyaltyError(
            f"The {self.name} at {self.location} {problem}: {why_failed(text)}",
            remedy=f"{remedy} {self.variable}.",
            is_transient=is_transient,
        )


def why_failed(message: str) -> str:
    """What libpq's message about a failed connection comes to, in one line.

    libpq names the server again, adds hints on lines of their own, and tries several addresses.
    """
    lines = [line.strip(" -\t") for line in message.splitlines() if line.strip()]
    said = [line.partition(" failed: ")[2] or line for line in lines if " failed: " in line]
    reason = (said or lines or ["no reason given"])[0]
    for prefix in ("connection to server", "connection is bad: "):
        if reason.startswith(prefix):
            reason = reason.removeprefix(prefix).rpartition(" failed: ")[2]
    return reason.removeprefix("FATAL:").strip()
