"""What is made of a URL, of libpq's messages and of a server's version; no server is asked."""

from __future__ import annotations

import psycopg
import pytest

from orchestration.database import Database, why_failed
from orchestration.errors import LoyaltyError


def database(url: str) -> Database:
    return Database("warehouse", url, "LOYALTY_WAREHOUSE_URL")


@pytest.mark.parametrize("server_version", [150000, 150018, 160004, 170000, 180004, 190000])
def test_postgresql_15_and_newer_will_do(server_version: int) -> None:
    database("postgresql://u@h/d").require_version(server_version)


@pytest.mark.parametrize(
    ("server_version", "called"), [(140022, "14"), (130000, "13"), (90624, "9"), (100001, "10")]
)
def test_an_older_postgresql_is_refused_by_its_version(server_version: int, called: str) -> None:
    with pytest.raises(LoyaltyError) as refused:
        database("postgresql://u:secret@h/d").require_version(server_version)
    assert f"warehouse at u@h:5432/d runs PostgreSQL {called}, which" in refused.value.problem
    assert "PostgreSQL 15 or newer" in refused.value.remedy


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("postgresql://user:secret@db.example:5433/shop", "user@db.example:5433/shop"),
        ("postgres://db.example/shop", "db.example:5432/shop"),
        ("postgresql+psycopg://user:secret@h/shop?sslmode=require", "user@h:5432/shop"),
        ("postgresql:///shop?host=/run/postgresql&user=u", "u@/run/postgresql:5432/shop"),
        ("host=h user=u dbname=shop password=secret", "u@h:5432/shop"),
    ],
)
def test_a_location_names_the_place_without_the_password(url: str, location: str) -> None:
    assert database(url).location == location


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@h/d", "postgresql://u:sec ret@h/d", "secret", "postgresql://[secret"]
)
def test_a_url_of_something_else_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(LoyaltyError) as refused:
        _ = database(url).location
    assert "secret" not in str(refused.value).replace("user:password", "")
    assert "LOYALTY_WAREHOUSE_URL" in refused.value.remedy


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            'connection failed: connection to server at "127.0.0.1", port 1 failed: Connection '
            "refused\n\tIs the server running on that host and accepting TCP/IP connections?",
            "Connection refused",
        ),
        (
            'connection failed: connection to server at "127.0.0.1", port 5432 failed: FATAL:  '
            'database "nope" does not exist',
            'database "nope" does not exist',
        ),
        (
            'connection failed: connection to server on socket "/run/.s.PGSQL.5432" failed: '
            "No such file or directory\n\tIs the server running locally?",
            "No such file or directory",
        ),
        (
            'connection failed: connection to server at "::1", port 1 failed: Connection refused\n'
            "Multiple connection attempts failed. All failures were:\n"
            "- host: 'localhost', port: '1', hostaddr: '::1': connection failed: refused",
            "Connection refused",
        ),
        ("connection timeout expired", "connection timeout expired"),
        ("", "no reason given"),
    ],
)
def test_a_failed_connection_comes_to_one_line(message: str, reason: str) -> None:
    assert why_failed(message) == reason


def test_only_what_may_pass_by_itself_is_tried_again() -> None:
    def refusal(message: str) -> LoyaltyError:
        return database("postgresql://u@h/d").explained(psycopg.OperationalError(message))

    assert refusal("FATAL:  the database system is starting up").is_transient
    assert refusal("connection timeout expired").is_transient
    assert refusal("FATAL:  sorry, too many clients already").is_transient
    assert not refusal('FATAL:  password authentication failed for user "u"').is_transient
    assert not refusal('FATAL:  database "d" does not exist').is_transient
    assert not refusal("FATAL:  no pg_hba.conf entry for host").is_transient


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:se/kr@et@h:5432/x",
        "postgresql://u:sek/r@et@h:5432/x",
        "postgresql://u:sek/ret@h:5432/x",
        "postgresql://u@h/db@sekret",
    ],
)
def test_a_password_that_is_not_percent_encoded_is_refused_and_never_shown(url: str) -> None:
    database = Database("warehouse", url, "LOYALTY_WAREHOUSE_URL")
    with pytest.raises(LoyaltyError, match="percent-encoded") as refused:
        _ = database.location
    assert "et@" not in str(refused.value)
    assert "sekret" not in str(refused.value)
