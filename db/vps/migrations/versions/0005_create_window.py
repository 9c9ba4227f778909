"""Create the window as it arrives, the log of its changes, and what the VPS knows of sessions by itself."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0005"
down_revision = None

RECEIVED = ("pedidos", "imagens", "usuarios", "credenciais", "miniaturas", "heartbeat")

# Each change of the window leaves one row with the transaction that made it: a reader who remembers a
# snapshot finds exactly what has become visible since, however late it was committed. A cursor of another
# epoch, or older than the horizon, can't be continued.
CHANGES = """
CREATE SEQUENCE vitrine.cursor_seq;
CREATE TABLE guard.mudancas (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  tabela text NOT NULL,
  chave bigint,                       -- NULL: every row of the table
  em timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX mudancas_xid ON guard.mudancas (xid);
CREATE TABLE guard.epoca (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  epoca uuid NOT NULL DEFAULT gen_random_uuid(),
  horizonte xid8 NOT NULL DEFAULT pg_current_xact_id()
);
INSERT INTO guard.epoca DEFAULT VALUES;
CREATE INDEX pedidos_newest ON vitrine.pedidos (data_criacao DESC NULLS LAST, id DESC);
CREATE INDEX pedidos_status ON vitrine.pedidos (status, data_criacao DESC NULLS LAST, id DESC);
CREATE INDEX imagens_pedido ON vitrine.imagens (pedido_id);
CREATE INDEX usuarios_username ON vitrine.usuarios (username);
"""
# The schema `auth` is the VPS's own: nothing replicates into it.
SESSIONS = """
CREATE TABLE vitrine.revogacoes (
  digest bytea PRIMARY KEY,
  expira_em timestamptz,
  versao bigint NOT NULL DEFAULT 0,
  cursor bigint NOT NULL DEFAULT 0
);
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
"""


def upgrade() -> None:
    run_script(read_sql("db", "window_0005"))
    instant = sa.DateTime(timezone=True)
    for name in RECEIVED:
        cursor = sa.Column("cursor", sa.BigInteger, nullable=False, server_default=sa.text("0"))
        op.add_column(name, cursor, schema="vitrine")
    op.add_column("heartbeat", sa.Column("received_at", instant), schema="vitrine")
    op.add_column("credenciais", sa.Column("mudou_em", instant), schema="vitrine")
    op.add_column("miniaturas", sa.Column("codificador", sa.Text), schema="vitrine")
    for script in (CHANGES, SESSIONS):
        run_script(script)
