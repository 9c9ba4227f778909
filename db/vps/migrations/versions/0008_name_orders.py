"""Name the orders that changed in the notification itself."""

from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0008"
down_revision = "0007"

BEFORE = """
CREATE OR REPLACE FUNCTION guard.announce() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  PERFORM pg_notify('vitrine', TG_TABLE_NAME);
  RETURN NULL;
END
$$
"""


def upgrade() -> None:
    run_script(read_sql("db.vps", "announce"))


def downgrade() -> None:
    op.execute(BEFORE)
