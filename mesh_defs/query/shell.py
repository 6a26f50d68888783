"""A script for the plain `duckdb` shell: all stores attached, read-only, with nothing downloaded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb

from mesh_defs.contract.project import Project
from mesh_defs.model.errors import QueryError
from mesh_defs.store import DomainStore
from mesh_defs.store.engine import EXTENSIONS, SETTINGS, attach_statement, load_statement

SCRIPT = "mesh.sql"

_READABLE = 0o644


def script_path(project: Project) -> Path:
    """Return where the script lies: `mesh.sql` in the data folder."""
    return project.config.data / SCRIPT


def shell_script(project: Project) -> str:
    """Return the script for the stores that exist now.

    It is bound to this machine's paths and to this DuckDB's version: an extension loads in no other.
    """
    return "\n".join([*_head(), *(f"{statement};" for statement in _statements(project)), ""])


def write_script(project: Project) -> Path:
    """Write the script where it would change; who reads it meanwhile sees the old or the new one, whole.

    Returns:
        Its path.

    Raises:
        QueryError: The data folder cannot be written.
    """
    path, text = script_path(project), shell_script(project)
    try:
        if not path.is_file() or path.read_bytes() != text.encode():
            _replace(path, text)
    except OSError as error:
        raise QueryError(
            cannot=f"write {path}",
            why=error.strerror or "the system refused",
            do="make the data folder writable and make room there",
        ) from error
    return path


def refresh_script(project: Project) -> None:
    """Bring the script up to date after a store was written, where that is possible.

    A convenience of readers must not make a pass fail whose rows are stored: the next pass writes it.
    """
    with suppress(QueryError):
        write_script(project)


def _head() -> Iterator[str]:
    yield "-- All domains, read-only. Written anew by each pass of `mesh ingest` and by `mesh sql --init`."
    yield f"-- For the duckdb shell {duckdb.__version__}: duckdb -init THIS_FILE"


def _statements(project: Project) -> Iterator[str]:
    yield "SET autoinstall_known_extensions = false"
    yield "SET autoload_known_extensions = false"
    for name in EXTENSIONS:
        yield load_statement(name)
    yield from SETTINGS
    for name in project.domain_names():
        folder = project.data_folder(name)
        if DomainStore.exists(folder):
            yield attach_statement(name, folder, read_only=True)


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(scratch).chmod(_READABLE)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
