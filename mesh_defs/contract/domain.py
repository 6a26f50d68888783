"""A domain's folder: `domain.yaml`, its streams, its data at rest and its products, read as one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mesh_defs.contract.contract import Domain, ProductContract, RestContract, StreamContract, TableContract
from mesh_defs.contract.document import Node, read_document
from mesh_defs.contract.load import PRODUCTS, STREAMS, read_contract
from mesh_defs.contract.names import NAME, NAME_RULE, RESERVED_DOMAINS, is_owner
from mesh_defs.contract.product import CONTRACT_SUFFIX
from mesh_defs.contract.report import Report, did_you_mean, has_errors, refusal
from mesh_defs.model.findings import Finding, Severity

DOMAIN_FILE: Final = "domain.yaml"
_KEYS: Final = ("name", "description", "owner", "contact")
_YAML: Final = frozenset([".yaml", ".yml"])


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDomain:
    """What became of a domain's folder: a domain, or None with errors among the findings of its files."""

    domain: Domain | None
    findings: tuple[Finding, ...]


def is_domain(folder: Path) -> bool:
    """Return whether a folder declares a domain, be it a broken one."""
    try:
        return (folder / DOMAIN_FILE).is_file() or any((folder / p).is_dir() for p in (STREAMS, PRODUCTS))
    except PermissionError:
        return True


def load_domain(folder: Path) -> Domain:
    """Load a domain with all its contracts.

    Args:
        folder: The domain's folder; its name is the domain's.

    Raises:
        ContractError: A file of the domain has errors; those of all its files are in `findings`.
    """
    loaded = read_domain(folder)
    if loaded.domain is None:
        raise refusal(folder, loaded.findings)
    return loaded.domain


def read_domain(folder: Path) -> LoadedDomain:
    """Load a domain as `load_domain` does, but return its findings, warnings included."""
    folder = folder.absolute()
    values, findings = _read_domain_file(folder)
    streams, inputs, products = [], [], []
    for path in contract_files(folder):
        loaded = read_contract(path, domain=folder.name)
        findings.extend(loaded.findings)
        if isinstance(loaded.contract, StreamContract):
            streams.append(loaded.contract)
        elif isinstance(loaded.contract, RestContract):
            inputs.append(loaded.contract)
        elif isinstance(loaded.contract, ProductContract):
            products.append(loaded.contract)
    findings.extend(_strays(folder))
    findings.extend(_repeats([*streams, *inputs, *products]))
    if not has_errors(findings):
        tables: list[TableContract] = [*inputs, *products]
        tables += [table for stream in streams for table in stream.tables]
        findings.extend(unresolved_references(streams, {folder.name: tables}))
    if has_errors(findings):
        return LoadedDomain(domain=None, findings=tuple(findings))
    domain = Domain(
        **values, path=folder, streams=tuple(streams), inputs=tuple(inputs), products=tuple(products)
    )
    return LoadedDomain(domain=domain, findings=tuple(findings))


def contract_files(folder: Path) -> tuple[Path, ...]:
    """Return the contract files of a domain's folder, in the order of their names."""
    return tuple(
        path for part in (STREAMS, PRODUCTS) for path in sorted((folder / part).glob(f"*{CONTRACT_SUFFIX}"))
    )


def unresolved_references(
    streams: Iterable[StreamContract],
    known: Mapping[str, Sequence[TableContract]],
) -> Iterator[Finding]:
    """Find the notifications whose reference leads nowhere, into the domains that are known.

    Args:
        streams: The streams to look at.
        known: The contracts of each domain that was read; references into other domains are left alone.
    """
    for stream in streams:
        domain, _, rest = (stream.reference or "").partition(".")
        table, _, column = rest.partition(".")
        if domain not in known:
            continue
        target = next((c for c in known[domain] if c.name == table), None)
        if target is None:
            yield _finding(
                stream.path, "reference", f"reference leads nowhere: there is no table {domain}.{table}"
            )
        elif column not in [c.name for c in target.columns]:
            message = f"reference leads nowhere: {domain}.{table} has no column {column!r}"
            yield _finding(stream.path, "reference", message)


def _read_domain_file(folder: Path) -> tuple[dict[str, str], list[Finding]]:
    path = folder / DOMAIN_FILE
    report = Report(path)
    values = dict.fromkeys(_KEYS, "")
    if not path.is_file():
        report.about_file("missing", f"a domain needs its {DOMAIN_FILE}: {', '.join(_KEYS)}")
        return values, list(report.findings)
    root = read_document(path, report)
    if root is not None and not isinstance(root.value, dict):
        report.error(root, "value", f"{DOMAIN_FILE} is a mapping: {', '.join(_KEYS)}")
    elif root is not None:
        _check_keys(root, report)
        values = {key: (root.string(key) or "").strip() for key in _KEYS}
        _check_values(root, values, folder.name, report)
    return values, list(report.findings)


