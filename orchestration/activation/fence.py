"""Never backwards, told by the application's own rows: what happened there after the build.

The warehouse remembers what it has written (`ops.activation_state`), but a warehouse that was
restored from a backup does not, nor does a run that lost the writer lock know of the next one.
Whatever activation changes carries a time that is the as_of of the build that brought it: a
membership its added_at or removed_at, a segment its last_computed_at, a row of loyalty_analytics
its computed_at. A time that lies between this build's as_of and the application's present was
written by somebody who knew more, and such a row is left alone. Times to come are garbage, and
protect nothing.
"""

from __future__ import annotations

from datetime import datetime

from psycopg.sql import SQL, Composed, Identifier, Literal


def is_later(as_of: datetime, *column: str) -> Composed:
    """Whether the column's time lies between as_of and now; false where it is NULL."""
    # Not now(): a row may have been written while this transaction waited for it.
    return SQL("coalesce({column} > {as_of} and {column} <= clock_timestamp(), false)").format(
        column=Identifier(*column), as_of=Literal(as_of)
    )


def is_later_membership(as_of: datetime) -> Composed:
    """Whether a row of `memberships` began or ended after the build."""
    return SQL("({} or {})").format(
        is_later(as_of, "memberships", "added_at"), is_later(as_of, "memberships", "removed_at")
    )


def is_later_segment(as_of: datetime) -> Composed:
    """Whether the counters of a row of `segments` were computed after the build."""
    return is_later(as_of, "segments", "last_computed_at")
