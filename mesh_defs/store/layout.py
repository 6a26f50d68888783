"""How a domain's store is laid out, and the version by which another mesh recognises it.

::

    <domain folder>/catalog.sqlite    the catalog, SQLite in WAL mode
    <domain folder>/files/            the data path: main/<table>/<uuid>.parquet
    <domain folder>/writer.lock       the writer's lane
    <domain folder>/verified.json     how far it was verified, a hint (`marks.py`)

Every catalog has the tables `ledger`, `offsets` and `dead_letters`. It is laid out under another name and
renamed when it is complete: where `catalog.sqlite` is, there is a store.
"""

from __future__ import annotations

import json

import duckdb

from mesh_defs.contract.arrow import DEAD_LETTERS
from mesh_defs.model.errors import LayoutError, StoreError
from mesh_defs.store.engine import first_row, quote
from mesh_defs.store.offsets import LAYOUT, StoreOffsets
from mesh_defs.store.offsets_text import offsets_from_json, offsets_to_json
from mesh_defs.store.schema import create_statement, table_name

LEDGER = "ledger"
OFFSETS = "offsets"
DEAD_LETTERS_TABLE = "dead_letters"
LOADS_TABLE = "loads"
"""Made when the first data at rest comes."""

LEDGER_INLINE_ROWS = 1_000
OFFSETS_INLINE_ROWS = 10

LEDGER_COLUMNS = (
    "stream VARCHAR, epoch INTEGER, partition INTEGER, from_offset BIGINT, to_offset BIGINT, "
    "row_count BIGINT, dead_letter_count BIGINT, removed_count BIGINT, gaps VARCHAR, content_hash UBIGINT, "
    "contract_version VARCHAR, writer VARCHAR, committed_at TIMESTAMPTZ"
)
_OFFSETS_COLUMNS = "offsets VARCHAR, batch VARCHAR"


def lay_out(con: duckdb.DuckDBPyConnection, domain: str) -> None:
    """Create the platform's tables in an empty catalog that nobody else sees yet.

    Inlining is off for data, because inlined rows, ALTER and flush together break readers; it is on for the
    two small tables that are never altered.

    Raises:
        duckdb.Error: The catalog refused.
    """
    set_option = f"CALL {quote(domain)}.set_option"
    con.execute(f"{set_option}('data_inlining_row_limit', 0)")
    con.execute(f"{set_option}('parquet_compression', 'zstd')")
    con.execute(f"CREATE TABLE {table_name(domain, LEDGER)}({LEDGER_COLUMNS})")
    con.execute(f"CREATE TABLE {table_name(domain, OFFSETS)}({_OFFSETS_COLUMNS})")
    con.execute(create_statement(domain, DEAD_LETTERS_TABLE, DEAD_LETTERS))
    con.execute(f"{set_option}('data_inlining_row_limit', {OFFSETS_INLINE_ROWS}, table_name => '{OFFSETS}')")
    con.execute(f"{set_option}('data_inlining_row_limit', {LEDGER_INLINE_ROWS}, table_name => '{LEDGER}')")
    con.execute(
        f"INSERT INTO {table_name(domain, OFFSETS)} VALUES (?, '')", [offsets_to_json(StoreOffsets())]
    )


def read_row(con: duckdb.DuckDBPyConnection, domain: str) -> tuple[str, str] | None:
    """Return the text and the batch id of the offsets row, or None where there is none.

    Raises:
        duckdb.Error: The catalog refused.
    """
    try:
        row = first_row(con, f"SELECT offsets, batch FROM {table_name(domain, OFFSETS)}")
    except duckdb.CatalogException:
        return None
    return None if row is None else (row[0], row[1])


def parse_row(domain: str, row: tuple[str, str] | None) -> StoreOffsets:
    """Return the offsets of a row, checking the store's layout.

    Raises:
        StoreError: There is no row, or it is damaged.
        LayoutError: The store was laid out by another version.
    """
    if row is None:
        raise StoreError(
            cannot=f"read domain {domain}",
            why="its catalog has no offsets row, so it is no store of a mesh or is damaged",
            do="restore the domain's folder from its last backup, or move it away and ingest again",
        )
    try:
        offsets = offsets_from_json(*row)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        check_layout(domain, row[0])
        raise StoreError(
            cannot=f"read the offsets of domain {domain}",
            why="their row in the catalog is damaged",
            do="restore the domain's folder from its last backup; do not write to it",
        ) from error
    _check(domain, offsets.layout)
    return offsets


def check_layout(domain: str, text: str) -> None:
    """Check the layout version of a row that cannot be read otherwise; say nothing where there is none.

    Raises:
        LayoutError: The store was laid out by another version.
    """
    try:
        layout = json.loads(text)["layout"]
    except (ValueError, KeyError, TypeError):
        return
    if isinstance(layout, int):
        _check(domain, layout)


def _check(domain: str, layout: int) -> None:
    if layout == LAYOUT:
        return
    newer = layout > LAYOUT
    raise LayoutError(
        cannot=f"open the store of domain {domain}",
        why=f"it has layout {layout}, {'newer' if newer else 'older'} than layout {LAYOUT} of this mesh",
        do="update the mesh to the version that wrote it"
        if newer
        else "open it with the version that wrote it, or move the folder away and ingest again",
    )
