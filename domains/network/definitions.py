"""The Dagster code location of this domain; everything in it comes from the contracts beside this file."""

from pathlib import Path

from mesh_defs.orchestration import build_domain

defs = build_domain(Path(__file__).parent)
