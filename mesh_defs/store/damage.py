"""Damaged data files of a stream's tables, and which offsets stood in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from mesh_defs.model.errors import StoreError
from mesh_defs.store.account import Account
from mesh_defs.store.engine import Attached, literal, metadata
from mesh_defs.store.errors import translated
from mesh_defs.store.files import LiveFile, damage_of
from mesh_defs.store.layout import DEAD_LETTERS_TABLE
from mesh_defs.store.schema import table_name

_ENTRIES = "mesh_damage_entries"
_GAPS = "mesh_damage_gaps"

_BOX = ("_epoch", "_partition", "_offset")
_INGESTED_AT = "_ingested_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Offsets [from_offset, to_offset) of a partition, all of which stood in a file."""

    epoch: int
    partition: int
    from_offset: int
    to_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedFile:
    """A file of a table that cannot be read, and what the catalog and the ledger still say of it.

    Attributes:
        number: Of the file in the catalog.
        damage: A sentence.
        row_count: Rows that it held.
        ingested_at: The least and the greatest `_ingested_at` of its rows, in microseconds.
        spans: The offsets of its rows, ascending by epoch, partition and offset.
    """

    table: str
    path: Path
    number: int
    damage: str
    row_count: int
    ingested_at: tuple[int, int]
    spans: tuple[Span, ...]


