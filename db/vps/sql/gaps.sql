-- Each beat carries how many landed on the intranet's side before it, and has come the way of all changes: where
-- one is missing here, so are the changes between it and the next. Somebody put this database back to an earlier
-- moment, or made the slot anew; nothing else would ever tell. `ponte apply` copies again and takes the row away.
--
-- Depth 1 is apply; a copy becomes an update within the guard's INSERT and may pass over any number of beats.
-- A count that is filled in later is ahead of the beats under way, and a beat that the first hop lost is counted
-- as the next one: both numbers must jump. What is pushed passes over beats, too, and is proven by its positions.
CREATE OR REPLACE FUNCTION guard.note_gap() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF pg_trigger_depth() = 1 AND current_setting('ponte.pushed', true) IS DISTINCT FROM 'on' THEN
    INSERT INTO guard.gaps (after_beat, beat) VALUES (OLD.beat, NEW.beat);
  END IF;
  RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION guard.note_gap() FROM PUBLIC;

CREATE OR REPLACE TRIGGER note_gap AFTER UPDATE ON vitrine.heartbeat
  FOR EACH ROW WHEN (NEW.beat NOT IN (OLD.beat, OLD.beat + 1) AND NEW.landings IS DISTINCT FROM OLD.landings
                     AND (OLD.landings IS NULL OR NEW.landings <> OLD.landings + 1))
  EXECUTE FUNCTION guard.note_gap();
ALTER TABLE vitrine.heartbeat ENABLE ALWAYS TRIGGER note_gap;
