-- What changed, for readers that keep something in memory or ask for the difference. Each change of the
-- window leaves one row with the transaction that made it: a reader who remembers a snapshot finds
-- exactly what has become visible since, however late it was committed.

CREATE TABLE guard.mudancas (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  tabela text NOT NULL,
  chave bigint,                       -- NULL: every row of the table
  em timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX mudancas_xid ON guard.mudancas (xid);

-- One row. A cursor of another epoch, or older than the horizon, can't be continued.
CREATE TABLE guard.epoca (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  epoca uuid NOT NULL DEFAULT gen_random_uuid(),
  horizonte xid8 NOT NULL DEFAULT pg_current_xact_id()
);
INSERT INTO guard.epoca DEFAULT VALUES;

-- After a change: write down which order, photo or user it was about. The writer needs no right on the
-- log. A photo that moves is a change of both of its orders; a miniatura is written down by its photo,
-- because the photo's own row may not be visible yet.
CREATE OR REPLACE FUNCTION guard.record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  before bigint;
  after bigint;
BEGIN
  IF TG_TABLE_NAME = 'imagens' THEN
    IF TG_OP <> 'INSERT' THEN before := OLD.pedido_id; END IF;
    IF TG_OP <> 'DELETE' THEN after := NEW.pedido_id; END IF;
  ELSIF TG_TABLE_NAME = 'miniaturas' THEN
    IF TG_OP <> 'INSERT' THEN before := OLD.imagem_id; END IF;
    IF TG_OP <> 'DELETE' THEN after := NEW.imagem_id; END IF;
  ELSE
    IF TG_OP <> 'INSERT' THEN before := OLD.id; END IF;
    IF TG_OP <> 'DELETE' THEN after := NEW.id; END IF;
  END IF;
  IF before IS NOT NULL THEN
    INSERT INTO guard.mudancas (tabela, chave) VALUES (TG_TABLE_NAME, before);
  END IF;
  IF after IS NOT NULL AND after IS DISTINCT FROM before THEN
    INSERT INTO guard.mudancas (tabela, chave) VALUES (TG_TABLE_NAME, after);
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION guard.record_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO guard.mudancas (tabela) VALUES (TG_TABLE_NAME);
  PERFORM pg_notify('vitrine', TG_TABLE_NAME);
  RETURN NULL;
END
$$;

-- What two texts must share to be found by one another: no accents, however composed, and no case.
CREATE OR REPLACE FUNCTION guard.fold(given text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
  SELECT lower(regexp_replace(normalize(given, NFKD), '[\u0300-\u036f]', '', 'g'))
$$;

-- Everything of an order that a search looks into, folded.
CREATE OR REPLACE FUNCTION guard.search_text(numero text, cliente text, cidade text, observacao text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT guard.fold(coalesce(numero, '') || E'\n' || coalesce(cliente, '') || E'\n' || coalesce(cidade, '')
                    || E'\n' || coalesce(observacao, ''))
$$;
