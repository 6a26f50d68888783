"""A domain's Dagster code location, built from its contracts."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from mesh_defs.contract.contract import Domain
from mesh_defs.contract.project import Project, find_project
from mesh_defs.orchestration.automation import automation_sensor
from mesh_defs.orchestration.files import file_specs
from mesh_defs.orchestration.ingest import ingest_assets, table_spec, topic_specs
from mesh_defs.orchestration.products import product_asset
from mesh_defs.orchestration.retired import retired_checks
from mesh_defs.orchestration.sensor import ingest_sensor
from mesh_defs.orchestration.ties import product_ties
from mesh_defs.orchestration.upkeep import upkeep


def build_domain(folder: Path) -> dg.Definitions:
    """Return everything that Dagster shows and runs of a domain.

    Args:
        folder: The domain's folder; the project is the nearest folder above with a ``mesh.toml``.

    Raises:
        ConfigError: There is no project, or its configuration or the domain's is wrong.
        ContractError: A contract of the domain cannot be read; it carries every finding.
        ProductError: A product reads a table that no domain declares.
    """
    project = Project.open(find_project(folder))
    return domain_definitions(project, project.domain(folder.resolve().name))


def domain_definitions(project: Project, domain: Domain) -> dg.Definitions:
    """Return a loaded domain as Dagster definitions.

    Raises:
        ProductError: A product reads a table that no domain declares.
    """
    ties = product_ties(project, domain)
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [*topic_specs(domain), *file_specs(domain)]
    sensors: list[dg.SensorDefinition] = []
    assets += [table_spec(domain, table) for contract in domain.retired for table in contract.tables]
    if domain.live.ingested:
        assets.append(ingest_assets(project, domain))
        sensors.append(ingest_sensor(project, domain))
    if domain.products:
        assets += [product_asset(project, domain, product, ties[product.name]) for product in domain.products]
        sensors.append(automation_sensor(domain.name))
    return dg.Definitions(
        assets=assets,
        asset_checks=retired_checks(project, domain),
        sensors=sensors,
        schedules=upkeep(project, domain) if domain.tables else [],
        executor=dg.in_process_executor,
    )
