"""A canary in what records say, and whether it is sung where no payload belongs."""

from __future__ import annotations

import base64
from pathlib import Path

CANARY = "kanarienvogel-7391"
STORED = (".parquet", ".sqlite", ".sqlite-wal", ".sqlite-shm")


def spellings() -> tuple[bytes, ...]:
    """Return the canary as text, as hexadecimal digits, and in base64 wherever it may begin."""
    plain = CANARY.encode()
    shifted = [base64.b64encode(b"\0" * n + plain)[4 if n else 0 : -4] for n in range(3)]
    return (plain, plain.hex().encode(), *shifted)


def sung(text: bytes) -> bool:
    """Say whether the canary is in it."""
    return any(spelling in text for spelling in spellings())


def nowhere(folder: Path) -> None:
    """Assert that no file below a folder has the canary, but for the tables and the catalog."""
    found = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in STORED]
    assert found
    assert [p for p in found if sung(p.read_bytes())] == []
