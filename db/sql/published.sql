-- name: published
-- all that decides what leaves this database, a row a table, in a fixed order
SELECT p.pubname, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.puballtables,
       coalesce(n.nspname, ''), coalesce(c.relname, ''),
       coalesce((SELECT string_agg(a.attname, ',' ORDER BY a.attname) FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum = ANY (r.prattrs::int2[])), '*'),
       coalesce(pg_get_expr(r.prqual, r.prrelid), ''),
       coalesce((SELECT string_agg(a.attname, ',' ORDER BY a.attname)
                   FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                  WHERE i.indrelid = c.oid
                    AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'd' THEN i.indisprimary END),
                c.relreplident::text, '')
  FROM pg_publication p
  LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid
  LEFT JOIN pg_class c ON c.oid = r.prrelid
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
 ORDER BY p.pubname, n.nspname, c.relname;

-- name: applied
-- what apply left on an endpoint, who its push is, and what is published: {} is the question before
SELECT f.applied, w.source, (SELECT coalesce(json_agg(row_to_json(p)), '[]') FROM ({}) AS p)::text
  FROM push.look(%(subscriber)s) AS w, projection.fingerprints AS f WHERE f.endpoint = %(endpoint)s;

-- name: write_applied
-- what apply left on an endpoint
INSERT INTO projection.fingerprints (endpoint, applied, applied_at)
VALUES (%(endpoint)s, %(fingerprint)s, now())
ON CONFLICT (endpoint) DO UPDATE SET applied = excluded.applied, applied_at = excluded.applied_at;

-- name: write_seen
-- what is there now, and whether that is what apply left
UPDATE projection.fingerprints SET seen = %(fingerprint)s, seen_at = now()
 WHERE endpoint = %(endpoint)s
RETURNING applied = seen;
