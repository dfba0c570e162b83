"""The small, declared share of rows that are wrong as real data is wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Irregularities:
    """How often each irregularity occurs, as a share of the rows named.

    Everything else in the sample is consistent. Each field's rows can be told apart by SQL, and the
    summary counts them.

    Attributes:
        migrated_balance: Profiles whose balance has points of an older program that no transaction
            shows; their `points_balance_after` is higher by as much throughout.
        stray_balance_after: Transactions whose `points_balance_after` does not follow.
        undated_transaction: Customers whose first transaction has no `created_at`.
        late_commit: Transactions that committed minutes late, so that their id is out of the order
            of `created_at`.
        undated_profile: Profiles without `created_at`.
        null_consent: Profiles without an answer on e-mail and SMS.
        null_tier: Profiles that lost `current_tier_id` while their history still has an open tier.
        unposted_expiry: Customers of shops with expiring points whom the expiry job has skipped for
            the last 60 days.
        invalid_rules: Shops (a count, from the first) with one segment whose rule names no field.
    """

    migrated_balance: float = 0.002
    stray_balance_after: float = 0.002
    undated_transaction: float = 0.002
    late_commit: float = 0.002
    undated_profile: float = 0.001
    null_consent: float = 0.005
    null_tier: float = 0.002
    unposted_expiry: float = 0.02
    invalid_rules: int = 1


DECLARED = Irregularities()
"""What every sample has."""
