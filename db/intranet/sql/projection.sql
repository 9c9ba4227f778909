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

CREATE OR REPLACE FUNCTION projection.bury(landing oid, key bigint, state text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO projection.dead_letters AS held (landing, key, sqlstate)
  VALUES ($1::regclass::text, $2, $3)
  ON CONFLICT ON CONSTRAINT dead_letters_pkey DO UPDATE
    SET sqlstate = excluded.sqlstate, attempts = held.attempts + 1, last_at = now();
END
$$;

CREATE OR REPLACE FUNCTION projection.settle(landing oid, key bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM projection.dead_letters AS held WHERE held.landing = $1::regclass::text AND held.key = $2;
END
$$;

-- Tell whether this session must catch what fails. The answer lasts for the session where it is no.
CREATE OR REPLACE FUNCTION projection.is_guarded() RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  CASE current_setting('ponte.projects', true)
    WHEN 'freely', 'caught' THEN RETURN false;
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

-- Project a row that is in its landing table, and bury it where that fails. Rewriting it as it stands fires its
-- trigger, which projects it whole.
CREATE OR REPLACE FUNCTION projection.project_again(landing oid, key bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  before text := coalesce(current_setting('ponte.projects', true), '');
  touched bigint;
BEGIN
  PERFORM set_config('ponte.projects', 'caught', true);
  EXECUTE format('UPDATE %s SET id = id WHERE id = $1', landing::regclass) USING key;
  GET DIAGNOSTICS touched = ROW_COUNT;
  PERFORM set_config('ponte.projects', before, true);
  RETURN touched > 0;
EXCEPTION WHEN OTHERS THEN
  PERFORM projection.bury(landing, key, SQLSTATE);
  RETURN true;
END
$$;

-- Do for a guarded session what a landing table's trigger does: take away what left, project what is there.
CREATE OR REPLACE FUNCTION projection.project_guarded(landing oid, old_key bigint, new_key bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF old_key IS DISTINCT FROM new_key AND old_key IS NOT NULL THEN
    PERFORM projection.remove(landing::regclass::text, old_key);
  END IF;
  IF new_key IS NOT NULL THEN
    PERFORM projection.project_again(landing, new_key);
  END IF;
END
$$;

-- A word in `avisos` for a value that was there and could not be read.
CREATE OR REPLACE FUNCTION projection.unread(field text, given text, got anyelement) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN got IS NULL AND NOT projection.is_blank(given) THEN field || '_ilegivel' END;
END
$$;

-- What the window shows of an order. It alone knows: the trigger writes it, and who proves the window compares with it.
CREATE OR REPLACE FUNCTION projection.shape_pedidos(landed record) RETURNS vitrine.pedidos
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  shown vitrine.pedidos;
  known text := projection.parse_status(landed.status);
  city text[] := projection.split_city(landed.cidade_cliente);
  list record;
BEGIN
  list := projection.project_items(landed.items, landed.id);
  shown.id := landed.id;
  shown.numero := projection.cut_line(landed.numero);
  shown.cliente := coalesce(projection.cut_line(landed.cliente), '');
  shown.status := coalesce(known, 'pendente');
  shown.prioridade := CASE WHEN upper(btrim(left(landed.prioridade, 1000))) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END;
  shown.data_entrada := projection.parse_date(landed.data_entrada);
  shown.data_entrega := projection.parse_date(landed.data_entrega);
  shown.cidade_cliente := city[1];
  shown.estado_cliente := city[2];
  shown.telefone_cliente := projection.cut_line(landed.telefone_cliente);
  shown.valor_total := projection.parse_money(landed.valor_total);
  shown.valor_frete := projection.parse_money(landed.valor_frete);
  shown.valor_itens := projection.parse_money(landed.valor_itens);
  shown.observacao := projection.cut_note(landed.observacao);
  shown.forma_envio := projection.cut_line(landed.forma_envio);
  shown.financeiro := coalesce(landed.financeiro, false);
  shown.conferencia := coalesce(landed.conferencia, false);
  shown.sublimacao := coalesce(landed.sublimacao, false);
  shown.costura := coalesce(landed.costura, false);
  shown.expedicao := coalesce(landed.expedicao, false);
  shown.pronto := coalesce(landed.pronto, false);
  shown.sublimacao_maquina := projection.cut_line(landed.sublimacao_maquina);
  shown.sublimacao_data_impressao := projection.cut_line(landed.sublimacao_data_impressao);
  shown.items := list.items;
  shown.data_criacao := projection.to_utc(landed.data_criacao);
  shown.ultima_atualizacao := projection.to_utc(landed.ultima_atualizacao);
  shown.avisos := array_remove(ARRAY[
    CASE WHEN known IS NULL THEN 'status_desconhecido' END,
    projection.unread('data_entrada', landed.data_entrada, shown.data_entrada),
    projection.unread('data_entrega', landed.data_entrega, shown.data_entrega),
    projection.unread('valor_total', landed.valor_total, shown.valor_total),
    projection.unread('valor_frete', landed.valor_frete, shown.valor_frete),
    projection.unread('valor_itens', landed.valor_itens, shown.valor_itens)
  ], NULL) || list.avisos
    || CASE WHEN 'texto_cortado' <> ALL (list.avisos) AND projection.is_cut(
         landed.observacao, landed.numero, landed.cliente, landed.cidade_cliente, landed.telefone_cliente,
         landed.forma_envio, landed.sublimacao_maquina, landed.sublimacao_data_impressao)
       THEN '{texto_cortado}'::text[] ELSE '{}' END;
  RETURN shown;
END
$$;

CREATE OR REPLACE FUNCTION projection.project_pedidos() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  known text;
  shown vitrine.pedidos;
BEGIN
  IF projection.is_guarded() THEN
    PERFORM projection.project_guarded(TG_RELID, OLD.id, NEW.id);
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    DELETE FROM vitrine.pedidos WHERE id = OLD.id;
    PERFORM projection.settle(TG_RELID, OLD.id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  known := projection.parse_status(NEW.status);
  -- The short way: where all that takes reading is as it was, only the rest is written; it is most changes
  -- and costs a third. A row rewritten as it stands takes the long way: so it is projected again. The empty
  -- path makes a large list a new value, which also travels to a subscriber whose filter the order enters.
  -- No text that may be cut takes it.
  IF TG_OP = 'UPDATE' AND NEW IS DISTINCT FROM OLD
     AND (NEW.id, NEW.items, NEW.cidade_cliente, NEW.data_entrada, NEW.data_entrega, NEW.valor_total,
          NEW.valor_frete, NEW.valor_itens)
       IS NOT DISTINCT FROM (OLD.id, OLD.items, OLD.cidade_cliente, OLD.data_entrada, OLD.data_entrega,
          OLD.valor_total, OLD.valor_frete, OLD.valor_itens)
     AND greatest(
       octet_length(NEW.numero), octet_length(NEW.cliente), octet_length(NEW.telefone_cliente),
       octet_length(NEW.observacao), octet_length(NEW.forma_envio), octet_length(NEW.sublimacao_maquina),
       octet_length(NEW.sublimacao_data_impressao), octet_length(OLD.numero), octet_length(OLD.cliente),
       octet_length(OLD.telefone_cliente), octet_length(OLD.observacao), octet_length(OLD.forma_envio),
       octet_length(OLD.sublimacao_maquina), octet_length(OLD.sublimacao_data_impressao), 0) <= 4096 THEN
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
      RETURN NULL;
    END IF;
  END IF;
  shown := projection.shape_pedidos(NEW);
  INSERT INTO vitrine.pedidos AS held (
    id, numero, cliente, status, prioridade, data_entrada, data_entrega, cidade_cliente, estado_cliente,
    telefone_cliente, valor_total, valor_frete, valor_itens, observacao, forma_envio,
    financeiro, conferencia, sublimacao, costura, expedicao, pronto,
    sublimacao_maquina, sublimacao_data_impressao, items, data_criacao, ultima_atualizacao, avisos)
  VALUES (
    shown.id, shown.numero, shown.cliente, shown.status, shown.prioridade, shown.data_entrada, shown.data_entrega,
    shown.cidade_cliente, shown.estado_cliente, shown.telefone_cliente, shown.valor_total, shown.valor_frete,
    shown.valor_itens, shown.observacao, shown.forma_envio, shown.financeiro, shown.conferencia, shown.sublimacao,
    shown.costura, shown.expedicao, shown.pronto, shown.sublimacao_maquina, shown.sublimacao_data_impressao,
    shown.items, shown.data_criacao, shown.ultima_atualizacao, shown.avisos)
  ON CONFLICT (id) DO UPDATE SET (
    numero, cliente, status, prioridade, data_entrada, data_entrega, cidade_cliente, estado_cliente,
    telefone_cliente, valor_total, valor_frete, valor_itens, observacao, forma_envio,
    financeiro, conferencia, sublimacao, costura, expedicao, pronto,
    sublimacao_maquina, sublimacao_data_impressao, items, data_criacao, ultima_atualizacao, avisos
  ) = (
    excluded.numero, excluded.cliente, excluded.status, excluded.prioridade, excluded.data_entrada,
    excluded.data_entrega, excluded.cidade_cliente, excluded.estado_cliente, excluded.telefone_cliente,
    excluded.valor_total, excluded.valor_frete, excluded.valor_itens, excluded.observacao,
    excluded.forma_envio, excluded.financeiro, excluded.conferencia, excluded.sublimacao,
    excluded.costura, excluded.expedicao, excluded.pronto, excluded.sublimacao_maquina,
    excluded.sublimacao_data_impressao, excluded.items, excluded.data_criacao,
    excluded.ultima_atualizacao, excluded.avisos)
  WHERE (
    held.numero, held.cliente, held.status, held.prioridade, held.data_entrada, held.data_entrega,
    held.cidade_cliente, held.estado_cliente, held.telefone_cliente, held.valor_total, held.valor_frete,
    held.valor_itens, held.observacao, held.forma_envio, held.financeiro, held.conferencia,
    held.sublimacao, held.costura, held.expedicao, held.pronto, held.sublimacao_maquina,
    held.sublimacao_data_impressao, held.items, held.data_criacao, held.ultima_atualizacao, held.avisos
  ) IS DISTINCT FROM (
    excluded.numero, excluded.cliente, excluded.status, excluded.prioridade, excluded.data_entrada,
    excluded.data_entrega, excluded.cidade_cliente, excluded.estado_cliente, excluded.telefone_cliente,
    excluded.valor_total, excluded.valor_frete, excluded.valor_itens, excluded.observacao,
    excluded.forma_envio, excluded.financeiro, excluded.conferencia, excluded.sublimacao,
    excluded.costura, excluded.expedicao, excluded.pronto, excluded.sublimacao_maquina,
    excluded.sublimacao_data_impressao, excluded.items, excluded.data_criacao,
    excluded.ultima_atualizacao, excluded.avisos);
  PERFORM projection.settle(TG_RELID, NEW.id);
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION projection.shape_pedido_imagens(landed record) RETURNS vitrine.imagens
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  shown vitrine.imagens;
BEGIN
  shown.id := landed.id;
  shown.pedido_id := landed.pedido_id;
  shown.item_index := landed.item_index;
  shown.item_identificador := projection.cut_line(landed.item_identificador);
  shown.filename := projection.cut_line(landed.filename);
  shown.mime_type := projection.cut_line(landed.mime_type);
  shown.tamanho := landed.tamanho;
  shown.criado_em := projection.to_utc(landed.criado_em);
  RETURN shown;
END
$$;

CREATE OR REPLACE FUNCTION projection.project_pedido_imagens() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  shown vitrine.imagens;
BEGIN
  IF projection.is_guarded() THEN
    PERFORM projection.project_guarded(TG_RELID, OLD.id, NEW.id);
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    DELETE FROM vitrine.imagens WHERE id = OLD.id;
    PERFORM projection.settle(TG_RELID, OLD.id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  shown := projection.shape_pedido_imagens(NEW);
  INSERT INTO vitrine.imagens AS held (
    id, pedido_id, item_index, item_identificador, filename, mime_type, tamanho, criado_em)
  VALUES (
    shown.id, shown.pedido_id, shown.item_index, shown.item_identificador, shown.filename, shown.mime_type,
    shown.tamanho, shown.criado_em)
  ON CONFLICT (id) DO UPDATE SET (
    pedido_id, item_index, item_identificador, filename, mime_type, tamanho, criado_em
  ) = (
    excluded.pedido_id, excluded.item_index, excluded.item_identificador, excluded.filename,
    excluded.mime_type, excluded.tamanho, excluded.criado_em)
  WHERE (held.pedido_id, held.item_index, held.item_identificador, held.filename, held.mime_type,
         held.tamanho, held.criado_em)
    IS DISTINCT FROM (excluded.pedido_id, excluded.item_index, excluded.item_identificador,
         excluded.filename, excluded.mime_type, excluded.tamanho, excluded.criado_em);
  PERFORM projection.settle(TG_RELID, NEW.id);
  RETURN NULL;
END
$$;

-- A NULL setor means 'geral'; who is not known to be active is not. A name may have 500 letters: an index on the
-- VPS holds it, and stops apply for one that does not fit. Nobody logs in with more than 200.
CREATE OR REPLACE FUNCTION projection.shape_user(landed record) RETURNS vitrine.usuarios
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  shown vitrine.usuarios;
BEGIN
  shown.id := landed.id;
  shown.username := coalesce(left(landed.username, 500), '');
  shown.is_admin := coalesce(landed.is_admin, false);
  shown.setor := CASE WHEN projection.is_blank(landed.setor) THEN 'geral'
                      ELSE projection.cut_line(landed.setor) END;
  shown.is_active := coalesce(landed.is_active, false);
  RETURN shown;
END
$$;

CREATE OR REPLACE FUNCTION projection.project_user() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  shown vitrine.usuarios;
BEGIN
  -- Also when only an unpublished column changed, such as the password: the worker looks.
  PERFORM pg_notify('ponte_user', '');
  IF projection.is_guarded() THEN
    PERFORM projection.project_guarded(TG_RELID, OLD.id, NEW.id);
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    DELETE FROM vitrine.usuarios WHERE id = OLD.id;
    PERFORM projection.settle(TG_RELID, OLD.id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  shown := projection.shape_user(NEW);
  INSERT INTO vitrine.usuarios AS held (id, username, is_admin, setor, is_active)
  VALUES (shown.id, shown.username, shown.is_admin, shown.setor, shown.is_active)
  ON CONFLICT (id) DO UPDATE SET (username, is_admin, setor, is_active)
    = (excluded.username, excluded.is_admin, excluded.setor, excluded.is_active)
  WHERE (held.username, held.is_admin, held.setor, held.is_active)
    IS DISTINCT FROM (excluded.username, excluded.is_admin, excluded.setor, excluded.is_active);
  PERFORM projection.settle(TG_RELID, NEW.id);
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

-- SGP's worker counts its beats, and they come the way of all changes: where one is missing here, so are the
-- changes between it and the next. Somebody put this database back to an earlier moment, or made the slot anew.
-- `ponte apply` copies again and takes the gap away.
--
-- The heartbeat says when it left SGP, when it landed here, and how many landed before it. Replayed old beats
-- change nothing; a beat that counts on is newer even where SGP's clock was put back. Depth 1 is apply: a copy
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
    PERFORM projection.project_again(TG_RELID, NEW.id);
    RETURN NULL;
  END IF;
  INSERT INTO vitrine.heartbeat AS held (id, beat, beat_at, landed_at, landings)
  VALUES (NEW.id, NEW.beat, NEW.beat_at, clock_timestamp(), 1)
  ON CONFLICT (id) DO UPDATE SET (beat, beat_at, landed_at, landings)
    = (excluded.beat, excluded.beat_at, excluded.landed_at, coalesce(held.landings, 0) + 1)
  WHERE excluded.beat > held.beat OR excluded.beat_at > held.beat_at OR held.beat_at IS NULL;
  PERFORM projection.settle(TG_RELID, NEW.id);
  RETURN NULL;
END
$$;

-- A landing row that is there already becomes an update, so that a table can be copied again over a full
-- one. Only the subscription writes here, and never two of its workers the same table.
CREATE OR REPLACE FUNCTION projection.land() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  there boolean;
  names text;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE id = $1)', TG_RELID::regclass) INTO there USING NEW.id;
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

-- Take a row out of the window whose landing row is gone; the letter stays when that fails again.
CREATE OR REPLACE FUNCTION projection.remove(landing text, key bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DELETE FROM %s WHERE id = $1', projection.window_of(landing)) USING key;
  PERFORM projection.settle(landing::regclass, key);
EXCEPTION WHEN OTHERS THEN
  PERFORM projection.bury(landing::regclass, key, SQLSTATE);
END
$$;

-- Try the dead letters again, the longest waiting first, and return how many are left. Where the row is gone it
-- was its removal that failed: the window's row goes now.
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
    IF NOT projection.project_again(letter.landing::regclass, letter.key) THEN
      PERFORM projection.remove(letter.landing, letter.key);
    END IF;
  END LOOP;
  RETURN (SELECT count(*) FROM projection.dead_letters);
END
$$;
REVOKE EXECUTE ON FUNCTION projection.retry_dead_letters(integer) FROM public;
