-- name: at_work
-- whether nothing of a slot is unsent, or its reader is at work: it has been there for a while
SELECT 1 FROM pg_replication_slots AS s LEFT JOIN pg_stat_replication AS r ON r.pid = s.active_pid
 WHERE s.slot_name = %(slot)s
   AND (s.confirmed_flush_lsn >= pg_current_wal_lsn()
        OR r.backend_start < clock_timestamp() - interval '3 s' AND r.state = 'streaming');

-- name: relations
-- how the next changes of a slot describe their tables, in pgoutput's own bytes
SELECT p.data
  FROM pg_logical_slot_peek_binary_changes(%(slot)s, NULL, %(most)s, 'proto_version', '1',
                                           'publication_names', %(publications)s) AS p
 WHERE get_byte(p.data, 0) = ascii('R');

-- name: types
-- the types that every server has
SELECT t.oid::int, format_type(t.oid, NULL) FROM pg_type AS t
 WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b';
