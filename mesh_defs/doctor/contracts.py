"""All that can be said of contracts before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mesh_defs.broker.registry import INDEX_FILE, registry_for
from mesh_defs.contract.lint import read_paths
from mesh_defs.model.config import MeshConfig
from mesh_defs.model.findings import Finding, Severity
from mesh_defs.product.lint import lint_queries
from mesh_defs.quality import lint_rules


def lint_contracts(paths: Iterable[Path]) -> tuple[Finding, ...]:
    """Return the findings of contracts, of their quality rules and of the products' queries, by file and line.

    Args:
        paths: As of `contract.lint.read_paths`.

    Raises:
        StoreError: DuckDB's extensions are missing.
    """
    read = read_paths(paths)
    return read.sorted_findings(*lint_rules(read.tables), *lint_queries(read.tables, read.domains))


def lint_registries(config: MeshConfig) -> tuple[Finding, ...]:
    """Return what is wrong in the mesh's folders of schemas: a file that came without `mesh registry add` among it.

    Raises:
        RegistryError: A folder's list cannot be read.
    """
    findings: list[Finding] = []
    for name, entry in config.registries.items():
        if entry.directory is None:
            continue
        with registry_for(config, name) as registry:
            findings += [
                _of_registry(entry.directory / INDEX_FILE, problem) for problem in registry.problems()
            ]
    return tuple(findings)


def _of_registry(path: Path, problem: str) -> Finding:
    return Finding(
        path=path, line=1, column=1, severity=Severity.ERROR, where="", rule="registry", message=problem
    )
