-- Reconciliation, on the vitrine.

-- name: read_photos
-- Every photo that a row, the queue or the manifest knows.
SELECT coalesce(w.id, m.imagem_id), i.path, w.id IS NOT NULL OR i.id IS NOT NULL,
       p.next_at IS NOT NULL, p.seen, m.estado, m.chave, m.bytes
FROM vitrine.imagens AS w
FULL JOIN vitrine.miniaturas AS m ON m.imagem_id = w.id
LEFT JOIN public.pedido_imagens AS i ON i.id = coalesce(w.id, m.imagem_id)
LEFT JOIN worker.photos AS p ON p.imagem_id = coalesce(w.id, m.imagem_id)
ORDER BY 1

-- name: withdraw_verdicts
-- Announce no longer what the storage does not hold, unless that has changed since it was compared.
DELETE FROM vitrine.miniaturas AS m
USING unnest(%(imagem_ids)s::integer[], %(chaves)s::text[]) AS lost (imagem_id, chave)
WHERE m.imagem_id = lost.imagem_id AND m.chave = lost.chave
  AND NOT EXISTS (SELECT FROM worker.photos AS p WHERE p.imagem_id = m.imagem_id AND p.next_at IS NOT NULL)
RETURNING m.imagem_id

-- name: count_announced
-- The photos whose objects are looked for.
SELECT count(*) FROM vitrine.miniaturas AS m
WHERE m.chave IS NOT NULL
  AND NOT EXISTS (SELECT FROM worker.photos AS p WHERE p.imagem_id = m.imagem_id AND p.next_at IS NOT NULL)

-- name: remember_leftovers
-- The first phase: written down, and left where they are.
INSERT INTO worker.leftovers (chave) SELECT unnest(%(keys)s::text[]) ON CONFLICT (chave) DO NOTHING

-- name: forget_leftovers
-- What is no leftover any more gets its full grace when it is one again.
DELETE FROM worker.leftovers WHERE chave <> ALL (%(keys)s::text[])

-- name: read_leftovers
-- The second phase: those that were found long enough ago.
SELECT chave FROM worker.leftovers
WHERE found_at <= clock_timestamp() - make_interval(secs => %(grace_s)s) ORDER BY chave

-- name: hold_photo
-- Keep every worker from a photo for the length of a transaction: claims pass over a row that is locked.
SELECT 1 FROM worker.photos WHERE imagem_id::text = split_part(%(key)s, '/', 1) FOR UPDATE

-- name: is_leftover
-- Look again at the moment of deletion: it is named as only we name objects (`is_ours`), no verdict names
-- it or a rendition beside it, and nobody makes it.
SELECT 1
WHERE %(key)s ~ '^[1-9][0-9]{0,9}/[0-9a-f]{16}-w[0-9]+-[0-9]{2,4}\.webp$'
  AND NOT EXISTS (
    SELECT FROM vitrine.miniaturas AS m
    WHERE m.imagem_id::text = split_part(%(key)s, '/', 1)
      AND (m.chave = %(key)s
           OR (regexp_replace(m.chave, '-[0-9]+\.webp$', '') = regexp_replace(%(key)s, '-[0-9]+\.webp$', '')
               AND substring(%(key)s FROM '-([0-9]+)\.webp$') = ANY (%(long_edges)s::text[]))))
  AND NOT EXISTS (
    SELECT FROM worker.photos AS p
    WHERE p.imagem_id::text = split_part(%(key)s, '/', 1) AND p.next_at IS NOT NULL)

-- name: forget_leftover
-- It is gone.
DELETE FROM worker.leftovers WHERE chave = %(key)s
