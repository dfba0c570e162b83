"""The mirror: raw equals the operational tables as of one consistent snapshot, or does not move.

plan decides, extract reads, apply writes, state remembers; mirror is the one sync that uses them.
"""

from orchestration.sync.mirror import TABLES, sync
from orchestration.sync.result import Progress, SyncResult, TableResult
from orchestration.sync.state import RawState, raw_state
from orchestration.sync.verify import TableComparison, verify

__all__ = [
    "TABLES",
    "Progress",
    "RawState",
    "SyncResult",
    "TableComparison",
    "TableResult",
    "raw_state",
    "sync",
    "verify",
]
