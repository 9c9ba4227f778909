-- name: settings
-- the settings that replication needs, by name
SELECT name, setting FROM pg_settings
 WHERE name IN ('wal_level', 'max_replication_slots', 'max_wal_senders', 'max_logical_replication_workers',
                'max_worker_processes', 'max_sync_workers_per_subscription', 'max_active_replication_origins');

-- name: used
-- how many slots, senders, origins and subscriptions this cluster has in use
SELECT (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_stat_replication),
       (SELECT count(*) FROM pg_replication_origin), (SELECT count(*) FROM pg_subscription);

-- name: encoding
-- in which encoding this database keeps text
SELECT pg_encoding_to_char(d.encoding) FROM pg_database d WHERE d.datname = current_database();

-- name: databases
-- databases of the cluster beside this one and those that every cluster has
SELECT d.datname FROM pg_database d
 WHERE NOT d.datistemplate AND d.datname NOT IN (current_database(), 'postgres') ORDER BY 1;

-- name: relations
-- tables of this database outside the server's own schemas
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND c.relpersistence <> 't'
 ORDER BY 1;

-- name: row_security
-- of these tables, those whose row security would hide rows from this role
SELECT n.nspname || '.' || c.relname
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname || '.' || c.relname = ANY (%(tables)s) AND c.relrowsecurity
   AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = %(role)s AND (r.rolbypassrls OR r.rolsuper))
 ORDER BY 1;

-- name: foreign_keys
-- foreign keys on or to these tables
SELECT n.nspname || '.' || c.relname, k.conname
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND n.nspname || '.' || c.relname = ANY (%s)
 ORDER BY 1, 2;

-- name: loose_functions
-- trigger functions of these tables that have no search_path of their own
SELECT DISTINCT n.nspname || '.' || c.relname, fn.nspname || '.' || f.proname
  FROM pg_trigger g
  JOIN pg_class c ON c.oid = g.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_proc f ON f.oid = g.tgfoid
  JOIN pg_namespace fn ON fn.oid = f.pronamespace
 WHERE NOT g.tgisinternal AND n.nspname || '.' || c.relname = ANY (%s)
   AND NOT EXISTS (SELECT FROM unnest(f.proconfig) AS s WHERE s LIKE 'search_path=%%')
 ORDER BY 1, 2;

-- name: nullable
-- columns of these tables that may be NULL
SELECT n.nspname || '.' || c.relname, a.attname
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE a.attnum > 0 AND NOT a.attisdropped AND NOT a.attnotnull AND n.nspname || '.' || c.relname = ANY (%s);

-- name: unfit_keys
-- of these tables, those whose rows have no name that replication takes: the key's constraint, if there is one, and
-- what is the matter with it
SELECT n.nspname, c.relname, k.conname,
       CASE WHEN i.indexrelid IS NULL THEN 'missing'
            WHEN NOT i.indimmediate THEN 'deferrable' ELSE 'invalid' END
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
  LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'p'
 WHERE n.nspname || '.' || c.relname = ANY (%s) AND c.relkind IN ('r', 'p')
   AND (i.indexrelid IS NULL OR NOT (i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL))
 ORDER BY 1, 2;
