"""The room that is left on a disk, and how much of it must be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

LEAST_BYTES: Final = 100_000_000
"""What is left free: a catalog that cannot grow commits nothing, and other parts of a mesh write to the same disk."""


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the file system that a folder lies on, or will lie on."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def megabytes(count: int) -> str:
    """Return bytes as a person reads them."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"  # noqa: PLR2004
