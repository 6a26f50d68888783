"""The parts of a whole mesh, in the order in which they need each other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh_defs.broker.local import LocalKafka
from mesh_defs.broker.ports import who_holds
from mesh_defs.contract.project import Project
from mesh_defs.contract.workspace import WORKSPACE, missing_locations
from mesh_defs.model.config import ProcessConfig
from mesh_defs.model.errors import ConfigError, ProcessError
from mesh_defs.supervisor.code_servers import code_servers, shared_workspace
from mesh_defs.supervisor.environment import FEWER_TRIPS_TO_MALLOC, broker_environment, part_environment
from mesh_defs.supervisor.folder import usable_folder
from mesh_defs.supervisor.graphql import LOOPBACK, broken_locations, daemon_beats, web_server_answers
from mesh_defs.supervisor.home import HomePreparation
from mesh_defs.supervisor.kafka import KafkaPart
from mesh_defs.supervisor.logs import log_of
from mesh_defs.supervisor.part import CommandPart, PartReport
from mesh_defs.supervisor.supervisor import Stage, Supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """How a mesh is brought up.

    Attributes:
        port: Of the web server.
        with_processes: Whether the processes of ``mesh.toml`` are started too.
        with_resident: Whether the resident ingester is started; sensors ask for runs otherwise.
        apply_topics: Creates the topics that the contracts declare, once the broker answers.
        report: Is told each change of a part's state.
        warn: Is told what is wrong but stops nothing.
        ready: Is called once, when everything is well.
    """

    port: int
    with_processes: bool
    with_resident: bool
    apply_topics: Callable[[], None]
    report: Callable[[PartReport], None]
    warn: Callable[[str], None]
    ready: Callable[[], None]


def up(project: Project, options: UpOptions) -> None:
    """Run a mesh until an exception (`KeyboardInterrupt` on a signal) ends it.

    Raises:
        ConfigError: The project lacks its workspace file, or it cannot be read.
        ProcessError: It runs already, the port is taken, the data folder has no room, or a part does not start.
        BrokerError: The broker does not answer, or the local one cannot be had.
    """
    if not (project.root / WORKSPACE).is_file():
        raise ConfigError(
            cannot="start the mesh",
            why=f"{project.root} has no {WORKSPACE}",
            do="write one that holds `load_from:`; `mesh up` then names the lines that belong below it",
        )
    for location in missing_locations(project):
        options.warn(location.message)
    supervisor = Supervisor(
        project.config.data / "run",
        environment=part_environment(project),
        report=options.report,
        ready=options.ready,
    )
    with usable_folder(project.config.data, "run the mesh"):
        supervisor.run(stages(project, options))


def stages(project: Project, options: UpOptions) -> tuple[Stage, ...]:
    """Return what is started after what.

    1. The port is looked at, Dagster's home is begun, the local Kafka is started where it is ours.
    2. Topics are created; with a prepared home, code servers and resident ingester start side by side.
    3. Web server and daemon start, which share the code servers.
    4. Code locations that do not load are told; the processes of ``mesh.toml`` start.
    """
    home = HomePreparation(project)
    kafka = LocalKafka.of_mesh(project.config.data) if project.config.has_local_kafka else None

    def first(environment: Mapping[str, str]) -> None:
        _refuse_taken(options.port)
        if kafka is not None:
            _tell_taken(kafka, options.warn)
        home.begin(environment)

    def second(_: Mapping[str, str]) -> None:
        options.apply_topics()
        home.finish()

    def last(_: Mapping[str, str]) -> None:
        for name, error in broken_locations(options.port).items():
            options.warn(f"the domain {name} does not load, the others do: {error}")

    dagster = (_web_server(project, options.port), _daemon(project, options.port))
    resident = (_resident(project),) if options.with_resident else ()
    processes = project.config.processes.values() if options.with_processes else ()
    return (
        Stage(before=first, parts=(KafkaPart(kafka=kafka),) if kafka is not None else ()),
        Stage(before=second, parts=(code_servers(project), *resident)),
        Stage(parts=dagster),
        Stage(before=last, parts=tuple(_process(project, process) for process in processes)),
    )


def _web_server(project: Project, port: int) -> CommandPart:
    return CommandPart(
        name="webserver",
        command=(
            *_program("dagster-webserver"),
            *("--host", LOOPBACK, "--port", str(port), "--workspace", str(shared_workspace(project))),
        ),
        folder=project.root,
        log=log_of(project, "webserver"),
        restarts=True,
        place=f"http://{LOOPBACK}:{port}",
        check=lambda _: web_server_answers(port),
    )


def _daemon(project: Project, port: int) -> CommandPart:
    return CommandPart(
        name="daemon",
        command=(*_program("dagster-daemon"), "run", "--workspace", str(shared_workspace(project))),
        folder=project.root,
        log=log_of(project, "daemon"),
        restarts=True,
        check=lambda running: daemon_beats(port, running.birth.created),
    )


def _resident(project: Project) -> CommandPart:
    return CommandPart(
        name="resident",
        command=(sys.executable, "-P", "-m", "mesh_defs.cli", "--project", str(project.root), "run"),
        folder=project.root,
        log=log_of(project, "resident"),
        restarts=True,
        added=lambda: {} if FEWER_TRIPS_TO_MALLOC.keys() & os.environ.keys() else FEWER_TRIPS_TO_MALLOC,
    )


def _process(project: Project, process: ProcessConfig) -> CommandPart:
    return CommandPart(
        name=process.name,
        command=process.command,
        folder=project.root,
        log=log_of(project, process.name),
        restarts=False,
        added=lambda: broker_environment(project),
    )


def _program(name: str) -> tuple[str, ...]:
    return (str(Path(sys.executable).with_name(name)),)


def _refuse_taken(port: int) -> None:
    holder = who_holds(port)
    if holder is not None:
        raise ProcessError(
            cannot=f"start the web server on port {port}",
            why=f"{holder} listens there",
            do="stop that program, or choose another port with `mesh up --port N`",
        )


def _tell_taken(kafka: LocalKafka, warn: Callable[[str], None]) -> None:
    """Say that clients find the local Kafka at another port than before: nothing is refused for that."""
    status = kafka.status()
    port = kafka.usual_port()
    holder = None if status.running else who_holds(port)
    if holder is not None:
        warn(f"port {port} is taken by {holder}: the local Kafka listens on another one, see its line")
