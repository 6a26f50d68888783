"""A small supervisor over web servers of the standard library, started by the tests as a process of its own.

Usage: ``program.py FOLDER PORT [COMMAND ...]``; each report is printed as a JSON line.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from mesh_defs.model.errors import MeshError
from mesh_defs.supervisor.part import CommandPart, PartReport, Running
from mesh_defs.supervisor.signals import interrupted_by_signals
from mesh_defs.supervisor.supervisor import Stage, Supervisor


def main() -> int:
    """Supervise a web server, and a program when one is given."""
    folder, port, command = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    server = CommandPart(
        name="server",
        command=(sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)),
        folder=folder,
        log=folder / "logs" / "server.log",
        restarts=True,
        place=f"http://127.0.0.1:{port}",
        check=lambda running: answers(running, port),
    )
    stages = [Stage(parts=(server,))]
    if command:
        program = CommandPart(
            name="program",
            command=tuple(command),
            folder=folder,
            log=folder / "logs" / "program.log",
            restarts=False,
        )
        stages.append(Stage(parts=(program,)))
    supervisor = Supervisor(folder / "run", environment=os.environ, report=tell, waits=(0.1, 0.2))
    try:
        with interrupted_by_signals():
            supervisor.run(stages)
    except KeyboardInterrupt:
        return 0
    except MeshError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def answers(_: Running, port: int) -> bool:
    """Return whether the server answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def tell(report: PartReport) -> None:
    """Print a report."""
    sys.stdout.write(json.dumps(asdict(report), default=str) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
