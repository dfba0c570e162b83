"""The embedded PostgreSQL: one server per LOYALTY_HOME, from the binaries that pip installed."""

from orchestration.embedded.login import Server
from orchestration.embedded.server import (
    Status,
    ensure_running,
    remove,
    running,
    status,
    stop,
)

__all__ = ["Server", "Status", "ensure_running", "remove", "running", "status", "stop"]
