BEGIN;

CREATE SCHEMA IF NOT EXISTS guard;

CREATE TABLE guard.alembic_version (
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

ALTER TABLE vitrine.pedidos ADD COLUMN cursor BIGINT DEFAULT 0 NOT NULL;

ALTER TABLE vitrine.imagens ADD COLUMN cursor BIGINT DEFAULT 0 NOT NULL;

ALTER TABLE vitrine.usuarios ADD COLUMN cursor BIGINT DEFAULT 0 NOT NULL;

ALTER TABLE vitrine.credenciais ADD COLUMN cursor BIGINT DEFAULT 0 NOT NULL;

ALTER TABLE vitrine.miniaturas ADD COLUMN cursor BIGINT DEFAULT 0 NOT NULL;

ALTER TABLE vitrine.heartbeat ADD COLUMN cursor BIGINT DEFAULT 0 NOT NULL;

ALTER TABLE vitrine.heartbeat ADD COLUMN received_at TIMESTAMP WITH TIME ZONE;

-- The guard stands at each window table on the VPS and is met by apply, by the initial copy and by the
-- push alike. An INSERT of a key that is already there becomes an update if it is not older, and is
-- dropped if it is; so copying again over a full table is an upsert without a gap for readers, and no
-- duplicate key can stop apply.

CREATE SEQUENCE IF NOT EXISTS vitrine.cursor_seq;

-- After a change, say so: one fixed word per table, which PostgreSQL folds into one per transaction.
CREATE OR REPLACE FUNCTION guard.announce() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM pg_notify('vitrine', TG_TABLE_NAME);
  RETURN NULL;
END
$$;

-- Fires for ordinary sessions only: what replication and the ingest write comes as 'replica'.
CREATE OR REPLACE FUNCTION guard.refuse_local_write() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  RAISE EXCEPTION 'table %.% is written by replication only', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege',
          HINT = 'Change the order in SGP; the change arrives here by itself.';
END
$$;

-- Write the trigger function of one window table, with its columns as they are now, and attach all
-- three triggers. Run it again after a migration that changes the table's columns.
CREATE OR REPLACE FUNCTION guard.install(window_table regclass, key name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $install$
DECLARE
  short name := (SELECT c.relname FROM pg_class c WHERE c.oid = window_table);
  carried text;     -- columns that arrive
  arrived text;     -- the same, of NEW
  excluded text;    -- the same, of the row in conflict
  stored text;      -- the same, of the row that is there
  receipt text := '';
BEGIN
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum),
         string_agg('NEW.' || quote_ident(a.attname), ', ' ORDER BY a.attnum),
         string_agg('excluded.' || quote_ident(a.attname), ', ' ORDER BY a.attnum),
         string_agg('held.' || quote_ident(a.attname), ', ' ORDER BY a.attnum)
    INTO carried, arrived, excluded, stored
    FROM pg_attribute a
   WHERE a.attrelid = window_table AND a.attnum > 0 AND NOT a.attisdropped
     AND a.attname NOT IN ('cursor', 'received_at');
  IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = window_table AND a.attname = 'received_at') THEN
    receipt := 'NEW.received_at := clock_timestamp();';
  END IF;
  EXECUTE format($make$
    CREATE OR REPLACE FUNCTION guard.%1$I() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $body$
    BEGIN
      IF TG_OP = 'INSERT' AND pg_trigger_depth() = 1 THEN
        INSERT INTO %2$s AS held (%3$s) VALUES (%4$s)
        ON CONFLICT (%8$I) DO UPDATE SET (%3$s) = ROW(%5$s)
        WHERE held.versao < excluded.versao
           OR (held.versao = excluded.versao AND (%6$s) IS DISTINCT FROM (%5$s));
        RETURN NULL;
      END IF;
      IF TG_OP = 'UPDATE' AND NEW.versao < OLD.versao THEN
        RETURN NULL;
      END IF;
      NEW.cursor := nextval('vitrine.cursor_seq');
      %7$s
      RETURN NEW;
    END
    $body$ $make$, short, window_table, carried, arrived, excluded, stored, receipt, key);
  EXECUTE format('CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE ON %s '
                 'FOR EACH ROW EXECUTE FUNCTION guard.%I()', window_table, short);
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER guard', window_table);
  EXECUTE format('CREATE OR REPLACE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON %s '
                 'FOR EACH ROW EXECUTE FUNCTION guard.announce()', window_table);
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER announce', window_table);
  EXECUTE format('CREATE OR REPLACE TRIGGER refuse_local_write BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE '
                 'ON %s FOR EACH STATEMENT EXECUTE FUNCTION guard.refuse_local_write()', window_table);
