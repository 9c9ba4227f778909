-- SGP's own tables as its ORM makes them at start-up: column order, NOT NULLs, indexes and the two defaults are SGP's.
-- {stamp} is the type of the order and image times: timestamp (naive UTC, usual) or timestamptz.

create type public.prioridade as enum ('NORMAL', 'ALTA');
create type public.printlogstatus as enum ('SUCCESS', 'ERROR', 'REPRINT');

create table public.pedidos (
  numero varchar,
  data_entrada varchar not null,
  data_entrega varchar,
  observacao varchar,
  prioridade public.prioridade not null,
  status varchar(50) not null,
  cliente varchar not null,
  telefone_cliente varchar,
  cidade_cliente varchar,
  valor_total varchar,
  valor_frete varchar,
  valor_itens varchar,
  tipo_pagamento varchar,
  obs_pagamento varchar,
  forma_envio varchar,
  forma_envio_id integer not null,
  financeiro boolean not null,
  conferencia boolean not null,
  sublimacao boolean not null,
  costura boolean not null,
  expedicao boolean not null,
  pronto boolean not null,
  sublimacao_maquina varchar,
  sublimacao_data_impressao varchar,
  financeiro_liberado_em {stamp},
  id serial primary key,
  items varchar,
  data_criacao {stamp},
  ultima_atualizacao {stamp}
);
create index ix_pedidos_status on public.pedidos (status);
create index ix_pedidos_data_entrada on public.pedidos (data_entrada);
create index ix_pedidos_data_entrega on public.pedidos (data_entrega);
create index ix_pedidos_cliente on public.pedidos (cliente);
create index ix_pedidos_numero on public.pedidos (numero);

create table public.pedido_imagens (
  id serial primary key,
  pedido_id integer not null references public.pedidos (id),
  item_index integer,
  item_identificador varchar,
  filename varchar not null,
  mime_type varchar not null,
  path varchar not null,
  tamanho integer not null,
  criado_em {stamp} not null
);
create index ix_pedido_imagens_pedido_id on public.pedido_imagens (pedido_id);

create table public."user" (
  id serial primary key,
  username varchar not null unique,
  password_hash varchar not null,
  password_plain varchar(200),
  is_admin boolean not null,
  setor varchar(50),
  is_active boolean not null,
  created_at varchar,
  updated_at varchar
);

create table public.revoked_tokens (
  id serial primary key,
  token varchar not null unique,
  expires_at varchar not null,
  revoked_at varchar not null
);

create table public.machines (
  name varchar not null,
  active boolean not null,
  id serial primary key,
  created_at timestamptz default now()
);

create table public.print_logs (
  printer_id integer not null references public.machines (id),
  pedido_id integer not null references public.pedidos (id),
  item_id integer,
  status public.printlogstatus not null,
  error_message varchar,
  id serial primary key,
  created_at timestamptz default now()
);

create table public.material (
  nome varchar not null,
  tipo varchar not null,
  valor_metro double precision not null,
  estoque_metros double precision not null,
  ativo boolean not null,
  observacao varchar,
  id serial primary key
);

create table public.cliente (
  nome varchar not null,
  cep varchar not null,
  cidade varchar not null,
  estado varchar not null,
  telefone varchar not null,
  id serial primary key
);

-- The rest of SGP: known by name only, so the columns are plausible and few.

create table public.sync_outbox (
  id serial primary key,
  entity varchar not null,
  entity_id integer not null,
  operation varchar not null,
  payload varchar not null,
  attempts integer not null,
  created_at {stamp} not null
);

create table public.reposicoes (
  id serial primary key,
  pedido_id integer not null,
  item_index integer,
  motivo varchar not null,
  status varchar not null,
  criado_em {stamp} not null
);

create table public.designer (nome varchar not null, ativo boolean not null, id serial primary key);
create table public.vendedor (nome varchar not null, ativo boolean not null, id serial primary key);
create table public.envio (nome varchar not null, valor double precision, id serial primary key);
create table public.payment (nome varchar not null, ativo boolean not null, id serial primary key);
create table public.producoes (name varchar not null, active boolean not null, id serial primary key);

create table public.fichas (
  id serial primary key,
  numero_pedido varchar,
  cliente varchar not null,
  dados varchar,
  criado_em {stamp} not null
);

create table public.ficha_templates (id serial primary key, nome varchar not null, html varchar not null);
create table public.relatorio_templates (id serial primary key, nome varchar not null, html varchar not null);

create table public.safira_logs (
  id serial primary key,
  username varchar,
  pergunta varchar not null,
  resposta varchar,
  criado_em {stamp} not null
);

create table public._migrations (id serial primary key, name varchar not null, applied_at varchar not null);
