-- name: server
-- the server's clock, version, how far it has written, where its files lie, how full its queue of notifications
-- is, and after how many seconds a subscription's worker is started again
SELECT clock_timestamp(), current_setting('server_version_num')::int,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint END,
       current_setting('data_directory', true), pg_notification_queue_usage(),
       (SELECT g.setting::float8 / 1000 FROM pg_settings g WHERE g.name = 'wal_retrieve_retry_interval');

-- name: listeners
-- who probably holds the queue of notifications: the session whose transaction is open for longest, since what
-- was sent before it stays for it; pid, what it does, whose, where, for how many seconds
SELECT a.pid, a.state, a.usename::text, a.datname::text, extract(epoch FROM clock_timestamp() - a.xact_start)::int
  FROM pg_stat_activity a
 WHERE a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
 ORDER BY a.xact_start
 LIMIT 1;

-- name: rooms
-- what of each scarce thing is in use, and of how much
SELECT 'slots', (SELECT count(*) FROM pg_replication_slots), current_setting('max_replication_slots')::int
UNION ALL
SELECT 'senders', (SELECT count(*) FROM pg_stat_replication), current_setting('max_wal_senders')::int
UNION ALL
SELECT 'origins', (SELECT count(*) FROM pg_replication_origin),
       coalesce(current_setting('max_active_replication_origins', true),
                current_setting('max_replication_slots'))::int
UNION ALL
SELECT 'workers', (SELECT count(*) FROM pg_stat_activity a WHERE a.backend_type ~ '^logical replication .*worker$'),
       current_setting('max_logical_replication_workers')::int
UNION ALL
SELECT 'processes', (SELECT count(*) FROM pg_stat_activity a
                      WHERE a.backend_type NOT IN (
                              'archiver', 'autovacuum launcher', 'autovacuum worker', 'background writer',
                              'checkpointer', 'client backend', 'io worker', 'slotsync worker', 'standalone backend',
                              'startup', 'walreceiver', 'walsender', 'walsummarizer', 'walwriter')),
       current_setting('max_worker_processes')::int;

-- name: slots
-- this database's logical slots: all that the view has, bytes kept, bytes unconfirmed, seconds since a reply,
-- transactions decoded so far, since when they are counted if that was not always, who reads it from where and
-- since how many seconds, for how many nobody has, and, from 18 on, after how many of them it is given up
SELECT to_jsonb(s), pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::bigint,
       pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)::bigint,
       extract(epoch FROM clock_timestamp() - r.reply_time)::float8, t.total_txns, t.stats_reset,
       r.pid, coalesce(host(r.client_addr), 'its own machine'),
       extract(epoch FROM clock_timestamp() - r.backend_start)::float8,
       extract(epoch FROM clock_timestamp() - (to_jsonb(s) ->> 'inactive_since')::timestamptz)::float8,
       (SELECT nullif(g.setting, '0')::float8 FROM pg_settings g WHERE g.name = 'idle_replication_slot_timeout')
  FROM pg_replication_slots s
  LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid
  LEFT JOIN pg_stat_replication_slots t ON t.slot_name = s.slot_name
 WHERE s.database = current_database() AND s.slot_type = 'logical' AND NOT s.temporary
 ORDER BY s.slot_name;

-- name: strange_slots
-- slots that no subscription of this database reads, and that may keep WAL all the same, with how many bytes
SELECT s.slot_name, s.slot_type, s.active,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn)::bigint END
  FROM pg_replication_slots s
 WHERE s.database IS DISTINCT FROM current_database() OR s.temporary
 ORDER BY 1;

-- name: subscriptions
-- this database's subscriptions: their worker, how far it is, what it counts, what it waits for, for whom, what
-- it follows, and which of that has no key that can name a row (unique, at once, valid, of the whole table)
SELECT s.subname, s.subenabled, w.pid, pg_wal_lsn_diff(w.received_lsn, '0/0')::bigint,
       pg_wal_lsn_diff(w.latest_end_lsn, '0/0')::bigint,
       CASE WHEN isfinite(w.last_msg_receipt_time)
            THEN extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time)::float8 END,
       coalesce(to_jsonb(c), '{}'),
       ARRAY(SELECT r.srrelid::regclass::text FROM pg_subscription_rel r
              WHERE r.srsubid = s.oid AND r.srsubstate <> 'r' ORDER BY 1),
       (SELECT max(extract(epoch FROM clock_timestamp() - l.waitstart))::float8
          FROM pg_locks l WHERE l.pid = w.pid AND NOT l.granted),
       pg_blocking_pids(w.pid),
       s.subpublications,
       (SELECT count(*)::int FROM pg_subscription_rel r WHERE r.srsubid = s.oid),
       ARRAY(SELECT r.srrelid::regclass::text
               FROM pg_subscription_rel r JOIN pg_class k ON k.oid = r.srrelid
              WHERE r.srsubid = s.oid AND k.relreplident <> 'f'
                AND NOT EXISTS (SELECT FROM pg_index i
                                 WHERE i.indrelid = r.srrelid AND i.indisunique AND i.indisvalid AND i.indimmediate
                                   AND i.indpred IS NULL
                                   AND CASE k.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END)
              ORDER BY 1)
  FROM pg_subscription s
  LEFT JOIN LATERAL (
    SELECT st.* FROM pg_stat_subscription st
     WHERE st.subid = s.oid AND st.relid IS NULL AND to_jsonb(st) ->> 'leader_pid' IS NULL LIMIT 1) w ON true
  LEFT JOIN pg_stat_subscription_stats c ON c.subid = s.oid
 WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
 ORDER BY 1;

