"""Index anew what searches find, of which the beginning counts; remember from where a name has come in."""

from db.migrate import run_script

revision = "0013"
down_revision = "0012"

# They hold what the former function gave; the routines, which are installed next, make them again.
DROPPED = """
DROP INDEX IF EXISTS vitrine.pedidos_search, vitrine.pedidos_cliente;
"""


KNOWN = """
CREATE TABLE auth.known (
  subject bytea PRIMARY KEY,  -- a keyed digest of the name and the address, digested once more
  last_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""


def upgrade() -> None:
    run_script(DROPPED)
    run_script(KNOWN)
