BEGIN;

CREATE SCHEMA IF NOT EXISTS projection;

CREATE TABLE projection.alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001

-- The window's tables as the first migration of both histories makes them. Frozen: change them by a
-- new migration. `db/window.py` is what they amount to now, and a test compares.
CREATE SCHEMA vitrine;

CREATE TABLE vitrine.pedidos (
  id integer PRIMARY KEY,
  numero text,
  cliente text NOT NULL DEFAULT '',
  status text NOT NULL DEFAULT 'pendente',
  prioridade text NOT NULL DEFAULT 'NORMAL',
  data_entrada date,
  data_entrega date,
  cidade_cliente text NOT NULL DEFAULT '',
  estado_cliente text NOT NULL DEFAULT '',
  telefone_cliente text,
  valor_total numeric(14, 2),
  valor_frete numeric(14, 2),
  valor_itens numeric(14, 2),
  observacao text,
  forma_envio text,
  financeiro boolean NOT NULL DEFAULT false,
  conferencia boolean NOT NULL DEFAULT false,
  sublimacao boolean NOT NULL DEFAULT false,
  costura boolean NOT NULL DEFAULT false,
  expedicao boolean NOT NULL DEFAULT false,
  pronto boolean NOT NULL DEFAULT false,
  sublimacao_maquina text,
  sublimacao_data_impressao text,
  items jsonb NOT NULL DEFAULT '[]',
  data_criacao timestamptz,
  ultima_atualizacao timestamptz,
  avisos text[] NOT NULL DEFAULT '{}',
  versao bigint NOT NULL DEFAULT 0
);

CREATE TABLE vitrine.imagens (
  id integer PRIMARY KEY,
  pedido_id integer,
  item_index integer,
  item_identificador text,
  filename text,
  mime_type text,
  tamanho integer,
  criado_em timestamptz,
  versao bigint NOT NULL DEFAULT 0
);

CREATE TABLE vitrine.usuarios (
  id integer PRIMARY KEY,
  username text NOT NULL DEFAULT '',
  is_admin boolean NOT NULL DEFAULT false,
  setor text NOT NULL DEFAULT 'geral',
  is_active boolean NOT NULL DEFAULT false,
  versao bigint NOT NULL DEFAULT 0
);

CREATE TABLE vitrine.credenciais (
  user_id integer PRIMARY KEY,
  salt text NOT NULL DEFAULT '',
  digest bytea NOT NULL DEFAULT '',
  key_id text NOT NULL DEFAULT '',
  versao bigint NOT NULL DEFAULT 0
);

CREATE TABLE vitrine.miniaturas (
  imagem_id integer PRIMARY KEY,
  estado text NOT NULL DEFAULT 'falhou',
  chave text,
  digest text,
  bytes integer,
  largura integer,
  altura integer,
  motivo text,
  versao bigint NOT NULL DEFAULT 0
);

CREATE TABLE vitrine.heartbeat (
  id smallint PRIMARY KEY,
  beat bigint NOT NULL DEFAULT 0,
  beat_at timestamptz,
  landed_at timestamptz,
  versao bigint NOT NULL DEFAULT 0
);

ALTER TABLE vitrine.pedidos ADD CONSTRAINT pedidos_status_check CHECK (status IN ('pendente', 'em_producao', 'pronto', 'entregue', 'cancelado'));

CREATE TABLE projection.dead_letters (
    landing TEXT NOT NULL, 
    key BIGINT NOT NULL, 
    sqlstate TEXT NOT NULL, 
    attempts INTEGER DEFAULT 1 NOT NULL, 
    first_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    last_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    PRIMARY KEY (landing, key)
);

CREATE TABLE projection.fingerprints (
    endpoint TEXT NOT NULL, 
    applied TEXT NOT NULL, 
    applied_at TIMESTAMP WITH TIME ZONE NOT NULL, 
    seen TEXT, 
    seen_at TIMESTAMP WITH TIME ZONE, 
    PRIMARY KEY (endpoint)
);

-- Every window row carries `versao`, given when it is written. The sequence starts at the present time
-- in microseconds: a window made anew after a loss gives higher numbers than the one before, so the
-- guard on the VPS does not take its rows for old ones.
DO $do$
BEGIN
  EXECUTE format(
    'CREATE SEQUENCE IF NOT EXISTS projection.versao_seq START %s',
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
  );
END
$do$;

CREATE OR REPLACE FUNCTION projection.stamp_versao() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  NEW.versao := nextval('projection.versao_seq');
  RETURN NEW;
END
$$;

-- ALWAYS: the projection writes from within an apply worker, where ordinary triggers are silent.
DO $do$
DECLARE
  one regclass;
BEGIN
  FOR one IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'vitrine'::regnamespace AND c.relkind = 'r' LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER stamp_versao BEFORE INSERT OR UPDATE ON %s '
                   'FOR EACH ROW EXECUTE FUNCTION projection.stamp_versao()', one);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER stamp_versao', one);
  END LOOP;
END
$do$;

-- How one value of SGP's becomes a value of the window. Each function answers NULL for what it can't
-- read and raises nothing; whether that deserves a word in `avisos` is for the caller to say.

