-- name: version
-- the server's number and name
SELECT current_setting('server_version_num')::int, current_setting('server_version');

-- name: roles
-- roles by name, and any whose name is like Ponte's, with what they are and their settings
SELECT r.rolname, r.rolreplication, coalesce(s.setconfig, '{}'),
       array_remove(ARRAY[
         CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolcreaterole THEN 'createrole' END,
         CASE WHEN r.rolcreatedb THEN 'createdb' END, CASE WHEN r.rolbypassrls THEN 'bypassrls' END,
         CASE WHEN NOT r.rolcanlogin THEN 'nologin' END], NULL)
       || ARRAY(SELECT 'member of ' || g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                 WHERE m.member = r.oid),
       r.rolconnlimit
  FROM pg_roles r
  LEFT JOIN pg_db_role_setting s ON s.setrole = r.oid AND s.setdatabase = 0
 WHERE r.rolname = ANY (%s) OR r.rolname LIKE 'ponte\_%%';

-- name: grants
-- what those roles hold by themselves on schemas, tables, columns and functions, a row a privilege
WITH granted AS (
  SELECT 'schema' AS kind, n.nspname AS target, '' AS col, x.grantee, x.privilege_type
    FROM pg_namespace n, aclexplode(n.nspacl) x
  UNION ALL
  SELECT 'table', n.nspname || '.' || c.relname, '', x.grantee, x.privilege_type
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) x
  UNION ALL
  SELECT 'table', n.nspname || '.' || c.relname, a.attname, x.grantee, x.privilege_type
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
         aclexplode(a.attacl) x
   WHERE NOT a.attisdropped
  UNION ALL
  SELECT 'function', n.nspname || '.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')', '',
         x.grantee, x.privilege_type
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl) x
)
SELECT r.rolname, g.kind, g.target, lower(g.privilege_type), g.col
  FROM granted g JOIN pg_roles r ON r.oid = g.grantee
 WHERE r.rolname = ANY (%s);

-- name: publications
-- every publication of this database with its tables; no table gives one row of NULLs
SELECT p.pubname, n.nspname, c.relname,
       (SELECT array_agg(a.attname::text) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs::int2[])),
       pg_get_expr(r.prqual, r.prrelid),
       array_remove(ARRAY[
         CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
         CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END], NULL),
       p.puballtables OR EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid)
  FROM pg_publication p
  LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid
  LEFT JOIN pg_class c ON c.oid = r.prrelid
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace;

-- name: columns
-- the columns of tables by `schema.table`, in order, with whether the type is the server's own
SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, NULL),
       t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b',
       a.attnotnull, coalesce(a.attnum = ANY (i.indkey), false)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
 WHERE n.nspname || '.' || c.relname = ANY (%s) AND c.relkind IN ('r', 'p')
 ORDER BY 1, 2, a.attnum;

-- name: defaults
-- what a table's columns hold unless told otherwise, as SQL
SELECT a.attname, coalesce(pg_get_expr(d.adbin, d.adrelid), 'NULL')
  FROM pg_attribute a
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped;

-- name: triggers
-- the row triggers of those tables
SELECT n.nspname, c.relname, g.tgname, fn.nspname || '.' || f.proname, g.tgenabled = 'A'
  FROM pg_trigger g
  JOIN pg_class c ON c.oid = g.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_proc f ON f.oid = g.tgfoid
  JOIN pg_namespace fn ON fn.oid = f.pronamespace
 WHERE NOT g.tgisinternal AND n.nspname || '.' || c.relname = ANY (%s);

-- name: comments
-- the notes on those tables, column '*', and on their columns
SELECT n.nspname, c.relname, coalesce(a.attname, '*'), d.description
  FROM pg_description d
  JOIN pg_class c ON c.oid = d.objoid AND d.classoid = 'pg_class'::regclass
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0
 WHERE n.nspname || '.' || c.relname = ANY (%s);

-- name: identities
-- by which columns those tables name their rows, the index that says so, the key, and whether it is one at all
SELECT n.nspname, c.relname, c.relreplident::text,
       coalesce((SELECT array_agg(a.attname::text) FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey)), '{}'),
       CASE WHEN c.relreplident = 'i' THEN i.indexrelid::regclass::text ELSE '' END,
       (SELECT a.attname FROM pg_index k JOIN pg_attribute a ON a.attrelid = k.indrelid AND a.attnum = k.indkey[0]
         WHERE k.indrelid = c.oid AND k.indisprimary)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index i ON i.indrelid = c.oid
    AND CASE WHEN c.relreplident = 'i' THEN i.indisreplident ELSE i.indisprimary END
 WHERE n.nspname || '.' || c.relname = ANY (%s);

-- name: filter
-- the probe's filter in the server's words, with the columns that it reads
SELECT pg_get_expr(r.prqual, r.prrelid),
       ARRAY(SELECT DISTINCT a.attname::text
               FROM pg_depend d
               JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
              WHERE d.classid = 'pg_publication_rel'::regclass AND d.objid = r.oid
                AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0)
  FROM pg_publication_rel r
  JOIN pg_publication p ON p.oid = r.prpubid
 WHERE p.pubname = 'ponte_probe';

