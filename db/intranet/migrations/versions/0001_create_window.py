"""Create the window, the projection, its dead letters and the fingerprints of what is published."""

from importlib.resources import files

import sqlalchemy as sa
from alembic import op

from db.sqlfile import read_sql

revision = "0001"
down_revision = None

STATUSES = ("pendente", "em_producao", "pronto", "entregue", "cancelado")


def upgrade() -> None:
    op.execute(files("db").joinpath("sql", "window_0001.sql").read_text(encoding="utf-8"))
    op.create_check_constraint(
        "pedidos_status_check", "pedidos", sa.column("status").in_(STATUSES), schema="vitrine"
    )
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "dead_letters",
        sa.Column("landing", sa.Text, primary_key=True),
        sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sqlstate", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("first_at", instant, nullable=False, server_default=sa.text("now()")),
        sa.Column("last_at", instant, nullable=False, server_default=sa.text("now()")),
        schema="projection",
    )
    op.create_table(
        "fingerprints",
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("applied", sa.Text, nullable=False),
        sa.Column("applied_at", instant, nullable=False),
        sa.Column("seen", sa.Text),
        sa.Column("seen_at", instant),
        schema="projection",
    )
    for name in ("versions", "parsing", "items", "projection"):
        op.execute(sa.text(read_sql("db.intranet", name).replace(":", "\\:")))


def downgrade() -> None:
    op.execute("DROP SCHEMA vitrine CASCADE")
    op.execute("DROP SCHEMA projection CASCADE")
