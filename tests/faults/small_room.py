"""A pass and the resident ingester with little room. Run as a script in a mount namespace of its own: ROOT ROWS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mesh_defs.contract.project import Project
from mesh_defs.ingest import run_pass
from mesh_defs.ingest.status import status
from mesh_defs.query import Mesh
from tests.conftest import wait_for

SIZE = 200 << 20
BALLAST = 120 << 20
WORDS = "less than 100 MB are free"
BOUND = 300.0


def states(root: Path) -> list[tuple[str, str]]:
    """Return how the stream's partitions stand, and why."""
    project = Project.open(root)
    return [(line.state, line.error or "") for line in status(project, project.domain("shop"))]


def count(root: Path) -> int:
    """Return how many rows the stream has."""
    with Mesh.open(Project.open(root)) as mesh:
        return int(mesh.query("SELECT count(*) FROM shop.orders").fetchall()[0][0])


def main() -> None:
    """Refuse with little room, by a pass and by the resident ingester; make room, and wait until all is there."""
    root, rows = Path(sys.argv[1]), int(sys.argv[2])
    data = root / "data"
    data.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", data], check=True)
    ballast = data / "ballast"
    ballast.write_bytes(bytes(BALLAST))
    project = Project.open(root)
    (stream,) = run_pass(project, project.domain("shop")).streams
    assert [WORDS in str(trouble.error) for trouble in stream.troubles] == [True]
    assert all(state == "stopped" and WORDS in why for state, why in states(root))
    assert count(root) == 0
    said = root / "said"
    command = [sys.executable, "-m", "mesh_defs.cli", "--project", str(root), "run", "shop"]
    with said.open("wb") as output:
        resident = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(lambda: WORDS in said.read_text(), "the resident ingester says so", BOUND)
        assert all(state == "stopped" and WORDS in why for state, why in states(root))
        ballast.unlink()
        wait_for(lambda: count(root) == rows, "it goes on by itself", BOUND)
        wait_for(lambda: {state for state, _ in states(root)} == {"current"}, "status is green again", BOUND)
    finally:
        resident.terminate()
        resident.wait(BOUND)


if __name__ == "__main__":
    main()
