"""Have a table whose trigger waits for a transaction's end, when what was noted in it is projected."""

from db.migrate import run_script

revision = "0019"
down_revision = "0018"

# Rows are gone before their transaction ends: a crash leaves nothing to be kept.
BATCHES = """
CREATE UNLOGGED TABLE projection.batches (
  id bigint GENERATED ALWAYS AS IDENTITY,
  landing oid NOT NULL
);
"""


def upgrade() -> None:
    run_script(BATCHES)