-- Tell whether there was text to read at all.
CREATE OR REPLACE FUNCTION projection.is_blank(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN value IS NULL OR btrim(value, E' \t\r\n\f\u000b\u00a0') = '';
END
$$;

-- '403.00', '20,00', '1.234,56', 'R$ 5,00', '1.955.00': the last separator is the decimal one.
CREATE OR REPLACE FUNCTION projection.parse_money(value text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  bare text := translate(replace(upper(value), 'R$', ''), E', \t\u00a0', '.');
  digits text := ltrim(bare, '-');
  cents text := split_part(digits, '.', -1);
  whole text := translate(left(digits, length(digits) - length(cents)), '.', '');
BEGIN
  IF digits ~ '[^0-9.]' OR length(bare) - length(digits) > 1 THEN
    RETURN NULL;
  END IF;
  IF position('.' IN digits) = 0 THEN
    whole := cents;
    cents := '';
  END IF;
  IF length(ltrim(whole, '0')) > 11 OR whole || cents = '' THEN
    RETURN NULL;
  END IF;
  RETURN round((left(bare, length(bare) - length(digits)) || '0' || whole || '.' || cents || '0')::numeric, 2);
END
$$;

-- 'YYYY-MM-DD' with anything after a 'T' or a blank, or 'dd/mm/yyyy'.
CREATE OR REPLACE FUNCTION projection.parse_odd_date(value text) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  ymd text[] := regexp_match(value, '^\s*([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ].*)?\s*$');
  dmy text[];
BEGIN
  IF ymd IS NULL THEN
    dmy := regexp_match(value, '^\s*([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})\s*$');
    ymd := ARRAY[dmy[3], dmy[2], dmy[1]];
  END IF;
  RETURN make_date(ymd[1]::int, ymd[2]::int, ymd[3]::int);
EXCEPTION WHEN datetime_field_overflow THEN
  RETURN NULL;
END
$$;

-- The same; the usual form, of a day that every month has, costs a tenth of what catching errors does.
CREATE OR REPLACE FUNCTION projection.parse_date(value text) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE
    WHEN value IS NULL OR value = '' THEN NULL
    WHEN value ~ '^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$' THEN value::date
    ELSE projection.parse_odd_date(value)
  END;
END
$$;

-- SGP's times are naive UTC in one variant of its schema and aware in the other.
CREATE OR REPLACE FUNCTION projection.to_utc(value timestamp) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN value AT TIME ZONE 'UTC';
END
$$;

CREATE OR REPLACE FUNCTION projection.to_utc(value timestamptz) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN value;
END
$$;

-- One of the five statuses; NULL for a word that SGP does not know either. `lower` alone leaves accented
-- capitals as they are where the database's locale is C.
CREATE OR REPLACE FUNCTION projection.parse_status(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE translate(lower(btrim(normalize(coalesce(value, ''), NFC), E' \t\r\n\f\u000b\u00a0')), 'ÇÃÍ', 'çãí')
    WHEN '' THEN 'pendente'
    WHEN 'pendente' THEN 'pendente'
    WHEN 'penden' THEN 'pendente'
    WHEN 'em_producao' THEN 'em_producao'
    WHEN 'em producao' THEN 'em_producao'
    WHEN 'em produção' THEN 'em_producao'
    WHEN 'emproducao' THEN 'em_producao'
    WHEN 'pronto' THEN 'pronto'
    WHEN 'entregue' THEN 'entregue'
    WHEN 'concluido' THEN 'entregue'
    WHEN 'concluído' THEN 'entregue'
    WHEN 'cancelado' THEN 'cancelado'
  END;
END
$$;

-- 'Cidade||UF' today, 'Cidade - UF' in older rows, or the city alone. Gives {cidade, uf}.
CREATE OR REPLACE FUNCTION projection.split_city(value text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE
    WHEN value LIKE '%||%' THEN
      ARRAY[btrim(split_part(value, '||', 1)), upper(btrim(split_part(value, '||', 2)))]
    WHEN value ~ '\s-\s*[A-Za-z]{2}\s*$' THEN
      ARRAY[btrim(regexp_replace(value, '\s+-\s*[A-Za-z]{2}\s*$', '')), upper(right(btrim(value), 2))]
    ELSE ARRAY[btrim(coalesce(value, '')), '']
  END;
END
$$;

-- Read JSON, or answer NULL: also for depth, surrogates, \u0000 and numbers beyond what jsonb holds.
CREATE OR REPLACE FUNCTION projection.try_jsonb(value text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN value::jsonb;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$$;

-- How the JSON text in `pedidos.items` becomes a clean list. It degrades item by item: what one item
-- spoils costs that item, never its neighbours and never the order. The functions are plpgsql, whose plans
-- last for the session: as SQL functions the same work takes 3 ms an order, planned anew at each call.

-- The keys that may leave, beside those that have a place of their own. The PWA prints every key that
-- it does not know, so this is a list of what goes, not of what stays.
CREATE OR REPLACE FUNCTION projection.item_keys() RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN ARRAY[
    'tipo_producao', 'vendedor', 'designer', 'tecido', 'tipo_acabamento', 'composicao_tecidos',
    'quantidade_ilhos', 'espaco_ilhos', 'quantidade_cordinha', 'espaco_cordinha', 'quantidade_paineis',
    'quantidade_totem', 'quantidade_lona', 'quantidade_adesivo', 'terceirizado', 'ziper',
    'cordinha_extra', 'alcinha', 'toalha_pronta', 'rip_maquina', 'data_impressao', 'perfil_cor',
    'tecido_fornecedor', 'status_arte'
  ];
END
$$;

-- A value as text for people; NULL for what has none: blanks, false, structures, data URLs.
CREATE OR REPLACE FUNCTION projection.item_text(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE jsonb_typeof(value)
    WHEN 'string' THEN
      CASE WHEN value #>> '{}' !~* 'data:[a-z0-9.+-]+/' THEN nullif(btrim(value #>> '{}', E' \t\r\n\f\u000b\u00a0'), '') END
    WHEN 'number' THEN CASE WHEN length(value #>> '{}') <= 40 THEN value #>> '{}' END
    WHEN 'boolean' THEN CASE WHEN value = 'true' THEN 'Sim' END
  END;
END
$$;

-- '3', '3.0' or '3,00' as '3,00'; other text as it stands.
CREATE OR REPLACE FUNCTION projection.item_metres(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  given text := projection.item_text(value);
BEGIN
  RETURN coalesce(translate(projection.parse_money(given)::text, '.', ','), given);
END
$$;

-- What the workshop must know, a line each: size, cloth, finish, seam.
CREATE OR REPLACE FUNCTION projection.item_specs(item jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  size text := concat_ws(
    ' x ', projection.item_metres(item -> 'largura'), projection.item_metres(item -> 'altura'));
  done jsonb := item -> 'acabamento';
  finish text := concat_ws(', ',
    CASE WHEN done -> 'overloque' = 'true' THEN 'overloque' END,
    CASE WHEN done -> 'elastico' = 'true' THEN 'elástico' END,
    CASE WHEN done -> 'ilhos' = 'true' THEN 'ilhós' END);
  seam text := projection.item_text(item -> 'emenda');
BEGIN
  RETURN concat_ws(E'\n',
    nullif(size, '') || ' m',
    projection.item_text(item -> 'tecido'),
    'Acabamento: ' || nullif(finish, ''),
    CASE WHEN seam !~* '^sem' THEN
      'Emenda: ' || seam || coalesce(' (' || projection.item_text(item -> 'emenda_qtd') || ')', '') END);
END
$$;

-- The item's own id where it has one that a phone's number can hold, else pedido_id * 1000 + place.
CREATE OR REPLACE FUNCTION projection.item_id(item jsonb, pedido_id integer, place integer) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN item ->> 'id' ~ '^[0-9]{1,15}$' THEN (item ->> 'id')::bigint
              ELSE pedido_id::bigint * 1000 + place END;
END
$$;

-- One item as the window holds it; NULL for an element that is no item at all.
CREATE OR REPLACE FUNCTION projection.project_item(item jsonb, pedido_id integer, place integer) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  kept jsonb := '{}';
  one record;
BEGIN
  IF jsonb_typeof(item) = 'string' THEN
    item := jsonb_build_object('descricao', projection.item_text(item));
    IF item ->> 'descricao' IS NULL THEN
      RETURN NULL;
    END IF;
  ELSIF jsonb_typeof(item) <> 'object' OR item IS NULL THEN
    RETURN NULL;
  END IF;
  FOR one IN SELECT key, value FROM jsonb_each(item) WHERE key = ANY (projection.item_keys()) LOOP
    kept := kept || jsonb_build_object(one.key, projection.item_text(one.value));
  END LOOP;
  RETURN jsonb_strip_nulls(kept || jsonb_build_object(
    'id', projection.item_id(item, pedido_id, place),
    'indice', place,
    'descricao', coalesce(projection.item_text(item -> 'descricao'), ''),
    'especificacoes', projection.item_specs(item),
    'observacoes', coalesce(projection.item_text(item -> 'observacao'), ''),
    'imagem_id', substring(item ->> 'imagem' FROM '^/pedidos/imagens/([0-9]{1,9})$')::integer));
END
$$;

-- Cut broken JSON text into the elements of its outer list, mending what can be mended: NaN and
-- Infinity become null, \u0000 goes, half a surrogate pair becomes U+FFFD.
CREATE OR REPLACE FUNCTION projection.split_elements(raw text) RETURNS TABLE (place integer, element text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  WITH token AS (
    SELECT ord, t.m[1] AS said
    FROM regexp_matches(raw, '("(?:[^"\\]|\\.)*"?|[][{},]|[^][{},"]+)', 'g') WITH ORDINALITY AS t (m, ord)
  ), nested AS (
    SELECT ord, said,
           sum(CASE WHEN said IN ('[', '{') THEN 1 WHEN said IN (']', '}') THEN -1 ELSE 0 END)
             OVER (ORDER BY ord) AS depth,
           min(ord) FILTER (WHERE btrim(said) <> '') OVER () AS opening
    FROM token
  ), numbered AS (
    SELECT ord, said, depth, opening,
           count(*) FILTER (WHERE said = ',' AND depth = 1) OVER (ORDER BY ord) AS place
    FROM nested
  )
  SELECT n.place::integer, string_agg(
    CASE WHEN said LIKE '"%' THEN
      regexp_replace(regexp_replace(regexp_replace(said,
        '(?<!\\)((?:\\\\)*)\\u0000', '\1', 'g'),
        '(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])', '\1\\ufffd', 'g'),
        '(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}', '\\ufffd', 'g')
    ELSE regexp_replace(said, '-?\m(?:NaN|Infinity)\M', 'null', 'g') END, '' ORDER BY ord)
  FROM numbered AS n
  WHERE depth > 0 AND ord > opening AND NOT (said = ',' AND depth = 1)
  GROUP BY n.place
$$;

-- The elements of the order's list, whatever state its text is in. `place` counts from 0; an element
-- that can't be read comes as SQL NULL.
CREATE OR REPLACE FUNCTION projection.read_elements(raw text) RETURNS TABLE (place integer, element jsonb)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  parsed jsonb := projection.try_jsonb(raw);
BEGIN
  CASE
    WHEN jsonb_typeof(parsed) = 'array' THEN
      RETURN QUERY SELECT (ord - 1)::integer, e FROM jsonb_array_elements(parsed) WITH ORDINALITY AS a (e, ord);
    WHEN jsonb_typeof(parsed) = 'object' THEN
      RETURN QUERY SELECT 0, parsed;
    WHEN jsonb_typeof(parsed) = 'null' THEN
      RETURN;
    WHEN parsed IS NULL AND length(raw) - length(translate(raw, '[{', '')) > 20000 THEN
      -- No order has so many brackets, and taking them apart would keep the others waiting for a second.
      RETURN QUERY SELECT 0, NULL::jsonb;
    WHEN parsed IS NULL AND raw ~ '^\s*\[' THEN
      RETURN QUERY SELECT s.place, projection.try_jsonb(s.element) FROM projection.split_elements(raw) AS s;
    ELSE
      RETURN QUERY SELECT 0, projection.try_jsonb((projection.split_elements('[' || raw || ']')).element);
  END CASE;
EXCEPTION WHEN OTHERS THEN
  RETURN QUERY SELECT 0, NULL::jsonb;
END
$$;

-- The clean list and the words about it.
CREATE OR REPLACE FUNCTION projection.project_items(raw text, pedido_id integer, OUT items jsonb, OUT avisos text[])
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  one record;
  item jsonb;
  kept jsonb[] := '{}';  -- grows in place; a jsonb list is written anew for each item
BEGIN
  avisos := '{}';
  items := '[]';
  IF projection.is_blank(raw) THEN
    RETURN;
  END IF;
  FOR one IN SELECT place, element FROM projection.read_elements(raw) ORDER BY place LOOP
    item := projection.project_item(one.element, pedido_id, one.place);
    IF item IS NULL THEN
      avisos := '{item_ilegivel}';
    ELSE
      kept := kept || item;
    END IF;
  END LOOP;
  items := to_jsonb(kept);
EXCEPTION WHEN OTHERS THEN
  items := '[]';
  avisos := '{items_ilegiveis}';
END
$$;

-- The projection: row triggers on the landing tables that keep the window. They fire ALWAYS, inside the
-- apply worker and the initial copy, and never raise: a value that can't be read becomes NULL and a word
-- in `avisos`, a row that can't be written at all is remembered in `projection.dead_letters` and tried
-- again. An update that changes nothing for the window writes nothing. `ponte apply` attaches them.

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

-- A word in `avisos` for a value that was there and could not be read.
CREATE OR REPLACE FUNCTION projection.unread(field text, given text, got anyelement) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN got IS NULL AND NOT projection.is_blank(given) THEN field || '_ilegivel' END;
END
$$;

CREATE OR REPLACE FUNCTION projection.project_pedidos() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  city text[];
  list record;
  entrada date;
  entrega date;
  total numeric;
  frete numeric;
  itens numeric;
  known text;
  words text[];
BEGIN
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
  IF TG_OP = 'UPDATE' AND NEW IS DISTINCT FROM OLD
     AND (NEW.id, NEW.items, NEW.cidade_cliente, NEW.data_entrada, NEW.data_entrega, NEW.valor_total,
          NEW.valor_frete, NEW.valor_itens)
       IS NOT DISTINCT FROM (OLD.id, OLD.items, OLD.cidade_cliente, OLD.data_entrada, OLD.data_entrega,
          OLD.valor_total, OLD.valor_frete, OLD.valor_itens) THEN
    UPDATE vitrine.pedidos AS held SET
      numero = NEW.numero, cliente = coalesce(NEW.cliente, ''), status = coalesce(known, 'pendente'),
      prioridade = CASE WHEN upper(btrim(NEW.prioridade)) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END,
      telefone_cliente = NEW.telefone_cliente, observacao = NEW.observacao, forma_envio = NEW.forma_envio,
      financeiro = coalesce(NEW.financeiro, false), conferencia = coalesce(NEW.conferencia, false),
      sublimacao = coalesce(NEW.sublimacao, false), costura = coalesce(NEW.costura, false),
      expedicao = coalesce(NEW.expedicao, false), pronto = coalesce(NEW.pronto, false),
      sublimacao_maquina = NEW.sublimacao_maquina,
      sublimacao_data_impressao = NEW.sublimacao_data_impressao, items = held.items #> '{}',
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
      CASE WHEN upper(btrim(NEW.prioridade)) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END, NEW.telefone_cliente,
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
  city := projection.split_city(NEW.cidade_cliente);
  list := projection.project_items(NEW.items, NEW.id);
  entrada := projection.parse_date(NEW.data_entrada);
  entrega := projection.parse_date(NEW.data_entrega);
  total := projection.parse_money(NEW.valor_total);
  frete := projection.parse_money(NEW.valor_frete);
  itens := projection.parse_money(NEW.valor_itens);
  words := array_remove(ARRAY[
    CASE WHEN known IS NULL THEN 'status_desconhecido' END,
    projection.unread('data_entrada', NEW.data_entrada, entrada),
    projection.unread('data_entrega', NEW.data_entrega, entrega),
    projection.unread('valor_total', NEW.valor_total, total),
    projection.unread('valor_frete', NEW.valor_frete, frete),
    projection.unread('valor_itens', NEW.valor_itens, itens)
  ], NULL) || list.avisos;
  INSERT INTO vitrine.pedidos AS held (
    id, numero, cliente, status, prioridade, data_entrada, data_entrega, cidade_cliente, estado_cliente,
    telefone_cliente, valor_total, valor_frete, valor_itens, observacao, forma_envio,
    financeiro, conferencia, sublimacao, costura, expedicao, pronto,
    sublimacao_maquina, sublimacao_data_impressao, items, data_criacao, ultima_atualizacao, avisos)
  VALUES (
    NEW.id, NEW.numero, coalesce(NEW.cliente, ''), coalesce(known, 'pendente'),
    CASE WHEN upper(btrim(NEW.prioridade)) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END,
    entrada, entrega, city[1], city[2], NEW.telefone_cliente, total, frete, itens,
    NEW.observacao, NEW.forma_envio,
    coalesce(NEW.financeiro, false), coalesce(NEW.conferencia, false), coalesce(NEW.sublimacao, false),
    coalesce(NEW.costura, false), coalesce(NEW.expedicao, false), coalesce(NEW.pronto, false),
    NEW.sublimacao_maquina, NEW.sublimacao_data_impressao, list.items,
    projection.to_utc(NEW.data_criacao), projection.to_utc(NEW.ultima_atualizacao), words)
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
EXCEPTION WHEN OTHERS THEN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    PERFORM projection.bury(TG_RELID, OLD.id, SQLSTATE);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION projection.project_pedido_imagens() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    DELETE FROM vitrine.imagens WHERE id = OLD.id;
    PERFORM projection.settle(TG_RELID, OLD.id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  INSERT INTO vitrine.imagens AS held (
    id, pedido_id, item_index, item_identificador, filename, mime_type, tamanho, criado_em)
  VALUES (
    NEW.id, NEW.pedido_id, NEW.item_index, NEW.item_identificador, NEW.filename, NEW.mime_type,
    NEW.tamanho, projection.to_utc(NEW.criado_em))
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
EXCEPTION WHEN OTHERS THEN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    PERFORM projection.bury(TG_RELID, OLD.id, SQLSTATE);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
  END IF;
  RETURN NULL;
END
$$;

-- A NULL setor means 'geral'; who is not known to be active is not.
CREATE OR REPLACE FUNCTION projection.project_user() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  -- Also when only an unpublished column changed, such as the password: the worker looks.
  PERFORM pg_notify('ponte_user', '');
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    DELETE FROM vitrine.usuarios WHERE id = OLD.id;
    PERFORM projection.settle(TG_RELID, OLD.id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  INSERT INTO vitrine.usuarios AS held (id, username, is_admin, setor, is_active)
  VALUES (NEW.id, coalesce(NEW.username, ''), coalesce(NEW.is_admin, false),
          CASE WHEN projection.is_blank(NEW.setor) THEN 'geral' ELSE NEW.setor END,
          coalesce(NEW.is_active, false))
  ON CONFLICT (id) DO UPDATE SET (username, is_admin, setor, is_active)
    = (excluded.username, excluded.is_admin, excluded.setor, excluded.is_active)
  WHERE (held.username, held.is_admin, held.setor, held.is_active)
    IS DISTINCT FROM (excluded.username, excluded.is_admin, excluded.setor, excluded.is_active);
  PERFORM projection.settle(TG_RELID, NEW.id);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    PERFORM projection.bury(TG_RELID, OLD.id, SQLSTATE);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
  END IF;
  RETURN NULL;
END
$$;

-- The heartbeat says when it left SGP and when it landed here. Replayed old beats change nothing; a beat
-- that counts on is newer even where SGP's clock was put back.
CREATE OR REPLACE FUNCTION projection.project_heartbeat() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  INSERT INTO vitrine.heartbeat AS held (id, beat, beat_at, landed_at)
  VALUES (NEW.id, NEW.beat, NEW.beat_at, clock_timestamp())
  ON CONFLICT (id) DO UPDATE SET (beat, beat_at, landed_at)
    = (excluded.beat, excluded.beat_at, excluded.landed_at)
  WHERE excluded.beat > held.beat OR excluded.beat_at > held.beat_at OR held.beat_at IS NULL;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
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

-- Try the dead letters again, the longest waiting first, and return how many are left. Rewriting a
-- landing row as it stands fires its trigger. Where the row is gone it was its removal that failed: the
-- window's row goes now.
CREATE OR REPLACE FUNCTION projection.retry_dead_letters(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  letter record;
  touched bigint;
BEGIN
  FOR letter IN
    SELECT d.landing, d.key FROM projection.dead_letters AS d ORDER BY d.last_at LIMIT most
  LOOP
    IF to_regclass(letter.landing) IS NULL OR projection.window_of(letter.landing) IS NULL THEN
      DELETE FROM projection.dead_letters AS held
       WHERE held.landing = letter.landing AND held.key = letter.key;
      CONTINUE;
    END IF;
    EXECUTE format('UPDATE %s SET id = id WHERE id = $1', letter.landing::regclass) USING letter.key;
    GET DIAGNOSTICS touched = ROW_COUNT;
    IF touched = 0 THEN
      PERFORM projection.remove(letter.landing, letter.key);
    END IF;
  END LOOP;
  RETURN (SELECT count(*) FROM projection.dead_letters);
END
$$;
REVOKE EXECUTE ON FUNCTION projection.retry_dead_letters(integer) FROM public;

INSERT INTO projection.alembic_version (version_num) VALUES ('0001') RETURNING projection.alembic_version.version_num;

-- Running upgrade 0001 -> 0002

ALTER TABLE vitrine.credenciais ADD COLUMN mudou_em TIMESTAMP WITH TIME ZONE;

CREATE TABLE vitrine.revogacoes (
    digest BYTEA NOT NULL, 
    expira_em TIMESTAMP WITH TIME ZONE, 
    versao BIGINT DEFAULT 0 NOT NULL, 
    PRIMARY KEY (digest)
);

CREATE TABLE projection.unsynced_credentials (
    user_id INTEGER NOT NULL, 
    reason TEXT NOT NULL, 
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
    PRIMARY KEY (user_id)
);

-- SGP's logouts. The token itself never lands here: its row's arrival only tells the worker to look.
CREATE OR REPLACE FUNCTION projection.project_revoked_tokens() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM pg_notify('ponte_revogacao', '');
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER stamp_versao BEFORE INSERT OR UPDATE ON vitrine.revogacoes
  FOR EACH ROW EXECUTE FUNCTION projection.stamp_versao();
ALTER TABLE vitrine.revogacoes ENABLE ALWAYS TRIGGER stamp_versao;

UPDATE projection.alembic_version SET version_num='0002' WHERE projection.alembic_version.version_num = '0001';

-- Running upgrade 0002 -> 0003

ALTER TABLE vitrine.miniaturas ADD COLUMN codificador TEXT;

-- The photos' queue: one row a photo, in a schema that no publication names. A trigger on the window
-- fills it in the transaction that brings the photo; it never raises, because it runs inside apply, and
-- what it could not write the worker finds when it sweeps.
CREATE SCHEMA IF NOT EXISTS worker;

CREATE TABLE worker.photos (
  imagem_id integer PRIMARY KEY,
  next_at timestamptz,                -- when its turn is; NULL: it has its verdict
  claimed_by text,                    -- the worker that makes it now
  claimed_until timestamptz,          -- from then on another one may
  attempts integer NOT NULL DEFAULT 0, -- how often in a row something that passes was in the way
  seen text                           -- the file's size and time of change when it was judged
);
CREATE INDEX photos_due ON worker.photos (imagem_id DESC) WHERE next_at IS NOT NULL;

-- Objects that nothing refers to; they are deleted when they are found so a second time.
CREATE TABLE worker.leftovers (
  chave text PRIMARY KEY,
  found_at timestamptz NOT NULL DEFAULT now()
);

-- A photo that arrives has its turn now, also one whose file is said to be another. One fixed payload:
-- PostgreSQL folds it into one notification a transaction.
CREATE OR REPLACE FUNCTION worker.queue_photo() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO worker.photos (imagem_id, next_at) VALUES (NEW.id, now())
  ON CONFLICT (imagem_id) DO UPDATE SET next_at = now(), attempts = 0;
  PERFORM pg_notify('ponte_imagem', '');
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$$;

CREATE TRIGGER queue_photo AFTER INSERT ON vitrine.imagens
  FOR EACH ROW EXECUTE FUNCTION worker.queue_photo();
CREATE TRIGGER queue_photo_again AFTER UPDATE ON vitrine.imagens
  FOR EACH ROW WHEN ((OLD.filename, OLD.mime_type, OLD.tamanho)
    IS DISTINCT FROM (NEW.filename, NEW.mime_type, NEW.tamanho))
  EXECUTE FUNCTION worker.queue_photo();
ALTER TABLE vitrine.imagens ENABLE ALWAYS TRIGGER queue_photo;
ALTER TABLE vitrine.imagens ENABLE ALWAYS TRIGGER queue_photo_again;

INSERT INTO worker.photos (imagem_id, next_at)
SELECT i.id, CASE WHEN m.imagem_id IS NULL THEN now() END
FROM vitrine.imagens AS i LEFT JOIN vitrine.miniaturas AS m ON m.imagem_id = i.id;

UPDATE projection.alembic_version SET version_num='0003' WHERE projection.alembic_version.version_num = '0002';

-- Running upgrade 0003 -> 0004

-- What was measured, for the panel's chart and for rates: finely for a day, by the hour for a year. Numbers
-- and words of Ponte's own, nothing of the shop's; not published.

CREATE SCHEMA IF NOT EXISTS watch;

CREATE TABLE watch.measurements (
  subscriber text NOT NULL,
  measured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  state text NOT NULL,
  cause text,
  as_of timestamptz,
  age_seconds double precision,
  sgp_wal_bytes bigint,               -- how far the server has written
  sgp_retained_bytes bigint,          -- what its slot keeps
  vitrine_wal_bytes bigint,
  vitrine_retained_bytes bigint,
  PRIMARY KEY (subscriber, measured_at)
);

CREATE TABLE watch.measurements_hourly (
  subscriber text NOT NULL,
  hour timestamptz NOT NULL,
  samples integer NOT NULL,
  fresh integer NOT NULL,
  lagging integer NOT NULL,
  silent integer NOT NULL,
  max_age_seconds double precision,   -- NULL: at some time it was not known
  max_retained_bytes bigint,
  PRIMARY KEY (subscriber, hour)
);

-- Fold whole hours that are older than a day into one row each, and forget those older than a year. Two at
-- once do no harm: each row is folded by whoever deletes it.
CREATE OR REPLACE FUNCTION watch.thin() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  WITH gone AS (
    DELETE FROM watch.measurements WHERE measured_at < date_trunc('hour', now() - interval '1 day')
    RETURNING *
  )
  INSERT INTO watch.measurements_hourly AS held
  SELECT subscriber, date_trunc('hour', measured_at), count(*), count(*) FILTER (WHERE state = 'fresh'),
         count(*) FILTER (WHERE state = 'lagging'), count(*) FILTER (WHERE state = 'silent'),
         CASE WHEN bool_and(age_seconds IS NOT NULL) THEN max(age_seconds) END, max(vitrine_retained_bytes)
    FROM gone GROUP BY 1, 2
  ON CONFLICT (subscriber, hour) DO UPDATE SET
    samples = held.samples + excluded.samples, fresh = held.fresh + excluded.fresh,
    lagging = held.lagging + excluded.lagging, silent = held.silent + excluded.silent,
    max_age_seconds = CASE WHEN held.max_age_seconds IS NOT NULL AND excluded.max_age_seconds IS NOT NULL
                      THEN greatest(held.max_age_seconds, excluded.max_age_seconds) END,
    max_retained_bytes = greatest(held.max_retained_bytes, excluded.max_retained_bytes);
  DELETE FROM watch.measurements_hourly WHERE hour < now() - interval '1 year';
$$;
REVOKE EXECUTE ON FUNCTION watch.thin() FROM public;

-- The projection: row triggers on the landing tables that keep the window. They fire ALWAYS, inside the
-- apply worker and the initial copy, and never raise: a value that can't be read becomes NULL and a word
-- in `avisos`, a row that can't be written at all is remembered in `projection.dead_letters` and tried
-- again. An update that changes nothing for the window writes nothing. `ponte apply` attaches them.

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

-- A word in `avisos` for a value that was there and could not be read.
CREATE OR REPLACE FUNCTION projection.unread(field text, given text, got anyelement) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN got IS NULL AND NOT projection.is_blank(given) THEN field || '_ilegivel' END;
END
$$;

CREATE OR REPLACE FUNCTION projection.project_pedidos() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  city text[];
  list record;
  entrada date;
  entrega date;
  total numeric;
  frete numeric;
  itens numeric;
  known text;
  words text[];
BEGIN
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
  IF TG_OP = 'UPDATE' AND NEW IS DISTINCT FROM OLD
     AND (NEW.id, NEW.items, NEW.cidade_cliente, NEW.data_entrada, NEW.data_entrega, NEW.valor_total,
          NEW.valor_frete, NEW.valor_itens)
       IS NOT DISTINCT FROM (OLD.id, OLD.items, OLD.cidade_cliente, OLD.data_entrada, OLD.data_entrega,
          OLD.valor_total, OLD.valor_frete, OLD.valor_itens) THEN
    UPDATE vitrine.pedidos AS held SET
      numero = NEW.numero, cliente = coalesce(NEW.cliente, ''), status = coalesce(known, 'pendente'),
      prioridade = CASE WHEN upper(btrim(NEW.prioridade)) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END,
      telefone_cliente = NEW.telefone_cliente, observacao = NEW.observacao, forma_envio = NEW.forma_envio,
      financeiro = coalesce(NEW.financeiro, false), conferencia = coalesce(NEW.conferencia, false),
      sublimacao = coalesce(NEW.sublimacao, false), costura = coalesce(NEW.costura, false),
      expedicao = coalesce(NEW.expedicao, false), pronto = coalesce(NEW.pronto, false),
      sublimacao_maquina = NEW.sublimacao_maquina,
      sublimacao_data_impressao = NEW.sublimacao_data_impressao, items = held.items #> '{}',
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
      CASE WHEN upper(btrim(NEW.prioridade)) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END, NEW.telefone_cliente,
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
  city := projection.split_city(NEW.cidade_cliente);
  list := projection.project_items(NEW.items, NEW.id);
  entrada := projection.parse_date(NEW.data_entrada);
  entrega := projection.parse_date(NEW.data_entrega);
  total := projection.parse_money(NEW.valor_total);
  frete := projection.parse_money(NEW.valor_frete);
  itens := projection.parse_money(NEW.valor_itens);
  words := array_remove(ARRAY[
    CASE WHEN known IS NULL THEN 'status_desconhecido' END,
    projection.unread('data_entrada', NEW.data_entrada, entrada),
    projection.unread('data_entrega', NEW.data_entrega, entrega),
    projection.unread('valor_total', NEW.valor_total, total),
    projection.unread('valor_frete', NEW.valor_frete, frete),
    projection.unread('valor_itens', NEW.valor_itens, itens)
  ], NULL) || list.avisos;
  INSERT INTO vitrine.pedidos AS held (
    id, numero, cliente, status, prioridade, data_entrada, data_entrega, cidade_cliente, estado_cliente,
    telefone_cliente, valor_total, valor_frete, valor_itens, observacao, forma_envio,
    financeiro, conferencia, sublimacao, costura, expedicao, pronto,
    sublimacao_maquina, sublimacao_data_impressao, items, data_criacao, ultima_atualizacao, avisos)
  VALUES (
    NEW.id, NEW.numero, coalesce(NEW.cliente, ''), coalesce(known, 'pendente'),
    CASE WHEN upper(btrim(NEW.prioridade)) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END,
    entrada, entrega, city[1], city[2], NEW.telefone_cliente, total, frete, itens,
    NEW.observacao, NEW.forma_envio,
    coalesce(NEW.financeiro, false), coalesce(NEW.conferencia, false), coalesce(NEW.sublimacao, false),
    coalesce(NEW.costura, false), coalesce(NEW.expedicao, false), coalesce(NEW.pronto, false),
    NEW.sublimacao_maquina, NEW.sublimacao_data_impressao, list.items,
    projection.to_utc(NEW.data_criacao), projection.to_utc(NEW.ultima_atualizacao), words)
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
EXCEPTION WHEN OTHERS THEN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    PERFORM projection.bury(TG_RELID, OLD.id, SQLSTATE);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION projection.project_pedido_imagens() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    DELETE FROM vitrine.imagens WHERE id = OLD.id;
    PERFORM projection.settle(TG_RELID, OLD.id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  INSERT INTO vitrine.imagens AS held (
    id, pedido_id, item_index, item_identificador, filename, mime_type, tamanho, criado_em)
  VALUES (
    NEW.id, NEW.pedido_id, NEW.item_index, NEW.item_identificador, NEW.filename, NEW.mime_type,
    NEW.tamanho, projection.to_utc(NEW.criado_em))
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
EXCEPTION WHEN OTHERS THEN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    PERFORM projection.bury(TG_RELID, OLD.id, SQLSTATE);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
  END IF;
  RETURN NULL;
END
$$;

-- A NULL setor means 'geral'; who is not known to be active is not.
CREATE OR REPLACE FUNCTION projection.project_user() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  -- Also when only an unpublished column changed, such as the password: the worker looks.
  PERFORM pg_notify('ponte_user', '');
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    DELETE FROM vitrine.usuarios WHERE id = OLD.id;
    PERFORM projection.settle(TG_RELID, OLD.id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  INSERT INTO vitrine.usuarios AS held (id, username, is_admin, setor, is_active)
  VALUES (NEW.id, coalesce(NEW.username, ''), coalesce(NEW.is_admin, false),
          CASE WHEN projection.is_blank(NEW.setor) THEN 'geral' ELSE NEW.setor END,
          coalesce(NEW.is_active, false))
  ON CONFLICT (id) DO UPDATE SET (username, is_admin, setor, is_active)
    = (excluded.username, excluded.is_admin, excluded.setor, excluded.is_active)
  WHERE (held.username, held.is_admin, held.setor, held.is_active)
    IS DISTINCT FROM (excluded.username, excluded.is_admin, excluded.setor, excluded.is_active);
  PERFORM projection.settle(TG_RELID, NEW.id);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    PERFORM projection.bury(TG_RELID, OLD.id, SQLSTATE);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
  END IF;
  RETURN NULL;
END
$$;

-- The heartbeat says when it left SGP and when it landed here. Replayed old beats change nothing; a beat
-- that counts on is newer even where SGP's clock was put back.
CREATE OR REPLACE FUNCTION projection.project_heartbeat() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  INSERT INTO vitrine.heartbeat AS held (id, beat, beat_at, landed_at)
  VALUES (NEW.id, NEW.beat, NEW.beat_at, clock_timestamp())
  ON CONFLICT (id) DO UPDATE SET (beat, beat_at, landed_at)
    = (excluded.beat, excluded.beat_at, excluded.landed_at)
  WHERE excluded.beat > held.beat OR excluded.beat_at > held.beat_at OR held.beat_at IS NULL;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
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

-- Try the dead letters again, the longest waiting first, and return how many are left. Rewriting a
-- landing row as it stands fires its trigger. Where the row is gone it was its removal that failed: the
-- window's row goes now.
CREATE OR REPLACE FUNCTION projection.retry_dead_letters(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  letter record;
  touched bigint;
BEGIN
  FOR letter IN
    SELECT d.landing, d.key FROM projection.dead_letters AS d ORDER BY d.last_at LIMIT most
  LOOP
    IF to_regclass(letter.landing) IS NULL OR projection.window_of(letter.landing) IS NULL THEN
      DELETE FROM projection.dead_letters AS held
       WHERE held.landing = letter.landing AND held.key = letter.key;
      CONTINUE;
    END IF;
    EXECUTE format('UPDATE %s SET id = id WHERE id = $1', letter.landing::regclass) USING letter.key;
    GET DIAGNOSTICS touched = ROW_COUNT;
    IF touched = 0 THEN
      PERFORM projection.remove(letter.landing, letter.key);
    END IF;
  END LOOP;
  RETURN (SELECT count(*) FROM projection.dead_letters);
END
$$;
REVOKE EXECUTE ON FUNCTION projection.retry_dead_letters(integer) FROM public;

UPDATE projection.alembic_version SET version_num='0004' WHERE projection.alembic_version.version_num = '0003';

-- Running upgrade 0004 -> 0005

-- How one value of SGP's becomes a value of the window. Each function answers NULL for what it can't
-- read and raises nothing; whether that deserves a word in `avisos` is for the caller to say.

-- Tell whether there was text to read at all.
CREATE OR REPLACE FUNCTION projection.is_blank(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN value IS NULL OR btrim(value, E' \t\r\n\f\u000b\u00a0') = '';
END
$$;

-- '403.00', '20,00', '1.234,56', 'R$ 5,00', '1.955.00': the last separator is the decimal one.
CREATE OR REPLACE FUNCTION projection.parse_money(value text) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  bare text := translate(replace(upper(value), 'R$', ''), E', \t\u00a0', '.');
  digits text := ltrim(bare, '-');
  cents text := split_part(digits, '.', -1);
  whole text := translate(left(digits, length(digits) - length(cents)), '.', '');
BEGIN
  IF digits ~ '[^0-9.]' OR length(bare) - length(digits) > 1 THEN
    RETURN NULL;
  END IF;
  IF position('.' IN digits) = 0 THEN
    whole := cents;
    cents := '';
  END IF;
  IF length(ltrim(whole, '0')) > 11 OR whole || cents = '' THEN
    RETURN NULL;
  END IF;
  RETURN round((left(bare, length(bare) - length(digits)) || '0' || whole || '.' || cents || '0')::numeric, 2);
END
$$;

-- 'YYYY-MM-DD' with anything after a 'T' or a blank, or 'dd/mm/yyyy'.
CREATE OR REPLACE FUNCTION projection.parse_odd_date(value text) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  ymd text[] := regexp_match(value, '^\s*([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ].*)?\s*$');
  dmy text[];
BEGIN
  IF ymd IS NULL THEN
    dmy := regexp_match(value, '^\s*([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})\s*$');
    ymd := ARRAY[dmy[3], dmy[2], dmy[1]];
  END IF;
  RETURN make_date(ymd[1]::int, ymd[2]::int, ymd[3]::int);
EXCEPTION WHEN datetime_field_overflow THEN
  RETURN NULL;
END
$$;

-- The same; the usual form, of a day that every month has, costs a tenth of what catching errors does.
CREATE OR REPLACE FUNCTION projection.parse_date(value text) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE
    WHEN value IS NULL OR value = '' THEN NULL
    WHEN value ~ '^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$' THEN value::date
    ELSE projection.parse_odd_date(value)
  END;
END
$$;

-- SGP's times are naive UTC in one variant of its schema and aware in the other.
CREATE OR REPLACE FUNCTION projection.to_utc(value timestamp) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN value AT TIME ZONE 'UTC';
END
$$;

CREATE OR REPLACE FUNCTION projection.to_utc(value timestamptz) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN value;
END
$$;

-- One of the five statuses; NULL for a word that SGP does not know either. `lower` alone leaves accented
-- capitals as they are where the database's locale is C.
CREATE OR REPLACE FUNCTION projection.parse_status(value text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE translate(lower(btrim(normalize(coalesce(value, ''), NFC), E' \t\r\n\f\u000b\u00a0')), 'ÇÃÍ', 'çãí')
    WHEN '' THEN 'pendente'
    WHEN 'pendente' THEN 'pendente'
    WHEN 'penden' THEN 'pendente'
    WHEN 'em_producao' THEN 'em_producao'
    WHEN 'em producao' THEN 'em_producao'
    WHEN 'em produção' THEN 'em_producao'
    WHEN 'emproducao' THEN 'em_producao'
    WHEN 'pronto' THEN 'pronto'
    WHEN 'entregue' THEN 'entregue'
    WHEN 'concluido' THEN 'entregue'
    WHEN 'concluído' THEN 'entregue'
    WHEN 'cancelado' THEN 'cancelado'
  END;
END
$$;

-- 'Cidade||UF' today, 'Cidade - UF' in older rows, or the city alone. Gives {cidade, uf}.
CREATE OR REPLACE FUNCTION projection.split_city(value text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE
    WHEN value LIKE '%||%' THEN
      ARRAY[btrim(split_part(value, '||', 1)), upper(btrim(split_part(value, '||', 2)))]
    WHEN value ~ '\s-\s*[A-Za-z]{2}\s*$' THEN
      ARRAY[btrim(regexp_replace(value, '\s+-\s*[A-Za-z]{2}\s*$', '')), upper(right(btrim(value), 2))]
    ELSE ARRAY[btrim(coalesce(value, '')), '']
  END;
END
$$;

-- Read JSON, or answer NULL: also for depth, surrogates, \u0000 and numbers beyond what jsonb holds.
CREATE OR REPLACE FUNCTION projection.try_jsonb(value text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN value::jsonb;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$$;

-- The projection: row triggers on the landing tables that keep the window. They fire ALWAYS, inside the
-- apply worker and the initial copy, and never raise: a value that can't be read becomes NULL and a word
-- in `avisos`, a row that can't be written at all is remembered in `projection.dead_letters` and tried
-- again. An update that changes nothing for the window writes nothing. `ponte apply` attaches them.

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

-- A word in `avisos` for a value that was there and could not be read.
CREATE OR REPLACE FUNCTION projection.unread(field text, given text, got anyelement) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  RETURN CASE WHEN got IS NULL AND NOT projection.is_blank(given) THEN field || '_ilegivel' END;
END
$$;

CREATE OR REPLACE FUNCTION projection.project_pedidos() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
  city text[];
  list record;
  entrada date;
  entrega date;
  total numeric;
  frete numeric;
  itens numeric;
  known text;
  words text[];
BEGIN
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
  IF TG_OP = 'UPDATE' AND NEW IS DISTINCT FROM OLD
     AND (NEW.id, NEW.items, NEW.cidade_cliente, NEW.data_entrada, NEW.data_entrega, NEW.valor_total,
          NEW.valor_frete, NEW.valor_itens)
       IS NOT DISTINCT FROM (OLD.id, OLD.items, OLD.cidade_cliente, OLD.data_entrada, OLD.data_entrega,
          OLD.valor_total, OLD.valor_frete, OLD.valor_itens) THEN
    UPDATE vitrine.pedidos AS held SET
      numero = NEW.numero, cliente = coalesce(NEW.cliente, ''), status = coalesce(known, 'pendente'),
      prioridade = CASE WHEN upper(btrim(NEW.prioridade)) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END,
      telefone_cliente = NEW.telefone_cliente, observacao = NEW.observacao, forma_envio = NEW.forma_envio,
      financeiro = coalesce(NEW.financeiro, false), conferencia = coalesce(NEW.conferencia, false),
      sublimacao = coalesce(NEW.sublimacao, false), costura = coalesce(NEW.costura, false),
      expedicao = coalesce(NEW.expedicao, false), pronto = coalesce(NEW.pronto, false),
      sublimacao_maquina = NEW.sublimacao_maquina,
      sublimacao_data_impressao = NEW.sublimacao_data_impressao, items = held.items #> '{}',
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
      CASE WHEN upper(btrim(NEW.prioridade)) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END, NEW.telefone_cliente,
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
  city := projection.split_city(NEW.cidade_cliente);
  list := projection.project_items(NEW.items, NEW.id);
  entrada := projection.parse_date(NEW.data_entrada);
  entrega := projection.parse_date(NEW.data_entrega);
  total := projection.parse_money(NEW.valor_total);
  frete := projection.parse_money(NEW.valor_frete);
  itens := projection.parse_money(NEW.valor_itens);
  words := array_remove(ARRAY[
    CASE WHEN known IS NULL THEN 'status_desconhecido' END,
    projection.unread('data_entrada', NEW.data_entrada, entrada),
    projection.unread('data_entrega', NEW.data_entrega, entrega),
    projection.unread('valor_total', NEW.valor_total, total),
    projection.unread('valor_frete', NEW.valor_frete, frete),
    projection.unread('valor_itens', NEW.valor_itens, itens)
  ], NULL) || list.avisos;
  INSERT INTO vitrine.pedidos AS held (
    id, numero, cliente, status, prioridade, data_entrada, data_entrega, cidade_cliente, estado_cliente,
    telefone_cliente, valor_total, valor_frete, valor_itens, observacao, forma_envio,
    financeiro, conferencia, sublimacao, costura, expedicao, pronto,
    sublimacao_maquina, sublimacao_data_impressao, items, data_criacao, ultima_atualizacao, avisos)
  VALUES (
    NEW.id, NEW.numero, coalesce(NEW.cliente, ''), coalesce(known, 'pendente'),
    CASE WHEN upper(btrim(NEW.prioridade)) = 'ALTA' THEN 'ALTA' ELSE 'NORMAL' END,
    entrada, entrega, city[1], city[2], NEW.telefone_cliente, total, frete, itens,
    NEW.observacao, NEW.forma_envio,
    coalesce(NEW.financeiro, false), coalesce(NEW.conferencia, false), coalesce(NEW.sublimacao, false),
    coalesce(NEW.costura, false), coalesce(NEW.expedicao, false), coalesce(NEW.pronto, false),
    NEW.sublimacao_maquina, NEW.sublimacao_data_impressao, list.items,
    projection.to_utc(NEW.data_criacao), projection.to_utc(NEW.ultima_atualizacao), words)
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
EXCEPTION WHEN OTHERS THEN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    PERFORM projection.bury(TG_RELID, OLD.id, SQLSTATE);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION projection.project_pedido_imagens() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    DELETE FROM vitrine.imagens WHERE id = OLD.id;
    PERFORM projection.settle(TG_RELID, OLD.id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  INSERT INTO vitrine.imagens AS held (
    id, pedido_id, item_index, item_identificador, filename, mime_type, tamanho, criado_em)
  VALUES (
    NEW.id, NEW.pedido_id, NEW.item_index, NEW.item_identificador, NEW.filename, NEW.mime_type,
    NEW.tamanho, projection.to_utc(NEW.criado_em))
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
EXCEPTION WHEN OTHERS THEN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    PERFORM projection.bury(TG_RELID, OLD.id, SQLSTATE);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
  END IF;
  RETURN NULL;
END
$$;

-- A NULL setor means 'geral'; who is not known to be active is not.
CREATE OR REPLACE FUNCTION projection.project_user() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  -- Also when only an unpublished column changed, such as the password: the worker looks.
  PERFORM pg_notify('ponte_user', '');
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    DELETE FROM vitrine.usuarios WHERE id = OLD.id;
    PERFORM projection.settle(TG_RELID, OLD.id);
  END IF;
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  INSERT INTO vitrine.usuarios AS held (id, username, is_admin, setor, is_active)
  VALUES (NEW.id, coalesce(NEW.username, ''), coalesce(NEW.is_admin, false),
          CASE WHEN projection.is_blank(NEW.setor) THEN 'geral' ELSE NEW.setor END,
          coalesce(NEW.is_active, false))
  ON CONFLICT (id) DO UPDATE SET (username, is_admin, setor, is_active)
    = (excluded.username, excluded.is_admin, excluded.setor, excluded.is_active)
  WHERE (held.username, held.is_admin, held.setor, held.is_active)
    IS DISTINCT FROM (excluded.username, excluded.is_admin, excluded.setor, excluded.is_active);
  PERFORM projection.settle(TG_RELID, NEW.id);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND OLD.id <> NEW.id) THEN
    PERFORM projection.bury(TG_RELID, OLD.id, SQLSTATE);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
  END IF;
  RETURN NULL;
END
$$;

-- The heartbeat says when it left SGP and when it landed here. Replayed old beats change nothing; a beat
-- that counts on is newer even where SGP's clock was put back.
CREATE OR REPLACE FUNCTION projection.project_heartbeat() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RETURN NULL;
  END IF;
  INSERT INTO vitrine.heartbeat AS held (id, beat, beat_at, landed_at)
  VALUES (NEW.id, NEW.beat, NEW.beat_at, clock_timestamp())
  ON CONFLICT (id) DO UPDATE SET (beat, beat_at, landed_at)
    = (excluded.beat, excluded.beat_at, excluded.landed_at)
  WHERE excluded.beat > held.beat OR excluded.beat_at > held.beat_at OR held.beat_at IS NULL;
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  PERFORM projection.bury(TG_RELID, NEW.id, SQLSTATE);
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

-- Try the dead letters again, the longest waiting first, and return how many are left. Rewriting a
-- landing row as it stands fires its trigger. Where the row is gone it was its removal that failed: the
-- window's row goes now.
CREATE OR REPLACE FUNCTION projection.retry_dead_letters(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  letter record;
  touched bigint;
BEGIN
  FOR letter IN
    SELECT d.landing, d.key FROM projection.dead_letters AS d ORDER BY d.last_at LIMIT most
  LOOP
    IF to_regclass(letter.landing) IS NULL OR projection.window_of(letter.landing) IS NULL THEN
      DELETE FROM projection.dead_letters AS held
       WHERE held.landing = letter.landing AND held.key = letter.key;
      CONTINUE;
    END IF;
    EXECUTE format('UPDATE %s SET id = id WHERE id = $1', letter.landing::regclass) USING letter.key;
    GET DIAGNOSTICS touched = ROW_COUNT;
    IF touched = 0 THEN
      PERFORM projection.remove(letter.landing, letter.key);
    END IF;
  END LOOP;
  RETURN (SELECT count(*) FROM projection.dead_letters);
END
$$;
REVOKE EXECUTE ON FUNCTION projection.retry_dead_letters(integer) FROM public;

UPDATE projection.alembic_version SET version_num='0005' WHERE projection.alembic_version.version_num = '0004';

COMMIT;

