"""What PostgreSQL says during a sync, in words that name the database and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from orchestration.errors import LoyaltyError


@contextmanager
def plain_errors(name: str) -> Iterator[None]:
    """Turns PostgreSQL's errors into ours.

    Args:
        name: Which database speaks: "operational database" or "warehouse".

    Raises:
        LoyaltyError: Instead of any psycopg.Error.
    """
    try:
        yield
    except errors.LockNotAvailable as error:
        remedy = "Somebody holds a lock for long (a migration?); run the sync again after that."
        raise _failure(name, error, remedy) from error
    except errors.InsufficientPrivilege as error:
        remedy = (
            "The warehouse role needs CREATE on its database, and to own what it made there: "
            "grant create on database <warehouse> to <role>."
            if name == "warehouse"
            else "Grant the right to the login; `loyalty operational grants` prints what it needs."
        )
        raise _failure(name, error, remedy) from error
    except psycopg.Error as error:
        remedy = "Nothing of this sync is visible in raw; run it again."
        raise _failure(name, error, remedy) from error


def _failure(name: str, error: psycopg.Error, remedy: str) -> LoyaltyError:
    # Not the detail or the context: they may quote a customer's row.
    said = error.diag.message_primary or str(error).strip() or type(error).__name__
    return LoyaltyError(f"The {name} says: {said}", remedy=remedy)
