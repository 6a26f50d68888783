"""The ties between domains: each is a table named in a product's SQL, and each must be declared by somebody."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from mesh_defs.contract.arrow import RESERVED_TABLES
from mesh_defs.contract.contract import Domain, ProductContract
from mesh_defs.contract.project import Project
from mesh_defs.model.errors import MeshError, ProductError
from mesh_defs.model.suggest import did_you_mean
from mesh_defs.orchestration.keys import table_key
from mesh_defs.product import in_order, inputs

Ties = dict[str, tuple[dg.AssetKey, ...]]
"""For each product of a domain, the keys of the tables that it reads."""


class Neighbours:
    """The domains that products reach, loaded when first asked for.

    A neighbour that cannot be read shows that in its own place, and breaks nobody else: it counts as declaring
    whatever is read from it.

    Args:
        project: The mesh.
        home: The domain at hand, as it was loaded.
    """

    def __init__(self, project: Project, home: Domain) -> None:
        self._project = project
        self._names = frozenset(project.domain_names()) | {home.name}
        self._loaded: dict[str, Domain | None] = {home.name: home}

    def get(self, name: str) -> Domain | None:
        """Return a domain, or None where it cannot be read."""
        if name not in self._loaded:
            try:
                self._loaded[name] = self._project.domain(name)
            except MeshError:
                self._loaded[name] = None
        return self._loaded[name]

    def keys(self, table: str) -> tuple[dg.AssetKey, ...]:
        """Return the keys that stand for a table; none where nobody declares it.

        The platform's own tables (`ledger`, `dead_letters`, `offsets`) move with everything that their domain takes in.
        """
        domain_name, _, name = table.lower().partition(".")
        if domain_name not in self._names:
            return ()
        domain = self.get(domain_name)
        if domain is None:
            return (table_key(domain_name, name),)
        if name in RESERVED_TABLES:
            return tuple(table_key(domain_name, t.name) for c in domain.ingested for t in c.tables)
        return (table_key(domain_name, name),) if domain.table(name) else ()

    def known(self, table: str) -> str:
        """Return a clause that helps with a table that nobody declares."""
        domain_name, _, name = table.lower().partition(".")
        if domain_name not in self._names:
            return did_you_mean(domain_name, self._names)
        domain = self.get(domain_name)
        tables = [t.name for t in domain.tables] if domain else []
        return did_you_mean(name, tables) if tables else f"{domain_name} declares nothing"

    def products(self, start: Domain) -> Iterator[ProductContract]:
        """Yield every product that the products of `start` reach, those of `start` among them."""
        waiting, seen = list(start.products), set[str]()
        while waiting:
            product = waiting.pop()
            if product.full_name in seen:
                continue
            seen.add(product.full_name)
            yield product
            for table in _readable_inputs(product):
                domain = self.get(table.partition(".")[0]) if table.partition(".")[0] in self._names else None
                found = domain.product(table.partition(".")[2]) if domain else None
                if found:
                    waiting.append(found)


def product_ties(project: Project, domain: Domain) -> Ties:
    """Return what each product of a domain reads.

    Raises:
        ProductError: A query cannot be read, reads a table that no domain declares, or reads itself in a circle.
    """
    neighbours = Neighbours(project, domain)
    ties: Ties = {}
    unknown: list[str] = []
    for product in domain.products:
        found: dict[dg.AssetKey, None] = {}
        for table in inputs(product):
            keys = neighbours.keys(table)
            found |= dict.fromkeys(keys)
            if not keys:
                unknown.append(f"{product.full_name} reads {table} ({neighbours.known(table)})")
        ties[product.name] = tuple(found)
    if unknown:
        raise ProductError(
            cannot=f"load the domain {domain.name}",
            why=f"no domain declares what its products read: {'; '.join(unknown)}",
            do="mend the query, or declare the table with a contract",
        )
    in_order(p for p in neighbours.products(domain) if _readable_inputs(p))
    return ties


def _readable_inputs(product: ProductContract) -> tuple[str, ...]:
    """Return a product's inputs; none where its query cannot be read, which its own domain tells."""
    try:
        return tuple(table.lower() for table in inputs(product))
    except MeshError:
        return ()
