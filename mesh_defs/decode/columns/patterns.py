"""The grammars of values that JSON writes as text."""

from __future__ import annotations

import re
from typing import Final

DECIMAL: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,9})?")
"""A number of RFC 8259, section 6; an exponent of ten digits could hold no stored number."""

UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
"""RFC 9562, section 4."""

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_OFFSET = r"[+-][0-9]{2}:[0-9]{2}"

FULL_DATE: Final = re.compile(_DATE)
PARTIAL_TIME: Final = re.compile(rf"{_TIME}(?:\.[0-9]{{1,6}}0*)?")
"""RFC 3339, `partial-time`, of which nothing is lost in microseconds."""

INSTANT: Final = re.compile(rf"({_DATE})[Tt]({_TIME})(?:(\.[0-9]{{1,6}})0*)?([Zz]|{_OFFSET})")
WALL_CLOCK: Final = re.compile(rf"({_DATE})[Tt]({_TIME})(?:(\.[0-9]{{1,6}})0*)?()")
"""RFC 3339, `date-time` with and without `time-offset`, of which nothing is lost in microseconds.

The groups are the date, the time, its fraction, and the offset.
"""

LONG_INSTANT: Final = re.compile(rf"({_DATE})[Tt]({_TIME})(?:(\.[0-9]{{1,6}})[0-9]*)?([Zz]|{_OFFSET})")
"""RFC 3339, `date-time`, with any number of digits behind the second."""

USUAL_INSTANT: Final = rf"^{_DATE}T{_TIME}(?:\.[0-9]{{1,6}})?(?:Z|{_OFFSET})$"
USUAL_WALL_CLOCK: Final = rf"^{_DATE}T{_TIME}(?:\.[0-9]{{1,6}})?$"
"""The spellings that Arrow reads without help."""

DATE_TIME: Final = re.compile(rf"{_DATE}[Tt]{_TIME}(?:\.[0-9]+)?(?:[Zz]|{_OFFSET})")
FULL_TIME: Final = re.compile(rf"({_TIME})(?:\.[0-9]+)?(?:[Zz]|[+-]([0-9]{{2}}:[0-9]{{2}}))")
