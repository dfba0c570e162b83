"""The embedded server's settings: durable, and made for a small machine that runs large queries."""

from __future__ import annotations

import os


def settings() -> dict[str, str]:
    """What postgresql.conf says beyond initdb's own choices, for this machine."""
    megabytes = _memory()
    return {
        # A quarter of the memory is usual for a server of its own; here pipelines run beside it.
        "shared_buffers": f"{min(max(megabytes // 8, 128), 1024)}MB",
        "effective_cache_size": f"{megabytes // 2}MB",
        # More made the ledger's sorts slower, not faster.
        "work_mem": "32MB",
        "maintenance_work_mem": f"{min(max(megabytes // 16, 64), 512)}MB",
        "dynamic_shared_memory_type": _parallel_memory(),
        "max_connections": "100",
        "random_page_cost": "1.1",
        # Compiling takes longer than most of our queries run.
        "jit": "off",
        # Nothing replicates from here, and tables made and filled in one transaction skip the log.
        # Commits wait for the disk all the same: a run makes hundreds of them, not millions.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "min_wal_size": "256MB",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        # Statements and details of errors may hold personal data.
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
    }


def _memory() -> int:
    """The machine's memory in MiB, or the container's where that is less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(file, encoding="ascii") as limit:
                limits.append(int(limit.read()))
        except (OSError, ValueError):  # absent, or "max"
            continue
    return int(min(limits) // 2**20)


def _parallel_memory() -> str:
    """Where parallel queries share memory: containers often have a /dev/shm of 64 MB only."""
    try:
        shared = os.statvfs("/dev/shm")  # noqa: S108 (asked for its size only)
    except OSError:
        return "posix"
    return "posix" if shared.f_blocks * shared.f_frsize >= 2**30 else "sysv"
