-- Since when a photo waits, and how often its making went wrong by itself. A trigger, so that whoever queues
-- a photo can't forget it, and putting it off changes nothing; it can't raise, because it runs inside apply.
ALTER TABLE worker.photos
  ADD COLUMN queued_at timestamptz,              -- when it came to the queue; NULL: it is not there
  ADD COLUMN strikes integer NOT NULL DEFAULT 0; -- how often its making killed a process or took too long

UPDATE worker.photos SET queued_at = now() WHERE next_at IS NOT NULL;

CREATE FUNCTION worker.note_wait() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF NEW.next_at IS NULL THEN
    NEW.queued_at := NULL;
  ELSIF TG_OP = 'INSERT' OR OLD.next_at IS NULL THEN
    NEW.queued_at := clock_timestamp();
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER note_wait BEFORE INSERT OR UPDATE OF next_at ON worker.photos
  FOR EACH ROW EXECUTE FUNCTION worker.note_wait();
ALTER TABLE worker.photos ENABLE ALWAYS TRIGGER note_wait;
