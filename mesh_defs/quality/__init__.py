"""Measuring the `quality` rules of contracts in a domain's store."""

from mesh_defs.quality.lint import lint_rules
from mesh_defs.quality.measure import Measure, measure
from mesh_defs.quality.unknown import UnknownFields, unknown_fields

__all__ = ["Measure", "UnknownFields", "lint_rules", "measure", "unknown_fields"]
