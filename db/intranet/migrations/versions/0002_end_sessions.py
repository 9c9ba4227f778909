"""Say when a password changed, which sessions SGP ended, and who can't log in on the VPS."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.add_column("credenciais", sa.Column("mudou_em", instant), schema="vitrine")
    op.create_table(
        "revogacoes",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("expira_em", instant),
        sa.Column("versao", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        schema="vitrine",
    )
    op.create_table(
        "unsynced_credentials",
        sa.Column("user_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("seen_at", instant, nullable=False, server_default=sa.text("now()")),
        schema="projection",
    )
    run_script(read_sql("db.intranet", "revocations"))


def downgrade() -> None:
    op.execute("DROP FUNCTION projection.project_revoked_tokens() CASCADE")
    op.drop_table("unsynced_credentials", schema="projection")
    op.drop_table("revogacoes", schema="vitrine")
    op.drop_column("credenciais", "mudou_em", schema="vitrine")
