"""Two commits to a store that is begun. Run as a script under a tracer that lets system calls fail: FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from mesh_defs.model.errors import StoreError
from tests.store import kit

REFUSED = 3


def main() -> None:
    """Commit; exit code 0 if both landed, `REFUSED` with one sentence if the store said no."""
    try:
        with kit.open_store(Path(sys.argv[1])) as store:
            for _ in range(2):
                kit.append(store, 20)
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
