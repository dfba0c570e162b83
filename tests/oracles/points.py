"""The point ledger and lots by an explicit queue, from metrics.md, "Point ledger"."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import UTC, datetime
from typing import Any

from oracles.history import History, Row, clean

EVER_AGO = datetime.min.replace(tzinfo=UTC)


def people(history: History) -> dict[int, Row]:
    """The profiles that exist as of the history's instant, by customer id."""
    return {
        row["id"]: row
        for row in history.rows("customer_loyalty_profiles")
        if exists(row["created_at"], history.as_of)
    }


def exists(moment: Any, as_of: datetime) -> bool:
    """Undated rows always exist; dated ones from their instant on."""
    usable = clean(moment)
    return usable is None or usable <= as_of


def entries(history: History) -> dict[int, list[Row]]:
    """Each customer's transactions in ledger order: by (created_at, id), undated ones first."""
    known = people(history)
    found: dict[int, list[Row]] = defaultdict(list)
    for row in history.rows("point_transactions"):
        if row["customer_id"] in known and exists(row["created_at"], history.as_of):
            found[row["customer_id"]].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: (clean(row["created_at"]) or EVER_AGO, row["id"]))
    return found


def ledger(history: History) -> dict[int, Row]:
    """fct_point_ledger by transaction id: entry_no, occurred_at, balance_after, balance_drift."""
    result = {}
    for rows in entries(history).values():
        balance = 0
        for number, row in enumerate(rows, start=1):
            balance += row["points_amount"]
            result[row["id"]] = {
                "customer_id": row["customer_id"],
                "entry_no": number,
                "occurred_at": clean(row["created_at"]),
                "points_amount": row["points_amount"],
                "balance_after": balance,
                "recorded_balance_after": row["points_balance_after"],
                "balance_drift": row["points_balance_after"] - balance,
            }
    return result


def taken_points(history: History) -> dict[tuple[int, int], int]:
    """What each debit took from each lot: points by (lot id, debit's transaction id)."""
    taken: dict[tuple[int, int], int] = defaultdict(int)
    for rows in entries(history).values():
        lots: deque[list[int]] = deque()  # [lot id, points left]
        debts: deque[list[int]] = deque()  # [transaction id, points owed]
        for row in rows:
            mine, theirs = (lots, debts) if row["points_amount"] > 0 else (debts, lots)
            left = abs(row["points_amount"])
            while left and theirs:
                piece = min(left, theirs[0][1])
                lot, debit = (
                    (row["id"], theirs[0][0]) if mine is lots else (theirs[0][0], row["id"])
                )
                taken[lot, debit] += piece
                left -= piece
                theirs[0][1] -= piece
                if not theirs[0][1]:
                    theirs.popleft()
            if left:
                mine.append([row["id"], left])
    return dict(taken)


def allocations(history: History) -> dict[tuple[int, int], Row]:
    """fct_point_lot_allocations by (lot id, debit's transaction id)."""
    earned = {
        row["id"]: clean(row["created_at"]) for rows in entries(history).values() for row in rows
    }
    return {
        (lot, debit): {"points": points, "earned_at": earned[lot]}
        for (lot, debit), points in taken_points(history).items()
    }


def lots(history: History) -> dict[int, Row]:
    """fct_point_lots by lot id."""
    part_of_type = {"redeemed": "points_redeemed", "expired": "points_expired"}
    transactions = {row["id"]: row for rows in entries(history).values() for row in rows}
    result = {
        row["id"]: {
            "customer_id": row["customer_id"],
            "earned_at": clean(row["created_at"]),
            "expires_at": clean(row["expires_at"]),
            "points_issued": row["points_amount"],
            "points_redeemed": 0,
            "points_expired": 0,
            "points_reversed": 0,
            "points_remaining": row["points_amount"],
        }
        for row in transactions.values()
        if row["points_amount"] > 0
    }
    for (lot, debit), points in taken_points(history).items():
        kind = transactions[debit]["transaction_type"]
        result[lot][part_of_type.get(kind, "points_reversed")] += points
        result[lot]["points_remaining"] -= points
    for lot_id, lot in result.items():
        expires = lot["expires_at"]
        posted = clean(transactions[lot_id]["expired_at"])
        unposted = posted is None or posted > history.as_of
        if lot["points_remaining"] == 0:
            lot["lot_status"] = "closed"
        elif expires is not None and expires <= history.as_of and unposted:
            lot["lot_status"] = "expired_unposted"
        else:
            lot["lot_status"] = "open"
    return result
