"""Freshness: whether a table moved as often as its contract's `frequency` promises."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dagster as dg

from mesh_defs.contract.contract import ContractBase, Domain
from mesh_defs.contract.project import Project
from mesh_defs.contract.sla import SHORTEST_FREQUENCY, sla_duration
from mesh_defs.orchestration.keys import FRESHNESS_CHECK, table_key
from mesh_defs.store import DomainStore, StoreOffsets

REPEAT = dt.timedelta(hours=1)
"""How often an unchanged verdict is reported again. Events without a run fill Dagster's storage, so not each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old a table is.

    Attributes:
        limit: What the contract promises.
        moved_at: When it last moved; None where it never did.
        since: From when on it is judged: `moved_at`, else when the watch began.
    """

    key: dg.AssetKey
    limit: dt.timedelta
    moved_at: dt.datetime | None
    since: dt.datetime

    def passes(self, now: dt.datetime) -> bool:
        """Say whether the promise holds."""
        return now - self.since <= self.limit

    def description(self, now: dt.datetime) -> str:
        """Say it in a line."""
        if self.moved_at is None:
            waited, promised = _span(now - self.since), _span(self.limit)
            return f"Nothing arrived in {waited}; the contract promises something every {promised}."
        word = "Fresh" if self.passes(now) else "Stale"
        return (
            f"{word}: the last event was stored {_span(now - self.moved_at)} ago; "
            f"the contract promises one every {_span(self.limit)}."
        )

    def metadata(self, now: dt.datetime) -> dict[str, dg.MetadataValue]:
        """Return the age, which plots itself, and the limit."""
        return {
            "age_seconds": dg.MetadataValue.float(round((now - self.since).total_seconds(), 1)),
            "limit": dg.MetadataValue.text(_span(self.limit)),
        }


def freshness_limit(contract: ContractBase) -> dt.timedelta | None:
    """Return how old a table may be, or None where its contract promises nothing, or is retired."""
    promised = sla_duration(contract, "frequency")
    return None if promised is None or contract.is_retired else max(promised, SHORTEST_FREQUENCY)


def freshness_policy(contract: ContractBase) -> dg.FreshnessPolicy | None:
    """Return Dagster's own policy for the asset's page, which turns nothing red; None below the 60 s that it takes."""
    limit = freshness_limit(contract)
    if limit is None or limit != sla_duration(contract, "frequency"):
        return None
    return dg.FreshnessPolicy.time_window(fail_window=limit)


def freshness_spec(contract: ContractBase, key: dg.AssetKey) -> tuple[dg.AssetCheckSpec, ...]:
    """Return the check, where the contract promises a frequency."""
    limit = freshness_limit(contract)
    if limit is None:
        return ()
    return (
        dg.AssetCheckSpec(
            FRESHNESS_CHECK,
            asset=key,
            description=f"Moved within {_span(limit)}, as the contract's `frequency` promises; watched every 30 s.",
        ),
    )


def freshness_result(
    contract: ContractBase, key: dg.AssetKey, offsets: StoreOffsets, now: dt.datetime
) -> dg.AssetCheckResult | None:
    """Return the verdict of a run; None where nothing is promised, or nothing arrived yet to judge by."""
    limit, moved_at = freshness_limit(contract), _moved_at(contract, offsets)
    if limit is None or moved_at is None:
        return None
    found = Freshness(key=key, limit=limit, moved_at=moved_at, since=moved_at)
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=FRESHNESS_CHECK,
        passed=found.passes(now),
        severity=dg.AssetCheckSeverity.ERROR,
        description=found.description(now),
        metadata=found.metadata(now),
    )


def domain_freshness(
    project: Project, domain: Domain, first_seen: Mapping[str, dt.datetime], now: dt.datetime
) -> Iterator[Freshness]:
    """Yield how old each table of a domain is whose contract promises a frequency.

    Args:
        project: The mesh.
        domain: The domain.
        first_seen: From when on tables are judged that never moved, by `domain.table`.
        now: Now.

    Raises:
        StoreError: The store cannot be read.
    """
    promised = [c for c in domain.tables if freshness_limit(c) is not None]
    folder = project.data_folder(domain.name)
    if not promised:
        return
    offsets = StoreOffsets()
    if DomainStore.exists(folder):
        with DomainStore.open(folder, domain.name, read_only=True) as store:
            offsets = store.offsets()
    for contract in promised:
        moved_at = _moved_at(contract, offsets)
        yield Freshness(
            key=table_key(domain.name, contract.name),
            limit=freshness_limit(contract) or SHORTEST_FREQUENCY,
            moved_at=moved_at,
            since=moved_at or first_seen.get(contract.full_name, now),
        )


def report_freshness(instance: dg.DagsterInstance, found: Freshness, now: dt.datetime) -> bool | None:
    """Report a verdict without a run: at once when it flips, and else once an hour.

    Returns:
        The verdict, where it was reported.
    """
    key = dg.AssetCheckKey(found.key, FRESHNESS_CHECK)
    summary = instance.event_log_storage.get_asset_check_summary_records([key])[key]
    last = summary.last_completed_check_execution_record
    passed = found.passes(now)
    if last is not None and last.event is not None:
        evaluation = last.event.dagster_event
        same = evaluation is not None and evaluation.asset_check_evaluation_data.passed == passed
        if same and now.timestamp() - last.create_timestamp < REPEAT.total_seconds():
            return None
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=found.key,
            check_name=FRESHNESS_CHECK,
            passed=passed,
            severity=dg.AssetCheckSeverity.ERROR,
            description=found.description(now),
            metadata=found.metadata(now),
        )
    )
    return passed


def _moved_at(contract: ContractBase, offsets: StoreOffsets) -> dt.datetime | None:
    """Return when a table's stream last committed, or a product was last computed."""
    refresh = offsets.refreshed.get(contract.name)
    if refresh is not None:
        return refresh.at
    stream = offsets.streams.get(contract.stream_name)
    moments = [p.last_commit_at for p in stream.partitions.values() if p.last_commit_at] if stream else []
    return max(moments, default=None)


def _span(span: dt.timedelta) -> str:
    """Return a duration in its two largest units."""
    seconds = int(span.total_seconds())
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