-- name: slots
-- the permanent logical slots of this database; lost is also one that stands where this WAL has not come yet
SELECT s.slot_name, s.plugin, s.active,
       coalesce(s.wal_status = 'lost' OR s.confirmed_flush_lsn > pg_current_wal_lsn(), false)
  FROM pg_replication_slots s
 WHERE s.database = current_database() AND NOT s.temporary;

-- name: strange_slots
-- slots that no subscription of this database reads, and that may keep WAL all the same, with how many bytes
SELECT s.slot_name, s.slot_type, s.active,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::bigint END
  FROM pg_replication_slots s
 WHERE s.database IS DISTINCT FROM current_database() OR s.temporary
 ORDER BY 1;

-- name: open_to_all
-- what PUBLIC may do and nobody of ours has to: write WAL, large objects and temporary tables, hold the lock of apply
-- or of the feeder, enter other databases
SELECT 'function', 'pg_catalog.' || p.proname || '(' || oidvectortypes(p.proargtypes) || ')', 'execute'
  FROM pg_proc p
 WHERE p.pronamespace = 'pg_catalog'::regnamespace
   AND (p.proname IN ('pg_logical_emit_message', 'lo_creat', 'lo_create', 'lo_from_bytea')
        OR p.proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$')
   AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x WHERE x.grantee = 0)
UNION ALL
SELECT 'database', d.datname, lower(x.privilege_type)
  FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
 WHERE x.grantee = 0
   AND (d.datname = current_database() AND x.privilege_type = 'TEMPORARY'
        OR d.datname IN ('postgres', 'template1') AND x.privilege_type = 'CONNECT')
 ORDER BY 1, 2, 3;

-- name: orphan_origins
-- origins of subscriptions, of any database of the cluster, that are gone
SELECT o.roname
  FROM pg_replication_origin o
 WHERE o.roname ~ '^pg_[0-9]+(_[0-9]+)?$'
   AND NOT EXISTS (SELECT FROM pg_subscription s WHERE s.oid::text = split_part(o.roname, '_', 2));

-- name: position
-- where this server's WAL ends, in bytes, and the newest version that the window has given to a row
SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint END,
       (SELECT coalesce(s.last_value, s.start_value - 1) FROM pg_sequences s
         WHERE s.schemaname = 'projection' AND s.sequencename = 'versao_seq');

-- name: received
-- up to where in its publisher's WAL each subscription of this database has everything, in bytes
SELECT s.subname, pg_wal_lsn_diff(o.remote_lsn, '0/0')::bigint
  FROM pg_subscription s
  JOIN pg_replication_origin_status o ON o.external_id = 'pg_' || s.oid
 WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());

-- name: subscriptions
-- the subscriptions of this database
SELECT s.subname, s.subslotname, s.subpublications, s.subconninfo, s.subenabled, s.subsynccommit,
       s.substream::text, s.subbinary, s.subdisableonerr,
       (SELECT coalesce(array_agg(n.nspname || '.' || c.relname), '{}')
          FROM pg_subscription_rel r JOIN pg_class c ON c.oid = r.srrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE r.srsubid = s.oid),
       (SELECT coalesce(array_agg(n.nspname || '.' || c.relname), '{}')
          FROM pg_subscription_rel r JOIN pg_class c ON c.oid = r.srrelid
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE r.srsubid = s.oid AND r.srsubstate <> 'r')
  FROM pg_subscription s
 WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());

-- name: unusual
-- every column of this database's publications and subscriptions as text; of an owner only whether it may all
SELECT found.catalog, found.name, one.key,
       CASE WHEN one.key IN ('pubowner', 'subowner')
            THEN (SELECT CASE WHEN r.rolsuper THEN 'superuser' ELSE r.rolname END
                    FROM pg_roles r WHERE r.oid::text = one.value)
            ELSE one.value END
  FROM (SELECT 'pg_publication' AS catalog, p.pubname AS name, to_jsonb(p) AS columns FROM pg_publication p
        UNION ALL
        SELECT 'pg_subscription', s.subname, to_jsonb(s) FROM pg_subscription s
         WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())) AS found,
       jsonb_each_text(found.columns) AS one
 ORDER BY 1, 2, 3;

-- name: copying
-- tables of a subscription that are not yet in step, with rows and bytes that their copy has read
SELECT n.nspname || '.' || c.relname, r.srsubstate::text,
       coalesce(p.tuples_processed + p.tuples_excluded, 0), coalesce(p.bytes_processed, 0)
  FROM pg_subscription_rel r
  JOIN pg_subscription s ON s.oid = r.srsubid
  JOIN pg_class c ON c.oid = r.srrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_stat_progress_copy p ON p.relid = c.oid AND p.datid = s.subdbid
 WHERE s.subname = %s AND r.srsubstate <> 'r'
 ORDER BY 1;

-- name: sizes
-- about how many rows tables have, of those that were looked at
SELECT n.nspname || '.' || c.relname, c.reltuples::bigint
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname || '.' || c.relname = ANY (%s) AND c.reltuples > 0;

-- name: moved
-- up to where in the publisher's WAL the workers that copy a subscription's tables have received
SELECT coalesce(max(pg_wal_lsn_diff(w.received_lsn, '0/0')), 0)::bigint
  FROM pg_stat_subscription w
 WHERE w.subname = %s AND w.relid IS NOT NULL;

-- name: pushes
-- what is pushed from the vitrine
SELECT w.subscriber, w.role, w.slot, w.publications FROM push.ways w;
