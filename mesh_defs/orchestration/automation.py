"""When a product is computed: as soon as one of its inputs moved, whichever domain that belongs to."""

from __future__ import annotations

import dagster as dg

INTERVAL_SECONDS = 4
"""The daemon looks every 5 s: a sensor that asks for 5 s is, by a hair, often due only at every other look."""


def event_product() -> dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]:
    """Return the condition of a product.

    Dagster's own `eager()` forgets an input that moves while the product is computed, and asks for nothing on its
    first tick. Here an update counts until the product was asked for *after* it: one that arrives between the
    request and the next tick may be too late for the run, so it asks again. Inputs whose blocking check (the
    ledger) failed, or was not evaluated since they moved, hold the product back.
    """
    of = dg.AutomationCondition
    moved = of.newly_missing() | of.any_deps_updated() | of.initial_evaluation()
    on_update = of.in_latest_time_window() & moved.since(of.newly_requested() & ~moved)
    first = of.missing() & ~of.execution_failed()
    ready = (
        ~of.any_deps_missing()
        & ~of.any_deps_in_progress()
        & ~of.in_progress()
        & of.all_deps_blocking_checks_passed()
    )
    return ((on_update | first) & ready).with_label("event_product")


def automation_sensor(domain: str) -> dg.AutomationConditionSensorDefinition:
    """Return the sensor that evaluates the conditions of a domain's products; it is on from the start."""
    return dg.AutomationConditionSensorDefinition(
        name=f"{domain}__products",
        target=dg.AssetSelection.key_prefixes([domain]),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=INTERVAL_SECONDS,
        description="Computes a product when one of its inputs moved.",
    )
