"""Count the failures of apply that the projection has reckoned with."""

from db.migrate import run_script

revision = "0012"
down_revision = "0011"

FAILURES = """
CREATE TABLE projection.failures (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  counted bigint NOT NULL DEFAULT 0
);
INSERT INTO projection.failures DEFAULT VALUES;
"""


def upgrade() -> None:
    run_script(FAILURES)
