"""The files of an imported contract: it, and its schema beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mesh_defs.contract.avro.draft import Draft, Wanted
from mesh_defs.contract.load import STREAMS, read_contract
from mesh_defs.contract.names import NAME, NAME_RULE
from mesh_defs.contract.product import CONTRACT_SUFFIX
from mesh_defs.contract.report import has_errors, refusal
from mesh_defs.model.errors import ConfigError
from mesh_defs.model.findings import shown_path

_SCHEMA_SUFFIX: Final = ".avsc"


def import_paths(domain: Path, wanted: Wanted) -> tuple[Path, Path]:
    """Return where contract and schema will stand.

    Args:
        domain: The domain's folder.
        wanted: What is imported.

    Raises:
        ConfigError: The stream's name cannot be one, or one of the files is there already.
    """
    what = f"import the contract of {wanted.domain}.{wanted.stream}"
    if not NAME.fullmatch(wanted.stream):
        raise ConfigError(
            cannot=what, why=f"that is no stream's name ({NAME_RULE})", do="choose another name"
        )
    folder = domain / STREAMS
    paths = folder / f"{wanted.stream}{CONTRACT_SUFFIX}", folder / f"{wanted.stream}{_SCHEMA_SUFFIX}"
    for path in paths:
        if path.exists():
            why = f"{shown_path(path)} is there, and nothing is overwritten"
            raise ConfigError(cannot=what, why=why, do="choose another name, or remove that file first")
    return paths


def write_import(domain: Path, wanted: Wanted, draft: Draft, schema: str) -> tuple[Path, Path]:
    """Write contract and schema, and read the contract back; of a contract that is refused nothing is left.

    Args:
        domain: The domain's folder.
        wanted: What is imported.
        draft: The contract.
        schema: The text of its schema.

    Raises:
        ConfigError: A file is there already, or cannot be written.
        ContractError: The contract is refused, with all findings.
    """
    paths = import_paths(domain, wanted)
    try:
        paths[0].parent.mkdir(exist_ok=True)
        for path, text in zip(paths, (draft.text, schema), strict=True):
            path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(
            cannot=f"import the contract of {wanted.domain}.{wanted.stream}",
            why=f"{error.filename}: {error.strerror}",
            do="make the domain's folder writable",
        ) from None
    findings = read_contract(paths[0]).findings
    if has_errors(findings):
        for path in paths:
            path.unlink()
        raise refusal(paths[0], findings)
    return paths
