"""An event-driven data mesh: Kafka streams under contracts, landed exactly once, orchestrated by Dagster."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["connect"]


def connect(project: str | Path | None = None) -> duckdb.DuckDBPyConnection:
    """Return DuckDB with the store of every domain attached, for notebooks and programs.

    `con.sql("FROM domain.table")` is a relation, with `.df()` for pandas, `.pl()` for polars and `.arrow()`. The
    stores are attached read-only and may be written meanwhile: each statement sees the newest snapshot, and
    `BEGIN` ... `COMMIT` holds one of each domain. A domain whose first rows came later is seen by a new connection. Of
    a store that cannot be read a warning says why; the others are attached.

    Args:
        project: The folder with `mesh.toml`; by default the nearest one from the working directory upwards.

    Returns:
        An in-memory connection in UTC; close it, or use it in a `with` statement.

    Raises:
        ConfigError: There is no project, or its configuration is wrong.
        StoreError: DuckDB's extensions are missing.
    """
    # Engines are imported when they are asked for: `import mesh_defs` alone costs nothing.
    from mesh_defs.contract.project import Project, find_project  # noqa: PLC0415
    from mesh_defs.query import Mesh  # noqa: PLC0415

    root = find_project(Path.cwd()) if project is None else Path(project).expanduser()
    mesh = Mesh.open(Project.open(root))
    for error in mesh.broken.values():
        warnings.warn(str(error), stacklevel=2)
    return mesh.connection
