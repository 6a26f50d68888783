"""Contract and query on an asset's page."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from mesh_defs.orchestration.sources import SHOWN_LINES
from tests.orchestration.mesh_of_two import TOTALS_SQL, definitions, key, mesh_of_two


def shown(mesh_root: Path, domain: str, name: str) -> dict[str, dg.MetadataValue]:
    """Return the metadata of a table's definition."""
    specs = {s.key: s for s in definitions(mesh_of_two(mesh_root), domain).resolve_all_asset_specs()}
    return dict(specs[key(name)].metadata)


def test_a_product_shows_contract_and_query(tmp_path: Path) -> None:
    """As text, as paths, and as links that open an editor."""
    metadata = shown(tmp_path, "sales", "sales.totals")
    folder = tmp_path / "domains/sales/products"
    assert metadata["query"].value == f"```sql\n{TOTALS_SQL}\n```"
    assert str(metadata["contract"].value).startswith("```yaml\n{")
    assert metadata["query_file"].value == str(folder / "totals.sql")
    references = metadata["dagster/code_references"]
    assert isinstance(references, dg.CodeReferencesMetadataValue)
    assert [
        (r.label, r.file_path) for r in references.code_references if isinstance(r, dg.LocalFileCodeReference)
    ] == [
        ("contract", str(folder / "totals.odcs.yaml")),
        ("query", str(folder / "totals.sql")),
    ]


def test_a_stream_shows_its_contract(tmp_path: Path) -> None:
    """It has no query."""
    metadata = shown(tmp_path, "shop", "shop.orders")
    assert "query" not in metadata
    assert '"eventKind"' in str(metadata["contract"].value)


def test_no_text_breaks_out_of_its_block(tmp_path: Path) -> None:
    """A fence in the file makes the page's own longer; a long file ends with a word about the rest."""
    mesh = mesh_of_two(tmp_path)
    query = tmp_path / "domains/sales/products/totals.sql"
    query.write_text(f"{TOTALS_SQL}\n/*\n````\n" + "x\n" * SHOWN_LINES + "*/")
    specs = {s.key: s for s in definitions(mesh, "sales").resolve_all_asset_specs()}
    text = str(specs[key("sales.totals")].metadata["query"].value)
    assert text.startswith("`````sql\n")
    assert text.endswith("\n`````\n\n4 more lines are in the file.")
