-- All that Ponte could leave in SGP; a grant that was given and taken away again is as one that never was.
SELECT 'relation', oid::regclass::text, relkind::text, relreplident::text FROM pg_class WHERE oid >= 16384
UNION ALL
SELECT 'column grant', attrelid::regclass::text, attname, a.*::text
  FROM pg_attribute, aclexplode(attacl) AS a WHERE attrelid >= 16384
UNION ALL
SELECT 'grant', oid::regclass::text, a.*::text, ''
  FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) AS a
 WHERE oid >= 16384 AND relkind = 'r'
UNION ALL
SELECT 'schema', nspname, a.*::text, ''
  FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS a
 WHERE nspname !~ '^pg_(toast_)?temp_'
UNION ALL
SELECT 'function', oid::regprocedure::text, prosrc, '' FROM pg_proc
UNION ALL
SELECT 'role', r.rolname, concat(r.rolsuper, r.rolreplication, r.rolcanlogin), s.setconfig::text
  FROM pg_roles AS r LEFT JOIN pg_db_role_setting AS s ON s.setrole = r.oid
UNION ALL
SELECT 'member', roleid::regrole::text, member::regrole::text, '' FROM pg_auth_members
UNION ALL
SELECT 'publication', pubname, '', '' FROM pg_publication
UNION ALL
SELECT 'published', prpubid::text, prrelid::regclass::text, '' FROM pg_publication_rel
UNION ALL
SELECT 'slot', slot_name, plugin, database FROM pg_replication_slots
UNION ALL
SELECT 'subscription', subname, '', '' FROM pg_subscription
UNION ALL
SELECT 'trigger', tgname, tgrelid::regclass::text, tgenabled::text FROM pg_trigger
UNION ALL
SELECT 'event trigger', evtname, '', '' FROM pg_event_trigger
UNION ALL
SELECT 'extension', extname, '', '' FROM pg_extension
UNION ALL
SELECT 'default rights', defaclrole::text, defaclnamespace::text, defaclacl::text FROM pg_default_acl
UNION ALL
SELECT 'database', datname, a.*::text, ''
  FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS a
UNION ALL
SELECT 'comment', classoid::regclass::text, objoid::text, description FROM pg_description WHERE objoid >= 16384
