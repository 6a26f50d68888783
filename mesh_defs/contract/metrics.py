"""The words of `quality` rules: what is measured, and how the measure is judged."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from mesh_defs.contract.types import Kind


class Metric(StrEnum):
    """What a rule measures: the metrics of the standard's library, and a query of one's own."""

    ROW_COUNT = "rowCount"
    NULL_VALUES = "nullValues"
    MISSING_VALUES = "missingValues"
    INVALID_VALUES = "invalidValues"
    DUPLICATE_VALUES = "duplicateValues"
    SQL = "sql"


class Operator(StrEnum):
    """How a measure is judged."""

    BE = "mustBe"
    NOT_BE = "mustNotBe"
    GREATER = "mustBeGreaterThan"
    GREATER_OR_EQUAL = "mustBeGreaterOrEqualTo"
    LESS = "mustBeLessThan"
    LESS_OR_EQUAL = "mustBeLessOrEqualTo"
    BETWEEN = "mustBeBetween"
    NOT_BETWEEN = "mustNotBeBetween"


RANGES: Final = frozenset([Operator.BETWEEN, Operator.NOT_BETWEEN])

NUMERIC: Final = frozenset([Kind.BIGINT, Kind.INT, Kind.SMALLINT, Kind.DOUBLE, Kind.FLOAT, Kind.DECIMAL])
