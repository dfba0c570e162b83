"""The application's database: its tables, our own copy of them, and whether a given one will do."""

from orchestration.operational.check import check, require
from orchestration.operational.comparison import Difference, Severity
from orchestration.operational.grants import grants
from orchestration.operational.migrate import create

__all__ = ["Difference", "Severity", "check", "create", "grants", "require"]
