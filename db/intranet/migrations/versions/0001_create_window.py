"""Create the window, the projection, its dead letters and the fingerprints of what is published."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script
from db.sqlfile import drop_all, read_sql

revision = "0001"
down_revision = None

STATUSES = ("pendente", "em_producao", "pronto", "entregue", "cancelado")


def upgrade() -> None:
    run_script(read_sql("db", "window_0001"))
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
        run_script(read_sql("db.intranet", name))


def downgrade() -> None:
    op.execute("DROP SCHEMA vitrine CASCADE")
    run_script(drop_all("projection"))
