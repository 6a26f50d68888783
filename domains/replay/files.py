"""`network`: data at rest, placed where its contracts look for it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from domains.replay.source import source_folder
from mesh_defs.contract.contract import Domain

FILES = {"network.airports": "airports.csv", "network.airlines": "airlines.csv"}
"""The package's files, by the input whose contract says where they belong."""


def place_files(root: Path, domains: Iterable[Domain]) -> None:
    """Put the package's files where the contracts name them.

    Args:
        root: Of the project; the contracts' paths begin there.
        domains: Those that can be loaded.
    """
    for domain in domains:
        for rest in domain.inputs:
            if rest.full_name in FILES:
                _place((source_folder() / FILES[rest.full_name]).read_bytes(), root / rest.source)


def _place(content: bytes, target: Path) -> None:
    """Write a file at once, and only where it is not so already: the mesh looks at what changed."""
    if target.is_file() and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(target)
