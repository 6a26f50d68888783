"""Dead letters as a table."""

from __future__ import annotations

import datetime as dt

from mesh_defs.contract.arrow import DEAD_LETTERS
from mesh_defs.contract.types import Kind
from mesh_defs.decode import dead_letters_table
from tests.decode.builders import FIRST_OFFSET, INGESTED_AT, batch, column, decoded, stream


def test_a_dead_letter_keeps_the_record_byte_for_byte() -> None:
    """Key, value, headers and coordinates are the broker's; stage, rule, path and message say why."""
    contract = stream(column("id", Kind.STRING))
    headers = [("x", None), ("x", b"\xff")]
    records = batch(
        b'{"id":"\xff"}', '{"id":"1"}', "", keys=[b"\0", None, None], headers=[headers, None, None]
    )
    letters = decoded(contract, records).dead_letters
    table = dead_letters_table(contract, letters, 2, INGESTED_AT)
    assert table.schema == DEAD_LETTERS
    first, second = table.to_pylist()
    assert first == {
        "stream": "orders",
        "_epoch": 2,
        "_partition": 3,
        "_offset": FIRST_OFFSET,
        "_timestamp": dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC),
        "stage": "decode",
        "rule": "utf8",
        "path": "$",
        "message": "the document is no UTF-8",
        "_key": b"\0",
        "_value": b'{"id":"\xff"}',
        "_headers": [{"name": "x", "value": None}, {"name": "x", "value": b"\xff"}],
        "contract_version": "1.0.0",
        "_ingested_at": dt.datetime.fromtimestamp(INGESTED_AT / 1_000_000, dt.UTC),
        "_file": None,
        "_line": None,
    }
    assert (second["_offset"], second["_key"], second["_value"], second["_headers"]) == (
        FIRST_OFFSET + 2,
        None,
        b"",
        None,
    )


def test_no_letters_are_an_empty_table() -> None:
    """The schema stands without rows."""
    table = dead_letters_table(stream(column("id", Kind.BIGINT)), (), 1, INGESTED_AT)
    assert (table.num_rows, table.schema) == (0, DEAD_LETTERS)
