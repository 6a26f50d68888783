"""A contract and its query on the pages of an asset: as text, and as links that open them in an editor."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg

from mesh_defs.contract.contract import ContractBase, ProductContract

SHOWN_LINES = 400
"""Dagster keeps what it shows in every snapshot of the graph."""

_FENCE = re.compile(r"^\s*(`{3,})", re.MULTILINE)


def source_metadata(contract: ContractBase) -> dict[str, dg.MetadataValue]:
    """Return the files behind a table: their paths, their text, and Dagster's links to them.

    A browser opens no file from a page, but an editor does: which one, Dagster's user settings say.
    """
    files = dict(_files(contract))
    found: dict[str, dg.MetadataValue] = {"dagster/code_references": _references(files)}
    for name, path in files.items():
        found[f"{name}_file"] = dg.MetadataValue.path(str(path))
    for name, path in reversed(files.items()):
        found[name] = dg.MetadataValue.md(_fenced(path))
    return found


def _references(files: Mapping[str, Path]) -> dg.CodeReferencesMetadataValue:
    with warnings.catch_warnings():
        # The class may change with Dagster's releases, of which one is pinned.
        warnings.simplefilter("ignore", dg.BetaWarning)
        references = [
            dg.LocalFileCodeReference(file_path=str(path), line_number=1, label=name)
            for name, path in files.items()
        ]
        return dg.CodeReferencesMetadataValue(code_references=list(references))


def _files(contract: ContractBase) -> Iterator[tuple[str, Path]]:
    yield "contract", contract.path
    if isinstance(contract, ProductContract):
        yield "query", contract.source_file


def _fenced(path: Path) -> str:
    """Return a file as a block of Markdown, whose fence is longer than any in it."""
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    text = "\n".join(lines[:SHOWN_LINES])
    fence = "`" * max([3, *(len(found) + 1 for found in _FENCE.findall(text))])
    more = len(lines) - SHOWN_LINES
    rest = f"\n\n{more:,} more lines are in the file." if more > 0 else ""
    return f"{fence}{path.suffix.removeprefix('.')}\n{text}\n{fence}{rest}"
