"""Children that are killed, or kill themselves, and how each ended."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mesh_defs.selftest.child import ingest, tidy

_BOUND_SECONDS: Final = 300.0
_KILLED: Final = -signal.SIGKILL

Work = Callable[[Path, Path, int, int], None]


class Victims:
    """Runs children on one project, each a process of its own.

    They come from a server that has the imports behind it: otherwise most of a random instant's chance would be
    spent on them.

    Args:
        root: The project.
        log: Takes what they write.
    """

    def __init__(self, root: Path, log: Path) -> None:
        self.troubles: list[str] = []
        self._root = root
        self._log = log
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([ingest.__module__])

    def ingest(self, *, step: int = 0, nth: int = 1, after: float | None = None) -> bool:
        """Make a pass; it ends, or is killed.

        Args:
            step: The step of a commit before which it kills itself; 0 means none.
            nth: Of which commit.
            after: Seconds after which it is killed from outside; None means never.

        Returns:
            Whether a kill struck; False where it came to its end first.
        """
        return self._run(ingest, step, nth, after)

    def maintain(self, *, transaction: int = 0) -> bool:
        """Make a round of maintenance that kills itself before a transaction; 0 means none. Returns as `ingest`."""
        return self._run(tidy, int(transaction > 0), max(1, transaction), None)

    def _run(self, work: Work, step: int, nth: int, after: float | None) -> bool:
        child = self._context.Process(target=work, args=(self._root, self._log, step, nth), daemon=True)
        child.start()
        try:
            child.join(after if after is not None else _BOUND_SECONDS)
            if after is None and child.is_alive():
                self.troubles.append(f"{work.__name__} did not end in {_BOUND_SECONDS:.0f} s")
        finally:
            child.kill()
            child.join()
        code = child.exitcode
        child.close()
        if code not in (0, _KILLED):
            self.troubles.append(
                f"{work.__name__} ended with code {code}: run again with --keep and read {self._log.name}"
            )
        return code == _KILLED
