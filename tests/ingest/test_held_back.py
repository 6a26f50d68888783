"""What is known of partitions that open transactions hold back: a hint, which stops nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.ingest.held_back import FILE, read_held_back


@pytest.mark.parametrize("torn", ["", "[{", '{"stream": 1}', '[{"stream": "orders"}]', "[1]", "\x00"])
def test_a_torn_file_counts_as_none(tmp_path: Path, torn: str) -> None:
    """A crash of the machine may leave it so, or an older mesh."""
    assert read_held_back(tmp_path) == ()
    (tmp_path / FILE).write_text(torn)
    assert read_held_back(tmp_path) == ()
