"""A document against the official JSON Schema of the Open Data Contract Standard.

The schema is the one that PyPI's `open-data-contract-standard` ships. Columns are validated one by one, without
the columns nested in them, for two reasons: the schema's `unevaluatedProperties` costs three times more with
each level of nesting, and its `if` clauses hold for a column without a `logicalType`, which the standard allows
(`logicalType` is then filled in from `physicalType` before).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from jsonschema import Draft201909Validator
from jsonschema.exceptions import ValidationError

from mesh_defs.contract.document import Node
from mesh_defs.contract.physical import inferred_logical_type
from mesh_defs.contract.report import Report, did_you_mean

_CLOSED: Final = frozenset(["additionalProperties", "unevaluatedProperties"])
_BRANCHES: Final = frozenset(["oneOf", "anyOf"])
_TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_INNER: Final = (("", "items"), ("map", "key"), ("map", "value"))
"""Where a column holds the type of others without a name: the place, and the key in it."""

_LONGEST: Final = 160


@cache
def odcs_schema() -> Mapping[str, Any]:
    """Return the official JSON Schema."""
    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8")
    schema: Mapping[str, Any] = json.loads(text)
    return schema


@cache
def _validator(definition: str | None) -> Draft201909Validator:
    if definition is None:
        return Draft201909Validator(odcs_schema())
    return Draft201909Validator({"$ref": f"#/$defs/{definition}", "$defs": odcs_schema()["$defs"]})


def check_standard(root: Node, report: Report) -> None:
    """Report everything in which a document is no ODCS contract."""
    data = root.plain()
    if isinstance(data, dict) and isinstance(data.get("schema"), list):
        for table in data["schema"]:
            if isinstance(table, dict) and isinstance(table.get("properties"), list):
                table["properties"] = []
    _check(root, data, None, report)
    schema = root.get("schema")
    for table in schema.elements() if schema else ():
        for column in _children(table):
            _check_column(column, "SchemaProperty", report)


def _check_column(column: Node, definition: str, report: Report) -> None:
    data = column.plain()
    if isinstance(data, dict):
        data.setdefault("logicalType", inferred_logical_type(data) or "string")
        if isinstance(data.get("properties"), list):
            data["properties"] = []
        for place, key in _INNER:
            inside = data.get(place) if place else data
            if isinstance(inside, dict) and isinstance(inside.get(key), dict):
                inside[key] = {"logicalType": "string"}
    _check(column, data, definition, report)
    for child in _children(column):
        _check_column(child, "SchemaProperty", report)
    for place, key in _INNER:
        inside = column.get(place) if place else column
        inner = inside.get(key) if inside else None
        if inner is not None and inner.entries():
            _check_column(inner, "SchemaItemProperty", report)


def _children(node: Node) -> tuple[Node, ...]:
    properties = node.get("properties")
    return properties.elements() if properties else ()


def _check(root: Node, data: Any, definition: str | None, report: Report) -> None:
    errors = [leaf for error in _validator(definition).iter_errors(data) for leaf in _leaves(error)]
    others = [tuple(e.absolute_path) for e in errors if e.validator not in _CLOSED]
    for error in errors:
        node = _find(root, error)
        if error.validator in _CLOSED:
            path = tuple(error.absolute_path)
            # An error below makes the library forget the keys that it knows: then only truly unknown ones count.
            cascade = any(other[: len(path)] == path for other in others)
            _report_keys(node, error, report, cascade=cascade)
        else:
            report.error(node, "standard", _message(error))


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    if error.validator not in _BRANCHES or not error.context:
        yield error
        return
    branches: dict[Any, list[ValidationError]] = {}
    for child in error.context:
        branches.setdefault(child.schema_path[0], []).append(child)
    fitting = [b for b in branches.values() if not any(c.validator == "type" and not c.path for c in b)]
    if len(fitting) == 1:
        for child in fitting[0]:
            yield from _leaves(child)
    else:
        yield error


def _find(root: Node, error: ValidationError) -> Node:
    node = root
    for step in error.absolute_path:
        below = node.elements()[step] if isinstance(step, int) else node.get(step)
        if below is None:
            break
        node = below
    return node


def _report_keys(node: Node, error: ValidationError, report: Report, *, cascade: bool) -> None:
    known = _known_keys(error.schema, error.instance)
    unknown = [key for key in node.entries() if key not in known]
    for key in unknown:
        report.key_error(node.entries()[key], "unknown-key", f"unknown key{did_you_mean(key, known)}")
    if unknown or cascade:
        return
    for key in re.findall(r"'([^']+)'", error.message.partition("(")[2]):
        if (child := node.get(key)) is not None:
            report.key_error(child, "misplaced-key", "this key has no place here; remove it")


def _known_keys(schema: Any, instance: Any) -> frozenset[str]:
    """Return the keys that a schema names for an instance, through references, `allOf` and fitting `if`s."""
    if not isinstance(schema, Mapping):
        return frozenset()
    known = set(schema.get("properties", ()))
    if "$ref" in schema:
        known |= _known_keys(_resolve(schema["$ref"]), instance)
    for branch in ("allOf", *_BRANCHES):
        for part in schema.get(branch, ()):
            known |= _known_keys(part, instance)
    if "if" in schema and Draft201909Validator(schema["if"]).is_valid(instance):
        known |= _known_keys(schema.get("then"), instance)
    return frozenset(known)


def _resolve(reference: str) -> Any:
    target: Any = odcs_schema()
    for step in reference.removeprefix("#/").split("/"):
        target = target[step]
    return target


def _message(error: ValidationError) -> str:
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return f"must be {' or '.join(_TYPES.get(k, k) for k in kinds)}"
        case "enum":
            return f"{_shown(error.instance)} is none of the allowed values" + (
                did_you_mean(error.instance, [str(w) for w in wanted])
                if isinstance(error.instance, str)
                else f"; known: {', '.join(map(str, wanted))}"
            )
        case "required":
            missing = [key for key in wanted if key not in _keys_of(error.instance)]
            return f"{' and '.join(repr(key) for key in missing)} must be said here"
        case "oneOf" | "anyOf":
            return _branch_message(error)
        case "pattern":
            return f"{_shown(error.instance)} does not match {wanted}"
        case _:
            return error.message if len(error.message) <= _LONGEST else f"breaks `{error.validator}` of ODCS"


def _keys_of(instance: Any) -> frozenset[str]:
    return frozenset(instance) if isinstance(instance, dict) else frozenset()


def _branch_message(error: ValidationError) -> str:
    branches: Any = error.validator_value
    keys = [key for branch in branches for key in branch.get("required", ())]
    if keys and isinstance(error.instance, dict):
        found = sum(key in error.instance for key in keys)
        which = "only one of these may be said" if found > 1 else "one of these must be said"
        return f"{which}: {', '.join(dict.fromkeys(keys))}"
    children = [child for child in error.context or () if child.validator == "type" and not child.path]
    kinds = [str(child.validator_value) for child in children]
    if kinds:
        return f"must be {' or '.join(_TYPES.get(k, k) for k in sorted(set(kinds)))}"
    return "fits none of the forms that ODCS allows here"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
