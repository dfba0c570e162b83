"""What PostgreSQL says during a sync, in words that name the database and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from orchestration.errors import LoyaltyError

_AGAIN = "Nothing of this sync is visible in raw; run it again."

_WAREHOUSE_RIGHTS = (
    "The warehouse role needs CREATE on its database, and to own what it made there: "
    "grant create on database <warehouse> to <role>."
)
_SOURCE_RIGHTS = "Grant the right to the login; `loyalty operational grants` prints what it needs."

_REMEDIES = {
    "55P03": "Somebody holds a lock for long (a migration?); run the sync again after that.",
    "40001": "A standby that must not fall behind cancels long reads: run the sync again, and let "
    "it set hot_standby_feedback = on, or a longer max_standby_streaming_delay.",
    "53100": "Make room on its disk; nothing of this sync is visible in raw. Then run it again.",
    "57014": "Was it canceled by hand, or by a time limit of the server? Then run it again.",
    "22021": "The source holds bytes that are no text in its encoding: mend those rows there.",
    "22P05": "The source holds characters that have no UTF-8 form: mend those rows there.",
}
"""By SQLSTATE, where there is more to say than to run it again."""

_TRANSIENT_STATES = frozenset({"55P03", "40001", "40P01", "53300", "57014"})
_TRANSIENT_CLASSES = ("08", "57P")


@contextmanager
def plain_errors(name: str, doing: str = "") -> Iterator[None]:
    """Turns PostgreSQL's errors into ours.

    Args:
        name: Which database speaks: "operational database" or "warehouse".
        doing: What was being done, such as "reading public.shops".

    Raises:
        LoyaltyError: Instead of any psycopg.Error.
    """
    try:
        yield
    except psycopg.Error as error:
        # Without the error itself: its detail and context may quote a customer's row.
        raise _explained(name, doing, error) from None


def _explained(name: str, doing: str, error: psycopg.Error) -> LoyaltyError:
    said = error.diag.message_primary or str(error).strip() or type(error).__name__
    state = error.sqlstate or ""
    if state == "42501":
        remedy = _WAREHOUSE_RIGHTS if name == "warehouse" else _SOURCE_RIGHTS
    elif "conflict with recovery" in said:
        remedy = _REMEDIES["40001"]
    else:
        remedy = _REMEDIES.get(state, _AGAIN)
    # A lost connection has no SQLSTATE.
    is_lost = isinstance(error, psycopg.OperationalError) and not state
    return LoyaltyError(
        f"The {name} says{f', {doing}' if doing else ''}: {said}",
        remedy=remedy,
        is_transient=is_lost or state in _TRANSIENT_STATES or state.startswith(_TRANSIENT_CLASSES),
    )
