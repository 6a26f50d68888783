SELECT
  date_trunc('hour', scheduled_at) AS hour,
  origin,
  count(DISTINCT flight_id) AS flights,
  count(DISTINCT flight_id) FILTER (event = 'departed') AS departed,
  count(DISTINCT flight_id) FILTER (event = 'cancelled') AS cancelled,
  avg(dep_delay) FILTER (event = 'departed') AS mean_delay
FROM operations.flight_events
GROUP BY ALL
