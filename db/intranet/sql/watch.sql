-- Fold whole hours that are older than a day into one row each, and forget those older than a year and those
-- that a clock which was wrong dated into the future. Two at once do no harm: each row is folded by whoever
-- deletes it.
CREATE OR REPLACE FUNCTION watch.thin() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  WITH gone AS (
    DELETE FROM watch.measurements WHERE measured_at < date_trunc('hour', now() - interval '1 day')
    RETURNING *
  )
  INSERT INTO watch.measurements_hourly AS held
  SELECT subscriber, date_trunc('hour', measured_at), count(*), count(*) FILTER (WHERE state = 'fresh'),
         count(*) FILTER (WHERE state = 'lagging'), count(*) FILTER (WHERE state = 'silent'),
         CASE WHEN bool_and(age_seconds IS NOT NULL) THEN max(age_seconds) END, max(vitrine_retained_bytes)
    FROM gone GROUP BY 1, 2
  ON CONFLICT (subscriber, hour) DO UPDATE SET
    samples = held.samples + excluded.samples, fresh = held.fresh + excluded.fresh,
    lagging = held.lagging + excluded.lagging, silent = held.silent + excluded.silent,
    max_age_seconds = CASE WHEN held.max_age_seconds IS NOT NULL AND excluded.max_age_seconds IS NOT NULL
                      THEN greatest(held.max_age_seconds, excluded.max_age_seconds) END,
    max_retained_bytes = greatest(held.max_retained_bytes, excluded.max_retained_bytes);
  DELETE FROM watch.measurements WHERE measured_at > now() + interval '1 hour';
  DELETE FROM watch.measurements_hourly WHERE hour NOT BETWEEN now() - interval '1 year' AND now();
$$;
REVOKE EXECUTE ON FUNCTION watch.thin() FROM public;
