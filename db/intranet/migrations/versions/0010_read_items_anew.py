"""Keep data URLs without a type out of the items, and read the worst texts in linear time."""

from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0010"
down_revision = "0009"

# What the old rules let into the window goes. Where `ponte apply` has not been there is nothing yet.
AGAIN = """
DO $do$
BEGIN
  IF to_regclass('public.pedidos') IS NOT NULL THEN
    PERFORM projection.reproject('public.pedidos');
  END IF;
END
$do$
"""


def upgrade() -> None:
    run_script(read_sql("db.intranet", "items"))
    run_script(AGAIN)


def downgrade() -> None:
    """Leave the functions as they are: they read every text as the ones before did, or better."""
    op.execute("SELECT 1")
