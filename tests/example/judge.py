"""The source's CSV files as the judge: each product's question, asked of them in plain SQL."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from domains.replay.source import source_folder

TABLES = ("flights", "weather", "planes", "airports", "airlines")

FLIGHTS = """
SELECT
  carrier || flight || '-' || strftime(time_hour, '%Y%m%dT%H') AS flight_id,
  time_hour + to_minutes(minute) AS scheduled_at,
  carrier,
  airlines.name AS airline,
  flight,
  flights.tailnum,
  origin,
  dest,
  airports.name AS dest_name,
  dep_delay,
  arr_delay,
  air_time,
  distance,
  CASE WHEN dep_delay IS NULL THEN 'cancelled' WHEN arr_delay IS NULL THEN 'departed' ELSE 'arrived' END AS status,
  dep_delay IS NULL AS cancelled,
  planes.tailnum IS NOT NULL AS aircraft_known,
  manufacturer,
  model,
  seats,
  airports.faa IS NOT NULL AS dest_known
FROM flights
LEFT JOIN airlines USING (carrier)
LEFT JOIN airports ON faa = dest
LEFT JOIN planes USING (tailnum)
"""

NEWEST_STATES = """
SELECT flight_id, status, scheduled_at, tailnum, dep_delay, arr_delay, air_time
FROM operations.flight_states
QUALIFY row_number() OVER (PARTITION BY flight_id ORDER BY _offset DESC) = 1
"""

STATES = f"SELECT flight_id, status, scheduled_at, tailnum, dep_delay, arr_delay, air_time FROM ({FLIGHTS})"  # noqa: S608

DELAY_BY_HOUR = """
SELECT time_hour AS hour, origin, count(*) AS flights, count(dep_delay) AS departed,
  count(*) - count(dep_delay) AS cancelled, avg(dep_delay) AS mean_delay
FROM flights
GROUP BY ALL
"""

WEATHER_IMPACT = """
SELECT
  flights.origin,
  CASE
    WHEN weather.time_hour IS NULL THEN 'not observed'
    WHEN visib < 3 THEN 'low visibility'
    WHEN precip > 0 AND temp <= 32 THEN 'snow or ice'
    WHEN precip > 0 THEN 'rain'
    WHEN wind_speed >= 20 AND wind_speed <= 200 THEN 'strong wind'
    ELSE 'fair'
  END AS conditions,
  count(*) AS flights,
  count(dep_delay) AS departed,
  count(*) - count(dep_delay) AS cancelled,
  count(*) FILTER (dep_delay >= 15) AS late,
  avg(dep_delay) AS mean_delay
FROM flights
LEFT JOIN weather ON weather.origin = flights.origin AND weather.time_hour = flights.time_hour
GROUP BY ALL
"""

AIRCRAFT_DAY = """
SELECT
  tailnum,
  make_date(flights.year, month, day) AS day,
  any_value(manufacturer) AS manufacturer,
  any_value(model) AS model,
  any_value(seats) AS seats,
  tailnum IN (SELECT tailnum FROM planes) AS aircraft_known,
  count(*) AS flights,
  count(dep_delay) AS departed,
  count(*) - count(dep_delay) AS cancelled,
  min(time_hour + to_minutes(minute)) AS first_scheduled_at,
  avg(dep_delay) AS mean_dep_delay,
  max(dep_delay) AS max_dep_delay,
  coalesce(sum(air_time), 0) AS air_time,
  coalesce(sum(CASE WHEN dep_delay IS NOT NULL THEN distance END), 0) AS distance
FROM flights
LEFT JOIN planes USING (tailnum)
WHERE tailnum IS NOT NULL
GROUP BY tailnum, flights.year, month, day
"""

OBSERVATIONS = """
SELECT origin, year, month, day, hour, temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib,
  time_hour
FROM weather.observations
"""

REGISTER = """
SELECT tailnum, year, type, manufacturer, model, engines, seats, speed, engine
FROM (
  FROM fleet.aircraft
  QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _offset DESC) = 1
)
WHERE _op <> 'd'
"""

AIRPORTS = "SELECT faa, name, lat, lon, alt, tz, dst, tzone FROM network.airports"

QUESTIONS: Mapping[str, tuple[str, str]] = {
    "punctuality.flights": ("FROM punctuality.flights", FLIGHTS),
    "punctuality.delay_by_hour": ("FROM punctuality.delay_by_hour", DELAY_BY_HOUR),
    "punctuality.weather_impact": ("FROM punctuality.weather_impact", WEATHER_IMPACT),
    "punctuality.aircraft_day": ("FROM punctuality.aircraft_day", AIRCRAFT_DAY),
    "weather.observations": (OBSERVATIONS, "FROM weather"),
    "fleet.aircraft, the register as it is": (REGISTER, "FROM planes"),
    "network.airports": (AIRPORTS, "FROM airports"),
    "network.airlines": ("SELECT carrier, name FROM network.airlines", "FROM airlines"),
    "operations.flight_states, the newest of each flight": (NEWEST_STATES, STATES),
}
"""What is asked of the mesh, and the same question asked of the files; columns in the same order."""

ASKED = frozenset(re.findall(r"FROM ([a-z_]+\.[a-z_]+)", " ".join(mesh for mesh, _ in QUESTIONS.values())))
"""The tables that these questions read."""


class Judge:
    """The CSV files of some months, as tables.

    Args:
        scratch: An empty folder.
        months: First and last, of the column `month` of flights and weather.
    """

    def __init__(self, scratch: Path, months: tuple[int, int]) -> None:
        folder = source_folder()
        with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
            files = {"flights": archive.extract("flights.csv", scratch)}
        files |= {name: str(folder / f"{name}.csv") for name in TABLES if name != "flights"}
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        for name, path in files.items():
            where = "WHERE month BETWEEN ? AND ?" if name in {"flights", "weather"} else ""
            self.connection.execute(
                f"CREATE TABLE {name} AS SELECT * FROM read_csv(?, nullstr = 'NA') {where}",  # noqa: S608
                [path, *(months if where else ())],
            )

    def differences(self, question: str, answer: pa.Table) -> list[str]:
        """Return what differs between an answer of the mesh and that of the files, rows counted both ways."""
        self.connection.register("answer", answer)
        expected = self.connection.sql(question)
        if answer.column_names != expected.columns:
            return [f"columns {answer.column_names}, expected {expected.columns}"]
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE expected AS {question}")
        return [
            f"{count} rows are {what}"
            for what, one, other in (("missing", "expected", "answer"), ("too many", "answer", "expected"))
            if (count := self._beyond(one, other))
        ]

    def _beyond(self, one: str, other: str) -> int:
        query = f"SELECT count(*) FROM (FROM {one} EXCEPT ALL FROM {other})"  # noqa: S608 - two names of ours
        ((count,),) = self.connection.sql(query).fetchall()
        return int(count)


def disagreements(judge: Judge, ask: Callable[[str], pa.Table]) -> dict[str, list[str]]:
    """Ask every question of the mesh and of the files; return those whose answers differ."""
    found = {name: judge.differences(csv, ask(mesh)) for name, (mesh, csv) in QUESTIONS.items()}
    return {name: differences for name, differences in found.items() if differences}
