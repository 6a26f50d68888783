"""The reference tool of the standard accepts what the mesh accepts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mesh_defs.contract.load import load_contract
from tests.contract.documents import FLIGHT_EVENTS, write_stream


def test_the_reference_tool_accepts_the_example(tmp_path: Path) -> None:
    """`datacontract lint` finds nothing, not even a warning."""
    path = write_stream(tmp_path, FLIGHT_EVENTS, "flight_events", "operations")
    assert load_contract(path).name == "flight_events"
    tool = Path(sys.executable).with_name("datacontract")
    result = subprocess.run(
        [tool, "lint", str(path)], capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "warning" not in result.stdout
