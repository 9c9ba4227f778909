-- The projection: row triggers on the landing tables that keep the window. They fire ALWAYS, inside the
-- apply worker and the initial copy: a value that can't be read becomes NULL and a word in `avisos`, a row that
-- can't be written at all is remembered in `projection.dead_letters` and tried again. An update that changes nothing
-- for the window writes nothing. `ponte apply` attaches them.
--
-- A block that catches errors is a subtransaction, and a walsender keeps memory for each of them that writes until
-- the whole transaction is sent. So apply projects *freely*: what can't be read is known before it is read, and
-- nothing is caught. Where something fails all the same, such as a constraint that somebody added by hand, apply
-- ends and begins anew with the same transaction; it then finds a failure more than it knew of, and projects that
-- transaction *guarded*, row by row, so that what fails is buried and all else goes on. Guarded it stays while any
-- dead letter is there. Whoever else writes to a landing table is guarded.
--
-- A statement costs more to begin than an order costs to project. So a transaction's first row is projected at once,
-- and of those that follow the keys are noted: they are projected some hundreds at a time, when they are enough and at
-- the transaction's end, each as it stands by then (docs/adr/0038).

CREATE OR REPLACE FUNCTION projection.bury(landing oid, key bigint, state text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO projection.dead_letters AS held (landing, key, sqlstate)
  VALUES ($1::regclass::text, $2, $3)
  ON CONFLICT ON CONSTRAINT dead_letters_pkey DO UPDATE
    SET sqlstate = excluded.sqlstate, attempts = held.attempts + 1, last_at = now();
END
$$;

-- Tell whether this session must catch what fails. The answer lasts for the session where it is no.
CREATE OR REPLACE FUNCTION projection.is_guarded() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  CASE current_setting('ponte.projects', true)
    WHEN 'freely' THEN RETURN false;
    WHEN 'guarded' THEN RETURN true;
    ELSE
  END CASE;
  IF current_setting('session_replication_role') <> 'replica' OR projection.has_failed()
     OR EXISTS (SELECT FROM projection.dead_letters) THEN
    PERFORM set_config('ponte.projects', 'guarded', true);
    RETURN true;
  END IF;
  PERFORM set_config('ponte.projects', 'freely', false);
  RETURN false;
END
$$;

-- Tell whether a worker of ours has failed since this was last asked with success: what is noted here stays only if
-- the transaction that asks does. Where another transaction is asking, it notes.
CREATE OR REPLACE FUNCTION projection.has_failed() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  errors bigint := (
    SELECT coalesce(sum(s.apply_error_count + s.sync_error_count), 0)
      FROM pg_subscription AS p
      JOIN pg_stat_subscription_stats AS s ON s.subid = p.oid
     WHERE p.subdbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()));
BEGIN
  IF errors = (SELECT f.counted FROM projection.failures AS f) THEN
    RETURN false;
  END IF;
  PERFORM FROM projection.failures FOR UPDATE SKIP LOCKED;
  IF FOUND THEN
    UPDATE projection.failures AS f SET counted = errors;
  END IF;
  RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION projection.has_failed() FROM public;

