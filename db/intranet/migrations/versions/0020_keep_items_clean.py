"""Know by digests which texts were cleaned already, and keep no digest where a receiver's backup has it.

What is unlogged is in none, and a crash costs no more than that each row is cleaned, or fed, once more.
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
FED = "ALTER TABLE projection.fed_rows SET UNLOGGED"


def upgrade() -> None:
    run_script(CLEANED)
    run_script(FED)
