-- All that a migration makes and that a user could meet: relations, columns, functions, triggers, constraints,
-- indexes, rights, sequences, comments.
SELECT 'relation' AS kind, c.oid::regclass::text AS name, c.relkind::text AS what FROM pg_class c
 WHERE c.relnamespace::regnamespace::text = ANY (%(schemas)s) AND c.relname NOT LIKE 'alembic_version%%'
UNION ALL
SELECT 'column', a.attrelid::regclass || '.' || a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attnum,
                 pg_get_expr(d.adbin, d.adrelid))
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE c.relnamespace::regnamespace::text = ANY (%(schemas)s) AND c.relkind = 'r' AND a.attnum > 0
   AND NOT a.attisdropped
UNION ALL
SELECT 'function', p.oid::regprocedure::text,
       concat_ws(' ', md5(p.prosrc), p.provolatile, p.proparallel, p.prosecdef, p.proisstrict, p.proconfig,
                 p.prorettype::regtype, p.proowner::regrole, p.prolang)
  FROM pg_proc p WHERE p.pronamespace::regnamespace::text = ANY (%(schemas)s)
UNION ALL
SELECT 'trigger', t.tgrelid::regclass || ' ' || t.tgname,
       concat_ws(' ', t.tgenabled, t.tgfoid::regprocedure, pg_get_triggerdef(t.oid))
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE NOT t.tgisinternal AND c.relnamespace::regnamespace::text = ANY (%(schemas)s)
UNION ALL
SELECT 'constraint', conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE connamespace::regnamespace::text = ANY (%(schemas)s) AND conname <> 'alembic_version_pkc' AND contype <> 'n'
UNION ALL
SELECT 'index', i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relnamespace::regnamespace::text = ANY (%(schemas)s) AND c.relname NOT LIKE 'alembic_version%%'
UNION ALL
SELECT 'right', r.kind || ' ' || r.name || ' ' || coalesce(nullif(x.grantee, 0)::regrole::text, 'PUBLIC'),
       string_agg(x.privilege_type, ',' ORDER BY x.privilege_type)
  FROM (SELECT 'function' AS kind, p.oid::regprocedure::text AS name,
               coalesce(p.proacl, acldefault('f', p.proowner)) AS acl
          FROM pg_proc p WHERE p.pronamespace::regnamespace::text = ANY (%(schemas)s)
        UNION ALL
        SELECT 'relation', c.oid::regclass::text,
               coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
          FROM pg_class c
         WHERE c.relnamespace::regnamespace::text = ANY (%(schemas)s) AND c.relkind IN ('r', 'S')
        UNION ALL
        SELECT 'schema', n.nspname, coalesce(n.nspacl, acldefault('n', n.nspowner))
          FROM pg_namespace n WHERE n.nspname = ANY (%(schemas)s)) AS r, aclexplode(r.acl) AS x
 GROUP BY r.kind, r.name, x.grantee
UNION ALL
SELECT 'comment', n.nspname, obj_description(n.oid, 'pg_namespace') FROM pg_namespace n
 WHERE n.nspname = ANY (%(schemas)s)
 ORDER BY 1, 2, 3
