"""The field that says an event type, where it is no column: its value is told by the table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from mesh_defs.contract.choices import TypeSource
from mesh_defs.contract.contract import InputContract, StreamContract

NO_CONSTANTS: Final[Mapping[str, str]] = MappingProxyType({})


def type_constants(contract: InputContract) -> Mapping[str, str]:
    """Return the outermost field that holds nothing but the table's event type, and that type."""
    if not isinstance(contract, StreamContract):
        return NO_CONSTANTS
    source = contract.event_type_from
    if source is None or contract.event_type is None:
        return NO_CONSTANTS
    named = source.source in (TypeSource.FIELD, TypeSource.EITHER) and "." not in source.name
    if not named or source.name in [column.name for column in contract.columns]:
        return NO_CONSTANTS
    return {source.name: contract.event_type}
