"""The block `source` of a change: where and when it happened in the database.

Source: Debezium 3.6, the connectors' `SourceInfoStructMaker` classes. Which fields there are tells the kind of
database; forks name their connectors otherwise and keep the fields.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from mesh_defs.decode.columns.moments import FIRST_MICROSECOND, LAST_MICROSECOND
from mesh_defs.decode.debezium.refusals import refusal

_NO_LSN: Final = "00000000:00000000:0000"
"""SQL Server's shape of a position; snapshots have none."""


class Source(msgspec.Struct, gc=False):
    """The fields that tell time and position, of any connector."""

    ts_ms: int | None = None
    ts_us: int | None = None
    ts_ns: int | None = None
    sequence: Any = None
    lsn: Any = None
    file: Any = None
    pos: Any = None
    row: Any = None
    commit_lsn: Any = None
    change_lsn: Any = None
    event_serial_no: Any = None
    scn: Any = None
    commit_scn: Any = None
    ssn: Any = None
    ord: Any = None


def time_of(source: Source) -> int | None:
    """Return when the change was made, in microseconds since the epoch; None where it is not told.

    Raises:
        Refusal: The time is not of the years 1 to 9999.
    """
    micros = source.ts_us
    if micros is None and source.ts_ns is not None:
        micros = source.ts_ns // 1000
    if micros is None and source.ts_ms is not None:
        micros = source.ts_ms * 1000
    if micros is not None and not FIRST_MICROSECOND <= micros <= LAST_MICROSECOND:
        message = "the time of the change is not of the years 1 to 9999"
        raise refusal("timestamp_range", message, ".source")
    return micros


def position_of(source: Source) -> str | None:
    """Return a text that sorts the changes of one source as the source made them; None where none is told.

    Numbers are padded with zeros. Of PostgreSQL it is the last commit's LSN and the change's own, because
    transactions are sent as they commit and their changes keep the LSNs at which they were written.
    """
    if source.lsn is not None or source.sequence is not None:
        return _postgresql(source)
    if source.commit_lsn is not None or source.change_lsn is not None:
        return _sql_server(source)
    if source.scn is not None or source.commit_scn is not None:
        return f"{_number(source.commit_scn)}:{_number(source.scn)}:{_number(source.ssn, 10)}"
    if source.file is not None and source.pos is not None:
        return f"{source.file}:{_number(source.pos)}:{_number(source.row, 10)}"
    if source.ord is not None and source.ts_ms is not None:
        return f"{_number(source.ts_ms // 1000)}:{_number(source.ord, 10)}"
    return None


def _postgresql(source: Source) -> str | None:
    commit, change = _sequence(source.sequence)
    lsn = change if source.lsn is None else source.lsn
    if lsn is None:
        return None
    if not isinstance(lsn, int) and not str(lsn).isdecimal():
        return str(lsn)
    return f"{_number(commit)}:{_number(lsn)}"


def _sequence(text: Any) -> tuple[Any, Any]:
    """Return the last commit's LSN and the change's own: Debezium writes both as JSON inside a string."""
    try:
        commit, change = msgspec.json.decode(text, type=tuple[str | None, str | None])
    except (msgspec.MsgspecError, TypeError):
        return None, None
    return commit, change


def _sql_server(source: Source) -> str:
    """SQL Server's are of fixed width, with colons; Informix writes plain numbers."""
    lsns = (source.commit_lsn, source.change_lsn)
    if any(str(lsn).isdecimal() for lsn in lsns):
        commit, change = map(_number, lsns)
    else:
        commit, change = (lsn or _NO_LSN for lsn in lsns)
    return f"{commit}/{change}/{_number(source.event_serial_no, 10)}"


def _number(value: Any, width: int = 20) -> str:
    return str(0 if value is None else value).zfill(width)
