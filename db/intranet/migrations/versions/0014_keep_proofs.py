"""Keep when each table was last compared and what was found, and rows that stood in the way of others."""

from db.migrate import run_script

revision = "0014"
down_revision = "0013"

PROOFS = """
CREATE TABLE watch.proofs (
  target text NOT NULL,
  compared text NOT NULL,
  differing bigint NOT NULL,
  seen_at timestamptz,  -- when rows that differ were first seen
  begun_at timestamptz NOT NULL,
  PRIMARY KEY (target, compared)
);
"""

QUARANTINE = """
CREATE TABLE projection.quarantine (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name text NOT NULL,
  key text NOT NULL,
  "row" jsonb NOT NULL,
  constraint_name text NOT NULL,  -- by which it stood in the way
  taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""


def upgrade() -> None:
    run_script(PROOFS)
    run_script(QUARANTINE)
