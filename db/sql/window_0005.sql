-- The window's tables as both histories begin with them. Frozen: change them by a new migration.
-- `db/window.py` is what they amount to now, and a test compares.
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
