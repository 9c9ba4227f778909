-- Forget changes older than three days, a few thousand at a time; each beat of the heart calls it.
CREATE OR REPLACE FUNCTION guard.forget() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  newest xid8;
  unborn xid8;
BEGIN
  -- Restored from a dump into a younger cluster: numbers that no transaction here has had yet.
  SELECT m.xid INTO unborn FROM guard.mudancas AS m ORDER BY m.xid DESC LIMIT 1;
  IF unborn > pg_current_xact_id() AND unborn >= pg_snapshot_xmax(pg_current_snapshot()) THEN
    DELETE FROM guard.mudancas AS m WHERE m.xid >= pg_snapshot_xmax(pg_current_snapshot())
                                      AND m.xid <> pg_current_xact_id();
    UPDATE guard.epoca SET horizonte = pg_current_xact_id();
  END IF;
  IF (SELECT em FROM guard.mudancas ORDER BY xid LIMIT 1) < clock_timestamp() - interval '3 days' THEN
    WITH aged AS (SELECT ctid, em FROM guard.mudancas ORDER BY xid LIMIT 5000 FOR UPDATE SKIP LOCKED),
    gone AS (
      DELETE FROM guard.mudancas USING aged
       WHERE mudancas.ctid = aged.ctid AND aged.em < clock_timestamp() - interval '3 days'
      RETURNING mudancas.xid
    )
    SELECT xid INTO newest FROM gone ORDER BY xid DESC LIMIT 1;
    UPDATE guard.epoca SET horizonte = (newest::text::bigint + 1)::text::xid8 WHERE horizonte <= newest;
  END IF;
  RETURN NULL;
END
$$;
