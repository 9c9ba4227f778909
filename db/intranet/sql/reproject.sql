-- Project all that a landing table holds once more: for rows that came and went while its trigger was gone.
-- Apply on that table waits meanwhile, so nothing falls between what is read here and what arrives after. What
-- the window shows already is not written again; the heartbeat is never taken out, as its trigger never does.
CREATE OR REPLACE FUNCTION projection.reproject(landing regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  shown regclass := projection.window_of(landing::text);
  before text := coalesce(current_setting('ponte.projects', true), '');
  gone bigint;
BEGIN
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', landing);
  BEGIN
    PERFORM set_config('ponte.projects', 'freely', true);
    EXECUTE format('UPDATE %s SET id = id', landing);
    PERFORM set_config('ponte.projects', before, true);
  EXCEPTION WHEN OTHERS THEN  -- so each row by itself
    EXECUTE format('UPDATE %s SET id = id', landing);
  END;
  IF shown IS NULL OR landing::text = 'ponte.heartbeat' THEN
    RETURN;
  END IF;
  FOR gone IN EXECUTE format(
    'SELECT w.id FROM %s AS w WHERE NOT EXISTS (SELECT FROM %s AS l WHERE l.id = w.id)', shown, landing)
  LOOP
    PERFORM projection.remove(landing::text, gone);
  END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION projection.reproject(regclass) FROM public;
