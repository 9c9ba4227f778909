"""Know by digests which texts of items were cleaned already.

They are unlogged: so no backup that a receiver takes has them, and a crash costs no more than that each is
cleaned once more.
"""

from db.migrate import run_script

revision = "0020"
down_revision = "0019"

CLEANED = """
CREATE UNLOGGED TABLE projection.cleaned (
  id bigint PRIMARY KEY,
  digest uuid NOT NULL
);
"""


def upgrade() -> None:
    run_script(CLEANED)
