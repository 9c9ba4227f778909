"""Keep rows that stood in the way of those that arrive."""

from db.migrate import run_script

revision = "0010"
down_revision = "0009"

QUARANTINE = """
CREATE TABLE guard.quarantine (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_name text NOT NULL,
  key text NOT NULL,
  "row" jsonb NOT NULL,
  constraint_name text NOT NULL,  -- by which it stood in the way
  taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""


def upgrade() -> None:
    run_script(QUARANTINE)
