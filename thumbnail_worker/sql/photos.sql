-- The photos' queue and manifest, on the vitrine.

-- name: listen_photos
-- The queue's trigger notifies this when a photo arrives.
LISTEN ponte_imagem

-- name: claim_photos
-- Take the newest whose turn it is and that nobody holds; several workers pass each other by.
WITH due AS (
  SELECT p.imagem_id FROM worker.photos AS p
  WHERE p.next_at <= clock_timestamp() AND (p.claimed_until IS NULL OR p.claimed_until <= clock_timestamp())
  ORDER BY p.imagem_id DESC LIMIT %(most)s
  FOR UPDATE SKIP LOCKED
), mine AS (
  UPDATE worker.photos AS p
  SET claimed_by = %(worker)s, claimed_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
  FROM due WHERE p.imagem_id = due.imagem_id
  RETURNING p.imagem_id, p.next_at, p.attempts, p.strikes
)
SELECT mine.imagem_id, mine.next_at, mine.attempts, mine.strikes, i.id IS NOT NULL, i.path,
       CASE WHEN m.estado = 'falhou' AND m.motivo <> 'recusada'
             AND m.codificador = CASE WHEN m.motivo = ANY (%(by_limit)s::text[]) THEN %(limited)s
                                      ELSE %(codificador)s END
            THEN m.digest END,
       CASE WHEN m.estado = 'pronta' THEN m.digest END
FROM mine
LEFT JOIN public.pedido_imagens AS i ON i.id = mine.imagem_id
LEFT JOIN vitrine.miniaturas AS m ON m.imagem_id = mine.imagem_id
ORDER BY mine.imagem_id DESC

-- name: renew_claims
-- Keep claims for another lease.
UPDATE worker.photos SET claimed_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE imagem_id = ANY (%(imagem_ids)s::integer[]) AND claimed_by = %(worker)s

-- name: hold_claim
-- Lock a claim for the length of a transaction, if it is still ours.
SELECT 1 FROM worker.photos WHERE imagem_id = %(imagem_id)s AND claimed_by = %(worker)s FOR UPDATE

-- name: write_verdict
-- Write only what differs: an identical row would travel to every subscriber for nothing. One that is made is
-- proof that nothing stands in the way of all.
WITH free AS (DELETE FROM worker.held_up WHERE %(estado)s = 'pronta')
INSERT INTO vitrine.miniaturas AS held
  (imagem_id, estado, chave, digest, bytes, largura, altura, motivo, codificador)
VALUES (%(imagem_id)s, %(estado)s, %(chave)s, %(digest)s, %(bytes)s, %(largura)s, %(altura)s, %(motivo)s,
        %(codificador)s)
ON CONFLICT (imagem_id) DO UPDATE SET
  (estado, chave, digest, bytes, largura, altura, motivo, codificador) =
  (excluded.estado, excluded.chave, excluded.digest, excluded.bytes, excluded.largura, excluded.altura,
   excluded.motivo, excluded.codificador)
WHERE (held.estado, held.chave, held.digest, held.bytes, held.largura, held.altura, held.motivo,
       held.codificador)
  IS DISTINCT FROM
      (excluded.estado, excluded.chave, excluded.digest, excluded.bytes, excluded.largura, excluded.altura,
       excluded.motivo, excluded.codificador)

-- name: settle_photo
-- Take it off the queue, unless its turn has come again since it was claimed.
UPDATE worker.photos
SET next_at = CASE WHEN next_at = %(turn)s THEN NULL ELSE next_at END,
    claimed_by = NULL, claimed_until = NULL, attempts = 0, strikes = 0, seen = %(seen)s
WHERE imagem_id = %(imagem_id)s AND claimed_by = %(worker)s

-- name: postpone_photo
-- Try it again later, whoever has time then.
UPDATE worker.photos
SET next_at = clock_timestamp() + make_interval(secs => %(seconds)s), attempts = attempts + 1,
    strikes = strikes + %(strikes)s,
    claimed_by = NULL, claimed_until = NULL
WHERE imagem_id = %(imagem_id)s AND claimed_by = %(worker)s

-- name: hold_up
-- Say that what stood in a photo's way may stand in the way of all; since when stays until one is made.
INSERT INTO worker.held_up AS held (cause) VALUES (%(cause)s)
ON CONFLICT (id) DO UPDATE SET cause = excluded.cause WHERE held.cause <> excluded.cause

