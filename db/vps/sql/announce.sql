-- After a change, say so. Of an order the first few of a transaction are named, with the transaction, so that
-- open streams hear of them before anybody has asked what changed; all else is one fixed word per table, which
-- PostgreSQL folds into one per transaction.
CREATE OR REPLACE FUNCTION guard.announce() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  named integer;
BEGIN
  IF TG_TABLE_NAME = 'pedidos' AND TG_OP <> 'DELETE' THEN
    named := coalesce(nullif(current_setting('ponte.named', true), ''), '0')::integer;
    IF named < 8 THEN
      PERFORM set_config('ponte.named', (named + 1)::text, true);
      PERFORM pg_notify('vitrine', 'pedidos ' || NEW.id || ' ' || pg_current_xact_id()::text);
      RETURN NULL;
    END IF;
  END IF;
  PERFORM pg_notify('vitrine', TG_TABLE_NAME);
  RETURN NULL;
END
$$;
