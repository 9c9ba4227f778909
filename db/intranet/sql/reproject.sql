-- Clean what landed while nothing cleaned it (docs/adr/0040).
CREATE OR REPLACE FUNCTION projection.clean_landed(landing regclass, keys bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF landing::text = 'public.pedidos' THEN
    UPDATE public.pedidos AS l SET items = projection.landed(l.items)
     WHERE l.id = ANY (keys) AND left(l.items, 1) <> chr(29);
  END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION projection.clean_landed(regclass, bigint[]) FROM public;

-- Project all that a landing table holds once more: for rows that came and went while its trigger was gone.
-- Apply on that table waits meanwhile, so nothing falls between what is read here and what arrives after. What
-- the window shows already is not written again; the heartbeat is never taken out, as its trigger never does.
CREATE OR REPLACE FUNCTION projection.reproject(landing regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  shown regclass := projection.window_of(landing::text);
  before text := coalesce(current_setting('ponte.projects', true), '');
  keys bigint[];
  key bigint;
BEGIN
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', landing);
  IF shown IS NULL THEN
    RETURN;
  END IF;
  FOR keys IN EXECUTE format(
    'SELECT array_agg(b.id ORDER BY b.id) FROM (SELECT l.id FROM %s AS l UNION SELECT w.id FROM %s AS w) AS b'
    ' GROUP BY b.id / 1000', landing, shown)
  LOOP
    BEGIN
      PERFORM set_config('ponte.projects', 'freely', true);
      PERFORM projection.clean_landed(landing, keys);
      PERFORM projection.project(landing::text, keys, '{}', keys);
      PERFORM set_config('ponte.projects', before, true);
    EXCEPTION WHEN OTHERS THEN  -- so each row by itself; what can't be shown is cleaned all the same
      PERFORM set_config('ponte.projects', 'guarded', true);
      PERFORM projection.clean_landed(landing, keys);
      FOREACH key IN ARRAY keys LOOP
        PERFORM projection.project_again(landing::text, key);
      END LOOP;
      PERFORM set_config('ponte.projects', before, true);
    END;
  END LOOP;
  IF landing::text = 'public.pedidos' THEN
    ANALYZE public.pedidos (items);  -- whose statistics quote what was there
  END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION projection.reproject(regclass) FROM public;
