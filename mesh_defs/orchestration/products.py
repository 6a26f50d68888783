"""A domain's products as assets, tied to what their SQL reads."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` at definition.
import datetime as dt
from collections.abc import Iterator

import dagster as dg

from mesh_defs.contract.contract import Domain, ProductContract
from mesh_defs.contract.project import Project
from mesh_defs.model.errors import MeshError, StoreError
from mesh_defs.orchestration.automation import event_product
from mesh_defs.orchestration.describe import contract_metadata, description, owners, tags
from mesh_defs.orchestration.evidence import product_metadata
from mesh_defs.orchestration.freshness import freshness_policy, freshness_result, freshness_spec
from mesh_defs.orchestration.keys import FRESHNESS_CHECK, table_key
from mesh_defs.orchestration.quality import quality_results, quality_specs
from mesh_defs.product import build
from mesh_defs.store import DomainStore

BuildEvent = dg.MaterializeResult[None] | dg.AssetCheckResult
"""What the body tells Dagster of one product."""

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
    key = table_key(domain.name, contract.name)

    @dg.asset(
        key=key,
        check_specs=[*freshness_spec(contract, key), *quality_specs(contract, key)],
        freshness_policy=freshness_policy(contract),
        deps=deps,
        group_name=domain.name,
        kinds={"ducklake", "parquet", "sql"},
        owners=owners(contract, domain),
        tags=tags(contract),
        description=description(contract),
        metadata=contract_metadata(contract),
        automation_condition=event_product(),
    )
    def product(context: dg.AssetExecutionContext) -> Iterator[BuildEvent]:
        try:
            report = build(project, domain, contract)
        except StoreError as error:
            raise dg.RetryRequested(max_retries=STORE_RETRIES, seconds_to_wait=STORE_RETRY_SECONDS) from error
        except MeshError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        context.log.info("%s: %s rows", contract.full_name, f"{report.row_count:,}")
        yield dg.MaterializeResult(metadata=product_metadata(report))
        yield from _checked(context, project, domain, contract)

    return product


def _checked(
    context: dg.AssetExecutionContext, project: Project, domain: Domain, contract: ProductContract
) -> Iterator[dg.AssetCheckResult]:
    key = table_key(domain.name, contract.name)
    wanted = {c.name for c in context.selected_asset_check_keys}
    yield from quality_results(project, domain, contract, key, wanted)
    if FRESHNESS_CHECK in wanted:
        with DomainStore.open(project.data_folder(domain.name), domain.name, read_only=True) as store:
            found = freshness_result(contract, key, store.offsets(), dt.datetime.now(dt.UTC))
        if found is not None:
            yield found
