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
-- Announce no longer what the storage does not hold.
DELETE FROM vitrine.miniaturas WHERE imagem_id = ANY (%(imagem_ids)s::integer[])

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
-- Look again at the moment of deletion: no verdict names it or a rendition beside it, and nobody makes it.
SELECT 1
WHERE NOT EXISTS (
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
