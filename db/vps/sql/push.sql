-- What takes the signed push. The ingest's role, `ponte_push`, has no right on any table: it may run push.take,
-- push.find_wrong and push.position.
--
-- While a body is taken nobody else writes its tables; readers do not wait. A push waits for a lock 0.6 s, less than
-- the second after which apply would look for a deadlock: so it is always the push that gives way, and is sent again.

-- SGP itself tells a few fields of an order, and no version. Where the mirror has the order, what SGP says counts only
-- if it is newer by SGP's clock than the row and than the newest beat, and only until a beat has come that left a minute
-- later: by then the mirror has brought the change itself, or knows better (push.settle). A deletion is taken at its word.
CREATE OR REPLACE FUNCTION push.take_partial(said jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  of integer := (said ->> 'id')::integer;
  at timestamptz := coalesce((said ->> 'ultima_atualizacao')::timestamptz, '-infinity');
  held vitrine.pedidos;
  beat_at timestamptz := (SELECT max(h.beat_at) FROM vitrine.heartbeat AS h);
BEGIN
  SELECT * INTO held FROM vitrine.pedidos AS p WHERE p.id = of;
  IF (said -> 'deleted')::boolean THEN
    RETURN push.bury_partial(of, at, held);
  END IF;
  IF held.id IS NULL THEN
    IF EXISTS (SELECT FROM guard.tombstones AS t WHERE t.table_name = 'pedidos' AND t.key = of::text
                  AND greatest(t.said_at, t.buried_at) >= at) THEN
      RETURN 'dropped';
    END IF;
  ELSIF at <= held.ultima_atualizacao OR held.versao > 0 AND at <= beat_at THEN
    RETURN 'dropped';
  END IF;
  INSERT INTO push.ahead AS a (id, said_at, before)
  VALUES (of, at, CASE WHEN held.versao > 0 THEN jsonb_build_object(
    'versao', held.versao, 'numero', held.numero, 'cliente', held.cliente, 'status', held.status,
    'valor_total', held.valor_total, 'ultima_atualizacao', held.ultima_atualizacao) END)
  ON CONFLICT (id) DO UPDATE
     SET said_at = greatest(a.said_at, excluded.said_at),
         before = CASE WHEN a.before -> 'versao' = excluded.before -> 'versao' THEN a.before ELSE excluded.before END;
  IF held.id IS NULL THEN
    INSERT INTO vitrine.pedidos (id, numero, cliente, status, valor_total, ultima_atualizacao)
    VALUES (of, said ->> 'numero', coalesce(said ->> 'cliente', ''), coalesce(said ->> 'status', 'pendente'),
            (said ->> 'valor_total')::numeric, nullif(at, '-infinity'));
  ELSE
    UPDATE vitrine.pedidos AS p
       SET numero = CASE WHEN said ? 'numero' THEN said ->> 'numero' ELSE p.numero END,
           cliente = coalesce(said ->> 'cliente', p.cliente), status = coalesce(said ->> 'status', p.status),
           valor_total = coalesce((said ->> 'valor_total')::numeric, p.valor_total), ultima_atualizacao = at
     WHERE p.id = of;
  END IF;
  RETURN 'written';
END
$$;
REVOKE EXECUTE ON FUNCTION push.take_partial(jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION push.bury_partial(of integer, at timestamptz, held vitrine.pedidos) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF at < held.ultima_atualizacao THEN
    RETURN 'dropped';
  END IF;
  DELETE FROM vitrine.pedidos AS p WHERE p.id = of;
  DELETE FROM push.ahead AS a WHERE a.id = of;
  INSERT INTO guard.tombstones AS t (table_name, key, versao, said_at)
  VALUES ('pedidos', of::text, coalesce(held.versao, 0), at)
  ON CONFLICT (table_name, key) DO UPDATE
     SET versao = greatest(t.versao, excluded.versao), said_at = greatest(t.said_at, excluded.said_at),
         buried_at = excluded.buried_at;
  RETURN CASE WHEN held.id IS NULL THEN 'dropped' ELSE 'deleted' END;
END
$$;
REVOKE EXECUTE ON FUNCTION push.bury_partial(integer, timestamptz, vitrine.pedidos) FROM PUBLIC;

-- Each beat of the mirror settles what SGP had said a minute before it left: what the mirror did not bring by then is
-- as it was, and an order that it does not know is no order.
CREATE OR REPLACE FUNCTION push.settle() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  one record;
BEGIN
  FOR one IN DELETE FROM push.ahead AS a WHERE a.said_at < NEW.beat_at - interval '1 minute'
             RETURNING a.id, jsonb_populate_record(NULL::vitrine.pedidos, a.before) AS was LOOP
    UPDATE vitrine.pedidos AS p
       SET (numero, cliente, status, valor_total, ultima_atualizacao)
           = ROW((one.was).numero, (one.was).cliente, (one.was).status, (one.was).valor_total,
                 (one.was).ultima_atualizacao)
     WHERE p.id = one.id AND p.versao = (one.was).versao;
    DELETE FROM vitrine.pedidos AS p WHERE p.id = one.id AND p.versao = 0;
  END LOOP;
  PERFORM push.sweep();
  RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION push.settle() FROM PUBLIC;

CREATE OR REPLACE TRIGGER settle AFTER INSERT OR UPDATE ON vitrine.heartbeat
  FOR EACH ROW EXECUTE FUNCTION push.settle();
ALTER TABLE vitrine.heartbeat ENABLE ALWAYS TRIGGER settle;

-- Forget what is old, some at a time: deletions of three days ago, parts whose last did not come within a day, and ids
-- that were used an hour ago, when their time is long over. Whoever forgets waits for nobody who does so too.
CREATE OR REPLACE FUNCTION push.sweep() RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
  DELETE FROM guard.tombstones AS t USING (
    SELECT o.table_name, o.key FROM guard.tombstones AS o WHERE o.buried_at < now() - interval '3 days'
     LIMIT 1000 FOR UPDATE SKIP LOCKED) AS old
   WHERE t.table_name = old.table_name AND t.key = old.key;
  DELETE FROM push.parts AS p USING (
    SELECT o.source, o.part FROM push.parts AS o WHERE o.received_at < now() - interval '1 day'
     LIMIT 1000 FOR UPDATE SKIP LOCKED) AS old
   WHERE p.source = old.source AND p.part = old.part;
  DELETE FROM push.nonces AS n USING (
    SELECT o.id FROM push.nonces AS o WHERE o.used_at < now() - interval '1 hour'
     LIMIT 1000 FOR UPDATE SKIP LOCKED) AS old
   WHERE n.id = old.id
$$;
REVOKE EXECUTE ON FUNCTION push.sweep() FROM PUBLIC;

-- Whether a batch is to be taken now: NULL, or what it is instead. Positions are one source's, and the source is the
-- newest that began: what an older one still has under way is refused, and its sender told.
CREATE OR REPLACE FUNCTION push.judge(body jsonb) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  held push.positions;
BEGIN
  SELECT * INTO held FROM push.positions AS p WHERE p.source = body ->> 'source';
  IF held.source IS NOT NULL AND EXISTS (SELECT FROM push.positions AS p WHERE p.began_at > held.began_at) THEN
    RETURN 'superseded';
  ELSIF (body ->> 'position')::pg_lsn <= held.position THEN
    RETURN 'had';
  ELSIF body ->> 'after' IS NOT NULL AND (body ->> 'after')::pg_lsn IS DISTINCT FROM held.position THEN
    RETURN 'moved';
  ELSIF (body -> 'part')::integer > 0 AND NOT EXISTS (
    SELECT FROM push.parts AS p WHERE p.source = body ->> 'source' AND p.position = (body ->> 'position')::pg_lsn
       AND p.part = (body -> 'part')::integer - 1) THEN
    RETURN 'unbegun';
  END IF;
  RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION push.judge(jsonb) FROM PUBLIC;

-- How many bytes of parts may wait here, as they lie on the disk: of a first copy all rows do. A constant, since whoever
-- holds the ingest could set anything else.
CREATE OR REPLACE FUNCTION push.most_waiting() RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$ SELECT 1073741824::bigint $$;
REVOKE EXECUTE ON FUNCTION push.most_waiting() FROM PUBLIC;

-- Keep a part aside. Those that it follows are there; those that followed it are of a former try, and so are those of a
-- first copy that the same vitrine has begun anew.
CREATE OR REPLACE FUNCTION push.keep_part(body jsonb) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
  DELETE FROM push.parts AS p WHERE p.source = body ->> 'source' AND p.part >= (body -> 'part')::integer;
  DELETE FROM push.parts AS p
   WHERE p.source <> body ->> 'source' AND split_part(p.source, '/', 1) = split_part(body ->> 'source', '/', 1)
     AND NOT EXISTS (SELECT FROM push.positions AS o WHERE o.source IN (p.source, body ->> 'source'));
  INSERT INTO push.parts (source, part, "position", batch)
  VALUES (body ->> 'source', (body -> 'part')::integer, (body ->> 'position')::pg_lsn, body)
$$;
REVOKE EXECUTE ON FUNCTION push.keep_part(jsonb) FROM PUBLIC;

-- Throw a source's parts away if more wait than may; tell whether they were.
CREATE OR REPLACE FUNCTION push.shed(of text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF (SELECT sum(pg_column_size(p.batch)) FROM push.parts AS p) <= push.most_waiting() THEN
    RETURN false;
  END IF;
  DELETE FROM push.parts AS p WHERE p.source = of;
  RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION push.shed(text) FROM PUBLIC;

-- A first copy empties its tables. Deletions that are newer than all that it brings were told before a backup was put back,
-- and those that were pushed by whoever pushed then: their rows may live again.
CREATE OR REPLACE FUNCTION push.forget_deaths(last jsonb) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
  WITH body AS (
    SELECT p.batch FROM push.parts AS p
     WHERE p.source = last ->> 'source' AND p.part < (last -> 'part')::integer
    UNION ALL SELECT last
  ), newest AS (SELECT max((b.batch ->> 'seen')::bigint) AS versao FROM body AS b)
  DELETE FROM guard.tombstones AS t USING newest AS n
   WHERE (t.pushed IS NOT NULL OR t.versao > n.versao)
     AND t.table_name IN (SELECT e.key FROM body AS b, jsonb_each(b.batch -> 'tables') AS e WHERE e.value ? 'emptied')
$$;
REVOKE EXECUTE ON FUNCTION push.forget_deaths(jsonb) FROM PUBLIC;

-- Take a batch's last part after those that were kept, and advance.
CREATE OR REPLACE FUNCTION push.take_last(last jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  of text := last ->> 'source';
  known bigint := (SELECT p.versao FROM push.positions AS p WHERE p.source = of);
  counted jsonb := '{}';
  one jsonb;
BEGIN
  PERFORM push.lock_tables(ARRAY(
    SELECT jsonb_object_keys(p.batch -> 'tables') FROM push.parts AS p WHERE p.source = of
     UNION SELECT jsonb_object_keys(last -> 'tables')));
  IF known IS NULL THEN
    PERFORM push.forget_deaths(last);
  END IF;
  FOR one IN
    (SELECT p.batch FROM push.parts AS p WHERE p.source = of AND p.part < (last -> 'part')::integer ORDER BY p.part)
     UNION ALL SELECT last
  LOOP
    counted := push.take_tables(one -> 'tables', known, counted);
    known := greatest(known, (one ->> 'seen')::bigint);
  END LOOP;
  DELETE FROM push.parts AS p WHERE p.source = of;
  INSERT INTO push.positions AS p (source, "position", versao) VALUES (of, (last ->> 'position')::pg_lsn, known)
  ON CONFLICT (source) DO UPDATE SET "position" = excluded."position", versao = excluded.versao;
  RETURN counted;
END
$$;
REVOKE EXECUTE ON FUNCTION push.take_last(jsonb) FROM PUBLIC;

CREATE OR REPLACE FUNCTION push.lock_tables(names text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  one text;
BEGIN
  FOR one IN SELECT n FROM unnest(names) AS n ORDER BY n LOOP
    EXECUTE format('LOCK TABLE vitrine.%I IN SHARE ROW EXCLUSIVE MODE', one);
  END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION push.lock_tables(text[]) FROM PUBLIC;

-- Take a list that belongs to no batch: whole rows, and what SGP itself says.
CREATE OR REPLACE FUNCTION push.take_list(body jsonb) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  counted jsonb;
  one jsonb;
  became text;
BEGIN
  PERFORM push.lock_tables(ARRAY(SELECT jsonb_object_keys(body -> 'tables')));
  counted := push.take_tables(body -> 'tables', NULL, '{}');
  FOR one IN SELECT p FROM jsonb_array_elements(body -> 'partial') AS p LOOP
    became := push.take_partial(one);
    counted := push.count(counted, 'pedidos', (became = 'written')::integer, (became = 'dropped')::integer,
                          (became = 'deleted')::integer);
  END LOOP;
  RETURN counted;
END
$$;
REVOKE EXECUTE ON FUNCTION push.take_list(jsonb) FROM PUBLIC;

-- Take a body, all of it or nothing, and say what became of it: `taken`, `staged`, or why nothing was done. nonce: the
-- request's id, used up by what is done and by nothing else; NULL for one that is not signed. digest: the body's.
--
-- As with apply, readers see what was taken before a disk has it: whoever asked waits for that before he says it is done.
CREATE OR REPLACE FUNCTION push.take(nonce text, digest bytea, body jsonb, OUT became text, OUT counted jsonb)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog SET session_replication_role = 'replica' SET lock_timeout = '600ms'
SET deadlock_timeout = '100ms' SET plan_cache_mode = 'force_generic_plan' SET ponte.pushed = 'on' SET datestyle = 'ISO' SET timezone = 'UTC' SET bytea_output = 'hex' AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  PERFORM pg_advisory_xact_lock(15015015);
  IF EXISTS (SELECT FROM push.nonces AS n WHERE n.used_at < now() - interval '65 minutes') THEN
    PERFORM push.sweep();
  END IF;
  counted := '{}';
  SELECT CASE WHEN n.digest = $2 THEN 'replayed' ELSE 'reused' END INTO became FROM push.nonces AS n WHERE n.id = nonce;
  -- A batch is applied once by its position; a part that comes again may have been swept away meanwhile.
  IF body ? 'source' AND became IS DISTINCT FROM 'reused' THEN
    became := push.judge(body);
  END IF;
  IF became IS NOT NULL THEN
    RETURN;
  END IF;
  IF nonce IS NOT NULL THEN
    INSERT INTO push.nonces (id, digest) VALUES (nonce, digest) ON CONFLICT DO NOTHING;
  END IF;
  became := 'taken';
  IF NOT body ? 'source' THEN
    counted := push.take_list(body);
    RETURN;
  END IF;
  IF (body -> 'last')::boolean THEN
    counted := push.take_last(body);
    RETURN;
  END IF;
  PERFORM push.keep_part(body);
  became := CASE WHEN push.shed(body ->> 'source') THEN 'overfull' ELSE 'staged' END;
END
$$;
REVOKE EXECUTE ON FUNCTION push.take(text, bytea, jsonb) FROM PUBLIC;

-- Where in a body that could not be taken, or in the parts that it is the last of, the first wrong value stands.
CREATE OR REPLACE FUNCTION push.find_wrong(body jsonb, OUT part integer, OUT place integer, OUT field text)
RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog SET datestyle = 'ISO' SET timezone = 'UTC' AS $$
  SELECT p.part, w.place, w.field
    FROM (SELECT kept.part, kept.batch -> 'tables' AS tables FROM push.parts AS kept
           WHERE kept.source = body ->> 'source' AND kept.part < (body -> 'part')::integer
           UNION ALL SELECT (body -> 'part')::integer, body -> 'tables') AS p,
         push.find_wrong_value(p.tables) AS w
   ORDER BY p.part
   LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION push.find_wrong(jsonb) FROM PUBLIC;

-- How far this VPS has the newest source.
CREATE OR REPLACE FUNCTION push.position(OUT source text, OUT "position" pg_lsn) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT p.source, p."position" FROM push.positions AS p ORDER BY p.began_at DESC LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION push.position() FROM PUBLIC;

-- The newest version that it has told: a vitrine that has given none so new was put back from a backup.
CREATE OR REPLACE FUNCTION push.held_versao() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT p.versao FROM push.positions AS p ORDER BY p.began_at DESC LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION push.held_versao() FROM PUBLIC;
