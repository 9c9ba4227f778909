-- How the push writes: set by set, through the guard, whose log of changes, notices and cursors are the same as for
-- what replication brings.

-- Write the function that takes rows of one window table, with its columns as they are now. Rows are objects of text
-- as PostgreSQL prints it; a column that is not named stays, or takes its default. Returns how many were written: those
-- that are newer than what is there, and than what was deleted. Nobody plans how: a list of unknown length is taken
-- for a hundred rows, and the window would be read from end to end for the one that there is.
CREATE OR REPLACE FUNCTION push.install(window_table regclass, key name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $install$
DECLARE
  short name := (SELECT c.relname FROM pg_class c WHERE c.oid = window_table);
  key_type text;
  carried text;
  read text;
  given text;
  stored text;
BEGIN
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
         string_agg(format('CASE WHEN e.r ? %1$L THEN (e.r ->> %1$L)::%2$s WHEN held.%3$I IS NOT NULL THEN held.%4$I '
                           'ELSE %5$s END AS %4$I',
                           a.attname, format_type(a.atttypid, a.atttypmod), key, a.attname,
                           coalesce(pg_get_expr(d.adbin, d.adrelid), 'NULL')), ', ' ORDER BY a.attnum),
         string_agg('given.' || quote_ident(a.attname), ', ' ORDER BY a.attnum),
         string_agg('held.' || quote_ident(a.attname), ', ' ORDER BY a.attnum),
         max(format_type(a.atttypid, a.atttypmod)) FILTER (WHERE a.attname = key)
    INTO carried, read, given, stored, key_type
    FROM pg_attribute AS a
    LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attrelid = window_table AND a.attnum > 0 AND NOT a.attisdropped
     AND a.attname NOT IN ('cursor', 'received_at');
  EXECUTE format($make$
    CREATE OR REPLACE FUNCTION push.%1$I(rows jsonb) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog SET plan_cache_mode = 'force_generic_plan'
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $body$
    DECLARE
      written bigint;
    BEGIN
      WITH given AS MATERIALIZED (
        SELECT held.%8$I IS NOT NULL AS is_held, %4$s
          FROM jsonb_array_elements(rows) AS e (r)
          LEFT JOIN %2$s AS held ON held.%8$I = (e.r ->> %9$L)::%7$s
         WHERE NOT EXISTS (SELECT FROM guard.tombstones AS t
                            WHERE t.table_name = %10$L AND t.key = (e.r ->> %9$L)::%7$s::text
                              AND t.versao >= (e.r ->> 'versao')::bigint)
      ), changed AS (
        UPDATE %2$s AS held SET (%3$s) = ROW(%5$s) FROM given
         WHERE held.%8$I = given.%8$I
           AND (held.versao < given.versao
                OR held.versao = given.versao AND (%6$s) IS DISTINCT FROM (%5$s))
        RETURNING 1
      ), made AS (
        INSERT INTO %2$s (%3$s) SELECT %5$s FROM given WHERE NOT given.is_held
      )
      SELECT (SELECT count(*) FROM changed) + (SELECT count(*) FROM given WHERE NOT is_held) INTO written;
      RETURN written;
    END
    $body$ $make$, 'write_' || short, window_table, carried, read, given, stored, key_type, key, key::text, short);
  EXECUTE format('REVOKE EXECUTE ON FUNCTION push.%I(jsonb) FROM PUBLIC', 'write_' || short);
END
$install$;
REVOKE EXECUTE ON FUNCTION push.install(regclass, name) FROM PUBLIC;

-- Each window table with its key's name and type.
CREATE OR REPLACE FUNCTION push.tables() RETURNS TABLE (window_table regclass, short text, key name, key_type text)
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
  SELECT i.indrelid::regclass, c.relname::text, a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indrelid
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
   WHERE i.indisprimary AND c.relnamespace = 'vitrine'::regnamespace
$$;
REVOKE EXECUTE ON FUNCTION push.tables() FROM PUBLIC;

DO $do$
BEGIN
  PERFORM push.install(window_table, key) FROM push.tables();
END
$do$;

-- Delete rows by their keys, and remember it. Each is dead up to the newest version that its sender had told by then:
-- that is no less than any the row had, and less than any it will have, so what another road has brought since stays.
-- gone: objects of a key and perhaps of the version `seen` within the batch; seen: before it, NULL where nothing was.
CREATE OR REPLACE FUNCTION push.remove(short text, gone jsonb, seen bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  removed bigint;
  one record;
BEGIN
  SELECT * INTO STRICT one FROM push.tables() AS t WHERE t.short = $1;
  EXECUTE format('DELETE FROM %s AS held USING jsonb_to_recordset($1) AS g (key text, seen bigint) '
                 'WHERE held.%I = g.key::%s AND held.versao <= coalesce(greatest(g.seen, $2), held.versao)',
                 one.window_table, one.key, one.key_type)
    USING gone, seen;
  GET DIAGNOSTICS removed = ROW_COUNT;
  EXECUTE format('INSERT INTO guard.tombstones AS t (table_name, key, versao, pushed) '
                 'SELECT $3, g.key::%1$s::text, d.up_to, d.up_to '
                 '  FROM jsonb_to_recordset($1) AS g (key text, seen bigint), '
                 '       LATERAL (SELECT coalesce(greatest(g.seen, $2), 0) AS up_to) AS d '
                 'ON CONFLICT (table_name, key) DO UPDATE '
                 'SET versao = greatest(t.versao, excluded.versao), pushed = greatest(t.pushed, excluded.pushed), '
                 '    buried_at = excluded.buried_at', one.key_type)
    USING gone, seen, short;
  RETURN removed;
END
$$;
REVOKE EXECUTE ON FUNCTION push.remove(text, jsonb, bigint) FROM PUBLIC;

-- Empty a table of what its sender knew of. No key of it is dead: the rows that follow may be the same.
CREATE OR REPLACE FUNCTION push.empty(short text, seen bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  removed bigint;
BEGIN
  EXECUTE format('DELETE FROM vitrine.%I AS held WHERE held.versao <= coalesce($1, held.versao)', short) USING seen;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END
$$;
REVOKE EXECUTE ON FUNCTION push.empty(text, bigint) FROM PUBLIC;

-- Take what one body says of the tables; add to what is counted already. seen: as above.
CREATE OR REPLACE FUNCTION push.take_tables(tables jsonb, seen bigint, counted jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  short text;
  said jsonb;
  written bigint;
  deleted bigint;
BEGIN
  FOR short, said IN SELECT t.key, t.value FROM jsonb_each(tables) AS t ORDER BY t.key LOOP
    deleted := 0;
    IF said ? 'emptied' THEN
      deleted := push.empty(short, greatest(seen, (said ->> 'emptied')::bigint));
    END IF;
    IF said ? 'gone' THEN
      deleted := deleted + push.remove(short, said -> 'gone', seen);
    END IF;
    written := 0;
    IF said ? 'rows' THEN
      EXECUTE format('SELECT push.%I($1)', 'write_' || short) INTO written USING said -> 'rows';
    END IF;
    counted := push.count(counted, short, written, coalesce(jsonb_array_length(said -> 'rows'), 0) - written, deleted);
  END LOOP;
  RETURN counted;
END
$$;
REVOKE EXECUTE ON FUNCTION push.take_tables(jsonb, bigint, jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION push.count(counted jsonb, short text, written bigint, dropped bigint, deleted bigint)
RETURNS jsonb LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
  SELECT counted || jsonb_build_object(short, jsonb_build_object(
    'written', coalesce((counted -> short ->> 'written')::bigint, 0) + written,
    'dropped', coalesce((counted -> short ->> 'dropped')::bigint, 0) + dropped,
    'deleted', coalesce((counted -> short ->> 'deleted')::bigint, 0) + deleted))
$$;
REVOKE EXECUTE ON FUNCTION push.count(jsonb, text, bigint, bigint, bigint) FROM PUBLIC;

-- What the type of its column does not read, or a NULL where none may be: the first of a body's tables, by the place
-- that the change has in the body and the column, which is NULL for the key of a deletion.
CREATE OR REPLACE FUNCTION push.find_wrong_value(tables jsonb, OUT place integer, OUT field text) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT (t.value -> 'places' ->> (e.nth - 1)::integer)::integer AS at, a.attname::text AS name,
           e.r ->> a.attname AS said, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull
      FROM jsonb_each(tables) AS t
      JOIN push.tables() AS w ON w.short = t.key
     CROSS JOIN jsonb_array_elements(t.value -> 'rows') WITH ORDINALITY AS e (r, nth)
      JOIN pg_attribute AS a ON a.attrelid = w.window_table AND a.attnum > 0 AND e.r ? a.attname::text
     UNION ALL
    SELECT (g.value ->> 'at')::integer, NULL, g.value ->> 'key', w.key_type, true
      FROM jsonb_each(tables) AS t
      JOIN push.tables() AS w ON w.short = t.key
     CROSS JOIN jsonb_array_elements(t.value -> 'gone') AS g
     ORDER BY 1, 2
  LOOP
    CONTINUE WHEN one.said IS NULL AND NOT one.attnotnull;
    BEGIN
      IF one.said IS NOT NULL THEN
        EXECUTE format('SELECT $1::%s', one.type) USING one.said;
        CONTINUE;
      END IF;
    EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
      NULL;
    END;
    RETURN QUERY SELECT one.at, one.name;
    RETURN;
  END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION push.find_wrong_value(jsonb) FROM PUBLIC;
