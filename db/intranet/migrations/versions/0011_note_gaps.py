"""Note where beats, and with them changes, did not come; count those that did, for the next hop."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("heartbeat", sa.Column("landings", sa.BigInteger), schema="vitrine")
    run_script(read_sql("db.intranet", "gaps"))


def downgrade() -> None:
    run_script(read_sql("db.intranet", "projection"))  # which has the function as it was
    op.execute("DROP TABLE projection.gaps")
    op.drop_column("heartbeat", "landings", schema="vitrine")
