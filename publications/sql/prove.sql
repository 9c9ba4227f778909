-- name: ready
-- the tables of a subscription that follow
SELECT n.nspname, c.relname
  FROM pg_subscription_rel r
  JOIN pg_subscription s ON s.oid = r.srsubid
  JOIN pg_class c ON c.oid = r.srrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE s.subname = %s AND s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
   AND s.subenabled AND r.srsubstate = 'r';

-- name: written
-- up to where every commit that can be seen now has been written
SELECT pg_current_wal_insert_lsn();

-- name: confirmed
-- whether the subscriber has all up to there
SELECT 1 FROM pg_replication_slots s WHERE s.slot_name = %s AND s.confirmed_flush_lsn >= %s::pg_lsn;

-- name: unlike
-- rows of the window that are not what the projection makes of landing's
SELECT u.key, u.kind FROM projection.find_unlike(format('%%I.%%I', %s::text, %s::text)::regclass, %s, %s) AS u;

-- name: make_origin
-- have an origin by which what is healed can be told
SELECT pg_replication_origin_create(%s) WHERE pg_replication_origin_oid(%s) IS NULL;

-- name: take_origin
-- sign all that this session writes; only one session can
SELECT pg_replication_origin_session_setup(%s);

-- name: leave_origin
-- sign no more
SELECT pg_replication_origin_session_reset();

-- name: project_again
-- project one row of landing's again; where it is gone, take it out of the window
SELECT projection.project_again(format('%%I.%%I', %s::text, %s::text), %s::bigint);