-- name: free_idle
-- With nothing to do, nothing is held up.
DELETE FROM worker.held_up WHERE NOT EXISTS (SELECT FROM worker.photos WHERE next_at IS NOT NULL)

-- name: release_claims
-- Let go of all that a worker holds.
UPDATE worker.photos SET claimed_by = NULL, claimed_until = NULL WHERE claimed_by = %(worker)s

-- name: delete_orphans
-- Gone from landing and window alike: while landing is emptied to be copied again, the window still has the row.
DELETE FROM vitrine.miniaturas AS m
WHERE NOT EXISTS (SELECT FROM public.pedido_imagens AS i WHERE i.id = m.imagem_id)
  AND NOT EXISTS (SELECT FROM vitrine.imagens AS w WHERE w.id = m.imagem_id)

-- name: forget_photos
-- The same for the queue.
DELETE FROM worker.photos AS p
WHERE NOT EXISTS (SELECT FROM public.pedido_imagens AS i WHERE i.id = p.imagem_id)
  AND NOT EXISTS (SELECT FROM vitrine.imagens AS w WHERE w.id = p.imagem_id)

-- name: queue_missing
-- Photos that the trigger could not queue, and those off the queue that have no verdict.
INSERT INTO worker.photos AS held (imagem_id, next_at)
SELECT w.id, clock_timestamp() FROM vitrine.imagens AS w
WHERE NOT EXISTS (SELECT FROM worker.photos AS p WHERE p.imagem_id = w.id AND p.next_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM vitrine.miniaturas AS m WHERE m.imagem_id = w.id)
ON CONFLICT (imagem_id) DO UPDATE SET next_at = excluded.next_at, attempts = 0
WHERE held.next_at IS NULL

-- name: queue_other_recipes
-- A good miniatura is made again when the recipe is another one, a bad photo also when the decoder is.
UPDATE worker.photos AS p SET next_at = clock_timestamp(), attempts = 0
FROM vitrine.miniaturas AS m
WHERE m.imagem_id = p.imagem_id AND p.next_at IS NULL
  AND CASE m.estado
        WHEN 'pronta' THEN split_part(coalesce(m.codificador, ''), ' ', 1) <> %(recipe)s
        ELSE m.codificador IS DISTINCT FROM
             CASE WHEN m.motivo = ANY (%(by_limit)s::text[]) THEN %(limited)s ELSE %(codificador)s END
      END

-- name: queue_refused
-- What the storage would not take: its limit may be another one by now.
UPDATE worker.photos AS p SET next_at = clock_timestamp(), attempts = 0
FROM vitrine.miniaturas AS m
WHERE m.imagem_id = p.imagem_id AND p.next_at IS NULL AND m.estado = 'falhou' AND m.motivo = 'recusada'

-- name: read_condemned
-- Photos off the queue that have no miniatura, with their file's marks as they were.
SELECT p.imagem_id, i.path, p.seen
FROM worker.photos AS p
JOIN vitrine.miniaturas AS m ON m.imagem_id = p.imagem_id AND m.estado = 'falhou'
JOIN public.pedido_imagens AS i ON i.id = p.imagem_id
WHERE p.next_at IS NULL

-- name: queue_photos
-- Have these made now.
INSERT INTO worker.photos AS held (imagem_id, next_at)
SELECT given, clock_timestamp() FROM unnest(%(imagem_ids)s::integer[]) AS given
ON CONFLICT (imagem_id) DO UPDATE SET next_at = excluded.next_at, attempts = 0

-- name: count_photos
-- How the photos stand.
SELECT
  (SELECT count(*) FROM worker.photos WHERE next_at IS NOT NULL),
  (SELECT extract(epoch FROM clock_timestamp() - min(queued_at)) FROM worker.photos WHERE next_at IS NOT NULL),
  (SELECT count(*) FROM vitrine.miniaturas WHERE estado = 'pronta'),
  (SELECT jsonb_object_agg(motivo, n) FROM (
     SELECT coalesce(motivo, '') AS motivo, count(*) AS n FROM vitrine.miniaturas WHERE estado <> 'pronta' GROUP BY 1
   ) AS failed)
