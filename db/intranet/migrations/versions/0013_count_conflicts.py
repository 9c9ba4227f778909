"""Remember up to where conflicts of the intake are noted as gaps."""

from db.migrate import run_script

revision = "0013"
down_revision = "0012"

CONFLICTS = """
CREATE TABLE projection.conflicts (
  subscription oid PRIMARY KEY,
  rows_missing bigint NOT NULL  -- updates that found no row
);
"""


def upgrade() -> None:
    run_script(CONFLICTS)
