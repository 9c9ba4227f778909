-- The photos' queue: a trigger on the window fills it in the transaction that brings the photo. It must not keep a
-- photo out of the window: where the projection is guarded it catches what fails here, and the worker finds
-- what could not be written when it sweeps.

-- A photo that arrives has its turn now, also one whose file is said to be another. One fixed payload:
-- PostgreSQL folds it into one notification a transaction.
CREATE OR REPLACE FUNCTION worker.queue(imagem_id integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO worker.photos AS held (imagem_id, next_at) VALUES ($1, now())
  ON CONFLICT ON CONSTRAINT photos_pkey DO UPDATE SET next_at = now(), attempts = 0;
  PERFORM pg_notify('ponte_imagem', '');
END
$$;

CREATE OR REPLACE FUNCTION worker.queue_photo() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF current_setting('ponte.projects', true) = 'freely' THEN
    PERFORM worker.queue(NEW.id);
    RETURN NULL;
  END IF;
  BEGIN
    PERFORM worker.queue(NEW.id);
  EXCEPTION WHEN OTHERS THEN
  END;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER queue_photo AFTER INSERT ON vitrine.imagens
  FOR EACH ROW EXECUTE FUNCTION worker.queue_photo();
CREATE OR REPLACE TRIGGER queue_photo_again AFTER UPDATE ON vitrine.imagens
  FOR EACH ROW WHEN ((OLD.filename, OLD.mime_type, OLD.tamanho)
    IS DISTINCT FROM (NEW.filename, NEW.mime_type, NEW.tamanho))
  EXECUTE FUNCTION worker.queue_photo();
ALTER TABLE vitrine.imagens ENABLE ALWAYS TRIGGER queue_photo;
ALTER TABLE vitrine.imagens ENABLE ALWAYS TRIGGER queue_photo_again;

-- Since when a photo waits. A trigger, so that whoever queues a photo can't forget it, and putting it off changes
-- nothing; it can't raise, because it runs inside apply.
CREATE OR REPLACE FUNCTION worker.note_wait() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF NEW.next_at IS NULL THEN
    NEW.queued_at := NULL;
  ELSIF TG_OP = 'INSERT' OR OLD.next_at IS NULL THEN
    NEW.queued_at := clock_timestamp();
  END IF;
  RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER note_wait BEFORE INSERT OR UPDATE OF next_at ON worker.photos
  FOR EACH ROW EXECUTE FUNCTION worker.note_wait();
ALTER TABLE worker.photos ENABLE ALWAYS TRIGGER note_wait;
