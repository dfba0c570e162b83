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
from orchestration.segments.criteria import Node
from orchestration.segments.difference import (
    ChangedCustomer,
    Difference,
    OpenDifference,
    difference,
)
from orchestration.segments.errors import RuleError
from orchestration.segments.evaluation import iso
from orchestration.segments.explain import Explanation, Verdict, explain
from orchestration.segments.export import Channel, Export, export
from orchestration.segments.formats import Format
from orchestration.segments.listing import (
    EventEntry,
    FieldEntry,
    Segment,
    list_events,
    list_fields,
    list_segments,
)
from orchestration.segments.parsing import parse
from orchestration.segments.preview import Preview, SampleCustomer, preview
from orchestration.segments.schema import rule_schema
from orchestration.segments.words import in_words

__all__ = [
    "Catalogue",
    "ChangedCustomer",
    "Channel",
    "CompileReport",
    "Difference",
    "EventEntry",
    "Explanation",
    "Export",
    "FieldEntry",
    "Format",
    "Node",
    "OpenDifference",
    "Preview",
    "RuleError",
    "RuleResult",
    "SampleCustomer",
    "Segment",
    "StoredRule",
    "Verdict",
    "assess",
    "assess_all",
    "compile_rules",
    "difference",
    "explain",
    "export",
    "in_words",
    "iso",
    "list_events",
    "list_fields",
    "list_segments",
    "load_catalogue",
    "parse",
    "preview",
    "read_rules",
    "rule_schema",
    "targets_of",
]
