"""A file's records, and the decoder that fits them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from mesh_defs.contract.choices import LoadMode
from mesh_defs.contract.contract import RestContract
from mesh_defs.decode.decoder import Decoder
from mesh_defs.decode.envelope.opened import NoEnvelope
from mesh_defs.decode.json.codec import JsonCodec
from mesh_defs.decode.rest import (
    CsvFile,
    CsvRows,
    MalformedFileError,
    Records,
    json_array,
    json_lines,
    looks_like_array,
    parquet_records,
)
from mesh_defs.decode.rest.csv import COMMA
from mesh_defs.ingest.rest.files import SourceFile, read_chunks, unreadable

_BATCH_ROWS = 10_000
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """A file in the reading.

    Attributes:
        batches: Its records; iterating raises SourceUnreadableError where the file turns out not to be of its format.
    """

    decoder: Decoder
    batches: Iterator[Records]


def open_file(contract: RestContract, file: SourceFile) -> OpenFile:
    """Open a file of data at rest.

    Raises:
        SourceUnreadableError: It cannot be opened, is not of its format, or lacks required columns.
        ContractError: The contract demands what cannot be checked.
    """
    with _told(contract, file):
        if contract.format == "csv":
            csv = CsvFile(read_chunks(file), contract.delimiter or COMMA)
            _check_columns(contract, file, csv.header)
            decoder = Decoder(contract, CsvRows(contract, csv.header), JsonCodec(contract))
            return OpenFile(decoder=decoder, batches=_guarded(contract, file, csv.batches()))
        decoder = Decoder(contract, NoEnvelope(), JsonCodec(contract))
        batches = _parquet(contract, file) if contract.format == "parquet" else _json(contract, file)
        return OpenFile(decoder=decoder, batches=_guarded(contract, file, batches))


def _json(contract: RestContract, file: SourceFile) -> Iterator[Records]:
    array = contract.delimiter == "array"
    if contract.delimiter is None:
        array = looks_like_array(next(read_chunks(file, _HEAD_BYTES), b""))
    if array:
        yield from json_array(read_chunks(file))
        return
    empty = True
    for records in json_lines(read_chunks(file)):
        empty = False
        yield records
    if empty and contract.load is LoadMode.SNAPSHOT:
        # As an exporter leaves it that died before it wrote.
        raise MalformedFileError(
            "it holds no document, and would empty the table: for no rows it is to hold []"
        )


def _parquet(contract: RestContract, file: SourceFile) -> Iterator[Records]:
    with pq.ParquetFile(file.path) as parquet:
        names = parquet.schema_arrow.names
        if len(set(names)) != len(names):
            raise MalformedFileError("it names a column twice")
        _check_columns(contract, file, names)
        yield from parquet_records(
            parquet.iter_batches(_BATCH_ROWS), {c.name: c.type for c in contract.columns}
        )


def _check_columns(contract: RestContract, file: SourceFile, names: Collection[str]) -> None:
    """Refuse a file that lacks required columns, or all: each of its rows would break the contract alike."""
    missing = [c.name for c in contract.columns if c.required and c.name not in names]
    if missing:
        raise unreadable(contract, file.name, f"it lacks the required columns {', '.join(missing)}")
    if not any(c.name in names for c in contract.columns):
        raise unreadable(
            contract, file.name, "it has none of the contract's columns: is its first line a header?"
        )


def _guarded(contract: RestContract, file: SourceFile, batches: Iterator[Records]) -> Iterator[Records]:
    with _told(contract, file):
        yield from batches


@contextmanager
def _told(contract: RestContract, file: SourceFile) -> Iterator[None]:
    """Turn what is wrong with a file into the error that names it."""
    try:
        yield
    except MalformedFileError as error:
        raise unreadable(contract, file.name, str(error)) from None
    except OSError as error:
        raise unreadable(
            contract, file.name, error.strerror or "it is damaged, or not of its format"
        ) from error
    except pa.ArrowException as error:
        raise unreadable(contract, file.name, "it is damaged, or no Parquet") from error
