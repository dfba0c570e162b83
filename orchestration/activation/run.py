"""One activation from end to end: plan, brakes, apply, record, under one lock."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestration.activation.outcome import foreseen
from orchestration.activation.result import ActivationResult
from orchestration.activation.steps import apply, make_plan, record
from orchestration.activation.verdict import judge
from orchestration.database import Database
from orchestration.warehouse import writer_lock


def activate(
    operational: Database,
    schema: str,
    warehouse: Database,
    *,
    dry_run: bool = False,
    segment: str | None = None,
    shop: str | None = None,
    allow_large_changes: bool = False,
    max_rows_per_second: int | None = None,
    waiting: Callable[[str], None] = lambda message: None,
) -> ActivationResult:
    """Writes segments, analytics and campaign audiences to the application; only what differs.

    It can be killed at any time and simply run again; a second run right after it writes nothing.

    Args:
        operational: The application's database.
        schema: The schema of its tables.
        warehouse: The warehouse, built.
        dry_run: Whether to stop at the plan; nothing is written, nothing recorded.
        segment: Only segments of this name, and campaigns that name them; no analytics.
        shop: Only the shop of this domain.
        allow_large_changes: Whether to let through what the brakes would hold.
        max_rows_per_second: How many of the application's rows may be written in a second.
        waiting: Is told, once, in plain words, that another run is being waited for.

    Returns:
        What was written, per segment; what was held or failed is in its `problems`.

    Raises:
        LoyaltyError: Nothing was built, the warehouse is older than what was written before, the
            role lacks privileges, or a connection could not be had (back).
    """
    with (
        writer_lock(warehouse, waiting=waiting) as lock,
        TemporaryDirectory(prefix="loyalty-activation-") as folder,
    ):
        plan = make_plan(
            operational,
            schema,
            warehouse,
            Path(folder),
            segment=segment,
            shop=shop,
            write=not dry_run,
        )
        verdict = judge(plan, allow_large_changes=allow_large_changes)
        if dry_run:
            return foreseen(plan, verdict)
        applied = apply(
            operational,
            schema,
            warehouse,
            plan,
            verdict,
            lock,
            max_rows_per_second=max_rows_per_second,
        )
        return record(warehouse, plan, verdict, applied)