def find_damage(
    store: Attached, data_folder: Path, tables: Sequence[str], accounts: Sequence[Account]
) -> tuple[DamagedFile, ...]:
    """Return the damaged files of a stream's tables, every page of every file having been read.

    Which offsets a file held is what the ledger accounts for and no sound file has, inside the bounds that the catalog
    keeps of the file's coordinates. It must be as many as the catalog counts, or nothing is claimed.

    Args:
        store: The domain's.
        data_folder: Its data path.
        tables: That hold the stream's rows.
        accounts: Of the stream; at least one.

    Raises:
        StoreError: The offsets of a damaged file cannot be told, or the catalog cannot be read.
    """
    cursor = store.connection.cursor()
    try:
        with translated(f"find the damaged files of {store.domain}.{tables[0]}"):
            cursor.execute("BEGIN")
            files = {
                table: _files(cursor, store.domain, data_folder, table)
                for table in (*tables, DEAD_LETTERS_TABLE)
            }
            damaged = [
                (f, text) for own in files.values() for f in own if (text := damage_of(f.live, deep=True))
            ]
            if not damaged:
                return ()
            for file, text in damaged:
                _refuse_what_cannot_be_told(store.domain, file, text, accounts)
            bad = {file.number for file, _ in damaged}
            sound = [f for own in files.values() for f in own if f.number not in bad]
            held = _held(store.domain, accounts[0].stream, sound)
            _register(cursor, accounts)
            return tuple(_damaged(cursor, store.domain, file, text, held) for file, text in damaged)
    finally:
        cursor.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A live data file as the catalog knows it."""

    table: str
    number: int
    live: LiveFile
    row_count: int
    has_deletes: bool


def _files(con: duckdb.DuckDBPyConnection, domain: str, data_folder: Path, table: str) -> list[_File]:
    catalog = metadata(domain)
    rows = con.execute(
        f"""
        SELECT f.data_file_id, f.path, f.path_is_relative, t.path, f.file_size_bytes, f.record_count,
               EXISTS (FROM {catalog}.ducklake_delete_file d
                       WHERE d.data_file_id = f.data_file_id AND d.end_snapshot IS NULL)
        FROM {catalog}.ducklake_data_file f JOIN {catalog}.ducklake_table t USING (table_id)
        WHERE t.table_name = ? AND t.end_snapshot IS NULL AND f.end_snapshot IS NULL ORDER BY 1
        """,
        [table],
    ).fetchall()
    return [
        _File(
            table=table,
            number=number,
            live=LiveFile(
                path=data_folder / "main" / folder / path if relative else Path(path), size_bytes=size
            ),
            row_count=count,
            has_deletes=deletes,
        )
        for number, path, relative, folder, size, count, deletes in rows
    ]


def _refuse_what_cannot_be_told(domain: str, file: _File, damage: str, accounts: Sequence[Account]) -> None:
    why = ""
    if file.table == DEAD_LETTERS_TABLE:
        why = "it holds dead letters, which no command reads again yet"
    elif file.has_deletes:
        why = "some of its rows were deleted since, and only the file itself says where they stood"
    elif not all(account.tells_which for account in accounts):
        why = "rows of the stream were removed one by one, so that it is not known which offsets are left"
    if why:
        raise _untold(domain, damage, why)


def _register(con: duckdb.DuckDBPyConnection, accounts: Sequence[Account]) -> None:
    entries = [
        (a.epoch, a.partition, max(e.from_offset, a.cleared), e.to_offset)
        for a in accounts
        for e in a.entries
        if max(e.from_offset, a.cleared) < e.to_offset
    ]
    gaps = [(a.epoch, a.partition, g.from_offset, g.to_offset) for a in accounts for g in a.gaps]
    for name, rows in ((_ENTRIES, entries), (_GAPS, gaps)):
        columns = zip(*rows, strict=True) if rows else [()] * 4
        names = ("epoch", "partition", "from_offset", "to_offset")
        con.register(
            name, pa.table({n: pa.array(c, pa.int64()) for n, c in zip(names, columns, strict=True)})
        )


def _damaged(con: duckdb.DuckDBPyConnection, domain: str, file: _File, damage: str, held: str) -> DamagedFile:
    bounds = _bounds(con, domain, file)
    if len(bounds) <= len(_BOX):
        raise _untold(domain, damage, "the catalog keeps no bounds of its rows' coordinates")
    spans = _missing(con, held, bounds)
    count = sum(span.to_offset - span.from_offset for span in spans)
    if count != file.row_count:
        why = f"it held {file.row_count} rows, and {count} offsets are missing where it may have had them"
        raise _untold(domain, damage, why)
    return DamagedFile(
        table=file.table,
        path=file.live.path,
        number=file.number,
        damage=damage,
        row_count=file.row_count,
        ingested_at=bounds["_ingested_at"],
        spans=spans,
    )


def _bounds(con: duckdb.DuckDBPyConnection, domain: str, file: _File) -> dict[str, tuple[int, int]]:
    """Return the least and the greatest value of each coordinate of a file, as the catalog knows them."""
    catalog = metadata(domain)
    found = {}
    for name in (*_BOX, _INGESTED_AT):
        value = "epoch_us({}::TIMESTAMPTZ)" if name == _INGESTED_AT else "{}::BIGINT"
        row = con.execute(
            f"""
            SELECT {value.format("s.min_value")}, {value.format("s.max_value")}
            FROM {catalog}.ducklake_file_column_stats s
            JOIN {catalog}.ducklake_column c ON c.table_id = s.table_id AND c.column_id = s.column_id
            WHERE s.data_file_id = ? AND c.end_snapshot IS NULL AND c.parent_column IS NULL AND c.column_name = ?
              AND s.min_value IS NOT NULL AND s.max_value IS NOT NULL
            """,
            [file.number, name],
        ).fetchone()
        if row is not None:
            found[name] = (int(row[0]), int(row[1]))
    return found


def _missing(
    con: duckdb.DuckDBPyConnection,
    held: str,
    bounds: dict[str, tuple[int, int]],
) -> tuple[Span, ...]:
    """Return the offsets that are accounted for, inside the bounds, and that nothing sound holds.

    Args:
        con: The connection, with entries and gaps registered.
        held: The query of the coordinates that are there.
        bounds: Of the file's rows.
    """
    (epoch_min, epoch_max), (part_min, part_max), (low, high) = (bounds[name] for name in _BOX)
    rows = con.execute(
        f"""
        WITH wanted AS (
            SELECT epoch, partition, unnest(range(greatest(from_offset, $low), least(to_offset, $high + 1))) AS o
            FROM {_ENTRIES}
            WHERE epoch BETWEEN $epoch_min AND $epoch_max AND partition BETWEEN $part_min AND $part_max
              AND from_offset <= $high AND to_offset > $low),
        missing AS (
            SELECT w.epoch, w.partition, w.o FROM wanted w ASOF LEFT JOIN {_GAPS} g
              ON w.epoch = g.epoch AND w.partition = g.partition AND w.o >= g.from_offset
            WHERE (g.to_offset IS NULL OR w.o >= g.to_offset)
              AND NOT EXISTS (FROM ({held}) h
                              WHERE h.epoch = w.epoch AND h.partition = w.partition AND h.o = w.o)),
        islands AS (
            SELECT *, o - row_number() OVER (PARTITION BY epoch, partition ORDER BY o) AS island FROM missing)
        SELECT epoch, partition, min(o), max(o) + 1 FROM islands GROUP BY epoch, partition, island ORDER BY ALL
        """,
        {
            "low": low,
            "high": high,
            "epoch_min": epoch_min,
            "epoch_max": epoch_max,
            "part_min": part_min,
            "part_max": part_max,
        },
    ).fetchall()
    return tuple(
        Span(epoch=epoch, partition=partition, from_offset=begin, to_offset=end)
        for epoch, partition, begin, end in rows
    )


def _held(domain: str, stream: str, sound: Sequence[_File]) -> str:
    """Return the query of the coordinates that sound files and the dead letters hold of a stream."""
    columns = "_epoch AS epoch, _partition AS partition, _offset AS o"
    parts = [
        f"SELECT {columns} FROM {table_name(domain, DEAD_LETTERS_TABLE)} WHERE stream = {literal(stream)}"
    ]
    for table in dict.fromkeys(f.table for f in sound if f.table != DEAD_LETTERS_TABLE):
        paths = ", ".join(literal(str(f.live.path)) for f in sound if f.table == table)
        parts.append(f"SELECT {columns} FROM read_parquet([{paths}], union_by_name => true)")
    return " UNION ALL ".join(parts)


def _untold(domain: str, damage: str, why: str) -> StoreError:
    return StoreError(
        cannot=f"repair the store of {domain}",
        why=f"{damage}, and {why}",
        do="restore the domain's folder from its last backup; no file of the stream was changed",
    )
