"""Ingest stops before the disk is full, not at the write that fills it."""

from __future__ import annotations

from pathlib import Path

from mesh_defs.model.errors import StoreError
from mesh_defs.model.room import LEAST_BYTES, free_bytes, megabytes


def demand_room(folder: Path, full_name: str) -> None:
    """Refuse to read for a store whose disk is nearly full.

    Args:
        folder: The store's.
        full_name: What would be read.

    Raises:
        StoreError: Less is free than must be; or the system does not say.
    """
    cannot = f"ingest {full_name}"
    try:
        free = free_bytes(folder)
    except OSError as error:
        raise StoreError(
            cannot=cannot, why=f"{folder}: {error.strerror}", do="look at the disk, then run it again"
        ) from error
    if free < LEAST_BYTES:
        # Without the number of bytes: what stops a stream is the same trouble at each attempt.
        raise StoreError(
            cannot=cannot,
            why=f"less than {megabytes(LEAST_BYTES)} are free for {folder}",
            do="make room there; ingest goes on where it stopped",
        )
