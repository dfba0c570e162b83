"""Segment rules: the language, the field catalogue, and the compiler of rules into a plan."""

from orchestration.segments.catalogue import Catalogue, load_catalogue
from orchestration.segments.compiler import (
    CompileReport,
    RuleResult,
    StoredRule,
    assess,
    compile_rules,
    read_rules,
)
from orchestration.segments.errors import RuleError
from orchestration.segments.parsing import parse

__all__ = [
    "Catalogue",
    "CompileReport",
    "RuleError",
    "RuleResult",
    "StoredRule",
    "assess",
    "compile_rules",
    "load_catalogue",
    "parse",
    "read_rules",
]
