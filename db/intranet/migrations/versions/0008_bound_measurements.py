"""Forget measurements that a wrong clock dated into the future."""

from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_script(read_sql("db.intranet", "watch"))


def downgrade() -> None:
    """Leave the function as it is: it reads the tables as the one before did."""
    op.execute("SELECT 1")