-- name: beat_sent
-- on sgp: the newest beat, with the server's time
SELECT h.beat, CASE WHEN isfinite(h.beat_at) THEN h.beat_at END, NULL::timestamptz, clock_timestamp()
  FROM ponte.heartbeat h ORDER BY h.beat DESC LIMIT 1;

-- name: beat_landed
-- on the vitrine: the newest beat
SELECT h.beat, CASE WHEN isfinite(h.beat_at) THEN h.beat_at END, h.landed_at, clock_timestamp()
  FROM vitrine.heartbeat h ORDER BY h.beat DESC LIMIT 1;

-- name: beat_received
-- on a subscriber: the newest beat
SELECT h.beat, CASE WHEN isfinite(h.beat_at) THEN h.beat_at END, h.received_at, clock_timestamp()
  FROM vitrine.heartbeat h ORDER BY h.beat DESC LIMIT 1;

-- name: worker_sessions
-- how many sessions the worker has on sgp, and for how many seconds one of them has waited for a lock
SELECT count(*),
       (max(extract(epoch FROM clock_timestamp() - a.query_start))
          FILTER (WHERE a.state = 'active' AND a.wait_event_type = 'Lock'))::float8
  FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.application_name = 'ponte-worker';

-- name: feed
-- on the vitrine where SGP is a file: the feeder's sessions, why it is stopped, how long its looks take, what it could
-- not read
SELECT (SELECT count(*)::int FROM pg_stat_activity a
         WHERE a.datname = current_database() AND a.application_name = 'ponte-feeder'),
       f.fault, f.hint, f.took_seconds, (SELECT count(*)::int FROM projection.unread_values)
  FROM projection.feed f;

-- name: offline_bound
-- on a subscriber: for how many seconds its API lets people log in without word from the intranet
SELECT b.seconds FROM auth.offline_bound b;

-- name: has_key
-- on a subscriber: whether its API has the key that the worker seals passwords with; null where that is not told
SELECT auth.has_key();

-- name: error_landed
-- on the vitrine: the last error of its subscription, where its log can tell
SELECT e.age_s, e.sqlstate, e.said FROM watch.last_error() e;

-- name: error_received
-- on a subscriber: the same
SELECT e.age_s, e.sqlstate, e.said FROM guard.last_error() e;

-- name: gaps_landed
-- on the vitrine: how many times changes were lost on the way there
SELECT count(*)::int FROM projection.gaps;

-- name: gaps_received
-- on a subscriber: the same
SELECT count(*)::int FROM guard.gaps;

-- name: backlog
-- what the worker has still to do and what it could not do, in numbers
SELECT (SELECT count(*) FROM public.pedido_imagens i
         WHERE NOT EXISTS (SELECT FROM vitrine.miniaturas m WHERE m.imagem_id = i.id)),
       (SELECT coalesce(jsonb_object_agg(e.estado, e.n), '{}')
          FROM (SELECT m.estado, count(*) AS n FROM vitrine.miniaturas m GROUP BY 1) e),
       (SELECT coalesce(jsonb_object_agg(e.motivo, e.n), '{}')
          FROM (SELECT m.motivo, count(*) AS n FROM vitrine.miniaturas m
                 WHERE m.estado <> 'pronta' AND m.motivo IS NOT NULL GROUP BY 1) e),
       (SELECT count(*) FROM vitrine.usuarios u
         WHERE u.is_active AND NOT EXISTS (SELECT FROM vitrine.credenciais c WHERE c.user_id = u.id)),
       (SELECT coalesce(jsonb_object_agg(e.landing, e.n), '{}')
          FROM (SELECT d.landing, count(*) AS n FROM projection.dead_letters d GROUP BY 1) e),
       (SELECT count(*) FROM vitrine.miniaturas m
         WHERE m.imagem_id > coalesce((SELECT max(o.imagem_id) FROM vitrine.miniaturas o
                                        WHERE o.motivo IS DISTINCT FROM 'arquivo_ausente'), 0));

-- name: photos_held
-- what has stood in the photos' way since none was made, since when, for how many seconds, and how many wait
SELECT h.cause, h.since, extract(epoch FROM clock_timestamp() - h.since)::float8,
       (SELECT count(*) FROM worker.photos p WHERE p.next_at IS NOT NULL)
  FROM worker.held_up h;

