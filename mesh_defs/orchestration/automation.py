"""When a product is computed: as soon as one of its inputs moved, whichever domain that belongs to."""

from __future__ import annotations

import dagster as dg

INTERVAL_SECONDS = 4
"""The daemon looks every 5 s: a sensor that asks for 5 s is, by a hair, often due only at every other look."""


def event_product() -> dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]:
    """Return the condition of a product.

    Dagster's own `eager()` forgets an input that moves while the product is computed, and asks for nothing on its
    first tick. Here an update counts since the product was last *asked* for, and a product that never was computed
    is asked for once its inputs are there. Inputs with a failed blocking check (the ledger) hold it back.
    """
    of = dg.AutomationCondition
    moved = of.newly_missing() | of.any_deps_updated()
    on_update = (
        of.in_latest_time_window()
        & moved.since(of.newly_requested() | of.initial_evaluation())
        & ~of.any_deps_missing()
        & ~of.any_deps_in_progress()
        & ~of.in_progress()
        & of.all_deps_blocking_checks_passed()
    )
    first = of.missing() & ~of.any_deps_missing() & ~of.in_progress() & ~of.execution_failed()
    return (on_update | first).with_label("event_product")


def automation_sensor(domain: str) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that evaluates the conditions of a domain's products; it is on from the start."""
    return dg.AutomationConditionSensorDefinition(
        name=f"{domain}__products",
        target=dg.AssetSelection.key_prefixes([domain]),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=INTERVAL_SECONDS,
        description="Computes a product when one of its inputs moved.",
    )
