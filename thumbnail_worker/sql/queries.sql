-- The worker's fixed SQL. `beat`, `read_password_hashes` and `read_revoked_tokens` run on sgp, the rest on
-- the vitrine.

-- name: beat
-- Say that the road is open; `ponte apply` makes the row.
UPDATE ponte.heartbeat SET beat = beat + 1, beat_at = clock_timestamp() WHERE id = 1

-- name: read_password_hashes
-- All that the role may see of SGP's users.
SELECT id, password_hash FROM public."user"

-- name: listen_users
-- The projection notifies this when a user's row arrives, also when only a column outside the list changed.
LISTEN ponte_user

-- name: read_credenciais
-- What the window has, to be compared.
SELECT user_id, salt, digest, key_id FROM vitrine.credenciais

-- name: upsert_credenciais
-- Write only what differs: an identical row would travel to every subscriber for nothing.
INSERT INTO vitrine.credenciais AS held (user_id, salt, digest, key_id, mudou_em)
SELECT given.user_id, given.salt, given.digest, %(key_id)s, CASE WHEN given.changed THEN clock_timestamp() END
FROM unnest(%(user_ids)s::integer[], %(salts)s::text[], %(digests)s::bytea[], %(changed)s::boolean[])
  AS given (user_id, salt, digest, changed)
ON CONFLICT (user_id) DO UPDATE SET (salt, digest, key_id, mudou_em)
  = (excluded.salt, excluded.digest, excluded.key_id, coalesce(excluded.mudou_em, held.mudou_em))
WHERE (held.salt, held.digest, held.key_id) IS DISTINCT FROM (excluded.salt, excluded.digest, excluded.key_id)

-- name: blank_credenciais
-- A password that was replaced by one that is no bcrypt hash: the row stays, to say that the former is void.
UPDATE vitrine.credenciais SET salt = '', digest = '', mudou_em = clock_timestamp()
WHERE user_id = ANY (%(not_bcrypt)s::integer[]) AND salt <> ''

-- name: delete_credenciais
-- Take away those whose user is gone.
DELETE FROM vitrine.credenciais
WHERE user_id <> ALL (%(user_ids)s::integer[]) AND user_id <> ALL (%(not_bcrypt)s::integer[])

-- name: upsert_unsynced
-- Remember who can't log in on the VPS, since when and why.
INSERT INTO projection.unsynced_credentials AS held (user_id, reason)
SELECT given.user_id, %(reason)s FROM unnest(%(not_bcrypt)s::integer[]) AS given (user_id)
ON CONFLICT (user_id) DO UPDATE SET (reason, seen_at) = (excluded.reason, now())
WHERE held.reason <> excluded.reason

-- name: delete_unsynced
-- Forget those who can.
DELETE FROM projection.unsynced_credentials WHERE user_id <> ALL (%(not_bcrypt)s::integer[])

-- name: read_revoked_tokens
-- SGP's logouts but for those long past; a text that is no date counts.
SELECT token, expires_at FROM public.revoked_tokens
WHERE expires_at >= %(since)s OR expires_at !~ '^\d{4}-\d\d-\d\d'

-- name: listen_revocations
-- The projection notifies this when a revoked token's row arrives.
LISTEN ponte_revogacao

-- name: insert_revogacoes
-- A digest never changes.
INSERT INTO vitrine.revogacoes (digest, expira_em)
SELECT * FROM unnest(%(digests)s::bytea[], %(ends)s::timestamptz[])
ON CONFLICT (digest) DO NOTHING

-- name: delete_revogacoes
-- A token that has ended by itself needs no digest.
DELETE FROM vitrine.revogacoes WHERE expira_em <= %(now)s

-- name: retry_dead_letters
-- Give the projection's dead letters another try; returns how many are left.
SELECT projection.retry_dead_letters(%(most)s)
