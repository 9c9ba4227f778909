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
