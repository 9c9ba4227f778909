-- How a search finds what it is asked for.

-- What two texts must share to be found by one another: no accents, however composed, and no case. Of a text the
-- first 8,192 letters count: one letter may become eighteen, and apply waits for it.
CREATE OR REPLACE FUNCTION guard.fold(given text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
  SELECT lower(regexp_replace(normalize(left(given, 8192), NFKD), '[\u0300-\u036f]', '', 'g'))
$$;

-- Everything of an order that a search looks into, folded.
CREATE OR REPLACE FUNCTION guard.search_text(numero text, cliente text, cidade text, observacao text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT guard.fold(left(coalesce(numero, ''), 500) || E'\n' || left(coalesce(cliente, ''), 500) || E'\n'
                    || left(coalesce(cidade, ''), 500) || E'\n' || left(coalesce(observacao, ''), 8192))
$$;

-- Trigrams make a search quick; without the extension it only takes longer. Keeping them is half of what a new
-- order costs here, so there is one index, and who looks for a customer uses it too. Who changes one of the functions
-- above drops it by a migration: it holds what the former one gave.
DO $do$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA guard;
  CREATE INDEX IF NOT EXISTS pedidos_search ON vitrine.pedidos
    USING gin (guard.search_text(numero, cliente, cidade_cliente, observacao) guard.gin_trgm_ops);
EXCEPTION WHEN undefined_file OR feature_not_supported OR insufficient_privilege OR undefined_object THEN
  RAISE NOTICE 'pg_trgm is not to be had here: searches read the whole table';
END
$do$;
