WITH told AS (
  SELECT
    flight_id,
    max(scheduled_at) AS scheduled_at,
    max(carrier) AS carrier,
    max(flight) AS flight,
    max(tailnum) AS tailnum,
    max(origin) AS origin,
    max(dest) AS dest,
    max(dep_delay) AS dep_delay,
    max(arr_delay) AS arr_delay,
    max(air_time) AS air_time,
    max(distance) AS distance,
    bool_or(event = 'departed') AS departed,
    bool_or(event = 'arrived') AS arrived,
    bool_or(event = 'cancelled') AS cancelled
  FROM operations.flight_events
  WHERE NOT _tombstone
  GROUP BY flight_id
), newest AS (
  SELECT *
  FROM fleet.aircraft
  QUALIFY row_number() OVER (PARTITION BY _key ORDER BY _epoch DESC, _offset DESC) = 1
), register AS (
  SELECT tailnum, manufacturer, model, seats
  FROM newest
  WHERE NOT _tombstone AND _op <> 'd'
)
SELECT
  told.flight_id,
  told.scheduled_at,
  told.carrier,
  airlines.name AS airline,
  told.flight,
  told.tailnum,
  told.origin,
  told.dest,
  airports.name AS dest_name,
  told.dep_delay,
  told.arr_delay,
  told.air_time,
  told.distance,
  CASE
    WHEN told.cancelled THEN 'cancelled'
    WHEN told.arrived THEN 'arrived'
    WHEN told.departed THEN 'departed'
    ELSE 'scheduled'
  END AS status,
  told.cancelled,
  register.tailnum IS NOT NULL AS aircraft_known,
  register.manufacturer,
  register.model,
  register.seats,
  airports.faa IS NOT NULL AS dest_known
FROM told
LEFT JOIN register ON register.tailnum = told.tailnum
LEFT JOIN network.airlines AS airlines ON airlines.carrier = told.carrier
LEFT JOIN network.airports AS airports ON airports.faa = told.dest
