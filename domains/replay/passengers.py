"""`passengers`: invented people, and their bookings of real flights."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from typing import Any

from domains.replay.lateness import PASSENGERS
from domains.replay.material import Material
from domains.replay.record import START, Record, Records, document, identity

BOOKINGS = "passengers.bookings"
PROFILES = "passengers.profiles"

PEOPLE = 5_000
CLOSING_SHARE = 0.012
"""Of the passengers, those that close their account in some month; they never book."""
CHANGING_SHARE = 0.02
"""Of the others, those whose profile changes in a month."""

OPENED = dt.datetime(2012, 12, 31, tzinfo=dt.UTC)
FIRST_NAMES = (
    "Ada",
    "Alan",
    "Chen",
    "Fatima",
    "Grace",
    "Ines",
    "Jamal",
    "Kofi",
    "Mei",
    "Olga",
    "Priya",
    "Tariq",
    "Zoe",
)
LAST_NAMES = (
    "Abara",
    "Bianchi",
    "Garcia",
    "Haddad",
    "Jansen",
    "Kaya",
    "Moreau",
    "Okafor",
    "Patel",
    "Tanaka",
    "Weber",
)
AIRPORTS = ("EWR", "JFK", "LGA")
TIERS = ("basic", "basic", "basic", "silver", "gold")

BOOKED = """
WITH drawn AS (
  SELECT flight_id, scheduled_at, distance, dep_delay IS NULL AS flight_cancelled,
    concat_ws('/', $seed, flight_id) AS words
  FROM flights WHERE month = $part AND draw(concat_ws('/', $seed, flight_id), 'sold') <= 0.2
), seats AS (
  SELECT *, words || '/' || number AS seat_words
  FROM drawn, range(1 + (2 * draw(words, 'seats') > 1)::INTEGER) AS numbers(number)
), booked AS (
  SELECT *, flight_id || '-' || number AS booking_id, draw(seat_words, 'who') AS who,
    (1 + floor(29.999 * draw(words, 'row')))::INTEGER
      || chr(65 + (floor(2.999 * draw(words, 'letter')) + 3 * number)::INTEGER) AS seat,
    printf('%.2f', 40 + 0.11 * distance * (0.6 + 0.8 * draw(seat_words, 'fare'))) AS fare,
    epoch_us(scheduled_at) - 1000 * round(3600000 * (1 + 22 * draw(seat_words, 'booked')))::BIGINT AS told
  FROM seats
), events AS (
  SELECT *, 'booked' AS event FROM booked
  UNION ALL
  SELECT * REPLACE (CASE WHEN draw(seat_words, 'cancels') <= 0.06
      THEN told + 1000 * round((epoch_us(scheduled_at) - told) / 1000 * draw(seat_words, 'cancelled'))::BIGINT
      ELSE epoch_us(scheduled_at) + 1000 * round(60000 * (5 + 115 * draw(seat_words, 'cancelled')))::BIGINT
    END AS told), 'cancelled'
  FROM booked WHERE flight_cancelled OR draw(seat_words, 'cancels') <= 0.06
)
SELECT booking_id, event, rfc3339(told) AS occurred_at, who, flight_id, seat, fare,
  told + delay(seat_words || '/' || event, $delay) AS published
FROM events ORDER BY published, booking_id, event
"""


def bookings(material: Material, part: int) -> Records:
    """Yield the bookings of the flights of a month."""
    if part == START:
        return
    regulars = [number for number in range(PEOPLE) if _closes(material.seed, number) is None]
    for row in material.source.rows(BOOKED, part=part, seed=str(material.seed), delay=PASSENGERS.parameter()):
        published, who = row.pop("published"), row.pop("who")
        passenger = _passenger_id(regulars[min(int(who * len(regulars)), len(regulars) - 1)])
        event_id = identity(material.seed, row["booking_id"], row["event"])
        yield Record(
            stream=BOOKINGS,
            published=published,
            key=row["booking_id"].encode(),
            value=document({"event_id": event_id, "passenger_id": passenger, **row}),
        )


def profiles(material: Material, part: int) -> Records:
    """Yield the profiles as they were opened, or what becomes of them in a month."""
    changes = _opened(material.seed) if part == START else _changed(part, material.seed)
    yield from sorted(changes, key=lambda record: (record.published, record.key))


def _opened(seed: int) -> Iterator[Record]:
    for number in range(PEOPLE):
        chance = random.Random(f"{seed}/opens/{number}")
        at = OPENED + dt.timedelta(milliseconds=chance.randrange(86_400_000))
        yield _profile(number, _person(seed, number), at, chance)


def _changed(part: int, seed: int) -> Iterator[Record]:
    """Yield changes of a month: of each passenger one at most, so none overtakes another."""
    begin = dt.datetime(2013, part, 1, 5, tzinfo=dt.UTC)
    for number in range(PEOPLE):
        chance = random.Random(f"{seed}/changes/{number}/{part}")
        at = begin + dt.timedelta(milliseconds=chance.randrange(27 * 86_400_000))
        closes = _closes(seed, number)
        if closes == part:
            yield Record(
                stream=PROFILES,
                published=_published(at, chance),
                key=_passenger_id(number).encode(),
                value=None,
            )
        elif closes is None and chance.random() < CHANGING_SHARE:
            tier = {"tier": chance.choice(TIERS)}
            yield _profile(number, _person(seed, number) | tier, at, chance)


def _profile(number: int, person: dict[str, Any], at: dt.datetime, chance: random.Random) -> Record:
    passenger = _passenger_id(number)
    fields = {"passenger_id": passenger, **person, "updated_at": at.isoformat(timespec="milliseconds")}
    return Record(
        stream=PROFILES, published=_published(at, chance), key=passenger.encode(), value=document(fields)
    )


def _person(seed: int, number: int) -> dict[str, Any]:
    chance = random.Random(f"{seed}/person/{number}")
    first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
    born = dt.date(1935, 1, 1) + dt.timedelta(days=chance.randrange(27_000))
    return {
        "name": f"{first} {last}",
        "email": f"{first}.{last}.{number}@example.org".lower(),
        "date_of_birth": born.isoformat(),
        "home_airport": chance.choice(AIRPORTS),
        "tier": chance.choice(TIERS),
    }


def _closes(seed: int, number: int) -> int | None:
    """Return the month in which a passenger closes the account, None where it stays."""
    chance = random.Random(f"{seed}/closes/{number}")
    return 1 + chance.randrange(12) if chance.random() < CLOSING_SHARE else None


def _passenger_id(number: int) -> str:
    return f"P{number:05}"


def _published(at: dt.datetime, chance: random.Random) -> int:
    """Draw as the macro `delay` does; few records, so they are drawn here."""
    late = chance.random() < PASSENGERS.late_share
    median, sigma = (
        (PASSENGERS.late_median, PASSENGERS.late_sigma) if late else (PASSENGERS.median, PASSENGERS.sigma)
    )
    seconds = min(PASSENGERS.bound, chance.lognormvariate(0.0, sigma) * median)
    return int(at.timestamp() * 1_000 + seconds * 1_000) * 1_000