-- name: applied
-- what `ponte apply` left on each endpoint, and when
SELECT f.endpoint, f.applied, f.applied_at FROM projection.fingerprints f;

-- name: unsynced
-- whether there is a table of passwords that can't be carried, and whether it may be read
SELECT to_regclass('projection.unsynced_credentials') IS NOT NULL
   AND has_table_privilege(to_regclass('projection.unsynced_credentials'), 'SELECT');

-- name: count_unsynced
-- how many passwords can't be carried, by reason
SELECT coalesce(jsonb_object_agg(e.reason, e.n), '{}')
  FROM (SELECT u.reason, count(*) AS n FROM projection.unsynced_credentials u GROUP BY 1) e;

-- name: write_measurement
-- add one to the history
INSERT INTO watch.measurements (subscriber, state, cause, as_of, age_seconds, sgp_wal_bytes, sgp_retained_bytes,
                                vitrine_wal_bytes, vitrine_retained_bytes)
VALUES (%(subscriber)s, %(state)s, %(cause)s, %(as_of)s, %(age_seconds)s, %(sgp_wal_bytes)s,
        %(sgp_retained_bytes)s, %(vitrine_wal_bytes)s, %(vitrine_retained_bytes)s);

-- name: proofs
-- what was found when each table was last compared to its end: rows that differed, since when, seconds since
SELECT p.compared, p.differing, p.seen_at, extract(epoch FROM clock_timestamp() - p.begun_at)::float8
  FROM watch.proofs p WHERE p.target = %s AND p.begun_at <= clock_timestamp();

-- name: write_proof
-- keep what was found; it is true as of when the comparison began
INSERT INTO watch.proofs AS held (target, compared, differing, seen_at, begun_at)
VALUES (%(target)s, %(compared)s, %(rows)s, %(seen_at)s, clock_timestamp() - %(ago)s * interval '1 second')
ON CONFLICT (target, compared) DO UPDATE
  SET differing = excluded.differing, seen_at = excluded.seen_at, begun_at = excluded.begun_at;

-- name: thin
-- fold what is older than a day into hours
SELECT watch.thin();

-- name: last_known
-- the newest age of a subscriber's data that was measured, carried on to now by the vitrine's clock; here as
-- everywhere below, rows dated after now were written while that clock was wrong and hide nothing
SELECT m.as_of, m.age_seconds, extract(epoch FROM clock_timestamp() - m.measured_at)::float8
  FROM watch.measurements m
 WHERE m.subscriber = %(subscriber)s AND m.age_seconds IS NOT NULL AND m.measured_at <= clock_timestamp()
 ORDER BY m.measured_at DESC LIMIT 1;

-- name: last_written
-- seconds since anything was measured
SELECT extract(epoch FROM clock_timestamp() - max(m.measured_at))::float8
  FROM watch.measurements m WHERE m.measured_at <= clock_timestamp();

-- name: recent_wal
-- how far the servers had written in the last minutes: seconds ago, and for sgp and vitrine written and kept
SELECT extract(epoch FROM clock_timestamp() - m.measured_at)::float8, m.sgp_wal_bytes, m.sgp_retained_bytes,
       m.vitrine_wal_bytes, m.vitrine_retained_bytes
  FROM watch.measurements m
 WHERE m.subscriber = %(subscriber)s
   AND m.measured_at BETWEEN clock_timestamp() - interval '10 minutes' AND clock_timestamp()
 ORDER BY m.measured_at;

-- name: day
-- the last day in pieces of so many seconds: the piece's start, the longest age, whether one was not known,
-- the worst state
SELECT to_timestamp(floor(extract(epoch FROM m.measured_at) / %(piece_s)s) * %(piece_s)s),
       max(m.age_seconds), bool_or(m.age_seconds IS NULL),
       CASE max(array_position(ARRAY['fresh', 'lagging', 'silent'], m.state))
         WHEN 1 THEN 'fresh' WHEN 2 THEN 'lagging' ELSE 'silent' END
  FROM watch.measurements m
 WHERE m.subscriber = %(subscriber)s
   AND m.measured_at BETWEEN clock_timestamp() - interval '1 day' AND clock_timestamp()
 GROUP BY 1 ORDER BY 1;

-- name: turns
-- the last changes of state or cause within a day, the newest first
SELECT t.measured_at, t.state, t.cause
  FROM (SELECT m.measured_at, m.state, m.cause,
               (lag(m.state) OVER w, lag(m.cause) OVER w) IS DISTINCT FROM (m.state, m.cause) AS turned
          FROM watch.measurements m
         WHERE m.subscriber = %(subscriber)s
           AND m.measured_at BETWEEN clock_timestamp() - interval '1 day' AND clock_timestamp()
        WINDOW w AS (ORDER BY m.measured_at)) t
 WHERE t.turned
 ORDER BY t.measured_at DESC LIMIT %(most)s;
