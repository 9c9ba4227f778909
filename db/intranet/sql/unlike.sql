-- Proving the window: which of its rows are not what the projection makes today of the rows that landed.

-- Compare the rows of a landing table from one key to before another, either of which may be open. Both tables are
-- read in one snapshot, and are always written in one transaction: nothing is ever on its way between them.
CREATE OR REPLACE FUNCTION projection.find_unlike(
  landing regclass, low bigint, high bigint, OUT key bigint, OUT kind text)
RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  shown regclass := projection.window_of(landing::text);
  here text;
  there text;
BEGIN
  IF shown IS NULL THEN
    RETURN;
  END IF;
  SELECT string_agg('s.' || quote_ident(a.attname), ', '), string_agg('w.' || quote_ident(a.attname), ', ')
    INTO here, there
    FROM pg_attribute AS a
   WHERE a.attrelid = shown AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> 'versao';
  RETURN QUERY EXECUTE format($query$
    SELECT coalesce(s.id, w.id)::bigint,
           CASE WHEN w.id IS NULL THEN 'missing' WHEN s.id IS NULL THEN 'extra' ELSE 'changed' END
      FROM projection.%2$I((SELECT array_agg(l.id::bigint) FROM %1$s AS l
                             WHERE ($1 IS NULL OR l.id >= $1) AND ($2 IS NULL OR l.id < $2))) AS s
      FULL JOIN (SELECT * FROM %3$s AS w
                  WHERE ($1 IS NULL OR w.id >= $1) AND ($2 IS NULL OR w.id < $2)) AS w ON s.id = w.id
     WHERE (%4$s) IS DISTINCT FROM (%5$s)
    $query$, landing, 'shape_' || (SELECT c.relname FROM pg_class AS c WHERE c.oid = landing), shown, here, there)
    USING low, high;
END
$$;
REVOKE EXECUTE ON FUNCTION projection.find_unlike(regclass, bigint, bigint) FROM public;
