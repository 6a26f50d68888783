"""The files of data at rest as assets that others fill."""

from __future__ import annotations

import dagster as dg

from mesh_defs.contract.contract import Domain, RestContract
from mesh_defs.ingest import StreamReport
from mesh_defs.orchestration.describe import owners
from mesh_defs.orchestration.keys import file_key


def file_specs(domain: Domain) -> tuple[dg.AssetSpec, ...]:
    """Return the source of each input of a domain: a file, or all that a pattern names."""
    return tuple(
        dg.AssetSpec(
            file_key(domain.name, contract.name),
            group_name=domain.name,
            kinds={contract.format, "file"},
            owners=owners(contract, domain),
            description=f"The file {contract.source}, relative to the project.",
            metadata={
                "path": dg.MetadataValue.text(contract.source),
                "format": dg.MetadataValue.text(contract.format),
                "load": dg.MetadataValue.text(str(contract.load)),
                "contract": dg.MetadataValue.path(str(contract.path)),
            },
        )
        for contract in domain.inputs
    )


def report_files(instance: dg.DagsterInstance, contract: RestContract, report: StreamReport) -> None:
    """Tell that the files changed, if a load took them in: without a run, for no run of the mesh fills them."""
    if report.snapshot is None:
        return
    records = report.row_count + report.dead_letter_count
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=file_key(contract.domain, contract.name),
            metadata={
                "path": dg.MetadataValue.text(contract.source),
                "records": dg.MetadataValue.int(records),
            },
        )
    )
