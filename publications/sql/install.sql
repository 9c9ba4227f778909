-- name: left
-- whether anything of ours is left in SGP: a slot, publications, the schema, roles
SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %(slot)s)
    OR EXISTS (SELECT FROM pg_publication WHERE pubname = ANY (%(publications)s))
    OR EXISTS (SELECT FROM pg_namespace WHERE nspname = ANY (%(schemas)s))
    OR EXISTS (SELECT FROM pg_roles WHERE rolname = ANY (%(roles)s));

-- name: end_sender
-- end whoever reads our slot
SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %(slot)s AND active;

-- name: drop_slot
-- drop our slot, which nobody reads: the WAL that it keeps is free
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %(slot)s AND NOT active;

-- name: has_slot
-- whether our slot is there
SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %(slot)s);

-- name: existing_roles
-- those of some roles that exist
SELECT rolname::text FROM pg_roles WHERE rolname = ANY (%(roles)s) ORDER BY rolname;

-- name: patience
-- SGP's own work goes first
SET LOCAL lock_timeout = '3s';

-- name: subscribed
-- whether a subscription of this database is there
SELECT EXISTS (SELECT FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid
                WHERE d.datname = current_database() AND s.subname = %(subscription)s);

-- name: verifiers
-- what the server keeps of the passwords of some roles
SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = ANY (%(roles)s) ORDER BY rolname;

-- name: was_fed
-- whether a feeder has landed SGP's file here
SELECT EXISTS (SELECT FROM projection.feed WHERE file_identity IS NOT NULL);

-- name: forget_fed
-- a row that replication changes is not what a feeder remembers of it
DELETE FROM projection.fed_rows;

-- name: forget_unread_values
-- they were the file's
DELETE FROM projection.unread_values;

-- name: forget_file
-- no file is landed here any more
UPDATE projection.feed
   SET looked_at = NULL, took_seconds = NULL, file_identity = NULL, file_counter = NULL, schema_version = NULL,
       fault = NULL, hint = NULL, fault_at = NULL;

-- name: sequences
-- the number that each column with a sequence would get next
SELECT n.nspname::text, c.relname::text, a.attname::text, s.seq::text,
       coalesce(pg_sequence_last_value(s.seq) + q.seqincrement, q.seqstart)
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 CROSS JOIN LATERAL (
       SELECT pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname)::regclass AS seq) AS s
  JOIN pg_sequence AS q ON q.seqrelid = s.seq
 WHERE c.relkind = 'r' AND n.nspname = 'public'
 ORDER BY 1, 2;
