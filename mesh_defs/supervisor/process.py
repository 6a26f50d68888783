"""Runs one process of ``mesh.toml`` in the foreground."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NoReturn

from mesh_defs.contract.project import Project
from mesh_defs.model.errors import ConfigError, ProcessError
from mesh_defs.model.suggest import did_you_mean
from mesh_defs.supervisor.environment import broker_environment, part_environment


def run_process(project: Project, name: str, arguments: Sequence[str] = ()) -> NoReturn:
    """Become a process of ``mesh.toml``: its signals, streams and exit code are the program's own.

    Args:
        project: The project; its folder is the working directory.
        name: The ``NAME`` of ``[process.NAME]``.
        arguments: Added to the command.

    Raises:
        ConfigError: There is no such process.
        ProcessError: There is no such program.
    """
    process = project.config.processes.get(name)
    if process is None:
        known = project.config.processes
        raise ConfigError(
            cannot=f"run the process '{name}'",
            why=f"mesh.toml has no [process.{name}]" + (f", {did_you_mean(name, known)}" if known else ""),
            do="name another one, or add it there",
        )
    try:
        os.chdir(project.root)
        environment = part_environment(project) | broker_environment(project)
        os.execvpe(process.command[0], [*process.command, *arguments], environment)  # noqa: S606
    except OSError as error:
        raise ProcessError(
            cannot=f"run the process '{name}'",
            why=f"{process.command[0]}: {error.strerror}",
            do=f"mend [process.{name}] in mesh.toml",
        ) from None
