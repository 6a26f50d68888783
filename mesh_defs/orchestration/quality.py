"""The checks that a contract declares: each `quality` rule, and the fields that it does not name yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from mesh_defs.contract.contract import ContractBase, Domain, InputContract
from mesh_defs.contract.project import Project
from mesh_defs.contract.quality import QualityRule, quality_rules
from mesh_defs.model.errors import MeshError
from mesh_defs.orchestration.keys import UNKNOWN_CHECK
from mesh_defs.quality import Measure, UnknownFields, measure, unknown_fields
from mesh_defs.store import DomainStore

_SHOWN_FIELDS = 20
_SHOWN_CHARACTERS = 64


def quality_specs(contract: ContractBase, key: dg.AssetKey) -> tuple[dg.AssetCheckSpec, ...]:
    """Return a check for each rule of a contract, and one for the fields that a stream does not name.

    They are measured, not enforced: none holds back a product.
    """
    specs = [_spec(rule, key) for rule in quality_rules(contract)]
    if isinstance(contract, InputContract):
        text = (
            "Events carry no field that the contract does not name; a warning for seven days after one came."
        )
        specs.append(dg.AssetCheckSpec(UNKNOWN_CHECK, asset=key, description=text))
    return tuple(specs)


def quality_results(
    project: Project, domain: Domain, contract: ContractBase, key: dg.AssetKey, wanted: set[str]
) -> Iterator[dg.AssetCheckResult]:
    """Measure the wanted rules of a table and yield their verdicts; nothing before the table is there."""
    rules = [rule for rule in quality_rules(contract) if rule.name in wanted]
    unknown = isinstance(contract, InputContract) and UNKNOWN_CHECK in wanted
    folder = project.data_folder(domain.name)
    if not (rules or unknown) or not DomainStore.exists(folder):
        return
    with DomainStore.open(folder, domain.name, read_only=True) as store:
        for found in measure(store.connection, contract, rules):
            yield _result(found, key)
        if unknown and isinstance(contract, InputContract):
            yield _unknown(store, contract, key)


def _spec(rule: QualityRule, key: dg.AssetKey) -> dg.AssetCheckSpec:
    what = (
        f"{rule.metric} of {'.'.join(rule.path) or 'the table'} {rule.demand}" if rule.metric else rule.name
    )
    text = f"{rule.description}\n\n{what}." if rule.description else f"{what}."
    if rule.unsupported is not None:
        text = f"Not measured: {rule.unsupported}.\n\n{rule.description}".strip()
    return dg.AssetCheckSpec(rule.name, asset=key, description=text)


def _result(found: Measure, key: dg.AssetKey) -> dg.AssetCheckResult:
    rule = found.rule
    mild = rule.warning or rule.unsupported is not None
    metadata: dict[str, dg.MetadataValue] = {}
    if found.value is not None:
        metadata["measured"] = dg.MetadataValue.float(found.value)
        metadata["demanded"] = dg.MetadataValue.text(rule.demand)
    if found.row_count is not None:
        metadata["rows"] = dg.MetadataValue.int(found.row_count)
    text = (
        found.trouble or f"{rule.metric}: {found.value:g}{' percent' if rule.percent else ''}; {rule.demand}."
    )
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=rule.name,
        passed=found.passed,
        severity=dg.AssetCheckSeverity.WARN if mild else dg.AssetCheckSeverity.ERROR,
        description=text[0].upper() + text[1:] if found.trouble else text,
        metadata=metadata,
    )


def _unknown(store: DomainStore, contract: InputContract, key: dg.AssetKey) -> dg.AssetCheckResult:
    try:
        found, trouble = unknown_fields(store, contract, dt.datetime.now(dt.UTC)), None
    except MeshError as error:
        found, trouble = UnknownFields(row_count=0, names=()), str(error)
    listed = ", ".join(
        f"{name[:_SHOWN_CHARACTERS]} ({count:,})" for name, count in found.names[:_SHOWN_FIELDS]
    )
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=UNKNOWN_CHECK,
        passed=not found.names and trouble is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=trouble
        or (f"Not in the contract: {listed}" if listed else "Every field is in the contract."),
        metadata={"unknown_fields": len(found.names), "rows": found.row_count},
    )
