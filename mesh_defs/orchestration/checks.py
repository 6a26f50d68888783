"""The checks of an events table: evaluated by each pass, red in the graph when they fail."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import dagster as dg

from mesh_defs.consistency import verify_domain
from mesh_defs.contract.contract import Domain, InputContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest import StreamReport
from mesh_defs.ingest.loss import unacknowledged
from mesh_defs.model.errors import MeshError, StoreError
from mesh_defs.orchestration.keys import LEDGER_CHECK, MOVING_CHECK
from mesh_defs.store import DomainStore, StreamOffsets


def check_specs(key: dg.AssetKey, *, at_rest: bool = False) -> tuple[dg.AssetCheckSpec, ...]:
    """Return the checks of the table `key` of a stream, or of data at rest.

    A broken ledger holds back the products; a stopped partition does not, since what is stored is right.
    """
    return (
        dg.AssetCheckSpec(
            LEDGER_CHECK,
            asset=key,
            blocking=True,
            description=(
                "Every record of every load is a row or a dead letter, once; a snapshot's rows are the newest's only."
                if at_rest
                else "Every offset since the stream's start is a row, a dead letter or a recorded gap, once."
            ),
        ),
        dg.AssetCheckSpec(
            MOVING_CHECK,
            asset=key,
            description=(
                "The last pass could load the files as they were."
                if at_rest
                else "No partition is stopped: the last pass brought each to its last stable offset, and no "
                "lost offsets wait to be acknowledged."
            ),
        ),
    )


def ledger_results(
    project: Project, domain: Domain, stream: str, keys: Collection[dg.AssetKey]
) -> Iterator[dg.AssetCheckResult]:
    """Recount what is new in a stream's tables against its ledger, once, and yield the verdict for each of these."""
    if not keys:
        return
    folder = project.data_folder(domain.name)
    try:
        if not DomainStore.exists(folder):
            raise StoreError(
                cannot=f"verify {domain.name}.{stream}",
                why=f"domain {domain.name} has no store yet ({folder} holds no catalog)",
                do=f"run `mesh ingest {domain.name}` once",
            )
        found = verify_domain(project, domain, [stream], ask_broker=False)
        messages = [v.message for result in found for v in result.violations]
    except MeshError as error:
        messages = [str(error)]
    for key in keys:
        yield _result(key, LEDGER_CHECK, messages, "every offset is accounted for, once")


def moving_result(
    report: StreamReport, contract: InputContract, stored: StreamOffsets | None, key: dg.AssetKey
) -> dg.AssetCheckResult:
    """Say whether the pass brought every partition of a stream to its end, and no loss waits for a person.

    Args:
        report: Of the pass.
        contract: Of the stream, or of the data at rest.
        stored: What the store answers for of it.
        key: The table's.
    """
    messages = [*map(str, report.errors), *unacknowledged(contract, stored).values()]
    return _result(key, MOVING_CHECK, messages, "every partition reached its end")


def _result(key: dg.AssetKey, name: str, broken: list[str], holds: str) -> dg.AssetCheckResult:
    text = broken[0] if broken else f"{holds}."
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{text[0].upper()}{text[1:]}",
        metadata={"violations": len(broken)},
    )
