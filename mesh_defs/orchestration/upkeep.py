"""What a domain does by the clock: maintenance, verification against the broker, products with a schedule."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` at definition.
import hashlib
from collections.abc import Iterator

import dagster as dg

from mesh_defs.consistency import StreamVerification, verify_domain
from mesh_defs.contract.contract import Domain
from mesh_defs.contract.project import Project
from mesh_defs.contract.sla import retentions, sla_schedules
from mesh_defs.model.errors import MeshError
from mesh_defs.orchestration.keys import table_key
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain

VERIFY_HOUR = 3
"""In the night, by UTC: the broker's whole retention is read again."""


def upkeep(project: Project, domain: Domain) -> tuple[dg.ScheduleDefinition, ...]:
    """Return a domain's schedules, all on from the start; each brings its job along."""
    minute = _minute(domain.name)
    found = [
        _schedule(
            maintenance_job(project, domain),
            f"{minute} * * * *",
            "Keeps the store small and fast: flushes, merges small files, expires old snapshots, cleans up.",
        )
    ]
    if domain.ingested:
        text = (
            "Recounts all tables against the ledger, and the ledger against all that the broker still holds."
        )
        found.append(_schedule(verify_job(project, domain), f"{minute} {VERIFY_HOUR} * * *", text))
    found += _product_schedules(domain)
    return tuple(found)


def maintenance_job(project: Project, domain: Domain) -> dg.JobDefinition:
    """Return the job that maintains a domain's store, in a process that ends: it grows with every merge."""

    @dg.op(name=f"{domain.name}__maintain", description="One round of maintenance, in the writer's lane.")
    def maintain_store(context: dg.OpExecutionContext) -> None:
        folder = project.data_folder(domain.name)
        if not DomainStore.exists(folder):
            context.log.info("there is no store yet")
            return
        try:
            with DomainStore.open(folder, domain.name) as store:
                report = maintain(store, MaintenancePolicy(retention=retentions(domain)))
        except MeshError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        for step in report.steps:
            context.log.info("%s: %s", step.name, step.summary)
        context.add_output_metadata({step.name: step.summary for step in report.steps})

    @dg.job(name=f"{domain.name}__maintenance", executor_def=dg.in_process_executor)
    def maintenance() -> None:
        maintain_store()

    return maintenance


def verify_job(project: Project, domain: Domain) -> dg.JobDefinition:
    """Return the job that verifies a domain's ledger against the broker; a violation fails the run."""

    @dg.op(name=f"{domain.name}__verify_ledger", description="What `mesh ledger verify --full` does.")
    def verify(context: dg.OpExecutionContext) -> None:
        try:
            found = verify_domain(project, domain, full=True)
        except MeshError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        context.add_output_metadata(dict(_numbers(found)))
        violations = [v.message for stream in found for v in stream.violations]
        if violations:
            text = f"{len(violations)} violations, the first: {violations[0]}"
            raise dg.Failure(description=text, allow_retries=False)

    @dg.job(name=f"{domain.name}__verification", executor_def=dg.in_process_executor)
    def verification() -> None:
        verify()

    return verification


def _product_schedules(domain: Domain) -> Iterator[dg.ScheduleDefinition]:
    """Yield a schedule for each product whose contract names one; it follows its inputs besides."""
    for product in domain.products:
        for number, cron in enumerate(sla_schedules(product), start=1):
            yield dg.ScheduleDefinition(
                name=f"{domain.name}__{product.name}" + (f"_{number}" if number > 1 else ""),
                target=dg.AssetSelection.assets(table_key(domain.name, product.name)),
                cron_schedule=cron,
                execution_timezone="UTC",
                default_status=dg.DefaultScheduleStatus.RUNNING,
                description=f"Computes {product.full_name} when its contract's service levels say so.",
            )


def _schedule(job: dg.JobDefinition, cron: str, description: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=job.name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )


def _numbers(found: tuple[StreamVerification, ...]) -> Iterator[tuple[str, int]]:
    for stream in found:
        yield f"{stream.stream}_offsets", stream.offsets
        yield f"{stream.stream}_violations", len(stream.violations)


def _minute(name: str) -> int:
    """Return a domain's own minute, so that not all of them start at once."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % 60
