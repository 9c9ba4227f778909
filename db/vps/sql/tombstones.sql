-- A deletion is remembered for three days, with the version up to which its row is dead: what was sent before it
-- and comes after it raises nobody.

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
    EXECUTE format('CREATE OR REPLACE TRIGGER bury AFTER DELETE ON %1$s FOR EACH ROW EXECUTE FUNCTION guard.bury(%2$L);'
                   'ALTER TABLE %1$s ENABLE ALWAYS TRIGGER bury', one.window_table, one.key);
  END LOOP;
END
$do$;
