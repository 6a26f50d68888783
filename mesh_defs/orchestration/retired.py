"""Tables of retired streams: nothing comes in any more, and what is stored is still checked."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` at definition.
from collections.abc import Iterator

import dagster as dg

from mesh_defs.contract.contract import Domain
from mesh_defs.contract.project import Project
from mesh_defs.orchestration.checks import check_specs, ledger_results
from mesh_defs.orchestration.keys import LEDGER_CHECK, table_key


def retired_checks(project: Project, domain: Domain) -> list[dg.AssetChecksDefinition]:
    """Return the ledger checks of a domain's retired streams and data at rest, to be run at will."""
    keys = {c.name: [table_key(domain.name, t.name) for t in c.tables] for c in domain.retired}
    specs = [s for own in keys.values() for key in own for s in check_specs(key) if s.name == LEDGER_CHECK]
    if not specs:
        return []

    @dg.multi_asset_check(
        name=f"{domain.name}__retired",
        specs=specs,
        can_subset=True,
        description="Recounts the tables of retired streams against the ledger.",
    )
    def retired(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        selected = {key.asset_key for key in context.selected_asset_check_keys}
        for name, own in keys.items():
            yield from ledger_results(project, domain, name, [key for key in own if key in selected])

    return [retired]
