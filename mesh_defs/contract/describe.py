"""A column's type and constraints as text, for people."""

from __future__ import annotations

from typing import Any, Final

from mesh_defs.contract.types import Column, ColumnType, Kind, Limits, TimeEncoding

_LIMITS: Final = {
    "minimum": "at least {}",
    "exclusive_minimum": "above {}",
    "maximum": "at most {}",
    "exclusive_maximum": "below {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
    "pattern": "matches {}",
    "format": "format {}",
    "min_items": "at least {} elements",
    "max_items": "at most {} elements",
    "min_properties": "at least {} keys",
    "max_properties": "at most {} keys",
}


def describe_type(type_: ColumnType) -> str:
    """Return a type as one reads it: `decimal(12,2)`, `array of string`, `map of string to int`."""
    text = str(type_.kind)
    if type_.kind is Kind.DECIMAL:
        text = f"decimal({type_.precision},{type_.scale})"
    elif type_.kind is Kind.TIMESTAMP and not type_.timezone:
        text = "timestamp without offset"
    elif type_.encoding is not TimeEncoding.RFC3339:
        text = f"{type_.kind} ({type_.encoding})"
    elif type_.kind is Kind.OBJECT:
        fields = ", ".join(f"{field.name} {describe_type(field.type)}" for field in type_.fields)
        text = f"object ({fields})"
    elif type_.item is not None:
        text = f"array of {describe_type(type_.item.type)}"
    elif type_.key is not None and type_.value is not None:
        text = f"map of {describe_type(type_.key)} to {describe_type(type_.value)}"
    return text


def describe_constraints(column: Column) -> tuple[str, ...]:
    """Return what every value of a column keeps to, one short text each; `required` and `unique` left out."""
    limits = _describe_limits(column.type.limits)
    if column.primary_key:
        limits = ("primary key", *limits)
    if column.classification:
        limits = (*limits, f"classified {column.classification}")
    return limits


def _describe_limits(limits: Limits) -> tuple[str, ...]:
    texts = [
        text.format(_shown(getattr(limits, name))) for name, text in _LIMITS.items() if _said(limits, name)
    ]
    if limits.unique_items:
        texts.append("elements differ")
    if limits.required_keys:
        texts.append(f"with the keys {', '.join(limits.required_keys)}")
    return tuple(texts)


def _said(limits: Limits, name: str) -> bool:
    return getattr(limits, name) is not None


def _shown(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
