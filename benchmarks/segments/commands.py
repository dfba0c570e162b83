"""What a marketer waits for: previews and explanations, as whole commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from benchmarks.frame.gates import require
from benchmarks.frame.rounds import Series, alternate
from benchmarks.marts.__main__ import BEGIN
from benchmarks.segments.rules import EVENTS, SHAPES
from orchestration.database import Database

PREVIEW, PREVIEW_EVENTS = "preview, on fields", "preview, on fields and events"
BACKTEST, DIFF, EXPLAIN = "preview of a month ago", "diff", "explain"

_LOYALTY = [sys.executable, "-c", "from orchestration.cli import main; main()", "segments"]

# Of the shop with the most customers: the segment whose number of members is the middle one, and
# one of its members.
_SUBJECT = """
with sizes as (
    select
        segment_id,
        min(customer_id) as customer_id,
        row_number() over (order by count(*), segment_id) as place,
        count(*) over () as segments
    from marts.customer_segment_memberships
    where
        is_active
        and shop_id = (
            select shop_id from marts.dim_customers group by shop_id order by count(*) desc limit 1
        )
    group by segment_id
)
select
    shops.shop_domain,
    sizes.segment_id,
    sizes.customer_id,
    (
        select count(*) from marts.dim_customers as customers
        where customers.shop_id = segments.shop_id
    ) as customers
from sizes
inner join marts.customer_segments as segments on sizes.segment_id = segments.segment_id
inner join marts.dim_shops as shops on segments.shop_id = shops.shop_id
where sizes.place = (sizes.segments + 1) / 2
"""


def measure(
    warehouse: Database, folder: Path, rounds: int, say: Callable[[str], None]
) -> tuple[int, dict[str, Series]]:
    """Measures the commands in the shop with the most customers.

    Args:
        warehouse: It has been built, with segments.
        folder: For the rules' files.
        rounds: How often.
        say: Told what is found.

    Returns:
        The shop's customers, and the seconds of each command from the process's start to its end.

    Raises:
        GateError: A command failed.
    """
    with warehouse.connect() as connection:
        row = connection.execute(_SUBJECT).fetchone()
    require(row is not None, "No segment has members.")
    assert row is not None
    domain, segment, customer, customers = row
    files = {}
    for name, rule in (("fields", SHAPES[1](3)), ("events", EVENTS[1](3))):
        files[name] = folder / f"rule_{name}.json"
        files[name].write_text(json.dumps(rule), encoding="utf-8")
    shop = ["--shop", domain]
    a_month_ago = ["--as-of", (BEGIN - timedelta(days=30)).isoformat()]
    commands = {
        PREVIEW: ["preview", *shop, "--criteria", str(files["fields"])],
        PREVIEW_EVENTS: ["preview", *shop, "--criteria", str(files["events"])],
        BACKTEST: ["preview", *shop, "--criteria", str(files["events"]), *a_month_ago],
        DIFF: ["diff", *shop, "--segment", str(segment), "--criteria", str(files["fields"])],
        EXPLAIN: ["explain", *shop, "--segment", str(segment), "--customer", f"profile:{customer}"],
    }
    environment = {**os.environ, "LOYALTY_WAREHOUSE_URL": warehouse.url}
    environment["LOYALTY_OPERATIONAL_URL"] = warehouse.url  # not read; no server is started for it

    def contender(name: str) -> Callable[[], Mapping[str, float]]:
        return lambda: {name: _seconds(commands[name], environment)}

    return customers, alternate({name: contender(name) for name in commands}, rounds, say)


def _seconds(arguments: list[str], environment: Mapping[str, str]) -> float:
    began = time.monotonic()
    done = subprocess.run(
        [*_LOYALTY, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - began
    require(done.returncode == 0, f"loyalty segments {' '.join(arguments)}:\n{done.stderr}")
    return seconds
