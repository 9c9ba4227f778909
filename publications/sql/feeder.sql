-- name: hold
-- keep every other feeder out for as long as this session lives
SELECT pg_try_advisory_lock(hashtext('ponte-feeder'));

-- name: subscriptions
-- subscriptions of this database that write landing tables
SELECT DISTINCT s.subname
  FROM pg_subscription s
  JOIN pg_subscription_rel r ON r.srsubid = s.oid
  JOIN pg_class c ON c.oid = r.srrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE s.subdbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
   AND n.nspname || '.' || c.relname = ANY (%s)
 ORDER BY 1;

-- name: columns
-- the columns of the landing tables with their types
SELECT n.nspname || '.' || c.relname, a.attname, format_type(a.atttypid, NULL)
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname || '.' || c.relname = ANY (%s);

-- name: triggers
-- those of the landing tables that the projection follows
SELECT n.nspname || '.' || c.relname
  FROM pg_trigger g
  JOIN pg_class c ON c.oid = g.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE g.tgname = 'project' AND g.tgenabled = 'A' AND n.nspname || '.' || c.relname = ANY (%s);

-- name: state
-- which file was landed last, and the newest note of changes that were lost
SELECT f.file_identity, f.file_counter, (SELECT max(g.id) FROM projection.gaps g) FROM projection.feed f;

-- name: dead
-- whether the projection has rows that failed, so that it must catch what fails
SELECT EXISTS (SELECT FROM projection.dead_letters d WHERE d.sqlstate <> %s);

-- name: begin
-- wait for nobody long; say how the projection is to work in this transaction
SELECT set_config('lock_timeout', '10s', true), set_config('ponte.projects', %s, true);

-- name: write_digests
-- remember what has landed
INSERT INTO projection.fed_rows AS held (landing, key, digest)
SELECT %(landing)s, given.key, given.digest
  FROM unnest(%(keys)s::bigint[], %(digests)s::bytea[]) AS given (key, digest)
ON CONFLICT (landing, key) DO UPDATE SET digest = excluded.digest;

-- name: forget_digests
-- forget what has gone
DELETE FROM projection.fed_rows WHERE landing = %(landing)s AND key = ANY (%(keys)s);

-- name: forget_unread
-- forget the values of rows that are written now or gone
DELETE FROM projection.unread_values WHERE landing = %(landing)s AND key = ANY (%(keys)s);

-- name: note_unread
-- remember which values could not be read
INSERT INTO projection.unread_values AS held (landing, key, columns) VALUES (%(landing)s, %(key)s, %(columns)s)
ON CONFLICT (landing, key) DO UPDATE SET columns = excluded.columns, seen_at = now();

-- name: bury
-- remember a row that can't land
INSERT INTO projection.dead_letters AS held (landing, key, sqlstate) VALUES (%(landing)s, %(key)s, %(sqlstate)s)
ON CONFLICT (landing, key) DO UPDATE
  SET sqlstate = excluded.sqlstate, attempts = held.attempts + 1, last_at = now();

-- name: unbury
-- forget those that are gone, or can land now
DELETE FROM projection.dead_letters
 WHERE landing = %(landing)s AND sqlstate = %(sqlstate)s AND key <> ALL (%(kept)s);

-- name: beat
-- say that all that SGP had committed so long ago has landed
UPDATE ponte.heartbeat
   SET beat = beat + 1, beat_at = clock_timestamp() - make_interval(secs => %(elapsed_s)s) WHERE id = 1;

-- name: first_beat
-- begin to beat, above what the window knows
INSERT INTO ponte.heartbeat (id, beat, beat_at)
VALUES (1, coalesce((SELECT max(h.beat) FROM vitrine.heartbeat h), 0) + 1,
        clock_timestamp() - make_interval(secs => %(elapsed_s)s));

-- name: close_gap
-- all rows were written anew: what was lost before is there
DELETE FROM projection.gaps WHERE id <= %s;

-- name: tell_look
-- say what was landed; a look that is not whole leaves its fault
UPDATE projection.feed SET looked_at = clock_timestamp() - make_interval(secs => %(elapsed_s)s),
       took_seconds = %(took_s)s, file_identity = %(identity)s, file_counter = %(counter)s,
       schema_version = %(schema_version)s, fault = NULL, hint = NULL, fault_at = NULL;

-- name: tell_fault
-- say why nothing is landed, and since when
UPDATE projection.feed
   SET fault = %(fault)s, hint = %(hint)s,
       fault_at = CASE WHEN fault = %(fault)s THEN fault_at ELSE clock_timestamp() END
 WHERE (fault, hint) IS DISTINCT FROM (%(fault)s, %(hint)s);
