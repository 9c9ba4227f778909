"""Note where beats, and with them changes, did not come."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0009"
down_revision = "0008"

INSTALL = "SELECT guard.install('vitrine.heartbeat', 'id')"


def upgrade() -> None:
    op.add_column("heartbeat", sa.Column("landings", sa.BigInteger), schema="vitrine")
    op.execute(INSTALL)
    run_script(read_sql("db.vps", "gaps"))


def downgrade() -> None:
    op.execute("DROP TRIGGER note_gap ON vitrine.heartbeat")
    op.execute("DROP FUNCTION guard.note_gap()")
    op.execute("DROP TABLE guard.gaps")
    op.drop_column("heartbeat", "landings", schema="vitrine")
    op.execute(INSTALL)
