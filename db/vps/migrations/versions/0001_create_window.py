"""Create the window as it arrives, and its guard."""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op

from db.sqlfile import read_sql

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
    op.execute(files("db").joinpath("sql", "window_0001.sql").read_text(encoding="utf-8"))
    for name in KEYS:
        cursor = sa.Column("cursor", sa.BigInteger, nullable=False, server_default=sa.text("0"))
        op.add_column(name, cursor, schema="vitrine")
    op.add_column("heartbeat", sa.Column("received_at", sa.DateTime(timezone=True)), schema="vitrine")
    op.execute(sa.text(read_sql("db.vps", "guard").replace(":", "\\:")))
    for name, key in KEYS.items():
        op.execute(f"SELECT guard.install('vitrine.{name}', '{key}')")


def downgrade() -> None:
    op.execute("DROP SCHEMA vitrine CASCADE")
    op.execute("DROP SCHEMA guard CASCADE")
