"""Sample data that looks like a loyalty program: `generate` fills an empty operational database."""

from orchestration.sample.generate import SampleSummary, generate
from orchestration.sample.irregularities import DECLARED, Irregularities

__all__ = ["DECLARED", "Irregularities", "SampleSummary", "generate"]
