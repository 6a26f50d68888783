"""Products in an order in which each comes after its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    try:
        return tuple(by_name[name] for name in _sorter(by_name).static_order())
    except CycleError as error:
        raise ProductError(
            cannot="order the products",
            why=in_a_circle(error.args[1]),
            do="take one of these inputs out of its query",
        ) from error


def find_circle(products: Iterable[ProductContract]) -> tuple[str, ...]:
    """Return the names of products that read one another in a circle, the first one twice; none where there is none.

    Raises:
        ProductError: A query cannot be read.
    """
    try:
        _sorter({p.full_name: p for p in products}).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def in_a_circle(names: Iterable[str]) -> str:
    """Return the clause that says which products read one another."""
    return f"they read one another in a circle: {' -> '.join(names)}"


def _sorter(products: Mapping[str, ProductContract]) -> TopologicalSorter[str]:
    return TopologicalSorter(
        {name: [i for i in inputs(p) if i in products] for name, p in sorted(products.items())}
    )
