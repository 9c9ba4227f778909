-- name: take
-- take a body, all or nothing
SELECT became, counted FROM push.take(%(nonce)s::text, %(digest)s::bytea, %(body)s::jsonb);

-- name: keep
-- wait until a disk has all that was taken
SELECT pg_logical_emit_message(true, 'ponte', '');

-- name: find_wrong
-- the first value that its column can't hold, and where its change stands
SELECT part, place, field FROM push.find_wrong(%(body)s::jsonb);

-- name: position
-- how far the newest source has come, and the newest version that it has told
SELECT source, "position"::text, push.held_versao() FROM push.position();
