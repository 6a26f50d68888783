"""`mesh up`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import msgspec
import typer

from mesh_defs.broker import Brokers
from mesh_defs.cli.app import ERRORS, JsonOption, domains_of, project_of, say
from mesh_defs.contract.project import Project
from mesh_defs.supervisor.mesh import UpOptions
from mesh_defs.supervisor.mesh import up as bring_up
from mesh_defs.supervisor.part import PartReport, State
from mesh_defs.supervisor.signals import interrupted_by_signals

_LOUD = (State.DIED, State.FAILED)


def up(
    context: typer.Context,
    *,
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Port of the Dagster UI.")] = 3000,
    no_replay: Annotated[
        bool, typer.Option("--no-replay", help="Leave the processes of mesh.toml out.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the mesh: local Kafka, Dagster's daemon and web server, and the processes of mesh.toml.

    It runs until Ctrl-C or SIGTERM, which stop every part within 15 seconds. Each part is one line on standard
    output when it answers; its log is data/logs/PART.log. Exit code 1 if a part cannot be started.
    """
    project = project_of(context)
    options = UpOptions(
        port=port,
        with_processes=not no_replay,
        apply_topics=lambda: _apply_topics(project),
        report=_print_json_line if as_json else _print_line,
        warn=lambda message: say(f"mesh: {message}"),
    )
    try:
        with interrupted_by_signals():
            bring_up(project, options)
    except KeyboardInterrupt:
        say("mesh: stopped")


def _apply_topics(project: Project) -> None:
    contracts = [stream for domain in domains_of(project).values() for stream in domain.streams]
    with ERRORS.status("comparing topics"), Brokers(project.config) as brokers:
        plans = brokers.apply_topics(contracts)
    for plan in plans:
        if plan.differences:
            say(f"mesh: the topic {plan.topic} is not as its contract says: {'; '.join(plan.differences)}")


def _print_line(report: PartReport) -> None:
    words = [f"{report.part:<12}", f"{report.state:<11}", report.address]
    if report.note:
        words.append(report.note)
    if report.state in _LOUD:
        words.append(f"(read the end of {report.log})")
    _write(" ".join(word for word in words if word).rstrip())


def _print_json_line(report: PartReport) -> None:
    _write(msgspec.json.encode(asdict(report), enc_hook=str).decode())


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
