"""Keep a history of what the watch measured; take beats of a clock that was put back."""

from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script(read_sql("db.intranet", "watch"))
    run_script(read_sql("db.intranet", "projection"))


def downgrade() -> None:
    op.execute("DROP SCHEMA watch CASCADE")
