"""`mesh up` and `mesh down`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import msgspec
import typer

from mesh_defs.broker import Brokers
from mesh_defs.broker.local import LocalKafka
from mesh_defs.cli.app import ERRORS, FAILED, JsonOption, print_json, project_of, say
from mesh_defs.cli.selection import domains_of
from mesh_defs.contract.project import Project
from mesh_defs.supervisor.detach import PART, leaving, up_in_background
from mesh_defs.supervisor.down import down as stop_mesh
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
    no_resident: Annotated[
        bool,
        typer.Option(
            "--no-resident", help="Leave ingest to the sensors, which ask for runs, instead of `mesh run`."
        ),
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when everything is well; the mesh runs on.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the mesh: local Kafka, Dagster, the resident ingester (`mesh run`), and the processes of mesh.toml.

    It runs until Ctrl-C, SIGTERM or `mesh down`, which stop every part within 15 seconds. Each part is one line
    on standard output when it answers; its log is data/logs/PART.log. Exit code 1 if a part cannot be started.
    """
    project = project_of(context)
    if detach:
        arguments = ["--port", str(port)]
        arguments += ["--no-replay"] if no_replay else []
        arguments += ["--no-resident"] if no_resident else []
        arguments += ["--json"] if as_json else []
        _detach(project, arguments)
        return
    options = UpOptions(
        port=port,
        with_processes=not no_replay,
        with_resident=not no_resident,
        apply_topics=lambda: _apply_topics(project),
        report=_print_json_line if as_json else _print_line,
        warn=lambda message: say(f"mesh: {message}"),
        ready=leaving(),
    )
    try:
        with interrupted_by_signals():
            bring_up(project, options)
    except KeyboardInterrupt:
        say("mesh: stopped")


def _detach(project: Project, arguments: list[str]) -> None:
    try:
        with interrupted_by_signals(), ERRORS.status("starting the mesh"):
            code = up_in_background(project, arguments, out=_write, err=say)
    except KeyboardInterrupt:
        say("mesh: stopped")
        raise typer.Exit(FAILED) from None
    if code != 0:
        raise typer.Exit(code)
    say(f"the mesh runs on; `mesh down` stops it, `mesh logs {PART}` shows what it says")


def down(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Stop the mesh that `mesh up` runs, and wait until no process of it is left.

    A local Kafka that `mesh broker start` started stays. Exit code 0 also if nothing ran.
    """
    project = project_of(context)
    with ERRORS.status("stopping the mesh"):
        stopped = stop_mesh(project)
    kafka = project.config.has_local_kafka and LocalKafka.of_mesh(project.config.data).status().running
    if as_json:
        print_json({"stopped": stopped, "kafka_stays": kafka})
        return
    typer.echo("stopped" if stopped else "the mesh was not running")
    if kafka:
        say("the local Kafka was started apart from it and stays; `mesh broker stop` stops it")


def _apply_topics(project: Project) -> None:
    contracts = [stream for domain in domains_of(project).values() for stream in domain.live.streams]
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
