-- Every window row carries `versao`, given when it is written.

CREATE OR REPLACE FUNCTION projection.stamp_versao() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  NEW.versao := nextval('projection.versao_seq');
  RETURN NEW;
END
$$;

-- ALWAYS: the projection writes from within an apply worker, where ordinary triggers are silent.
DO $do$
DECLARE
  one regclass;
BEGIN
  FOR one IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'vitrine'::regnamespace AND c.relkind = 'r' LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER stamp_versao BEFORE INSERT OR UPDATE ON %s '
                   'FOR EACH ROW EXECUTE FUNCTION projection.stamp_versao()', one);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER stamp_versao', one);
  END LOOP;
END
$do$;
