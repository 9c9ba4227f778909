-- name: ready
-- the tables of a subscription that follow
SELECT n.nspname, c.relname
  FROM pg_subscription_rel r
  JOIN pg_subscription s ON s.oid = r.srsubid
  JOIN pg_class c ON c.oid = r.srrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE s.subname = %s AND s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
   AND s.subenabled AND r.srsubstate = 'r';

-- name: newest
-- a versao that was given out a moment ago
SELECT coalesce(max(h.versao), 0) FROM vitrine.heartbeat h;

-- name: written
-- up to where every commit that can be seen now has been written
SELECT pg_current_wal_insert_lsn();

-- name: confirmed
-- whether the subscriber has all up to there
SELECT 1 FROM pg_replication_slots s WHERE s.slot_name = %s AND s.confirmed_flush_lsn >= %s::pg_lsn;
