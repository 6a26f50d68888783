"""Contracts that nobody here wrote: the standard's own examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.contract.load import load_contract, read_contract
from mesh_defs.model.errors import ContractError
from mesh_defs.model.findings import Severity

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "odcs"
FILES = sorted(FOLDER.glob("*.odcs.yaml"))

UNSUPPORTED = {
    "all-data-types": "defaultTimezone is not supported",
    "all-schema-types": "several objects under `schema`",
    "azure-server": "server type 'azure' is not supported",
    "basic-four-dpo": "`schema` must hold one object",
    "column-accuracy": "physicalType 'float(3,2)' is not supported",
    "column-completeness": "needs a server of type kafka",
    "column-custom": "needs a server of type kafka",
    "column-validity": "needs a server of type kafka",
    "database-table-sla": "`schema` must hold one object",
    "kafka-schema": "eventKind must be said",
    "kafka-schemaregistry": "a table needs `properties`",
    "kafka-server": "a table needs `properties`",
    "service-and-operational-roles": "`schema` must hold one object",
    "table-column": "needs a server of type kafka",
    "table-column-description": "needs a server of type kafka",
    "table-columns-with-partition": "needs a server of type kafka",
}
"""For each example the part that no stream of the mesh supports, or that a stream must say and it does not."""


def test_the_examples_are_there() -> None:
    """Without them the tests below would pass by looking at nothing."""
    assert {path.name.removesuffix(".odcs.yaml") for path in FILES} >= set(UNSUPPORTED), (
        f"{FOLDER} lacks examples"
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_example_is_loaded_or_refused_by_name(path: Path) -> None:
    """A refusal names the part that is not supported; nothing else ever comes out."""
    loaded = read_contract(path, domain="examples")
    if loaded.contract is not None:
        assert loaded.contract.columns
        return
    with pytest.raises(ContractError) as caught:
        load_contract(path, domain="examples")
    assert UNSUPPORTED.get(path.name.removesuffix(".odcs.yaml"), "") in str(caught.value)
    assert caught.value.findings == loaded.findings


def test_an_avro_example_needs_little_to_become_a_stream(tmp_path: Path) -> None:
    """What the mesh asks beyond the standard: a kind, a status of the lifecycle, a small name."""
    text = (FOLDER / "kafka-schema.odcs.yaml").read_text()
    text = text.replace("status: development", "status: draft").replace("- name: Orders", "- name: orders")
    path = tmp_path / "orders.odcs.yaml"
    path.write_text(f"{text}\ncustomProperties: [{{property: eventKind, value: delta}}]\n")
    loaded = read_contract(path, domain="examples")
    assert [f for f in loaded.findings if f.severity is Severity.ERROR] == []
    assert loaded.contract is not None
    assert [c.name for c in loaded.contract.columns] == ["cust_id", "prod_id", "qty"]
