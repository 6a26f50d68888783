"""Computing a product: its query over one snapshot of each input, checked, swapped in at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from mesh_defs.contract.arrow import product_schema
from mesh_defs.contract.choices import Incremental
from mesh_defs.contract.contract import Domain, ProductContract
from mesh_defs.contract.project import Project
from mesh_defs.model.errors import ProductError
from mesh_defs.model.records import Committed, StagedFile
from mesh_defs.product.shape import check_rows, conform
from mesh_defs.product.sql import inputs, query_text
from mesh_defs.query import Mesh, refresh_script
from mesh_defs.store import DomainStore

_ABOUT_SQL = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.NotImplementedException,
    duckdb.ParserException,
    duckdb.SyntaxException,
)
"""Errors that come before a row is read; the words of all others may hold what a record said."""

BATCH_ROWS = 122_880


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductReport:
    """What a build did.

    Attributes:
        inputs: For each table read, the snapshot of its domain's store.
        snapshot: Of the product's own store after the swap.
    """

    domain: str
    product: str
    row_count: int
    snapshot: int
    inputs: tuple[tuple[str, int], ...]


def build(project: Project, domain: Domain, contract: ProductContract) -> ProductReport:
    """Compute a product anew and replace its table.

    The order of effects:

    1. Attach the inputs' domains read-only, in one transaction: each is seen at one snapshot.
    2. Compare the query's columns with the contract; every difference is told at once.
    3. Run the query, writing its rows to files that no reader sees.
    4. Check what the contract says of every row: required columns, the primary key.
    5. Swap: one transaction empties the table and registers the files.

    Raises:
        ProductError: The query fails, or its result breaks the contract; the table stays as it was.
        StoreError: The product's store refuses.
    """
    check_supported(contract)
    tables = inputs(contract)
    schema = product_schema(contract)
    folder = project.data_folder(domain.name)
    with DomainStore.open(folder, domain.name) as store, Mesh.open(project) as mesh:
        store.ensure_table(contract.name, schema)
        _present(contract, tables, mesh)
        with mesh.transaction() as connection:
            snapshots = tuple((table, mesh.snapshot(table.split(".")[0])) for table in tables)
            files, rows = _stage(store, contract, connection, schema)
        done = _swap(store, contract, files, snapshots)
    refresh_script(project)
    return ProductReport(
        domain=domain.name,
        product=contract.name,
        row_count=rows,
        snapshot=done.snapshot,
        inputs=snapshots,
    )


def _stage(
    store: DomainStore, contract: ProductContract, connection: duckdb.DuckDBPyConnection, schema: pa.Schema
) -> tuple[Sequence[StagedFile], int]:
    try:
        relation = conform(contract, connection, query_text(contract))
        check_rows(contract, relation)
        staged = store.stage(contract.name, schema)
        try:
            for batch in relation.to_arrow_reader(BATCH_ROWS):
                staged.write(batch.cast(schema))
        except BaseException:
            staged.abort()
            raise
    except duckdb.Error as error:
        # Nor may the cause go along: whoever keeps the error would keep its words.
        raise _uncomputable(contract, error) from None
    file = staged.close()
    return ((file,), file.row_count) if file is not None else ((), 0)


def _uncomputable(contract: ProductContract, error: duckdb.Error) -> ProductError:
    """Return why a product cannot be computed: DuckDB's words are repeated where they are about the SQL alone."""
    if isinstance(error, _ABOUT_SQL):
        why, do = str(error).splitlines()[0], f"mend {contract.source_file.name}"
    else:
        why = f"DuckDB meets a {type(error).__name__} in the rows of its inputs"
        do = f"run {contract.source_file.name} in `mesh sql`, whose words may hold values of records; then mend it"
    return ProductError(cannot=f"compute {contract.full_name}", why=why, do=do)


def _swap(
    store: DomainStore,
    contract: ProductContract,
    files: Sequence[StagedFile],
    snapshots: tuple[tuple[str, int], ...],
) -> Committed:
    info = {"version": contract.version, "inputs": dict(snapshots)}
    return store.replace_table(contract.name, files, f"refresh {contract.full_name}", info=info)


def _present(contract: ProductContract, tables: Sequence[str], mesh: Mesh) -> None:
    for domain in {table.split(".")[0] for table in tables} & mesh.broken.keys():
        raise mesh.broken[domain]
    missing = [table for table in tables if not mesh.has_table(table)]
    if missing:
        raise ProductError(
            cannot=f"compute {contract.full_name}",
            why=f"its input {', '.join(missing)} has no table yet",
            do="run `mesh ingest` and build its inputs first",
        )


def check_supported(contract: ProductContract) -> None:
    """Refuse what a contract may ask for and is not built yet.

    Raises:
        ProductError: It asks for that.
    """
    if contract.source_file.suffix != ".sql":
        raise ProductError(
            cannot=f"compute {contract.full_name}",
            why="products written in Python are not supported yet",
            do=f"write {contract.name}.sql instead",
        )
    if contract.incremental is not Incremental.FULL:
        raise ProductError(
            cannot=f"compute {contract.full_name}",
            why=f"`incremental: {contract.incremental}` is not supported yet",
            do="say `incremental: full`",
        )
