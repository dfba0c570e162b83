"""What a row costs where a customer has 100,000 of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.frame.gates import require
from benchmarks.frame.report import Report, Target
from benchmarks.frame.rounds import Contender, Series, alternate
from benchmarks.marts.ledger import MODELS
from benchmarks.marts.statements import Statements, elsewhere

ENTRIES = 100_000
WHALES = 10
USUAL = 10
"""How many entries a customer has otherwise."""

_READ = ("stg_point_transactions", "stg_customer_loyalty_profiles")

# However many customers they are spread over, every fourth entry of each is a debit.
_TRANSACTIONS = """
insert into {schema}.stg_point_transactions (
    transaction_id, customer_id, transaction_type, source, points_amount, points_balance_after,
    created_at, expires_at
)
select
    row_no,
    1 + row_no % {customers},
    case when row_no / {customers} % 4 = 3 then 'redeemed' else 'earned' end,
    'purchase',
    case
        when row_no / {customers} % 4 = 3 then -1 - abs(hashint8(row_no) % 200)
        else 1 + abs(hashint8(row_no) % 100)
    end,
    0,
    timestamptz '2025-01-01 00:00:00+00' + row_no * interval '1 second',
    timestamptz '2026-01-01 00:00:00+00' + row_no * interval '1 second'
from generate_series(1::bigint, {rows}) as series (row_no)
"""

_TOTALS = """
select
    (select sum(points_amount) from {schema}.fct_point_ledger),
    (select sum(points_remaining) from {schema}.fct_point_lots)
    - coalesce((
        select sum(points) from {schema}.int_point_pieces where lot_id is null
    ), 0),
    (select sum(points) from {schema}.fct_point_lot_allocations),
    (
        select sum(points_redeemed + points_expired + points_reversed)
        from {schema}.fct_point_lots
    )
"""


@dataclass(frozen=True)
class Arrangement:
    """The same entries, spread over that many customers, in a schema of their own."""

    schema: str
    customers: int


def measure(
    statements: Statements,
    compiled: Mapping[str, str],
    entries: int,
    rounds: int,
    say: Callable[[str], None],
) -> dict[str, Series]:
    """Measures ledger, pieces, lots and allocations of whales and of usual customers.

    Args:
        statements: Where.
        compiled: The models' queries.
        entries: How many entries a whale has.
        rounds: How often.
        say: Told what is being done.
    """
    rows = WHALES * entries
    arrangements = (Arrangement("usual", max(rows // USUAL, 1)), Arrangement("whales", WHALES))
    for arrangement in arrangements:
        _fill(statements, arrangement, rows)
    contenders: dict[str, Contender] = {
        arrangement.schema: _contender(statements, compiled, arrangement)
        for arrangement in arrangements
    }
    found = alternate(contenders, rounds, say)
    for arrangement in arrangements:
        statements.drop(arrangement.schema)
    return found


def _fill(statements: Statements, arrangement: Arrangement, rows: int) -> None:
    schema = arrangement.schema
    statements.create(schema)
    statements.execute(
        *(f"create unlogged table {schema}.{name} (like staging.{name})" for name in _READ),
        f"insert into {schema}.stg_customer_loyalty_profiles (customer_id, shop_id) "
        f"select id, 1 + id % 50 from generate_series(1::bigint, {arrangement.customers}) as id",
        _TRANSACTIONS.format(schema=schema, customers=arrangement.customers, rows=rows),
        # As raw's tables have it.
        f"create index on {schema}.{_READ[0]} (customer_id, created_at, transaction_id)",
        f"create index on {schema}.{_READ[1]} (customer_id)",
        *(f"vacuum (analyze) {schema}.{name}" for name in _READ),
    )


def _contender(
    statements: Statements, compiled: Mapping[str, str], arrangement: Arrangement
) -> Contender:
    schema = arrangement.schema

    def measured() -> Mapping[str, float]:
        found = {}
        for model in MODELS:
            query = elsewhere(compiled[model], schema, [*_READ, *MODELS])
            found[f"{model}: {schema}"] = statements.run(model, query, schema=schema)
            statements.execute(f"analyze {schema}.{model}")
        balance, unspent, allocated, taken = statements.values(_TOTALS.format(schema=schema))
        require(
            balance == unspent, f"Of {schema}, {balance} points are left, the lots say {unspent}"
        )
        require(allocated == taken, f"Of {schema}, {allocated} is allocated, the lots say {taken}")
        return found

    return measured


def write(report: Report, figures: Mapping[str, Series], entries: int) -> None:
    """Adds the section on customers with very many entries."""
    report.heading(f"Customers with {entries:,} entries")
    rows = WHALES * entries
    sums: dict[str, Series] = {}
    lines = []
    for model in (*MODELS, "together"):
        both = []
        for schema in ("usual", "whales"):
            models = MODELS if model == "together" else (model,)
            rounds = zip(*(figures[f"{name}: {schema}"].values for name in models), strict=True)
            sums[schema] = Series(tuple(map(sum, rounds)))
            both.append(Series(tuple(seconds / rows * 1e6 for seconds in sums[schema].values)))
        name = model if model == "together" else f"`{model}`"
        lines.append([name, *(series.show() for series in both), (both[1] / both[0]).show()])
    report.table(
        ["µs per entry", f"{USUAL} entries each", f"{entries:,} entries each", "ratio"], lines
    )
    report.points(
        [
            f"{rows:,} made-up entries, every fourth of them a debit: once of {WHALES} customers, "
            f"once of {max(rows // USUAL, 1):,}. The models' queries as above, each reading what "
            "the one before it wrote.",
            "Checked: what remains in the lots, less what is overdrawn, is the sum of all "
            "entries, and the allocations are what the lots say was taken.",
        ]
    )
    report.targets.append(
        Target(
            f"an entry of a customer with {entries:,}; with {USUAL} = 1",
            (sums["whales"] / sums["usual"]).median,
            1.5,
            is_least=False,
        )
    )
