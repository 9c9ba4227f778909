-- How long this VPS lets people log in without word from the intranet. The API writes down what it was told,
-- so that whoever watches shows what is so here and not what was meant.

CREATE TABLE auth.offline_bound (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  seconds double precision NOT NULL CHECK (seconds > 0 AND seconds < 'infinity')
);

-- Write the bound down; nothing is written where it is the same.
CREATE FUNCTION auth.tell_offline_bound(seconds double precision) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  INSERT INTO auth.offline_bound AS b (seconds) VALUES ($1)
  ON CONFLICT (id) DO UPDATE SET seconds = excluded.seconds WHERE b.seconds <> excluded.seconds
$$;

REVOKE EXECUTE ON FUNCTION auth.tell_offline_bound(double precision) FROM public;
