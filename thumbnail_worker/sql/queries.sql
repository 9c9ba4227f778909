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

-- name: read_pending_imagens
-- The photos without a verdict, newest first.
SELECT i.id, i.path
FROM public.pedido_imagens AS i
WHERE NOT EXISTS (SELECT FROM vitrine.miniaturas AS m WHERE m.imagem_id = i.id)
  AND i.id <> ALL (%(deferred)s::integer[])
ORDER BY i.id DESC
LIMIT %(most)s

-- name: insert_pronta
-- Keep the first verdict: another worker may have been quicker.
INSERT INTO vitrine.miniaturas (imagem_id, estado, chave, digest, bytes, largura, altura)
VALUES (%(imagem_id)s, 'pronta', %(chave)s, %(digest)s, %(bytes)s, %(largura)s, %(altura)s)
ON CONFLICT (imagem_id) DO NOTHING

-- name: insert_falhou
-- Say why there will be no miniatura.
INSERT INTO vitrine.miniaturas (imagem_id, estado, motivo)
VALUES (%(imagem_id)s, 'falhou', %(motivo)s)
ON CONFLICT (imagem_id) DO NOTHING

-- name: delete_orphans
-- Gone from landing and window alike: while landing is emptied to be copied again, the window still has the row.
DELETE FROM vitrine.miniaturas AS m
WHERE NOT EXISTS (SELECT FROM public.pedido_imagens AS i WHERE i.id = m.imagem_id)
  AND NOT EXISTS (SELECT FROM vitrine.imagens AS w WHERE w.id = m.imagem_id)

-- name: retry_dead_letters
-- Give the projection's dead letters another try; returns how many are left.
SELECT projection.retry_dead_letters(%(most)s)
