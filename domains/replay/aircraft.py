"""`fleet`: the register of aircraft as its database changes, in the words of Debezium's connector for PostgreSQL.

The source knows the register as it is, not how it became so. Before the year, a snapshot reads every row (`r`). In each
month a few entries are mistyped and mended within hours (`u`, `u`), and a few are struck off and entered again (`d`,
its tombstone, `c`): after each month the register is the source's again.
"""

from __future__ import annotations

from typing import Any

from domains.replay.avro import Avro
from domains.replay.lateness import REGISTER
from domains.replay.material import Material
from domains.replay.record import START, Record, Records

STREAM = "fleet.aircraft"
KEY = "fleet.public.aircraft-key"
VALUE = "fleet.public.aircraft-value"

MISTYPED = 0.004
STRUCK_OFF = 0.002
"""The shares of the entries that are touched in a month."""

SNAPSHOT = """
SELECT *, row_number() OVER (ORDER BY tailnum) AS place, count(*) OVER () AS total,
  epoch_us(TIMESTAMPTZ '2012-12-31 06:00:00Z') + 1000 * row_number() OVER (ORDER BY tailnum) AS published
FROM planes ORDER BY place
"""

CHANGES = """
WITH drawn AS (
  SELECT *, concat_ws('/', $seed, tailnum, $part) AS words FROM planes
), touched AS (
  SELECT *, draw(words, 'change') <= $mistyped AS mistyped,
    make_timestamptz(2013, $part, 1, 5, 0, 0) + to_milliseconds((2246400000 * draw(words, 'when'))::BIGINT) AS first,
    to_milliseconds((3600000 * (1 + 11 * draw(words, 'mended')))::BIGINT) AS mended
  FROM drawn WHERE draw(words, 'change') <= $mistyped + $struck_off
), changes AS (
  SELECT *, CASE WHEN mistyped THEN 'mistype' ELSE 'strike' END AS change, epoch_us(first) AS done FROM touched
  UNION ALL
  SELECT *, CASE WHEN mistyped THEN 'mend' ELSE 'enter' END, epoch_us(first + mended) FROM touched
)
SELECT * EXCLUDE (words, mistyped, first, mended), row_number() OVER placed AS place,
  max(done + delay(words || '/' || change, $delay)) OVER placed AS published
FROM changes WINDOW placed AS (ORDER BY done, tailnum) ORDER BY place
"""

FIRST_POSITION, POSITIONS_A_PART, POSITIONS_A_CHANGE = 24_023_128, 1_048_576, 168
"""Of the write-ahead log: where the snapshot stands, and how far parts and changes lie apart, in bytes."""

FIELDS = ("tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "speed", "engine")
OPERATION = {"mistype": "u", "mend": "u", "strike": "d", "enter": "c"}


def changes(material: Material, part: int) -> Records:
    """Yield the snapshot, or the changes of a month, in the order of the database's log."""
    avro = material.avro
    if part == START:
        for row in material.source.rows(SNAPSHOT):
            marks = {1: "first", row["total"]: "last"}
            origin = _origin(row["published"], part=part, place=0, snapshot=marks.get(row["place"], "true"))
            yield _change(avro, "r", before=None, after=_entry(row), row=row, origin=origin)
        return
    parameters = {"mistyped": MISTYPED, "struck_off": STRUCK_OFF, "delay": REGISTER.parameter()}
    for row in material.source.rows(CHANGES, part=part, seed=str(material.seed), **parameters):
        entry, change = _entry(row), row["change"]
        wrong = entry | {"seats": entry["seats"] * 10}
        before = {"mistype": entry, "mend": wrong, "strike": entry, "enter": None}[change]
        after = {"mistype": wrong, "mend": entry, "strike": None, "enter": entry}[change]
        origin = _origin(row["done"], part=part, place=row["place"], snapshot="false")
        yield _change(avro, OPERATION[change], before=before, after=after, row=row, origin=origin)
        if after is None:
            yield Record(stream=STREAM, published=row["published"], key=_key(avro, row), value=None)


def _entry(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in FIELDS}


def _key(avro: Avro, row: dict[str, Any]) -> bytes:
    return avro.encode(KEY, {"tailnum": row["tailnum"]})


def _change(
    avro: Avro,
    operation: str,
    *,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    row: dict[str, Any],
    origin: dict[str, Any],
) -> Record:
    published = row["published"]
    envelope = {
        "before": before,
        "after": after,
        "source": origin,
        "transaction": None,
        "op": operation,
        **_instants(published),
    }
    return Record(stream=STREAM, published=published, key=_key(avro, row), value=avro.encode(VALUE, envelope))


def _origin(at: int, *, part: int, place: int, snapshot: str) -> dict[str, Any]:
    """Return the block `source`: where in the database's log a change stands; a snapshot has one place."""
    position = FIRST_POSITION + part * POSITIONS_A_PART + place * POSITIONS_A_CHANGE
    committed = "null" if part == START else f'"{position - POSITIONS_A_CHANGE}"'
    return {
        "version": "3.6.0.Final",
        "connector": "postgresql",
        "name": "fleet",
        **_instants(at),
        "snapshot": snapshot,
        "db": "fleet",
        "sequence": f'[{committed},"{position}"]',
        "schema": "public",
        "table": "aircraft",
        "txId": 700 + part * 1_000 + place,
        "lsn": position,
        "xmin": None,
        "origin": None,
        "origin_lsn": None,
    }


def _instants(us: int) -> dict[str, int]:
    return {"ts_ms": us // 1_000, "ts_us": us, "ts_ns": us * 1_000}
