-- What was measured, for the panel's chart and for rates: finely for a day, by the hour for a year. Numbers
-- and words of Ponte's own, nothing of the shop's; not published.

CREATE SCHEMA IF NOT EXISTS watch;

CREATE TABLE IF NOT EXISTS watch.measurements (
  subscriber text NOT NULL,
  measured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  state text NOT NULL,
  cause text,
  as_of timestamptz,
  age_seconds double precision,
  sgp_wal_bytes bigint,               -- how far the server has written
  sgp_retained_bytes bigint,          -- what its slot keeps
  vitrine_wal_bytes bigint,
  vitrine_retained_bytes bigint,
  PRIMARY KEY (subscriber, measured_at)
);

CREATE TABLE IF NOT EXISTS watch.measurements_hourly (
  subscriber text NOT NULL,
  hour timestamptz NOT NULL,
  samples integer NOT NULL,
  fresh integer NOT NULL,
  lagging integer NOT NULL,
  silent integer NOT NULL,
  max_age_seconds double precision,   -- NULL: at some time it was not known
  max_retained_bytes bigint,
  PRIMARY KEY (subscriber, hour)
);

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
