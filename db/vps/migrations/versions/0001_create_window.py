"""Create the window as it arrives, and its guard."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script
from db.sqlfile import drop_all, read_sql

revision = "0001"
down_revision = None

KEYS = {
    "pedidos": "id",
    "imagens": "id",
    "usuarios": "id",
    "credenciais": "user_id",
    "miniaturas": "imagem_id",
    "heartbeat": "id",
}


def upgrade() -> None:
    run_script(read_sql("db", "window_0001"))
    for name in KEYS:
        cursor = sa.Column("cursor", sa.BigInteger, nullable=False, server_default=sa.text("0"))
        op.add_column(name, cursor, schema="vitrine")
    op.add_column("heartbeat", sa.Column("received_at", sa.DateTime(timezone=True)), schema="vitrine")
    run_script(read_sql("db.vps", "guard"))
    for name, key in KEYS.items():
        op.execute(f"SELECT guard.install('vitrine.{name}', '{key}')")


def downgrade() -> None:
    op.execute("DROP SCHEMA vitrine CASCADE")
    run_script(drop_all("guard"))
