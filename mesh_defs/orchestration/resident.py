"""Tells Dagster, without a run, what the resident ingester committed: graph, checks and automation stay alive."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

import dagster as dg

from mesh_defs.contract.contract import Domain, InputContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest import StreamReport
from mesh_defs.ingest.resident import Signature, signature
from mesh_defs.ingest.resident.reporting import REPEAT_SECONDS as REPORT_SECONDS
from mesh_defs.model.errors import MeshError
from mesh_defs.orchestration.evidence import NEXT_OFFSETS, ROW_COUNT
from mesh_defs.orchestration.home import dagster_home
from mesh_defs.orchestration.ingest import Telling, stored_offsets, stream_events, table_checks
from mesh_defs.orchestration.keys import LEDGER_CHECK, table_key
from mesh_defs.orchestration.measuring import SHARE, Measuring, Wanted
from mesh_defs.orchestration.quality import quality_results, quality_specs

RETRY_SECONDS: Final = 60.0
"""After so long a table is measured again that could not be: its store was locked, or its contract half written."""

REPEAT_SECONDS: Final = 600.0
"""How often a verdict that stays the same is reported again; each one stays in Dagster's storage."""


class DagsterReporter:
    """Reports to the Dagster of a project; the `Reporter` of the resident ingester.

    Args:
        project: The mesh; its Dagster home is laid out.
        instance: Dagster; the project's own where None.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        project: Project,
        instance: dg.DagsterInstance | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._project = project
        self._instance = instance or dg.DagsterInstance.from_config(str(dagster_home(project).absolute()))
        self._domains: dict[str, tuple[Signature, Domain]] = {}
        self._verdicts: dict[dg.AssetCheckKey, tuple[bool, float]] = {}
        self._measuring = Measuring()
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._instance.dispose()

    def report(self, report: StreamReport) -> None:
        """Report a stream's topic and tables where they moved, and evaluate their checks.

        A materialisation comes before its checks: automation waits for the ledger's verdict on it. The contract's
        rules are measured by `catch_up`, which may take long.

        Raises:
            ContractError: The domain's contracts cannot be read now.
            StoreError: Its store cannot be read.
        """
        domain = self._domain(report.domain)
        keys = _tables(domain, report.stream)
        if not keys:  # its contract is gone since
            return
        specs = {spec.key: spec for key, table in keys.items() for spec in table_checks(table, key)}
        rules = {spec.key for key, table in keys.items() for spec in quality_specs(table, key)}
        telling = Telling(
            project=self._project,
            domain=domain,
            stored=stored_offsets(self._project, domain),
            instance=self._instance,
            tables=keys.keys(),
            checks=specs.keys() - rules,
        )
        rows = dict(report.tables)
        for event in stream_events(telling, report):
            if isinstance(event, dg.AssetCheckResult):
                self._evaluated(event, specs)
                continue
            found = _materialization(event)
            moved = report.snapshot is not None and (len(keys) == 1 or rows.get(keys[found.asset_key].name))
            if moved or self._is_untold(found, resumed=report.snapshot is None):
                self._instance.report_runless_asset_event(found)
        for key in keys:
            self._measuring.want(Wanted(domain=domain.name, stream=report.stream, key=key))

    def catch_up(self) -> None:
        """Measure the rules of one table that moved and has rested enough, if there is one.

        Raises:
            ContractError: Its domain's contracts cannot be read now.
            StoreError: Its store cannot be read.
        """
        wanted = self._measuring.take(self._clock())
        if wanted is None:
            return
        began = self._clock()
        try:
            domain = self._domain(wanted.domain)
            table = _tables(domain, wanted.stream).get(wanted.key)
            if table is not None:
                self._measure(domain, table, wanted.key)
        except MeshError:
            self._measuring.took(wanted.key, began, self._clock() + RETRY_SECONDS / SHARE)
            self._measuring.want(wanted)
            raise

    def left(self) -> float | None:
        """Return the seconds until `catch_up` has something to do; None where nothing waits for it."""
        return self._measuring.left(self._clock())

    def _measure(self, domain: Domain, table: InputContract, key: dg.AssetKey) -> None:
        specs = {spec.key: spec for spec in quality_specs(table, key)}
        began = self._clock()
        results = list(quality_results(self._project, domain, table, key, {c.name for c in specs}))
        rest = self._measuring.took(key, began, self._clock())
        for result in results:
            self._evaluated(result.with_metadata({**(result.metadata or {}), **_pace(rest)}), specs)

    def _domain(self, name: str) -> Domain:
        now = signature(self._project, name)
        known = self._domains.get(name)
        if known is None or known[0] != now:
            self._domains[name] = known = (now, self._project.domain(name))
        return known[1]

    def _is_untold(self, found: dg.AssetMaterialization, *, resumed: bool) -> bool:
        """Say whether Dagster does not know a table yet, or what it holds.

        The last process may have died untold; a retry of dead letters makes rows of offsets that were told long ago.
        """
        last = self._instance.get_latest_materialization_event(found.asset_key)
        if last is None or last.asset_materialization is None:
            return True
        told = last.asset_materialization.metadata
        return resumed and any(told.get(key) != found.metadata.get(key) for key in (NEXT_OFFSETS, ROW_COUNT))

    def _evaluated(
        self, result: dg.AssetCheckResult, specs: dict[dg.AssetCheckKey, dg.AssetCheckSpec]
    ) -> None:
        """Report a verdict: the ledger's always, any other when it flips and now and then."""
        if result.asset_key is None or result.check_name is None:
            raise AssertionError
        key = dg.AssetCheckKey(result.asset_key, result.check_name)
        now = self._clock()
        passed, told = self._verdicts.get(key, (None, now))
        if key.name != LEDGER_CHECK and passed == result.passed and now - told < REPEAT_SECONDS:
            return
        self._verdicts[key] = (result.passed, now)
        self._instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=result.asset_key,
                check_name=result.check_name,
                passed=result.passed,
                severity=result.severity,
                description=result.description,
                metadata=result.metadata or {},
                blocking=specs[key].blocking,
            )
        )


def _tables(domain: Domain, stream: str) -> Mapping[dg.AssetKey, InputContract]:
    contract = next((c for c in domain.ingested if c.name == stream), None)
    return {} if contract is None else {table_key(domain.name, t.name): t for t in contract.tables}


def _pace(rest: float) -> dict[str, dg.MetadataValue]:
    """Say how often rules are measured, where it is not with each report."""
    if rest < REPORT_SECONDS:
        return {}
    text = (
        f"took {rest / SHARE:.0f} s; measured again after {rest / 60:.0f} min at the earliest, if rows came"
    )
    return {"pace": dg.MetadataValue.text(text)}


def _materialization(event: dg.MaterializeResult[None]) -> dg.AssetMaterialization:
    if event.asset_key is None:
        raise AssertionError
    return dg.AssetMaterialization(
        asset_key=dg.AssetKey.from_coercible(event.asset_key), metadata=event.metadata or {}
    )
