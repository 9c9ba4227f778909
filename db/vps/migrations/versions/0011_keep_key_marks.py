"""Keep by which keys the API opens passwords, in marks that tell none of them."""

from db.migrate import run_script

revision = "0011"
down_revision = "0010"

MARKS = """
CREATE TABLE auth.key_marks (
  id smallint DEFAULT 1 PRIMARY KEY CHECK (id = 1),
  marks bytea[] NOT NULL CHECK (cardinality(marks) BETWEEN 1 AND 2)
);
"""


def upgrade() -> None:
    run_script(MARKS)