def _check_keys(root: Node, report: Report) -> None:
    for key, node in root.entries().items():
        if key not in _KEYS:
            report.key_error(node, "unknown-key", f"unknown key{did_you_mean(key, _KEYS)}")
        elif not isinstance(node.value, str) or not node.value.strip():
            report.error(node, "value", "must be text")
    for key in ("name", "owner"):
        if root.get(key) is None:
            report.error(root, "missing", f"{key!r} must be said")
    for key in ("description", "contact"):
        if root.get(key) is None:
            report.warning(root, "missing", f"{key!r} should be said: people who find the domain need it")


def _check_values(root: Node, values: dict[str, str], folder: str, report: Report) -> None:
    name, owner = values["name"], values["owner"]
    if name and name != folder:
        message = f"the name {name!r} is not that of the folder, {folder!r}; rename one"
        report.error(root.entries()["name"], "name", message)
    elif name and not NAME.fullmatch(name):
        report.error(root.entries()["name"], "name", f"{name!r} is no domain name: {NAME_RULE}")
    elif name in RESERVED_DOMAINS:
        message = f"{name!r} is a name of the query engine's own; rename the domain"
        report.error(root.entries()["name"], "name", message)
    if owner and not is_owner(owner):
        message = f"{owner!r} is no owner: an e-mail address, or `team:name`"
        report.error(root.entries()["owner"], "owner", message)


def _strays(folder: Path) -> Iterator[Finding]:
    """Find files that look like declarations, but stand or are called so that nothing reads them."""
    for path in sorted(folder.glob("*")):
        if path.suffix in _YAML and path.stem.endswith(".odcs"):
            yield _finding(
                path, "stray", f"a contract is read only from {STREAMS}/ or {PRODUCTS}/; move it there"
            )
        elif path.suffix in _YAML and path.stem == "domain" and path.name != DOMAIN_FILE:
            yield _finding(path, "stray", f"nothing reads this file; rename it {DOMAIN_FILE}")
    for part in (STREAMS, PRODUCTS):
        if _is_closed(folder / part):
            yield _finding(
                folder / part, "unreadable", "the folder cannot be read; give this user the right to"
            )
        for path in sorted((folder / part).rglob("*")):
            direct = path.parent == folder / part
            if path.suffix in _YAML and not (direct and path.name.endswith(CONTRACT_SUFFIX)):
                yield _finding(
                    path, "stray", f"nothing reads this file; call it *{CONTRACT_SUFFIX}, directly in {part}/"
                )
    yield from _strays_of_sql(folder)


def _is_closed(folder: Path) -> bool:
    try:
        return folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK)
    except PermissionError:  # of the folder above, which the finding on `domain.yaml` is about
        return False


def _strays_of_sql(folder: Path) -> Iterator[Finding]:
    contracts = {path.name.removesuffix(CONTRACT_SUFFIX) for path in (folder / PRODUCTS).glob("*.odcs.yaml")}
    for path in sorted((folder / PRODUCTS).glob("*.sql")):
        if path.stem not in contracts:
            message = f"no contract stands beside this query; declare it in {path.stem}{CONTRACT_SUFFIX}"
            yield _finding(path, "stray", message, severity=Severity.WARNING)


def _repeats(contracts: Iterable[TableContract]) -> Iterator[Finding]:
    """Find names and topics that two files declare; a stream's own name is one, whatever its tables are called."""
    names: dict[str, Path] = {}
    topics: dict[str, Path] = {}
    for contract in contracts:
        for name, word in _names(contract).items():
            first = names.setdefault(name, contract.path)
            if first != contract.path:
                message = (
                    f"the {word} {contract.domain}.{name} is declared in {first.parent.name}/{first.name} too; "
                    "rename one"
                )
                yield _finding(contract.path, "repeated-table", message)
        if not isinstance(contract, StreamContract):
            continue
        first = topics.setdefault(contract.topic, contract.path)
        if first != contract.path:
            message = (
                f"the topic {contract.topic} is declared in {first.parent.name}/{first.name} too; remove one"
            )
            yield _finding(contract.path, "repeated-topic", message)


def _names(contract: TableContract) -> dict[str, str]:
    """Return the names that a file takes, each with the word for it."""
    if not isinstance(contract, StreamContract):
        return {contract.name: "table"}
    return {contract.name: "stream"} | {table.name: "table" for table in contract.tables}


def _finding(path: Path, rule: str, message: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(path=path, line=1, column=1, severity=severity, where="", rule=rule, message=message)
