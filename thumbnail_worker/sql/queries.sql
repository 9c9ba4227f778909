-- The worker's fixed SQL. `beat` and `read_password_hashes` run on sgp, the rest on the vitrine.

-- name: beat
-- Say that the road is open; `ponte apply` makes the row.
UPDATE ponte.heartbeat SET beat = beat + 1, beat_at = clock_timestamp() WHERE id = 1

-- name: read_password_hashes
-- All that the role may see of SGP's users.
SELECT id, password_hash FROM public."user"

-- name: listen_users
-- The projection notifies this when a user's row arrives, also when only a column outside the list changed.
LISTEN ponte_user

-- name: upsert_credenciais
-- Write only what differs: an identical row would travel to every subscriber for nothing.
INSERT INTO vitrine.credenciais AS held (user_id, salt, digest, key_id)
SELECT given.user_id, given.salt, given.digest, %(key_id)s
FROM unnest(%(user_ids)s::integer[], %(salts)s::text[], %(digests)s::bytea[]) AS given (user_id, salt, digest)
ON CONFLICT (user_id) DO UPDATE SET (salt, digest, key_id) = (excluded.salt, excluded.digest, excluded.key_id)
WHERE (held.salt, held.digest, held.key_id) IS DISTINCT FROM (excluded.salt, excluded.digest, excluded.key_id)

-- name: delete_credenciais
-- Take away those whose user is gone or has no bcrypt hash any more.
DELETE FROM vitrine.credenciais WHERE user_id <> ALL (%(user_ids)s::integer[])

-- name: retry_dead_letters
-- Give the projection's dead letters another try; returns how many are left.
SELECT projection.retry_dead_letters(%(most)s)
