"""`mesh build`."""

from __future__ import annotations

from typing import Annotated

import typer

from mesh_defs.cli.app import (
    ERRORS,
    JsonOption,
    Tries,
    print_json,
    print_table,
)
from mesh_defs.cli.complete import product_names
from mesh_defs.cli.selection import products as choose_products
from mesh_defs.product import ProductReport, in_order
from mesh_defs.product import build as build_product


def build(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DOMAIN[.PRODUCT] ...]", show_default=False, autocompletion=product_names),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Compute products without Dagster, each after the products that it reads.

    Exit code 1 if any product failed; the others are done all the same.
    """
    selected = choose_products(context, names)
    domains = selected.domains
    products = [p for d in domains.values() for p in d.products if p.name in selected.wanted.get(d.name, ())]
    done: list[ProductReport] = []
    tries = Tries(failed=selected.incomplete)
    with ERRORS.status("building") as spinner:
        for contract in in_order(products):
            spinner.update(f"building {contract.full_name}")
            with tries.one():
                done.append(build_product(selected.project, domains[contract.domain], contract))
    if as_json:
        print_json([{"domain": r.domain, "product": r.product, "row_count": r.row_count,
                     "snapshot": r.snapshot, "inputs": dict(r.inputs)} for r in done])  # fmt: skip
    else:
        print_table(
            ["product", "rows", "snapshot", "inputs"],
            (
                (
                    f"{r.domain}.{r.product}",
                    r.row_count,
                    r.snapshot,
                    ", ".join(f"{t}@{s}" for t, s in r.inputs),
                )
                for r in done
            ),
            empty="nothing was built",
        )
    tries.end()
