"""The mirror: raw equals the operational tables as of one consistent snapshot, or does not move.

plan decides, extract reads, scratch compares, apply writes, state remembers; mirror is the one sync
that uses them. Another way to learn what changed (logical replication) would replace extract.
"""

from orchestration.sync.compare import Content, TableComparison
from orchestration.sync.mirror import TABLES, sync
from orchestration.sync.result import Progress, SyncResult, TableResult
from orchestration.sync.state import RawState, raw_state

__all__ = [
    "TABLES",
    "Content",
    "Progress",
    "RawState",
    "SyncResult",
    "TableComparison",
    "TableResult",
    "raw_state",
    "sync",
]
