"""`weather`: what the stations measured, hour by hour, in Avro."""

from __future__ import annotations

from domains.replay.lateness import OBSERVATIONS
from domains.replay.material import Material
from domains.replay.record import START, Record, Records

STREAM = "weather.observations"
SUBJECT = "weather.observations.v1-value"

MEASURED = """
SELECT * REPLACE (epoch_ms(time_hour) AS time_hour),
  epoch_us(time_hour) + delay(concat_ws('/', $seed, origin, epoch_ms(time_hour)), $delay) AS published
FROM weather WHERE month = $part
ORDER BY published, origin, time_hour
"""


def observations(material: Material, part: int) -> Records:
    """Yield the observations of a month."""
    if part == START:
        return
    for row in material.source.rows(
        MEASURED, part=part, seed=str(material.seed), delay=OBSERVATIONS.parameter()
    ):
        published = row.pop("published")
        yield Record(
            stream=STREAM,
            published=published,
            key=row["origin"].encode(),
            value=material.avro.encode(SUBJECT, row),
        )
