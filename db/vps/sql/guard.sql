-- The guard stands at each window table on the VPS and is met by apply, by the initial copy and by the
-- push alike. An INSERT of a key that is already there becomes an update if it is not older, and is
-- dropped if it is; so copying again over a full table is an upsert without a gap for readers, and no
-- duplicate key can stop apply. An INSERT that is no newer than what a push has deleted is dropped too.

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

-- Fires for ordinary sessions only: what replication and the ingest write comes as 'replica'.
CREATE OR REPLACE FUNCTION guard.refuse_local_write() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'table %.% is written by replication only', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege',
          HINT = 'Change the order in SGP; the change arrives here by itself.';
END
$$;

-- A deletion is remembered for three days, with the version up to which its row is dead: what was sent before it
-- and comes after it raises nobody.
--
-- After a row was deleted by apply, for what is pushed. Not for what apply brings next: where it is behind the push, it
-- deletes what it is about to bring. What Ponte itself sweeps is no deletion at all: the same row may come again.
CREATE OR REPLACE FUNCTION guard.bury() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET bytea_output = 'hex' AS $$
BEGIN
  IF pg_replication_origin_session_is_setup() THEN
    INSERT INTO guard.tombstones AS t (table_name, key, versao)
    VALUES (TG_TABLE_NAME, to_jsonb(OLD) ->> TG_ARGV[0], OLD.versao)
    ON CONFLICT (table_name, key) DO UPDATE
       SET versao = greatest(t.versao, excluded.versao), buried_at = excluded.buried_at;
  END IF;
  RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION guard.bury() FROM PUBLIC;

-- Write the trigger function of one window table, with its columns as they are now, and attach all
-- triggers. Who inserts waits until whoever else does has committed: then what is not there can't come to be there,
-- and a new row is written once, where making it an update of itself would cost as much again. Keys are looked up in
-- a table of any size by a plan that may have been made for an empty one.
CREATE OR REPLACE FUNCTION guard.install(window_table regclass, key name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $install$
DECLARE
  short name := (SELECT c.relname FROM pg_class c WHERE c.oid = window_table);
  carried text;     -- columns that arrive
  arrived text;     -- the same, of NEW
  excluded text;    -- the same, of the row in conflict
  stored text;      -- the same, of the row that is there
  receipt text := '';
BEGIN
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
         string_agg('NEW.' || quote_ident(a.attname), ', ' ORDER BY a.attnum),
         string_agg('excluded.' || quote_ident(a.attname), ', ' ORDER BY a.attnum),
         string_agg('held.' || quote_ident(a.attname), ', ' ORDER BY a.attnum)
    INTO carried, arrived, excluded, stored
    FROM pg_attribute a
   WHERE a.attrelid = window_table AND a.attnum > 0 AND NOT a.attisdropped
     AND a.attname NOT IN ('cursor', 'received_at');
  IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = window_table AND a.attname = 'received_at') THEN
    receipt := 'NEW.received_at := clock_timestamp();';
  END IF;
  EXECUTE format($make$
    CREATE OR REPLACE FUNCTION guard.%1$I() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off SET enable_bitmapscan = off AS $body$
    DECLARE
      turn CONSTANT text := 'ponte.turn_' || TG_RELID;
      written boolean := false;
    BEGIN
      IF TG_OP = 'INSERT' AND pg_trigger_depth() = 1 THEN
        IF coalesce(current_setting(turn, true), '') = '' THEN
          PERFORM FROM guard.turns AS t WHERE t.table_name = %9$L FOR UPDATE;
          PERFORM set_config(turn, 'taken', true);
        END IF;
        written := EXISTS (SELECT FROM %2$s AS t WHERE t.%8$I = NEW.%8$I);
        IF EXISTS (SELECT FROM guard.tombstones AS t
                    WHERE t.table_name = %9$L AND t.key = NEW.%8$I::text AND t.pushed >= NEW.versao) THEN
          RETURN NULL;
        END IF;
      END IF;
      IF written THEN
        INSERT INTO %2$s AS held (%3$s) VALUES (%4$s)
        ON CONFLICT (%8$I) DO UPDATE SET (%3$s) = ROW(%5$s)
        WHERE held.versao < excluded.versao
           OR (held.versao = excluded.versao AND (%6$s) IS DISTINCT FROM (%5$s));
        RETURN NULL;
      END IF;
      IF TG_OP = 'UPDATE' AND NEW.versao < OLD.versao THEN
        RETURN NULL;
      END IF;
      NEW.cursor := nextval('vitrine.cursor_seq');
      %7$s
      RETURN NEW;
    END
    $body$ $make$, short, window_table, carried, arrived, excluded, stored, receipt, key, short);
  EXECUTE format('CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE ON %s '
                 'FOR EACH ROW EXECUTE FUNCTION guard.%I()', window_table, short);
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER guard', window_table);
  EXECUTE format('CREATE OR REPLACE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON %s '
                 'FOR EACH ROW EXECUTE FUNCTION guard.announce()', window_table);
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER announce', window_table);
  EXECUTE format('CREATE OR REPLACE TRIGGER bury AFTER DELETE ON %s FOR EACH ROW EXECUTE FUNCTION guard.bury(%L)',
                 window_table, key);
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER bury', window_table);
  EXECUTE format('CREATE OR REPLACE TRIGGER refuse_local_write BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE '
                 'ON %s FOR EACH STATEMENT EXECUTE FUNCTION guard.refuse_local_write()', window_table);
END
$install$;
REVOKE EXECUTE ON FUNCTION guard.install(regclass, name) FROM public;

DO $do$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT i.indrelid::regclass AS window_table, a.attname AS key
      FROM pg_index AS i
      JOIN pg_class AS c ON c.oid = i.indrelid
      JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
     WHERE i.indisprimary AND c.relnamespace = 'vitrine'::regnamespace
  LOOP
    INSERT INTO guard.turns (table_name)
    SELECT c.relname FROM pg_class AS c WHERE c.oid = one.window_table ON CONFLICT DO NOTHING;
    PERFORM guard.install(one.window_table, one.key);
  END LOOP;
END
$do$;