END
$install$;
REVOKE EXECUTE ON FUNCTION guard.install(regclass, name) FROM public;

SELECT guard.install('vitrine.pedidos', 'id');

SELECT guard.install('vitrine.imagens', 'id');

SELECT guard.install('vitrine.usuarios', 'id');

SELECT guard.install('vitrine.credenciais', 'user_id');

SELECT guard.install('vitrine.miniaturas', 'imagem_id');

SELECT guard.install('vitrine.heartbeat', 'id');

INSERT INTO guard.alembic_version (version_num) VALUES ('0001') RETURNING guard.alembic_version.version_num;

-- Running upgrade 0001 -> 0002

-- What changed, for readers that keep something in memory or ask for the difference. Each change of the
-- window leaves one row with the transaction that made it: a reader who remembers a snapshot finds
-- exactly what has become visible since, however late it was committed.

CREATE TABLE guard.mudancas (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  tabela text NOT NULL,
  chave bigint,                       -- NULL: every row of the table
  em timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX mudancas_xid ON guard.mudancas (xid);

-- One row. A cursor of another epoch, or older than the horizon, can't be continued.
CREATE TABLE guard.epoca (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  epoca uuid NOT NULL DEFAULT gen_random_uuid(),
  horizonte xid8 NOT NULL DEFAULT pg_current_xact_id()
);
INSERT INTO guard.epoca DEFAULT VALUES;

-- After a change: write down which order, photo or user it was about. The writer needs no right on the
-- log. A photo that moves is a change of both of its orders; a miniatura is written down by its photo,
-- because the photo's own row may not be visible yet.
CREATE OR REPLACE FUNCTION guard.record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  before bigint;
  after bigint;
BEGIN
  IF TG_TABLE_NAME = 'imagens' THEN
    IF TG_OP <> 'INSERT' THEN before := OLD.pedido_id; END IF;
    IF TG_OP <> 'DELETE' THEN after := NEW.pedido_id; END IF;
  ELSIF TG_TABLE_NAME = 'miniaturas' THEN
    IF TG_OP <> 'INSERT' THEN before := OLD.imagem_id; END IF;
    IF TG_OP <> 'DELETE' THEN after := NEW.imagem_id; END IF;
  ELSE
    IF TG_OP <> 'INSERT' THEN before := OLD.id; END IF;
    IF TG_OP <> 'DELETE' THEN after := NEW.id; END IF;
  END IF;
  IF before IS NOT NULL THEN
    INSERT INTO guard.mudancas (tabela, chave) VALUES (TG_TABLE_NAME, before);
  END IF;
  IF after IS NOT NULL AND after IS DISTINCT FROM before THEN
    INSERT INTO guard.mudancas (tabela, chave) VALUES (TG_TABLE_NAME, after);
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION guard.record_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO guard.mudancas (tabela) VALUES (TG_TABLE_NAME);
  PERFORM pg_notify('vitrine', TG_TABLE_NAME);
  RETURN NULL;
END
$$;

-- Forget changes older than three days, a few thousand at a time; each beat of the heart calls it.
CREATE OR REPLACE FUNCTION guard.forget() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  newest xid8;
BEGIN
  IF (SELECT em FROM guard.mudancas ORDER BY xid LIMIT 1) < clock_timestamp() - interval '3 days' THEN
    WITH aged AS (SELECT ctid, em FROM guard.mudancas ORDER BY xid LIMIT 5000 FOR UPDATE SKIP LOCKED),
    gone AS (
      DELETE FROM guard.mudancas USING aged
       WHERE mudancas.ctid = aged.ctid AND aged.em < clock_timestamp() - interval '3 days'
      RETURNING mudancas.xid
    )
    SELECT xid INTO newest FROM gone ORDER BY xid DESC LIMIT 1;
    UPDATE guard.epoca SET horizonte = (newest::text::bigint + 1)::text::xid8 WHERE horizonte <= newest;
  END IF;
  RETURN NULL;
END
$$;

-- What two texts must share to be found by one another: no accents, however composed, and no case.
CREATE OR REPLACE FUNCTION guard.fold(given text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
  SELECT lower(regexp_replace(normalize(given, NFKD), '[\u0300-\u036f]', '', 'g'))
$$;

-- Everything of an order that a search looks into, folded.
CREATE OR REPLACE FUNCTION guard.search_text(numero text, cliente text, cidade text, observacao text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT guard.fold(coalesce(numero, '') || E'\n' || coalesce(cliente, '') || E'\n' || coalesce(cidade, '')
                    || E'\n' || coalesce(observacao, ''))
$$;

CREATE OR REPLACE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON vitrine.pedidos
  FOR EACH ROW EXECUTE FUNCTION guard.record();
ALTER TABLE vitrine.pedidos ENABLE ALWAYS TRIGGER record;
CREATE OR REPLACE TRIGGER record_truncate AFTER TRUNCATE ON vitrine.pedidos
  FOR EACH STATEMENT EXECUTE FUNCTION guard.record_truncate();
ALTER TABLE vitrine.pedidos ENABLE ALWAYS TRIGGER record_truncate;

CREATE OR REPLACE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON vitrine.imagens
  FOR EACH ROW EXECUTE FUNCTION guard.record();
ALTER TABLE vitrine.imagens ENABLE ALWAYS TRIGGER record;
CREATE OR REPLACE TRIGGER record_truncate AFTER TRUNCATE ON vitrine.imagens
  FOR EACH STATEMENT EXECUTE FUNCTION guard.record_truncate();
ALTER TABLE vitrine.imagens ENABLE ALWAYS TRIGGER record_truncate;

CREATE OR REPLACE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON vitrine.miniaturas
  FOR EACH ROW EXECUTE FUNCTION guard.record();
ALTER TABLE vitrine.miniaturas ENABLE ALWAYS TRIGGER record;
CREATE OR REPLACE TRIGGER record_truncate AFTER TRUNCATE ON vitrine.miniaturas
  FOR EACH STATEMENT EXECUTE FUNCTION guard.record_truncate();
ALTER TABLE vitrine.miniaturas ENABLE ALWAYS TRIGGER record_truncate;

CREATE OR REPLACE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON vitrine.usuarios
  FOR EACH ROW EXECUTE FUNCTION guard.record();
ALTER TABLE vitrine.usuarios ENABLE ALWAYS TRIGGER record;
CREATE OR REPLACE TRIGGER record_truncate AFTER TRUNCATE ON vitrine.usuarios
  FOR EACH STATEMENT EXECUTE FUNCTION guard.record_truncate();
ALTER TABLE vitrine.usuarios ENABLE ALWAYS TRIGGER record_truncate;

CREATE OR REPLACE TRIGGER forget AFTER INSERT OR UPDATE ON vitrine.heartbeat
  FOR EACH ROW EXECUTE FUNCTION guard.forget();
ALTER TABLE vitrine.heartbeat ENABLE ALWAYS TRIGGER forget;

CREATE INDEX pedidos_newest ON vitrine.pedidos (data_criacao DESC NULLS LAST, id DESC);
CREATE INDEX pedidos_status ON vitrine.pedidos (status, data_criacao DESC NULLS LAST, id DESC);
CREATE INDEX imagens_pedido ON vitrine.imagens (pedido_id);
CREATE INDEX usuarios_username ON vitrine.usuarios (username);

DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA guard;
  CREATE INDEX pedidos_search ON vitrine.pedidos
    USING gin (guard.search_text(numero, cliente, cidade_cliente, observacao) guard.gin_trgm_ops);
  CREATE INDEX pedidos_cliente ON vitrine.pedidos USING gin (guard.fold(cliente) guard.gin_trgm_ops);
EXCEPTION WHEN undefined_file OR feature_not_supported OR insufficient_privilege OR undefined_object THEN
  RAISE NOTICE 'pg_trgm is not to be had here: searches read the whole table';
END
$$;

GRANT USAGE ON SCHEMA guard TO PUBLIC;
GRANT SELECT ON guard.mudancas, guard.epoca TO PUBLIC;

UPDATE guard.alembic_version SET version_num='0002' WHERE guard.alembic_version.version_num = '0001';

-- Running upgrade 0002 -> 0003

REVOKE SELECT ON guard.mudancas, guard.epoca FROM PUBLIC;

REVOKE USAGE ON SCHEMA guard FROM PUBLIC;

UPDATE guard.alembic_version SET version_num='0003' WHERE guard.alembic_version.version_num = '0002';

-- Running upgrade 0003 -> 0004

ALTER TABLE vitrine.credenciais ADD COLUMN mudou_em TIMESTAMP WITH TIME ZONE;

CREATE TABLE vitrine.revogacoes (
  digest bytea PRIMARY KEY,
  expira_em timestamptz,
  versao bigint NOT NULL DEFAULT 0,
  cursor bigint NOT NULL DEFAULT 0
);

SELECT guard.install('vitrine.credenciais', 'user_id');

SELECT guard.install('vitrine.revogacoes', 'digest');

-- What ends sessions early and slows down who guesses passwords. The schema `auth` is the VPS's own: nothing
-- replicates into it. Its one writer, the role `ponte_auth`, has no right on the tables: it may run three
-- functions, so that whoever steals its password can neither bring a session back nor read a digest.

-- A password or a revocation changed: readers look again at who may read. 0 stands for nobody in particular.
CREATE OR REPLACE FUNCTION guard.record_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO guard.mudancas (tabela, chave) VALUES (TG_TABLE_NAME, 0);
  RETURN NULL;
END
$$;

CREATE SCHEMA auth;

CREATE TABLE auth.attempts (
  subject bytea PRIMARY KEY,          -- a keyed digest of an account's name or of an address
  failures integer NOT NULL DEFAULT 0,
  last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  blocked_until timestamptz
);
CREATE INDEX attempts_last_at ON auth.attempts (last_at);

CREATE TABLE auth.revoked (
  digest bytea PRIMARY KEY,           -- SHA-256 of a token
  expires_at timestamptz NOT NULL
);

-- How long one must wait after so many failures, of which some are free: doubling, up to five minutes.
CREATE FUNCTION auth.pause(failures integer, free integer) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
  SELECT CASE WHEN failures < free THEN interval '0'
              ELSE least(300, 2 ^ least(failures - free, 20)) * interval '1 second' END
$$;

-- Count an attempt before the password is checked, so that many at once can't slip by, and return 0; or
-- return how many seconds to wait, and count nothing. An account has 5 free failures, an address, behind
-- which a whole shop may stand, has 30; after a quarter of an hour without any, all is forgotten.
CREATE FUNCTION auth.take(account bytea, address bytea) RETURNS double precision
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  waiting double precision;
BEGIN
  DELETE FROM auth.attempts AS old USING (
    SELECT a.subject FROM auth.attempts AS a WHERE a.last_at < clock_timestamp() - interval '1 hour'
     LIMIT 100 FOR UPDATE SKIP LOCKED) AS aged
   WHERE old.subject = aged.subject;
  INSERT INTO auth.attempts (subject) VALUES (account), (address) ON CONFLICT DO NOTHING;
  PERFORM FROM auth.attempts AS a WHERE a.subject IN (account, address) ORDER BY a.subject FOR UPDATE;
  SELECT extract(epoch FROM max(a.blocked_until) - clock_timestamp()) INTO waiting
    FROM auth.attempts AS a WHERE a.subject IN (account, address);
  IF waiting > 0 THEN
    RETURN waiting;
  END IF;
  UPDATE auth.attempts AS a
     SET failures = counted.failures,
         last_at = clock_timestamp(),
         blocked_until = clock_timestamp()
           + auth.pause(counted.failures, CASE WHEN a.subject = account THEN 5 ELSE 30 END)
    FROM (SELECT b.subject,
                 CASE WHEN b.last_at < clock_timestamp() - interval '15 minutes' THEN 1
                      ELSE b.failures + 1 END AS failures
            FROM auth.attempts AS b WHERE b.subject IN (account, address)) AS counted
   WHERE a.subject = counted.subject;
  RETURN 0;
END
$$;

-- The password was right: the account begins anew, and the address has this one attempt back.
CREATE FUNCTION auth.settle(account bytea, address bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  DELETE FROM auth.attempts AS a WHERE a.subject = account;
  UPDATE auth.attempts AS a
     SET failures = greatest(a.failures - 1, 0),
         blocked_until = CASE WHEN a.failures <= 30 THEN NULL ELSE a.blocked_until END
   WHERE a.subject = address;
END
$$;

-- End a session, in every process: what is written down is heard as any change of the window is.
CREATE FUNCTION auth.revoke(digest bytea, expires_at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  DELETE FROM auth.revoked AS r WHERE r.expires_at < clock_timestamp();
  INSERT INTO auth.revoked VALUES ($1, $2) ON CONFLICT DO NOTHING;
  INSERT INTO guard.mudancas (tabela, chave) VALUES ('revoked', 0);
  PERFORM pg_notify('vitrine', 'revoked');
END
$$;

REVOKE EXECUTE ON FUNCTION auth.pause(integer, integer), auth.take(bytea, bytea), auth.settle(bytea, bytea),
  auth.revoke(bytea, timestamptz) FROM public;

CREATE OR REPLACE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON vitrine.credenciais
  FOR EACH ROW EXECUTE FUNCTION guard.record_session();
ALTER TABLE vitrine.credenciais ENABLE ALWAYS TRIGGER record;
CREATE OR REPLACE TRIGGER record_truncate AFTER TRUNCATE ON vitrine.credenciais
  FOR EACH STATEMENT EXECUTE FUNCTION guard.record_truncate();
ALTER TABLE vitrine.credenciais ENABLE ALWAYS TRIGGER record_truncate;

CREATE OR REPLACE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON vitrine.revogacoes
  FOR EACH ROW EXECUTE FUNCTION guard.record_session();
ALTER TABLE vitrine.revogacoes ENABLE ALWAYS TRIGGER record;
CREATE OR REPLACE TRIGGER record_truncate AFTER TRUNCATE ON vitrine.revogacoes
  FOR EACH STATEMENT EXECUTE FUNCTION guard.record_truncate();
ALTER TABLE vitrine.revogacoes ENABLE ALWAYS TRIGGER record_truncate;

UPDATE guard.alembic_version SET version_num='0004' WHERE guard.alembic_version.version_num = '0003';

-- Running upgrade 0004 -> 0005

ALTER TABLE vitrine.miniaturas ADD COLUMN codificador TEXT;

SELECT guard.install('vitrine.miniaturas', 'imagem_id');

UPDATE guard.alembic_version SET version_num='0005' WHERE guard.alembic_version.version_num = '0004';

COMMIT;

