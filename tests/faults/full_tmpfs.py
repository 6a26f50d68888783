"""Commits on a file system that fills up. Run as a script in a mount namespace of its own: FOLDER."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mesh_defs.model.errors import StoreError
from mesh_defs.store import verify_store
from tests.store import kit

SIZE = 8 << 20
BALLAST = 2 << 20
ROWS = 20_000


def main() -> None:
    """Fill the disk by commits, look at what is left, make room, go on; exit code 0 if all of it held."""
    mount = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", mount], check=True)
    ballast = mount / "ballast"
    ballast.write_bytes(bytes(BALLAST))
    folder = mount / kit.DOMAIN
    with kit.open_store(folder) as store:
        kit.begin(store)
        said = None
        while said is None:
            try:
                kit.append(store, ROWS)
            except StoreError as error:
                said = str(error)
        sys.stdout.write(said + "\n")
    ballast.unlink()
    with kit.open_store(folder) as store:
        before = len(kit.stored_offsets(store))
        if verify_store(store, deep=True) or not before:
            sys.exit("what was committed does not hold")
        kit.append(store, 20)
        if verify_store(store, deep=True) or len(kit.stored_offsets(store)) <= before:
            sys.exit("it does not go on when there is room")


if __name__ == "__main__":
    main()
