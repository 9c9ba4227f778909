"""Let sessions end early and throttle logins: password changes, revocations, `auth`."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0004"
down_revision = "0003"

REVOGACOES = """
CREATE TABLE vitrine.revogacoes (
  digest bytea PRIMARY KEY,
  expira_em timestamptz,
  versao bigint NOT NULL DEFAULT 0,
  cursor bigint NOT NULL DEFAULT 0
);
"""
RECORD = """
CREATE OR REPLACE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON vitrine.{0}
  FOR EACH ROW EXECUTE FUNCTION guard.record_session();
ALTER TABLE vitrine.{0} ENABLE ALWAYS TRIGGER record;
CREATE OR REPLACE TRIGGER record_truncate AFTER TRUNCATE ON vitrine.{0}
  FOR EACH STATEMENT EXECUTE FUNCTION guard.record_truncate();
ALTER TABLE vitrine.{0} ENABLE ALWAYS TRIGGER record_truncate;
"""


def upgrade() -> None:
    mudou_em = sa.Column("mudou_em", sa.DateTime(timezone=True))
    op.add_column("credenciais", mudou_em, schema="vitrine")
    run_script(REVOGACOES)
    op.execute("SELECT guard.install('vitrine.credenciais', 'user_id')")
    op.execute("SELECT guard.install('vitrine.revogacoes', 'digest')")
    run_script(read_sql("db.vps", "sessions"))
    for name in ("credenciais", "revogacoes"):
        run_script(RECORD.format(name))


def downgrade() -> None:
    op.execute("DROP SCHEMA auth CASCADE")
    op.execute("DROP TABLE vitrine.revogacoes")
    op.execute("DROP TRIGGER record ON vitrine.credenciais")
    op.execute("DROP TRIGGER record_truncate ON vitrine.credenciais")
    op.execute("DROP FUNCTION guard.revogacoes, guard.record_session")
    op.drop_column("credenciais", "mudou_em", schema="vitrine")
    op.execute("SELECT guard.install('vitrine.credenciais', 'user_id')")
