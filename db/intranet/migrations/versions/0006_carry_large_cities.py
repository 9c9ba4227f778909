"""Carry a large city into a filter whole; settle the heartbeat's letter; read money of any length."""

from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for name in ("parsing", "projection"):
        run_script(read_sql("db.intranet", name))


def downgrade() -> None:
    """Leave the projection as it is: it reads every landing row as the one before did."""
    op.execute("SELECT 1")
