"""Who may log in to the embedded server, with which passwords, to which databases."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from orchestration.embedded.cluster import HOST
from orchestration.embedded.files import write_private
from orchestration.embedded.initdb import SUPERUSER
from orchestration.errors import LoyaltyError

DATABASES = ("operational", "warehouse")
ROLE = "loyalty"
"""The role that owns both databases, without a superuser's rights."""


@dataclass(frozen=True)
class Server:
    """A running server and how to log in; `repr` shows no password."""

    port: int
    password: str = field(repr=False)
    user: str = ROLE
    host: str = HOST

    def url(self, dbname: str) -> str:
        """The libpq URL of one of its databases, password included: do not log it."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{dbname}"


def make_passwords(directory: Path) -> str:
    """Writes random passwords to a file in the format of libpq's password files.

    Returns:
        The superuser's.
    """
    made = {name: secrets.token_urlsafe(24) for name in (ROLE, SUPERUSER)}
    lines = (f"*:*:*:{name}:{password}\n" for name, password in made.items())
    write_private(directory / "pgpass", "".join(lines))
    return made[SUPERUSER]


def passwords(directory: Path) -> dict[str, str]:
    """The passwords by role.

    Raises:
        LoyaltyError: The file is missing, or not as it was written.
    """
    file = directory / "pgpass"
    try:
        found = dict(line.split(":", 4)[3:] for line in file.read_text().splitlines())
        return {name: found[name] for name in (ROLE, SUPERUSER)}
    except (FileNotFoundError, ValueError, KeyError):
        raise LoyaltyError(
            f"The embedded server's passwords are missing from {file}.",
            remedy="Bring the file back, or remove the data with `loyalty db stop --remove-data`.",
        ) from None


def create_databases(server: Server, superuser_password: str) -> None:
    """Makes the role and the databases that are missing; the role's password is sent hashed.

    Raises:
        LoyaltyError: The server refused.
    """
    superuser = Server(server.port, superuser_password, user=SUPERUSER)
    role = sql.Identifier(ROLE)
    try:
        with psycopg.connect(superuser.url("postgres"), autocommit=True) as connection:
            # The session of a command that was killed may still be making them.
            connection.execute("select pg_advisory_lock(%s)", [zlib.crc32(ROLE.encode())])
            roles = connection.execute("select rolname from pg_roles").fetchall()
            if (ROLE,) not in roles:
                hashed = connection.pgconn.encrypt_password(
                    server.password.encode(), ROLE.encode(), b"scram-sha-256"
                ).decode()
                connection.execute(
                    sql.SQL("create role {} login password {}").format(role, sql.Literal(hashed))
                )
            databases = connection.execute("select datname from pg_database").fetchall()
            for name in DATABASES:
                if (name,) not in databases:
                    connection.execute(
                        sql.SQL("create database {} owner {}").format(sql.Identifier(name), role)
                    )
    except psycopg.Error as error:
        raise LoyaltyError(
            "The embedded PostgreSQL runs, but its databases could not be made: "
            f"{str(error).strip()}.",
            remedy="Mend the cause and try again; or begin anew with `loyalty db stop "
            "--remove-data`.",
        ) from None
