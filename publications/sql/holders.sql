-- name: holders
-- transactions open for some seconds, the oldest first: those that write anywhere in the cluster, for which the
-- making of a slot waits, or those that may hold a lock in this database: what kind, which, whose, where, how long
SELECT held.kind, held.named, held.whose, held.database, held.age_s
  FROM (SELECT 'prepared' AS kind, p.gid AS named, p.owner::text AS whose, p.database::text AS database,
               extract(epoch FROM clock_timestamp() - p.prepared)::int AS age_s
          FROM pg_prepared_xacts AS p
         WHERE %(writers)s OR p.database = current_database()
        UNION ALL
        SELECT coalesce(a.state, a.backend_type), a.pid::text, a.usename::text, a.datname::text,
               extract(epoch FROM clock_timestamp() - a.xact_start)::int
          FROM pg_stat_activity AS a
         WHERE a.pid <> pg_backend_pid() AND a.datname IS NOT NULL
           AND CASE WHEN %(writers)s THEN a.backend_xid IS NOT NULL
                    ELSE a.datname = current_database()
                     AND EXISTS (SELECT FROM pg_locks AS l
                                  WHERE l.pid = a.pid AND l.granted AND l.relation >= 16384) END) AS held
 WHERE held.age_s >= 2
 ORDER BY held.age_s DESC
 LIMIT 3;
