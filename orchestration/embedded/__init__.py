"""The embedded PostgreSQL: one server per LOYALTY_HOME, from the binaries that pip installed."""

from orchestration.embedded.server import (
    Server,
    Status,
    ensure_running,
    remove,
    running,
    status,
    stop,
)

__all__ = ["Server", "Status", "ensure_running", "remove", "running", "status", "stop"]
