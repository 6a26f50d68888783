SELECT
  tailnum,
  CAST(timezone('America/New_York', scheduled_at) AS DATE) AS day,
  max(manufacturer) AS manufacturer,
  max(model) AS model,
  max(seats) AS seats,
  bool_and(aircraft_known) AS aircraft_known,
  count(*) AS flights,
  count(dep_delay) AS departed,
  count(*) FILTER (cancelled) AS cancelled,
  min(scheduled_at) AS first_scheduled_at,
  avg(dep_delay) AS mean_dep_delay,
  max(dep_delay) AS max_dep_delay,
  coalesce(sum(air_time), 0) AS air_time,
  coalesce(sum(distance) FILTER (dep_delay IS NOT NULL), 0) AS distance
FROM punctuality.flights
WHERE tailnum IS NOT NULL
GROUP BY ALL
