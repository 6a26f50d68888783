"""Products in an order in which each comes after its inputs."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from mesh_defs.contract.contract import ProductContract
from mesh_defs.model.errors import ProductError
from mesh_defs.product.sql import inputs


def in_order(products: Iterable[ProductContract]) -> tuple[ProductContract, ...]:
    """Return the products so that none stands before one that it reads.

    Raises:
        ProductError: The products read one another in a circle, or a query cannot be read.
    """
    by_name = {p.full_name: p for p in products}
    graph = {name: [i for i in inputs(p) if i in by_name] for name, p in sorted(by_name.items())}
    try:
        return tuple(by_name[name] for name in TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise ProductError(
            cannot="order the products",
            why=f"they read one another in a circle: {' -> '.join(error.args[1])}",
            do="take one of these inputs out of its query",
        ) from error
