"""The warehouse's own frame: schemas, ops tables by migrations, and the one-writer lock."""

from orchestration.warehouse.frame import prepare
from orchestration.warehouse.lock import WriterLock, require_direct, writer_lock

__all__ = ["WriterLock", "prepare", "require_direct", "writer_lock"]
