"""A mesh of two domains, the second reading the first, for the tests of what Dagster sees."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from mesh_defs.orchestration import build_domain
from tests.meshes import MeshFolder

NOBODY = "127.0.0.1:1"
"""An address where no broker answers."""

TOTALS = (
    {
        "name": "customer",
        "logicalType": "string",
        "required": True,
        "primaryKey": True,
        "primaryKeyPosition": 1,
    },
    {"name": "orders", "logicalType": "integer", "required": True, "description": "How many."},
)
TOTALS_SQL = "SELECT customer, count(*) AS orders FROM shop.orders WHERE customer IS NOT NULL GROUP BY ALL"


def mesh_of_two(
    root: Path, bootstrap: str = NOBODY, orders: str = "shop.orders.v1", returns: str = "shop.returns.v1"
) -> MeshFolder:
    """Write a mesh with two streams in `shop` and a product in `sales` that reads one of them."""
    mesh = MeshFolder(root, bootstrap)
    mesh.stream("shop.orders", orders)
    mesh.stream("shop.returns", returns)
    mesh.product("sales.totals", TOTALS_SQL, TOTALS)
    return mesh


def definitions(mesh: MeshFolder, domain: str) -> dg.Definitions:
    """Return a domain's definitions as its code location would."""
    return build_domain(mesh.root / "domains" / domain)


def key(name: str) -> dg.AssetKey:
    """Return the key of `domain.table`."""
    return dg.AssetKey(name.split("."))


def order(number: int) -> bytes:
    """Return one good record."""
    return json.dumps({"order_id": number, "customer": f"c{number % 3}"}).encode()


def execute(
    mesh: MeshFolder, domain: str, names: Sequence[str], instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    """Run the named tables of a domain in this process."""
    job = definitions(mesh, domain).resolve_implicit_global_asset_job_def()
    selection = [dg.AssetKey([domain, name]) for name in names]
    return job.execute_in_process(instance=instance, asset_selection=selection, raise_on_error=False)
