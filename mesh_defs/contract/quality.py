"""The `quality` rules of a contract as data: what is measured, and what the measure must be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mesh_defs.contract.contract import ContractBase
from mesh_defs.contract.metrics import NUMERIC, RANGES, Metric, Operator
from mesh_defs.contract.report import Report
from mesh_defs.contract.types import Column, Kind, QualityEntry
from mesh_defs.model.findings import Severity

_TYPES: Final = ("library", "sql")

_LIBRARY: Final = {str(metric): metric for metric in Metric if metric is not Metric.SQL}

RESERVED_NAMES: Final = frozenset(["ledger", "partitions_moving", "freshness", "new_unknown_fields"])
"""Checks of the platform; a rule of that name gets a number."""

_PERCENT: Final = frozenset(["percent", "%", "percentage"])
_MILD: Final = frozenset(["info", "information", "warning", "warn", "low", "minor"])
_NOT_A_NAME: Final = re.compile(r"[^a-z0-9]+")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAME_LIMIT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRule:
    """One rule.

    Attributes:
        name: Of the check; unique in its table.
        path: The column, with the fields that lead into it; empty for a rule of the table.
        column: That column; None for a rule of the table.
        entry: What the contract says, and where.
        operator: None together with `unsupported`.
        bounds: One number, or two where the operator is a range.
        percent: Whether the measure is a share of the rows, in percent.
        warning: Whether breaking it is a warning only, by the rule's `severity`.
        columns: Of `duplicateValues`: the columns that must be unique together.
        valid: Of `invalidValues`: the values that are valid; None where any is.
        pattern: Of `invalidValues`: a regular expression that must be found in the value.
        missing: Of `missingValues`: what counts as missing.
        query: Of `sql`.
        unsupported: Why the rule cannot be measured; None where it can.
    """

    name: str
    description: str
    entry: QualityEntry
    path: tuple[str, ...] = ()
    column: Column | None = None
    metric: Metric | None = None
    operator: Operator | None = None
    bounds: tuple[float, ...] = ()
    percent: bool = False
    warning: bool = False
    columns: tuple[str, ...] = ()
    valid: tuple[Any, ...] | None = None
    pattern: str | None = None
    missing: tuple[Any, ...] = field(default=(None, ""))
    query: str | None = None
    unsupported: str | None = None

    def holds(self, measure: float) -> bool:
        """Judge a measure.

        Raises:
            AssertionError: The rule is one that cannot be measured.
        """
        if self.operator is None:
            raise AssertionError(self.unsupported)
        low, high = self.bounds[0], self.bounds[-1]
        verdicts = {
            Operator.BE: measure == low,
            Operator.NOT_BE: measure != low,
            Operator.GREATER: measure > low,
            Operator.GREATER_OR_EQUAL: measure >= low,
            Operator.LESS: measure < low,
            Operator.LESS_OR_EQUAL: measure <= low,
            Operator.BETWEEN: low <= measure <= high,
            Operator.NOT_BETWEEN: not low <= measure <= high,
        }
        return verdicts[self.operator]

    @property
    def demand(self) -> str:
        """What the measure must be, in the contract's words: `mustBeBetween 1 and 9 percent`."""
        numbers = " and ".join(f"{bound:g}" for bound in self.bounds)
        return f"{self.operator} {numbers}{' percent' if self.percent else ''}"


def quality_rules(contract: ContractBase) -> tuple[QualityRule, ...]:
    """Return the rules of a contract: the table's, then those of its columns, nested ones included.

    A rule of `type: text` is for people and makes no check. One that cannot be measured is there, and says why.
    """
    found: list[QualityRule] = []
    taken = set(RESERVED_NAMES)
    for rule in _rules(contract):
        name, number = rule.name, 2
        while name in taken:
            name, number = f"{rule.name}_{number}", number + 1
        taken.add(name)
        found.append(replace(rule, name=name))
    return tuple(found)


def check_quality(contract: ContractBase, report: Report) -> None:
    """Warn of each rule that cannot be measured: its check would never be green."""
    for rule in quality_rules(contract):
        if rule.unsupported is not None:
            message = f"this rule is shown, but not measured: {rule.unsupported}"
            at = rule.entry
            report.at(at.line, at.column, at.where, "quality", message, severity=Severity.WARNING)


def _rules(contract: ContractBase) -> Iterator[QualityRule]:
    names = frozenset(column.name.casefold() for column in contract.columns)
    for entry in contract.quality:
        if entry.rule.get("type") != "text":
            yield _known(_rule(entry, (), None), names)
    for column in contract.columns:
        for rule in _column_rules(column, (), inside_list=False):
            yield _known(rule, names)


def _known(rule: QualityRule, names: frozenset[str]) -> QualityRule:
    """Refuse a rule about columns that the table does not have."""
    missing = [name for name in rule.columns if rule.columns != rule.path and name.casefold() not in names]
    return replace(rule, unsupported=f"the table has no column {missing[0]!r}") if missing else rule


