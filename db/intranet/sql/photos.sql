-- The photos' queue: one row a photo, in a schema that no publication names. A trigger on the window
-- fills it in the transaction that brings the photo; it never raises, because it runs inside apply, and
-- what it could not write the worker finds when it sweeps.
CREATE SCHEMA IF NOT EXISTS worker;

CREATE TABLE worker.photos (
  imagem_id integer PRIMARY KEY,
  next_at timestamptz,                -- when its turn is; NULL: it has its verdict
  claimed_by text,                    -- the worker that makes it now
  claimed_until timestamptz,          -- from then on another one may
  attempts integer NOT NULL DEFAULT 0, -- how often in a row something that passes was in the way
  seen text                           -- the file's size and time of change when it was judged
);
CREATE INDEX photos_due ON worker.photos (imagem_id DESC) WHERE next_at IS NOT NULL;

-- Objects that nothing refers to; they are deleted when they are found so a second time.
CREATE TABLE worker.leftovers (
  chave text PRIMARY KEY,
  found_at timestamptz NOT NULL DEFAULT now()
);

-- A photo that arrives has its turn now, also one whose file is said to be another. One fixed payload:
-- PostgreSQL folds it into one notification a transaction.
CREATE OR REPLACE FUNCTION worker.queue_photo() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO worker.photos (imagem_id, next_at) VALUES (NEW.id, now())
  ON CONFLICT (imagem_id) DO UPDATE SET next_at = now(), attempts = 0;
  PERFORM pg_notify('ponte_imagem', '');
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$$;

CREATE TRIGGER queue_photo AFTER INSERT ON vitrine.imagens
  FOR EACH ROW EXECUTE FUNCTION worker.queue_photo();
CREATE TRIGGER queue_photo_again AFTER UPDATE ON vitrine.imagens
  FOR EACH ROW WHEN ((OLD.filename, OLD.mime_type, OLD.tamanho)
    IS DISTINCT FROM (NEW.filename, NEW.mime_type, NEW.tamanho))
  EXECUTE FUNCTION worker.queue_photo();
ALTER TABLE vitrine.imagens ENABLE ALWAYS TRIGGER queue_photo;
ALTER TABLE vitrine.imagens ENABLE ALWAYS TRIGGER queue_photo_again;
