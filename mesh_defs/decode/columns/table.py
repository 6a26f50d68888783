"""All columns of many records: the arrays of the good ones, and the verdicts on the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from typing import Any, TypeVar

from mesh_defs.decode.columns.base import Array, Converter
from mesh_defs.decode.refusal import Refusal

_Values = TypeVar("_Values", bound=Sized)


def columns_of(
    names: Sequence[str],
    converters: Sequence[Converter],
    sources: Sequence[_Values],
    picked: Callable[[_Values, list[int]], _Values],
) -> tuple[list[Array], dict[int, Refusal]]:
    """Return the columns of the good records, and the verdicts on the others by position.

    Args:
        names: Of the columns.
        converters: One a column.
        sources: What each of them converts, one value a record.
        picked: Returns the values at some positions, ascending.
    """
    arrays: list[Array] = []
    refused: dict[int, Refusal] = {}
    for name, converter, source in zip(names, converters, sources, strict=True):
        values: Any = source
        try:
            arrays.append(converter.array(values))
        except Refusal:
            for position, refusal in converter.refused(values).items():
                refused.setdefault(position, refusal.within(f".{name}"))
    if refused:
        good = [position for position in range(len(sources[0])) if position not in refused]
        arrays, _ = columns_of(names, converters, [picked(source, good) for source in sources], picked)
    return arrays, refused
