-- SGP's worker counts its beats, and they come the way of all changes: where one is missing here, so are the
-- changes between it and the next. Somebody put this database back to an earlier moment, or made the slot anew.
-- `ponte apply` copies again and takes the row away.
CREATE TABLE IF NOT EXISTS projection.gaps (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  after_beat bigint NOT NULL,
  beat bigint NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  noted boolean NOT NULL DEFAULT false  -- on each table that is to be copied again
);

-- The heartbeat says when it left SGP, when it landed here, and how many landed before it. Replayed old beats
-- change nothing; a beat that counts on is newer even where SGP's clock was put back. Depth 1 is apply: a copy
-- becomes an update within another trigger and may pass over any number of beats.
CREATE OR REPLACE FUNCTION projection.project_heartbeat() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  -- Outside the block below: a beat that can't be projected still says what was lost before it.
  IF TG_OP = 'UPDATE' AND NEW.beat > OLD.beat + 1 AND pg_trigger_depth() = 1 THEN
    INSERT INTO projection.gaps (after_beat, beat) VALUES (OLD.beat, NEW.beat);
  END IF;
  BEGIN
    INSERT INTO vitrine.heartbeat AS held (id, beat, beat_at, landed_at, landings)
    VALUES (NEW.id, NEW.beat, NEW.beat_at, clock_timestamp(), 1)
    ON CONFLICT (id) DO UPDATE SET (beat, beat_at, landed_at, landings)
      = (excluded.beat, excluded.beat_at, excluded.landed_at, coalesce(held.landings, 0) + 1)
    WHERE excluded.beat > held.beat OR excluded.beat_at > held.beat_at OR held.beat_at IS NULL;
    PERFORM projection.settle(TG_RELID, NEW.id);
  EXCEPTION WHEN OTHERS THEN
    PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
  END;
  RETURN NULL;
END
$$;
