-- name: hold
-- only one push to a subscriber is at work
SELECT push.hold(%s);

-- name: look
-- where the way stands
SELECT source, arrived::text, slot, is_lost, is_new, publications FROM push.look(%s);

-- name: given_versao
-- the newest version that the vitrine has given
SELECT push.given_versao(%s);

-- name: written
-- up to where the vitrine has written
SELECT pg_current_wal_lsn();

-- name: wait
-- up to where the vitrine has written, as soon as that is behind a place
SELECT push.wait(%s, %s, %s);

-- name: peek
-- what is to be sent
SELECT message FROM push.peek(%(subscriber)s, %(upto)s::pg_lsn, %(changes)s);

-- name: advance
-- let go of what arrived
SELECT push.advance(%(subscriber)s, %(upto)s::pg_lsn, %(arrived)s::pg_lsn);

-- name: begin
-- begin anew
SELECT push.begin(%s);

-- name: writers
-- who writes at this moment
SELECT x::text FROM pg_snapshot_xip(pg_current_snapshot()) AS x;

-- name: tables
-- what the publications let out, in a fixed order: columns and, in the server's words, which rows
SELECT p.schemaname, p.tablename, p.attnames::text[], p.rowfilter
  FROM pg_publication_tables p WHERE p.pubname = ANY (%s) ORDER BY 1, 2;

-- name: tell_fault
-- say why nothing goes out
SELECT push.tell_fault(%s, %s, %s, %s);

-- name: tell_copy
-- say how far a first copy has come
SELECT push.tell_copy(%s, %s, %s);

-- name: tell_beat
-- say which beat arrived
SELECT push.tell_beat(%s, %s, %s::timestamptz);
