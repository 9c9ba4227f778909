-- name: settings
-- settings that replication lives by, in the server's own units
SELECT name, setting FROM pg_settings
 WHERE name IN ('output_plugin_libraries', 'wal_sender_timeout', 'wal_receiver_timeout', 'max_slot_wal_keep_size',
                'idle_replication_slot_timeout');

-- name: server
-- its clock, where its files lie, how full its queue of notifications is, who probably holds that, and whether the
-- library that sorts this database's text is another than when it was made
SELECT clock_timestamp(), current_setting('data_directory'), pg_notification_queue_usage(),
       (SELECT 'process ' || a.pid || ' (' || a.state || ') of ' || a.usename || ' in ' || a.datname
          FROM pg_stat_activity a
         WHERE a.backend_type = 'client backend' AND a.xact_start IS NOT NULL AND a.pid <> pg_backend_pid()
         ORDER BY a.xact_start LIMIT 1),
       coalesce(d.datcollversion <> pg_database_collation_actual_version(d.oid), false)
  FROM pg_database d WHERE d.datname = current_database();

-- name: verifiers
-- what the server keeps of the passwords of all who may log in
SELECT r.rolname::text, r.rolpassword FROM pg_authid r WHERE r.rolcanlogin ORDER BY 1;
