"""A domain's products as assets, tied to what their SQL reads."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` at definition.
import dagster as dg

from mesh_defs.contract.contract import Domain, ProductContract
from mesh_defs.contract.project import Project
from mesh_defs.model.errors import MeshError, StoreError
from mesh_defs.orchestration.automation import event_product
from mesh_defs.orchestration.describe import contract_metadata, description, owners, tags
from mesh_defs.orchestration.evidence import product_metadata
from mesh_defs.orchestration.keys import table_key
from mesh_defs.product import build
from mesh_defs.product.sql import query_text

STORE_RETRIES = 3
STORE_RETRY_SECONDS = 10
"""A store that another process holds is free again soon; no later event would ask for the product again."""


def product_asset(
    project: Project, domain: Domain, contract: ProductContract, deps: tuple[dg.AssetKey, ...]
) -> dg.AssetsDefinition:
    """Return the asset of one product.

    Args:
        project: The mesh.
        domain: The owner.
        contract: The product.
        deps: The tables that its query reads.
    """

    @dg.asset(
        key=table_key(domain.name, contract.name),
        deps=deps,
        group_name=domain.name,
        kinds={"ducklake", "parquet", "sql"},
        owners=owners(contract, domain),
        tags=tags(contract),
        description=description(contract),
        metadata=contract_metadata(contract) | _query(contract),
        automation_condition=event_product(),
    )
    def product(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        try:
            report = build(project, domain, contract)
        except StoreError as error:
            raise dg.RetryRequested(max_retries=STORE_RETRIES, seconds_to_wait=STORE_RETRY_SECONDS) from error
        except MeshError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        context.log.info("%s: %s rows", contract.full_name, f"{report.row_count:,}")
        return dg.MaterializeResult(metadata=product_metadata(report))

    return product


def _query(contract: ProductContract) -> dict[str, dg.MetadataValue]:
    return {
        "query": dg.MetadataValue.md(f"```sql\n{query_text(contract)}\n```"),
        "query_file": dg.MetadataValue.path(str(contract.source_file)),
    }