def _column_rules(column: Column, above: tuple[str, ...], *, inside_list: bool) -> Iterator[QualityRule]:
    path = (*above, column.name)
    for entry in column.quality:
        if entry.rule.get("type") == "text":
            continue
        rule = _rule(entry, path, column)
        yield replace(rule, unsupported="it is inside an array") if inside_list else rule
    for field_ in column.type.fields:
        yield from _column_rules(field_, path, inside_list=inside_list)
    item = column.type.item
    if item is not None:
        for field_ in item.type.fields:
            yield from _column_rules(field_, path, inside_list=True)


def _rule(entry: QualityEntry, path: tuple[str, ...], column: Column | None) -> QualityRule:
    """Read one entry; whatever is wrong with it stands in `unsupported`."""
    raw = entry.rule
    rule = QualityRule(
        entry=entry,
        name=_name(raw, path),
        description=str(raw.get("description") or raw.get("name") or "").strip(),
        path=path,
        column=column,
        percent=str(raw.get("unit", "")).casefold() in _PERCENT,
        warning=str(raw.get("severity", "")).casefold() in _MILD,
    )
    try:
        type_ = raw.get("type", "library")
        if type_ not in _TYPES:
            raise _Unsupported(f"type {type_} is measured by another engine")  # noqa: TRY301 - as the others
        return _measured(raw, _judged(raw, rule))
    except _Unsupported as error:
        return replace(rule, unsupported=str(error))


class _Unsupported(Exception):  # noqa: N818 - never leaves this module
    """A rule that cannot be measured."""


def _judged(raw: Mapping[str, Any], rule: QualityRule) -> QualityRule:
    said = [operator for operator in Operator if operator in raw]
    if len(said) != 1:
        raise _Unsupported("it needs exactly one of " + ", ".join(Operator))
    operator, value = said[0], raw[said[0]]
    numbers = value if operator in RANGES and isinstance(value, Sequence) else [value]
    if len(numbers) != (2 if operator in RANGES else 1) or not all(map(_is_number, numbers)):
        raise _Unsupported(f"{operator} needs {'two numbers' if operator in RANGES else 'a number'}")
    return replace(rule, operator=operator, bounds=tuple(float(n) for n in numbers))


def _measured(raw: Mapping[str, Any], rule: QualityRule) -> QualityRule:
    if raw.get("type") == "sql":
        if not isinstance(raw.get("query"), str):
            raise _Unsupported("type sql needs a query")
        if rule.percent:
            raise _Unsupported("a query gives a number, so unit percent means nothing")
        return replace(rule, metric=Metric.SQL, query=raw["query"])
    word = str(raw.get("metric") or raw.get("rule") or "no metric")
    metric = _LIBRARY.get(word)
    if metric is None:
        raise _Unsupported(f"{word} is none of {', '.join(_LIBRARY)}")
    return _with_arguments(raw.get("arguments") or {}, replace(rule, metric=metric))


def _with_arguments(arguments: Mapping[str, Any], rule: QualityRule) -> QualityRule:
    if rule.metric is Metric.ROW_COUNT:
        if rule.percent:
            raise _Unsupported("rowCount in percent means nothing")
        return rule
    if rule.metric is Metric.DUPLICATE_VALUES:
        columns = tuple(str(c) for c in arguments.get("properties") or rule.path)
        if not columns:
            raise _Unsupported("duplicateValues of a table needs arguments.properties")
        return replace(rule, columns=columns)
    if rule.column is None:
        raise _Unsupported(f"{rule.metric} belongs to a column")
    if rule.metric is Metric.MISSING_VALUES and "missingValues" in arguments:
        return replace(rule, missing=tuple(arguments["missingValues"] or ()))
    if rule.metric is Metric.INVALID_VALUES:
        return _with_validity(arguments, rule, rule.column)
    return rule


def _with_validity(arguments: Mapping[str, Any], rule: QualityRule, column: Column) -> QualityRule:
    unknown = set(arguments) - {"validValues", "pattern"}
    if unknown or not arguments:
        wrong = ", ".join(sorted(unknown)) or "none given"
        raise _Unsupported(f"invalidValues knows the arguments validValues and pattern ({wrong})")
    if column.type.kind in {Kind.OBJECT, Kind.ARRAY, Kind.MAP}:
        raise _Unsupported(f"invalidValues of an {column.type.kind} is not known")
    valid, pattern = arguments.get("validValues"), arguments.get("pattern")
    odd = (
        [v for v in valid or () if v is not None and not _is_number(v)] if column.type.kind in NUMERIC else []
    )
    if odd:
        raise _Unsupported(f"{odd[0]!r} of validValues is no number, as the column's values are")
    return replace(rule, valid=None if valid is None else tuple(valid), pattern=pattern)


def _name(raw: Mapping[str, Any], path: tuple[str, ...]) -> str:
    word = raw.get("metric") or raw.get("rule") or raw.get("type") or "rule"
    said = raw.get("name") or raw.get("id") or "_".join([_HUMP.sub("_", str(word)), *path])
    name = _NOT_A_NAME.sub("_", _HUMP.sub("_", str(said)).casefold()).strip("_")
    return name[:_NAME_LIMIT] or "rule"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
