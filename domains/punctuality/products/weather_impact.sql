WITH observed AS (
  SELECT origin, time_hour, temp, precip, visib, wind_speed
  FROM weather.observations
  WHERE NOT _tombstone
  QUALIFY row_number() OVER (PARTITION BY origin, time_hour ORDER BY _timestamp DESC, _offset DESC) = 1
), flown AS (
  SELECT
    flights.origin,
    CASE
      WHEN observed.origin IS NULL THEN 'not observed'
      WHEN visib < 3 THEN 'low visibility'
      WHEN precip > 0 AND temp <= 32 THEN 'snow or ice'
      WHEN precip > 0 THEN 'rain'
      WHEN wind_speed BETWEEN 20 AND 200 THEN 'strong wind'
      ELSE 'fair'
    END AS conditions,
    dep_delay,
    cancelled
  FROM punctuality.flights
  LEFT JOIN observed
    ON observed.origin = flights.origin AND observed.time_hour = date_trunc('hour', flights.scheduled_at)
)
SELECT
  origin,
  conditions,
  count(*) AS flights,
  count(dep_delay) AS departed,
  count(*) FILTER (cancelled) AS cancelled,
  count(*) FILTER (dep_delay >= 15) AS late,
  avg(dep_delay) AS mean_delay
FROM flown
GROUP BY ALL
