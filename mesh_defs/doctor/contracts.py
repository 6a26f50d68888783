"""All that can be said of contracts before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mesh_defs.contract.lint import read_paths
from mesh_defs.model.findings import Finding
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
