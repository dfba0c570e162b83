"""Segment rules: the language, the field catalogue, and the compiler of rules into a plan."""

from orchestration.segments.assessment import (
    RuleResult,
    StoredRule,
    assess,
    assess_all,
    targets_of,
)
from orchestration.segments.catalogue import Catalogue, load_catalogue
from orchestration.segments.compiler import CompileReport, compile_rules, read_rules
from orchestration.segments.errors import RuleError
from orchestration.segments.listing import Segment, list_segments
from orchestration.segments.parsing import parse
from orchestration.segments.words import in_words

__all__ = [
    "Catalogue",
    "CompileReport",
    "RuleError",
    "RuleResult",
    "Segment",
    "StoredRule",
    "assess",
    "assess_all",
    "compile_rules",
    "in_words",
    "list_segments",
    "load_catalogue",
    "parse",
    "read_rules",
    "targets_of",
]
