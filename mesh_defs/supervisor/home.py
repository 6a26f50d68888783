"""Prepares Dagster's home in a process of its own, so that `mesh up` itself never imports Dagster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mesh_defs.contract.project import Project
from mesh_defs.model.errors import ProcessError
from mesh_defs.supervisor.logs import log_of, turn_over


class HomePreparation:
    """The preparation, which goes on beside the start of Kafka.

    Args:
        project: The project whose Dagster home is prepared.
    """

    def __init__(self, project: Project) -> None:
        self._root = project.root
        self._log = log_of(project, "dagster-home")
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, environment: Mapping[str, str]) -> None:
        """Start it."""
        turn_over(self._log)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mesh_defs.supervisor.home", str(self._root)],
                cwd=self._root,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def finish(self) -> None:
        """Wait until it is done.

        Raises:
            ProcessError: It failed. Schemas that several processes create at once would break the first start.
        """
        code = self._process.wait() if self._process is not None else None
        if code != 0:
            raise ProcessError(
                cannot="prepare Dagster's home",
                why=f"the preparation ended with code {code}",
                do=f"read the end of {self._log}",
            )


def main() -> None:
    """Prepare the home of the project that the first argument names."""
    from mesh_defs.orchestration.home import prepare_home  # noqa: PLC0415 - Dagster is imported only here

    prepare_home(Project.open(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
