"""The mesh in Dagster: assets, checks and sensors, built from contracts."""

from mesh_defs.orchestration.domain import build_domain, domain_definitions
from mesh_defs.orchestration.home import dagster_home, prepare_home

__all__ = ["build_domain", "dagster_home", "domain_definitions", "prepare_home"]
