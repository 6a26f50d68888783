"""`mesh run`: one process a domain that ingests it, and one that tells Dagster."""

from mesh_defs.supervisor.resident.supervise import ResidentOptions, run_resident

__all__ = ["ResidentOptions", "run_resident"]
