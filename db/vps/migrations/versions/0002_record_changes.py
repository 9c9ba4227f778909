"""Record what changes, for coherent readers; index what the API sorts, joins and searches by."""

from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0002"
down_revision = "0001"

RECORDED = ("pedidos", "imagens", "miniaturas", "usuarios")

RECORD = """
CREATE OR REPLACE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON vitrine.{0}
  FOR EACH ROW EXECUTE FUNCTION guard.record();
ALTER TABLE vitrine.{0} ENABLE ALWAYS TRIGGER record;
CREATE OR REPLACE TRIGGER record_truncate AFTER TRUNCATE ON vitrine.{0}
  FOR EACH STATEMENT EXECUTE FUNCTION guard.record_truncate();
ALTER TABLE vitrine.{0} ENABLE ALWAYS TRIGGER record_truncate;
"""
FORGET = """
CREATE OR REPLACE TRIGGER forget AFTER INSERT OR UPDATE ON vitrine.heartbeat
  FOR EACH ROW EXECUTE FUNCTION guard.forget();
ALTER TABLE vitrine.heartbeat ENABLE ALWAYS TRIGGER forget;
"""
INDEXES = """
CREATE INDEX pedidos_newest ON vitrine.pedidos (data_criacao DESC NULLS LAST, id DESC);
CREATE INDEX pedidos_status ON vitrine.pedidos (status, data_criacao DESC NULLS LAST, id DESC);
CREATE INDEX imagens_pedido ON vitrine.imagens (pedido_id);
CREATE INDEX usuarios_username ON vitrine.usuarios (username);
"""
# Trigrams make a search quick; without the extension it only takes longer.
SEARCH = """
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
"""
# Numbers of rows and nothing of what stands in them; every role that may connect may read it.
GRANTS = """
GRANT USAGE ON SCHEMA guard TO PUBLIC;
GRANT SELECT ON guard.mudancas, guard.epoca TO PUBLIC;
"""


def upgrade() -> None:
    scripts = (read_sql("db.vps", name) for name in ("changes", "forget"))
    parts = [*scripts, *(RECORD.format(name) for name in RECORDED)]
    for part in (*parts, FORGET, INDEXES, SEARCH, GRANTS):
        run_script(part)


def downgrade() -> None:
    for name in RECORDED:
        op.execute(f"DROP TRIGGER record ON vitrine.{name}")
        op.execute(f"DROP TRIGGER record_truncate ON vitrine.{name}")
    op.execute("DROP TRIGGER forget ON vitrine.heartbeat")
    for name in ("pedidos_newest", "pedidos_status", "imagens_pedido", "usuarios_username"):
        op.execute(f"DROP INDEX vitrine.{name}")
    for name in ("pedidos_search", "pedidos_cliente"):
        op.execute(f"DROP INDEX IF EXISTS vitrine.{name}")
    op.execute("DROP EXTENSION IF EXISTS pg_trgm")
    op.execute(
        "DROP FUNCTION guard.search_text, guard.fold, guard.forget, guard.record, guard.record_truncate"
    )
    op.execute("DROP TABLE guard.mudancas, guard.epoca")
    op.execute("REVOKE USAGE ON SCHEMA guard FROM PUBLIC")
