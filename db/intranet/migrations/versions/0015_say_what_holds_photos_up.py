"""Let the worker say that no photo can be made, since when and for want of what."""

from db.migrate import run_script

revision = "0015"
down_revision = "0014"

HELD_UP = """
CREATE TABLE worker.held_up (
  id smallint DEFAULT 1 PRIMARY KEY CHECK (id = 1),
  cause text NOT NULL,
  since timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""


def upgrade() -> None:
    run_script(HELD_UP)