-- Bring the window in line with some rows of a landing table: show those that are there, take out those that are not.
-- `same` are those whose large values are as the window shows them, `gone` those that may not be there. Planned once,
-- and for tables of any size: a session may begin on empty ones.
CREATE OR REPLACE FUNCTION projection.project(landing text, keys bigint[], same bigint[], gone bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  letters boolean := EXISTS (SELECT FROM projection.dead_letters AS d WHERE d.landing = project.landing);
BEGIN
  CASE landing
    WHEN 'public.pedidos' THEN
      DELETE FROM vitrine.pedidos AS w
       WHERE w.id = ANY (gone) AND NOT EXISTS (SELECT FROM public.pedidos AS l WHERE l.id = w.id);
      IF gone <> '{}' THEN
        PERFORM projection.forget_cleaned(gone);
      END IF;
      -- Where a row failed, the window may not show what was there before.
      PERFORM projection.show_pedidos(keys, CASE WHEN letters THEN '{}' ELSE same END);
    WHEN 'public.pedido_imagens' THEN
      DELETE FROM vitrine.imagens AS w
       WHERE w.id = ANY (gone) AND NOT EXISTS (SELECT FROM public.pedido_imagens AS l WHERE l.id = w.id);
      PERFORM projection.show_pedido_imagens(keys);
    WHEN 'public."user"' THEN
      DELETE FROM vitrine.usuarios AS w
       WHERE w.id = ANY (gone) AND NOT EXISTS (SELECT FROM public."user" AS l WHERE l.id = w.id);
      PERFORM projection.show_user(keys);
    WHEN 'ponte.heartbeat' THEN
      PERFORM projection.show_heartbeat(keys);
    ELSE
      NULL;  -- nothing of it is shown
  END CASE;
  IF letters THEN
    DELETE FROM projection.dead_letters AS d WHERE d.landing = project.landing AND d.key = ANY (keys);
  END IF;
END
$$;

-- The same of one row, which is buried where that fails.
CREATE OR REPLACE FUNCTION projection.project_again(landing text, key bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  -- Whoever changes the row has shown it or will: what is read here is not older than what the window has.
  EXECUTE format('SELECT FROM %s AS l WHERE l.id = $1 FOR UPDATE', landing::regclass) USING key;
  PERFORM projection.project(landing, ARRAY[key], '{}', ARRAY[key]);
EXCEPTION WHEN OTHERS THEN
  PERFORM projection.bury(landing::regclass, key, SQLSTATE);
END
$$;

-- Tell whether a row of a landing table is its transaction's first, and projected freely.
CREATE OR REPLACE FUNCTION projection.is_first(landing oid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  RETURN coalesce(current_setting('ponte.noted_' || landing, true), '') = ''
     AND (current_setting('ponte.projects', true) = 'freely' OR NOT projection.is_guarded());
END
$$;

-- Do for a row of a landing table what its trigger is for; `same` tells that its large values are as they were.
CREATE OR REPLACE FUNCTION projection.note(landing oid, old_key bigint, new_key bigint, same boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  name text := landing::regclass::text;
  setting text := 'ponte.noted_' || landing;
  noted text := coalesce(current_setting(setting, true), '');
  gone bigint := CASE WHEN old_key <> new_key OR new_key IS NULL THEN old_key END;
BEGIN
  IF current_setting('ponte.projects', true) IS DISTINCT FROM 'freely' AND projection.is_guarded() THEN
    IF gone IS NOT NULL THEN
      PERFORM projection.project_again(name, gone);
    END IF;
    IF new_key IS NOT NULL THEN
      PERFORM projection.project_again(name, new_key);
    END IF;
    RETURN;
  END IF;
  IF noted = '' THEN
    PERFORM set_config(setting, '-', true);
    PERFORM projection.project(name, array_remove(ARRAY[gone, new_key], NULL),
                               CASE WHEN same THEN ARRAY[new_key] ELSE '{}' END, array_remove(ARRAY[gone], NULL));
    RETURN;
  END IF;
  PERFORM set_config(setting, concat(CASE WHEN noted <> '-' THEN noted END, gone || 'g,',
                                     new_key || CASE WHEN same THEN 's,' ELSE 'x,' END), true);
  IF noted = '-' THEN
    INSERT INTO projection.batches (landing) VALUES (note.landing);  -- whose trigger waits for the end
  ELSIF octet_length(noted) > 4000 THEN
    PERFORM projection.project_noted(landing);
  END IF;
END
$$;

-- Project what this transaction has noted and not projected yet.
CREATE OR REPLACE FUNCTION projection.project_noted(landing oid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  setting text := 'ponte.noted_' || landing;
  noted text := coalesce(current_setting(setting, true), '');
  keys bigint[];
  same bigint[];
  gone bigint[];
BEGIN
  IF noted IN ('', '-', ',') THEN
    RETURN;
  END IF;
  SELECT array_agg(n.key), coalesce(array_agg(n.key) FILTER (WHERE n.same), '{}'),
         coalesce(array_agg(n.key) FILTER (WHERE n.gone), '{}') INTO keys, same, gone
    FROM (SELECT left(t.entry, -1)::bigint AS key, bool_and(right(t.entry, 1) = 's') AS same,
                 bool_or(right(t.entry, 1) = 'g') AS gone
            FROM string_to_table(btrim(noted, ','), ',') AS t (entry) GROUP BY 1) AS n;
  PERFORM set_config(setting, ',', true);
  PERFORM projection.project(landing::regclass::text, keys, same, gone);
END
$$;

CREATE OR REPLACE FUNCTION projection.end_batch() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM projection.project_noted(NEW.landing);
  PERFORM set_config('ponte.noted_' || NEW.landing, '-', true);
  DELETE FROM projection.batches AS b WHERE b.id = NEW.id;
  RETURN NULL;
END
$$;

-- Not on the landing tables: one for which a trigger waits can't be truncated.
DROP TRIGGER IF EXISTS end_batch ON projection.batches;
CREATE CONSTRAINT TRIGGER end_batch AFTER INSERT ON projection.batches
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION projection.end_batch();
ALTER TABLE projection.batches ENABLE ALWAYS TRIGGER end_batch;

-- A word in `avisos` for a value that was there and could not be read.
CREATE OR REPLACE FUNCTION projection.unread(field text, given text, got anyelement) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN got IS NULL AND NOT projection.is_blank(given) THEN field || '_ilegivel' END;
END
$$;

-- What the window shows of some orders. It alone knows: the window is written from it, and who proves the window
-- compares with it. An order's items are read only where they changed; the empty path makes a large list a new value,
-- which also travels to a subscriber whose filter the order enters.
CREATE OR REPLACE FUNCTION projection.shape_pedidos(keys bigint[], same bigint[] DEFAULT '{}')
RETURNS TABLE (
  id integer, numero text, cliente text, status text, prioridade text, data_entrada date, data_entrega date,
  cidade_cliente text, estado_cliente text, telefone_cliente text, valor_total numeric, valor_frete numeric,
  valor_itens numeric, observacao text, forma_envio text, financeiro boolean, conferencia boolean, sublimacao boolean,
  costura boolean, expedicao boolean, pronto boolean, sublimacao_maquina text, sublimacao_data_impressao text,
  items jsonb, data_criacao timestamptz, ultima_atualizacao timestamptz, avisos text[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT l.id, projection.cut_line(l.numero), coalesce(projection.cut_line(l.cliente), ''),
         coalesce(v.status, 'pendente'),
         CASE WHEN upper(btrim(left(l.prioridade, 1000))) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END,
         v.data_entrada, v.data_entrega, v.city[1], v.city[2], projection.cut_line(l.telefone_cliente),
         v.valor_total, v.valor_frete, v.valor_itens, projection.cut_note(l.observacao),
         projection.cut_line(l.forma_envio), coalesce(l.financeiro, false), coalesce(l.conferencia, false),
         coalesce(l.sublimacao, false), coalesce(l.costura, false), coalesce(l.expedicao, false),
         coalesce(l.pronto, false), projection.cut_line(l.sublimacao_maquina),
         projection.cut_line(l.sublimacao_data_impressao),
         CASE WHEN h.id IS NOT NULL THEN h.items #> '{}' ELSE coalesce(q.items, '[]') END,
         projection.to_utc(l.data_criacao), projection.to_utc(l.ultima_atualizacao),
         array_remove(ARRAY[
           CASE WHEN v.status IS NULL THEN 'status_desconhecido' END,
           projection.unread('data_entrada', l.data_entrada, v.data_entrada),
           projection.unread('data_entrega', l.data_entrega, v.data_entrega),
           projection.unread('valor_total', l.valor_total, v.valor_total),
           projection.unread('valor_frete', l.valor_frete, v.valor_frete),
           projection.unread('valor_itens', l.valor_itens, v.valor_itens)], NULL)
         || i.avisos
         || CASE WHEN 'texto_cortado' <> ALL (i.avisos) AND projection.is_cut(
                l.observacao, l.numero, l.cliente, l.cidade_cliente, l.telefone_cliente, l.forma_envio,
                l.sublimacao_maquina, l.sublimacao_data_impressao)
              THEN '{texto_cortado}'::text[] ELSE '{}' END
    FROM unnest(keys) AS k (key)
    JOIN public.pedidos AS l ON l.id = k.key
   CROSS JOIN LATERAL (
     SELECT projection.parse_status(l.status) AS status, projection.split_city(l.cidade_cliente) AS city,
            projection.parse_date(l.data_entrada) AS data_entrada, projection.parse_date(l.data_entrega) AS data_entrega,
            projection.parse_money(l.valor_total) AS valor_total, projection.parse_money(l.valor_frete) AS valor_frete,
            projection.parse_money(l.valor_itens) AS valor_itens OFFSET 0) AS v
    LEFT JOIN vitrine.pedidos AS h
      ON h.id = l.id AND l.id = ANY (same) AND coalesce(left(l.items, 1), chr(29)) = chr(29)
   CROSS JOIN LATERAL (
     SELECT CASE WHEN h.id IS NULL THEN projection.landed(l.items) END AS list OFFSET 0) AS p
   CROSS JOIN LATERAL (
     SELECT projection.say_words(split_part(substr(coalesce(p.list, left(l.items, 16)), 6, 4), '[', 1)) AS avisos
     OFFSET 0) AS i
   CROSS JOIN LATERAL projection.show_list(substr(p.list, strpos(p.list, '['))::jsonb, l.id) AS q;
END
$$;

CREATE OR REPLACE FUNCTION projection.show_pedidos(keys bigint[], same bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO vitrine.pedidos AS held (
    id, numero, cliente, status, prioridade, data_entrada, data_entrega, cidade_cliente, estado_cliente,
    telefone_cliente, valor_total, valor_frete, valor_itens, observacao, forma_envio, financeiro, conferencia,
    sublimacao, costura, expedicao, pronto, sublimacao_maquina, sublimacao_data_impressao, items, data_criacao,
    ultima_atualizacao, avisos)
  SELECT s.id, s.numero, s.cliente, s.status, s.prioridade, s.data_entrada, s.data_entrega, s.cidade_cliente,
         s.estado_cliente, s.telefone_cliente, s.valor_total, s.valor_frete, s.valor_itens, s.observacao,
         s.forma_envio, s.financeiro, s.conferencia, s.sublimacao, s.costura, s.expedicao, s.pronto,
         s.sublimacao_maquina, s.sublimacao_data_impressao, s.items, s.data_criacao, s.ultima_atualizacao, s.avisos
    FROM projection.shape_pedidos(keys, same) AS s
  ON CONFLICT (id) DO UPDATE SET (
    numero, cliente, status, prioridade, data_entrada, data_entrega, cidade_cliente, estado_cliente, telefone_cliente,
    valor_total, valor_frete, valor_itens, observacao, forma_envio, financeiro, conferencia, sublimacao, costura,
    expedicao, pronto, sublimacao_maquina, sublimacao_data_impressao, items, data_criacao, ultima_atualizacao, avisos
  ) = (
    excluded.numero, excluded.cliente, excluded.status, excluded.prioridade, excluded.data_entrada,
    excluded.data_entrega, excluded.cidade_cliente, excluded.estado_cliente, excluded.telefone_cliente,
    excluded.valor_total, excluded.valor_frete, excluded.valor_itens, excluded.observacao, excluded.forma_envio,
    excluded.financeiro, excluded.conferencia, excluded.sublimacao, excluded.costura, excluded.expedicao,
    excluded.pronto, excluded.sublimacao_maquina, excluded.sublimacao_data_impressao, excluded.items,
    excluded.data_criacao, excluded.ultima_atualizacao, excluded.avisos)
  WHERE (
    held.numero, held.cliente, held.status, held.prioridade, held.data_entrada, held.data_entrega,
    held.cidade_cliente, held.estado_cliente, held.telefone_cliente, held.valor_total, held.valor_frete,
    held.valor_itens, held.observacao, held.forma_envio, held.financeiro, held.conferencia, held.sublimacao,
    held.costura, held.expedicao, held.pronto, held.sublimacao_maquina, held.sublimacao_data_impressao, held.items,
    held.data_criacao, held.ultima_atualizacao, held.avisos
  ) IS DISTINCT FROM (
    excluded.numero, excluded.cliente, excluded.status, excluded.prioridade, excluded.data_entrada,
    excluded.data_entrega, excluded.cidade_cliente, excluded.estado_cliente, excluded.telefone_cliente,
    excluded.valor_total, excluded.valor_frete, excluded.valor_itens, excluded.observacao, excluded.forma_envio,
    excluded.financeiro, excluded.conferencia, excluded.sublimacao, excluded.costura, excluded.expedicao,
    excluded.pronto, excluded.sublimacao_maquina, excluded.sublimacao_data_impressao, excluded.items,
    excluded.data_criacao, excluded.ultima_atualizacao, excluded.avisos);
END
$$;

-- The short way: a transaction's first row, of which all that takes reading is as it was. It is most changes and costs
-- a third. A row rewritten as it stands takes the long way: so it is projected again. No text that may be cut takes
-- the short one.
CREATE OR REPLACE FUNCTION projection.project_pedidos() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  known text;
  same boolean := TG_OP = 'UPDATE' AND NEW IS DISTINCT FROM OLD AND NEW.items IS NOT DISTINCT FROM OLD.items;
BEGIN
  IF same AND projection.is_first(TG_RELID)
     AND (NEW.id, NEW.cidade_cliente, NEW.data_entrada, NEW.data_entrega, NEW.valor_total, NEW.valor_frete,
          NEW.valor_itens)
       IS NOT DISTINCT FROM (OLD.id, OLD.cidade_cliente, OLD.data_entrada, OLD.data_entrega, OLD.valor_total,
          OLD.valor_frete, OLD.valor_itens)
     AND greatest(
       octet_length(NEW.numero), octet_length(NEW.cliente), octet_length(NEW.telefone_cliente),
       octet_length(NEW.observacao), octet_length(NEW.forma_envio), octet_length(NEW.sublimacao_maquina),
       octet_length(NEW.sublimacao_data_impressao), octet_length(OLD.numero), octet_length(OLD.cliente),
       octet_length(OLD.telefone_cliente), octet_length(OLD.observacao), octet_length(OLD.forma_envio),
       octet_length(OLD.sublimacao_maquina), octet_length(OLD.sublimacao_data_impressao), 0) <= 4096 THEN
    known := projection.parse_status(NEW.status);
    UPDATE vitrine.pedidos AS held SET
      numero = NEW.numero, cliente = coalesce(NEW.cliente, ''), status = coalesce(known, 'pendente'),
      prioridade = CASE WHEN upper(btrim(left(NEW.prioridade, 1000))) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END,
      telefone_cliente = NEW.telefone_cliente, observacao = NEW.observacao, forma_envio = NEW.forma_envio,
      financeiro = coalesce(NEW.financeiro, false), conferencia = coalesce(NEW.conferencia, false),
      sublimacao = coalesce(NEW.sublimacao, false), costura = coalesce(NEW.costura, false),
      expedicao = coalesce(NEW.expedicao, false), pronto = coalesce(NEW.pronto, false),
      sublimacao_maquina = NEW.sublimacao_maquina,
      sublimacao_data_impressao = NEW.sublimacao_data_impressao, items = held.items #> '{}',
      cidade_cliente = held.cidade_cliente || '', estado_cliente = held.estado_cliente || '',
      data_criacao = projection.to_utc(NEW.data_criacao),
      ultima_atualizacao = projection.to_utc(NEW.ultima_atualizacao),
      avisos = CASE WHEN known IS NULL THEN '{status_desconhecido}'::text[] ELSE '{}' END
               || array_remove(held.avisos, 'status_desconhecido')
    WHERE held.id = NEW.id AND (
      held.numero, held.cliente, held.status, held.prioridade, held.telefone_cliente, held.observacao,
      held.forma_envio, held.financeiro, held.conferencia, held.sublimacao, held.costura, held.expedicao,
      held.pronto, held.sublimacao_maquina, held.sublimacao_data_impressao, held.data_criacao,
      held.ultima_atualizacao, 'status_desconhecido' = ANY (held.avisos)
    ) IS DISTINCT FROM (
      NEW.numero, coalesce(NEW.cliente, ''), coalesce(known, 'pendente'),
      CASE WHEN upper(btrim(left(NEW.prioridade, 1000))) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END, NEW.telefone_cliente,
      NEW.observacao, NEW.forma_envio, coalesce(NEW.financeiro, false), coalesce(NEW.conferencia, false),
      coalesce(NEW.sublimacao, false), coalesce(NEW.costura, false), coalesce(NEW.expedicao, false),
      coalesce(NEW.pronto, false), NEW.sublimacao_maquina, NEW.sublimacao_data_impressao,
      projection.to_utc(NEW.data_criacao), projection.to_utc(NEW.ultima_atualizacao), known IS NULL
    ) AND NOT EXISTS (
      SELECT FROM projection.dead_letters AS d WHERE d.landing = 'public.pedidos' AND d.key = NEW.id);
    IF FOUND THEN
      PERFORM set_config('ponte.noted_' || TG_RELID, '-', true);
      RETURN NULL;
    END IF;
  END IF;
  PERFORM projection.note(TG_RELID, OLD.id, NEW.id, same);
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION projection.shape_pedido_imagens(keys bigint[])
RETURNS TABLE (id integer, pedido_id integer, item_index integer, item_identificador text, filename text,
               mime_type text, tamanho integer, criado_em timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT l.id, l.pedido_id, l.item_index, projection.cut_line(l.item_identificador), projection.cut_line(l.filename),
         projection.cut_line(l.mime_type), l.tamanho, projection.to_utc(l.criado_em)
    FROM unnest(keys) AS k (key) JOIN public.pedido_imagens AS l ON l.id = k.key;
END
$$;

CREATE OR REPLACE FUNCTION projection.show_pedido_imagens(keys bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO vitrine.imagens AS held (
    id, pedido_id, item_index, item_identificador, filename, mime_type, tamanho, criado_em)
  SELECT s.id, s.pedido_id, s.item_index, s.item_identificador, s.filename, s.mime_type, s.tamanho, s.criado_em
    FROM projection.shape_pedido_imagens(keys) AS s
  ON CONFLICT (id) DO UPDATE SET (
    pedido_id, item_index, item_identificador, filename, mime_type, tamanho, criado_em
  ) = (
    excluded.pedido_id, excluded.item_index, excluded.item_identificador, excluded.filename, excluded.mime_type,
    excluded.tamanho, excluded.criado_em)
  WHERE (
    held.pedido_id, held.item_index, held.item_identificador, held.filename, held.mime_type, held.tamanho,
    held.criado_em
  ) IS DISTINCT FROM (
    excluded.pedido_id, excluded.item_index, excluded.item_identificador, excluded.filename, excluded.mime_type,
    excluded.tamanho, excluded.criado_em);
END
$$;

CREATE OR REPLACE FUNCTION projection.project_pedido_imagens() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM projection.note(TG_RELID, OLD.id, NEW.id);
  RETURN NULL;
END
$$;

-- A NULL setor means 'geral'; who is not known to be active is not. A name may have 500 letters: an index on the
-- VPS holds it, and stops apply for one that does not fit. Nobody logs in with more than 200.
CREATE OR REPLACE FUNCTION projection.shape_user(keys bigint[])
RETURNS TABLE (id integer, username text, is_admin boolean, setor text, is_active boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT l.id, coalesce(left(l.username, 500), ''), coalesce(l.is_admin, false),
         CASE WHEN projection.is_blank(l.setor) THEN 'geral' ELSE projection.cut_line(l.setor) END,
         coalesce(l.is_active, false)
    FROM unnest(keys) AS k (key) JOIN public."user" AS l ON l.id = k.key;
END
$$;

CREATE OR REPLACE FUNCTION projection.show_user(keys bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO vitrine.usuarios AS held (
    id, username, is_admin, setor, is_active)
  SELECT s.id, s.username, s.is_admin, s.setor, s.is_active
    FROM projection.shape_user(keys) AS s
  ON CONFLICT (id) DO UPDATE SET (
    username, is_admin, setor, is_active
  ) = (
    excluded.username, excluded.is_admin, excluded.setor, excluded.is_active)
  WHERE (
    held.username, held.is_admin, held.setor, held.is_active
  ) IS DISTINCT FROM (
    excluded.username, excluded.is_admin, excluded.setor, excluded.is_active);
END
$$;

CREATE OR REPLACE FUNCTION projection.project_user() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  -- Also when only an unpublished column changed, such as the password: the worker looks.
  PERFORM pg_notify('ponte_user', '');
  PERFORM projection.note(TG_RELID, OLD.id, NEW.id);
  RETURN NULL;
END
$$;

-- Tell whether apply writes, and not somebody by hand.
CREATE OR REPLACE FUNCTION projection.is_apply() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
  SELECT EXISTS (SELECT FROM pg_stat_activity AS a
                  WHERE a.pid = pg_backend_pid() AND a.backend_type ~ '^logical replication .*worker$')
$$;

-- SGP has emptied a table: so is the window's. Where it was a hand here, SGP has the rows still, and they are noted
-- as lost.
CREATE OR REPLACE FUNCTION projection.project_truncate() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  landing text := TG_RELID::regclass::text;
  beat bigint := coalesce((SELECT max(h.beat) FROM vitrine.heartbeat AS h), 0);
BEGIN
  IF NOT projection.is_apply() THEN
    INSERT INTO projection.gaps (after_beat, beat) VALUES (beat, beat);
  ELSIF projection.window_of(landing) IS NOT NULL AND landing <> 'ponte.heartbeat' THEN
    EXECUTE format('DELETE FROM %s', projection.window_of(landing));
    DELETE FROM projection.dead_letters AS d WHERE d.landing = TG_RELID::regclass::text;
    IF landing = 'public.pedidos' THEN
      PERFORM projection.forget_cleaned();
    END IF;
  END IF;
  RETURN NULL;
END
$$;

-- Updates that found no row on landing are changes that were lost: the server counts them, and each beat looks.
-- What its own removals did not find is none, nor what a crash made the server forget to have counted.
CREATE OR REPLACE FUNCTION projection.note_conflicts(after_beat bigint, beat bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT s.oid AS subscription,
           (to_jsonb(c) ->> 'confl_update_missing')::bigint
           + coalesce((to_jsonb(c) ->> 'confl_update_deleted')::bigint, 0) AS rows_missing,
           coalesce(held.rows_missing, 0) AS noted
      FROM pg_subscription AS s
      JOIN pg_stat_subscription_stats AS c ON c.subid = s.oid
      LEFT JOIN projection.conflicts AS held ON held.subscription = s.oid
     WHERE s.subdbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
  LOOP
    CONTINUE WHEN found.rows_missing = found.noted;
    IF found.rows_missing > found.noted THEN
      INSERT INTO projection.gaps (after_beat, beat) VALUES (note_conflicts.after_beat, note_conflicts.beat);
    END IF;
    INSERT INTO projection.conflicts AS held VALUES (found.subscription, found.rows_missing)
    ON CONFLICT ON CONSTRAINT conflicts_pkey DO UPDATE SET rows_missing = excluded.rows_missing;
  END LOOP;
END
$$;

-- The heartbeat says when it left SGP, when it landed here, and how many landed before it. Replayed old beats
-- change nothing; a beat that counts on is newer even where SGP's clock was put back.
CREATE OR REPLACE FUNCTION projection.show_heartbeat(keys bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO vitrine.heartbeat AS held (id, beat, beat_at, landed_at, landings)
  SELECT l.id, l.beat, l.beat_at, clock_timestamp(), 1 FROM ponte.heartbeat AS l WHERE l.id = ANY (keys)
  ON CONFLICT (id) DO UPDATE SET (beat, beat_at, landed_at, landings)
    = (excluded.beat, excluded.beat_at, excluded.landed_at, coalesce(held.landings, 0) + 1)
  WHERE excluded.beat > held.beat OR excluded.beat_at > held.beat_at OR held.beat_at IS NULL;
END
$$;

-- SGP's worker counts its beats, and they come the way of all changes: where one is missing here, so are the
-- changes between it and the next. Somebody put this database back to an earlier moment, or made the slot anew.
-- `ponte apply` copies again and takes the gap away.
--
-- Depth 1 is apply: a copy
-- becomes an update within another trigger and may pass over any number of beats.
CREATE OR REPLACE FUNCTION projection.project_heartbeat() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  -- Before all else: a beat that can't be projected still says what was lost before it.
  IF TG_OP = 'UPDATE' AND NEW.beat > OLD.beat + 1 AND pg_trigger_depth() = 1 THEN
    INSERT INTO projection.gaps (after_beat, beat) VALUES (OLD.beat, NEW.beat);
  END IF;
  IF TG_OP = 'UPDATE' AND pg_trigger_depth() = 1 THEN
    PERFORM projection.note_conflicts(OLD.beat, NEW.beat);
  END IF;
  IF projection.is_guarded() THEN
    PERFORM projection.project_again('ponte.heartbeat', NEW.id);
  ELSE
    PERFORM projection.project('ponte.heartbeat', ARRAY[NEW.id], '{}', '{}');
  END IF;
  RETURN NULL;
END
$$;

-- A landing row that is there already becomes an update, so that a table can be copied again over a full
-- one. Only the subscription writes here, and never two of its workers the same table. The key is looked up in a table
-- of any size by a plan that may have been made for an empty one.
CREATE OR REPLACE FUNCTION projection.land() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
  there boolean;
  names text;
BEGIN
  CASE TG_RELID::regclass::text  -- each written out: planning one costs more than copying a row
    WHEN 'public.pedidos' THEN there := EXISTS (SELECT FROM public.pedidos AS l WHERE l.id = NEW.id);
    WHEN 'public.pedido_imagens' THEN there := EXISTS (SELECT FROM public.pedido_imagens AS l WHERE l.id = NEW.id);
    WHEN 'public."user"' THEN there := EXISTS (SELECT FROM public."user" AS l WHERE l.id = NEW.id);
    ELSE EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE id = $1)', TG_RELID::regclass) INTO there USING NEW.id;
  END CASE;
  IF NOT there THEN
    RETURN NEW;
  END IF;
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO names
    FROM pg_attribute AS a WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped;
  EXECUTE format('UPDATE %1$s SET (%2$s) = (SELECT %2$s FROM (SELECT ($1).*) AS arrived) WHERE id = $2',
                 TG_RELID::regclass, names) USING NEW, NEW.id;
  RETURN NULL;
END
$$;

-- Which window table shows the rows of a landing table.
CREATE OR REPLACE FUNCTION projection.window_of(landing text) RETURNS regclass
LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN CASE landing
    WHEN 'public.pedidos' THEN 'vitrine.pedidos'
    WHEN 'public.pedido_imagens' THEN 'vitrine.imagens'
    WHEN 'public."user"' THEN 'vitrine.usuarios'
    WHEN 'ponte.heartbeat' THEN 'vitrine.heartbeat'
  END::regclass;
END
$$;

-- Try the dead letters again, the longest waiting first, and return how many are left.
CREATE OR REPLACE FUNCTION projection.retry_dead_letters(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  letter record;
BEGIN
  FOR letter IN
    SELECT d.landing, d.key FROM projection.dead_letters AS d
     WHERE d.sqlstate <> 'PF001'  -- could not land: the feeder tries it again
     ORDER BY d.last_at LIMIT most
  LOOP
    IF to_regclass(letter.landing) IS NULL OR projection.window_of(letter.landing) IS NULL THEN
      DELETE FROM projection.dead_letters AS held
       WHERE held.landing = letter.landing AND held.key = letter.key;
      CONTINUE;
    END IF;
    PERFORM projection.project_again(letter.landing, letter.key);
  END LOOP;
  RETURN (SELECT count(*) FROM projection.dead_letters);
END
$$;
REVOKE EXECUTE ON FUNCTION projection.retry_dead_letters(integer) FROM public;
