"""Let a landing table be projected once more, for what it missed while its trigger was gone."""

from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_script(read_sql("db.intranet", "reproject"))


def downgrade() -> None:
    op.execute("DROP FUNCTION projection.reproject(regclass)")
