-- What changed, for readers that keep something in memory or ask for the difference.

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

-- A password or a revocation changed: readers look again at who may read. 0 stands for nobody in particular.
CREATE OR REPLACE FUNCTION guard.record_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO guard.mudancas (tabela, chave) VALUES (TG_TABLE_NAME, 0);
  RETURN NULL;
END
$$;

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

-- A trigger's function is asked for by whoever makes the trigger, not when it fires: who may only read could
-- otherwise hang it on a temporary table of his own and write into the log.
REVOKE EXECUTE ON FUNCTION guard.record(), guard.record_truncate(), guard.record_session(), guard.forget()
  FROM PUBLIC;

DO $do$
DECLARE
  recorded record;
BEGIN
  FOR recorded IN
    SELECT 'vitrine.' || name AS window_table, 'guard.' || recorder AS recorder
      FROM (VALUES ('pedidos', 'record'), ('imagens', 'record'), ('miniaturas', 'record'), ('usuarios', 'record'),
                   ('credenciais', 'record_session'), ('revogacoes', 'record_session')) AS v (name, recorder)
  LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON %1$s '
                   'FOR EACH ROW EXECUTE FUNCTION %2$s();'
                   'ALTER TABLE %1$s ENABLE ALWAYS TRIGGER record;'
                   'CREATE OR REPLACE TRIGGER record_truncate AFTER TRUNCATE ON %1$s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION guard.record_truncate();'
                   'ALTER TABLE %1$s ENABLE ALWAYS TRIGGER record_truncate',
                   recorded.window_table, recorded.recorder);
  END LOOP;
END
$do$;

CREATE OR REPLACE TRIGGER forget AFTER INSERT OR UPDATE ON vitrine.heartbeat
  FOR EACH ROW EXECUTE FUNCTION guard.forget();
ALTER TABLE vitrine.heartbeat ENABLE ALWAYS TRIGGER forget;
