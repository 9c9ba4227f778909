-- Take away the functions and triggers of ours that no file installed in this very transaction: a former version
-- had them. A function that somebody else's object needs stays, as does a trigger that calls somebody else's.
DO $do$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT t.tgname AS name, t.tgrelid::regclass AS held
      FROM pg_trigger AS t
      JOIN pg_class AS c ON c.oid = t.tgrelid
      JOIN pg_proc AS p ON p.oid = t.tgfoid
     WHERE NOT t.tgisinternal AND t.xmin <> pg_current_xact_id()::xid
       AND c.relnamespace::regnamespace::text IN ('vitrine', {schemas})
       AND p.pronamespace::regnamespace::text IN ({schemas})
  LOOP
    EXECUTE format('DROP TRIGGER %I ON %s', one.name, one.held);
  END LOOP;
  FOR one IN
    SELECT p.oid::regprocedure AS routine
      FROM pg_proc AS p
     WHERE p.xmin <> pg_current_xact_id()::xid AND p.pronamespace::regnamespace::text IN ({schemas})
       AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.deptype = 'e')
       AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.refobjid = p.oid)
  LOOP
    EXECUTE format('DROP FUNCTION %s', one.routine);
  END LOOP;
END
$do$;
