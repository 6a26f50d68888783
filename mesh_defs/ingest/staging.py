"""Writing a chunk's rows while the next ones are decoded: one thread, two batches ahead."""

from __future__ import annotations

import datetime as dt
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from mesh_defs.contract.arrow import DEAD_LETTERS, table_schema
from mesh_defs.contract.contract import InputContract
from mesh_defs.decode import dead_letters_table
from mesh_defs.model.records import StagedFile, TypedBatch
from mesh_defs.store import DomainStore, StagedWriter

DEAD_LETTER_TABLE = "dead_letters"

IN_FLIGHT = 2
"""Decoded batches that may wait for the disk; more would only hold memory."""


class Staging:
    """The files of one chunk. Leaving the context without `close` removes them.

    Args:
        store: The domain's store.
        contract: The stream.
        epoch: Of the rows.
    """

    def __init__(self, store: DomainStore, contract: InputContract, epoch: int) -> None:
        self.ingested_at = int(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)
        self._contract = contract
        self._epoch = epoch
        self._store = store
        self._rows = {
            t.name: store.stage(t.name, table_schema(t), sharing=len(contract.tables))
            for t in contract.tables
        }
        self._letters: StagedWriter | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"stage {contract.full_name}")
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        if error is not None:
            for writer in self._writers():
                writer.abort()

    def put(self, typed: TypedBatch) -> None:
        """Hand over one batch; blocks while the disk is behind.

        Raises:
            StoreError: An earlier batch could not be written.
        """
        if typed.dead_letters:
            if self._letters is None:
                self._letters = self._store.stage(DEAD_LETTER_TABLE, DEAD_LETTERS)
            letters = dead_letters_table(
                self._contract, typed.dead_letters, epoch=self._epoch, ingested_at=self.ingested_at
            )
            self._letters.write(letters)
        if typed.row_count:
            if len(self._pending) == IN_FLIGHT:
                self._pending.popleft().result()
            self._pending.append(self._pool.submit(self._write, typed))

    def close(self) -> tuple[StagedFile, ...]:
        """Finish the files and return them, fsynced.

        Raises:
            StoreError: A batch could not be written.
        """
        for write in self._pending:
            write.result()
        self._pending.clear()
        files = [writer.close() for writer in self._writers()]
        return tuple(f for f in files if f is not None)

    def _write(self, typed: TypedBatch) -> None:
        for table, rows in typed.tables.items():
            if rows.num_rows:
                self._rows[table].write(rows)

    def _writers(self) -> tuple[StagedWriter, ...]:
        letters = () if self._letters is None else (self._letters,)
        return (*self._rows.values(), *letters)
