"""Staged files: whole, durable, in row groups, in bounded memory; or not there at all."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mesh_defs.model.errors import StoreError
from mesh_defs.store import DomainStore, staging
from tests.store import kit

NARROW = pa.schema([pa.field("_offset", pa.int64()), pa.field("payload", pa.binary())])


def narrow(count: int, payload: bytes = b"x") -> pa.Table:
    """Return rows of the narrow schema."""
    return pa.table({"_offset": range(count), "payload": [payload] * count}, schema=NARROW)


def fail_after(action: Callable[[pa.Table], None], data: pa.Table) -> None:
    """Do something, then fail with an error that nothing else raises."""
    action(data)
    raise StopAsyncIteration


def test_rows_become_full_row_groups(store: DomainStore) -> None:
    """However rows arrive, the file holds full row groups of 122,880 rows, compressed, with page checksums."""
    with store.stage("narrow", NARROW) as writer:
        for count in (1, 100_000, 200_000, 7):
            for batch in narrow(count).to_batches():
                writer.write(batch)
        file = writer.close()
    assert file is not None
    metadata = pq.read_metadata(file.path)
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [
        122_880,
        122_880,
        54_248,
    ]
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert (file.row_count, file.size_bytes) == (300_008, file.path.stat().st_size)
    assert file.path.parent == store.data_folder / "main" / "narrow"
    with pq.ParquetFile(file.path, page_checksum_verification=True) as parquet:
        assert parquet.read().num_rows == 300_008


@pytest.mark.fault(33)
def test_large_records_end_a_row_group_early(store: DomainStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded in bytes as well as in rows."""
    monkeypatch.setattr(staging, "ROW_GROUP_BYTES", 10_000)
    with store.stage("narrow", NARROW) as writer:
        for _ in range(4):
            writer.write(narrow(6, b"y" * 1_000))
        assert writer._pending_rows == 0
        file = writer.close()
    assert file is not None
    assert pq.read_metadata(file.path).num_row_groups == 2


def test_no_rows_make_no_file(store: DomainStore) -> None:
    """A writer that was given nothing returns nothing."""
    with store.stage("narrow", NARROW) as writer:
        writer.write(narrow(0))
        assert writer.close() is None
    assert not kit.files_under(store.folder)


def test_abort_and_errors_leave_no_file(store: DomainStore) -> None:
    """An aborted writer, and one whose block failed, leave nothing; a closed one is not undone."""
    with store.stage("narrow", NARROW) as writer:
        writer.write(narrow(200_000))
        assert len(kit.files_under(store.folder)) == 1
        writer.abort()
        writer.abort()
    with pytest.raises(StopAsyncIteration), store.stage("narrow", NARROW) as writer:
        fail_after(writer.write, narrow(200_000))
    assert not kit.files_under(store.folder)
    with store.stage("narrow", NARROW) as writer:
        writer.write(narrow(1))
        file = writer.close()
        writer.abort()
    assert file is not None
    assert file.path.exists()


def test_rows_of_another_schema_are_refused(store: DomainStore) -> None:
    """A batch of another schema is an error, and so is writing after the end."""
    with store.stage("narrow", NARROW) as writer, pytest.raises(StoreError, match="another schema"):
        writer.write(narrow(1).select(["_offset"]))
    with store.stage("narrow", NARROW) as writer:
        writer.write(narrow(1))
        writer.close()
        with pytest.raises(StoreError, match="the writer is closed"):
            writer.write(narrow(1))
