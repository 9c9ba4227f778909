"""Write down how long people may log in without word from the intranet, for whoever watches."""

from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_script(read_sql("db.vps", "bound"))


def downgrade() -> None:
    op.execute("DROP FUNCTION auth.tell_offline_bound(double precision)")
    op.execute("DROP TABLE auth.offline_bound")
