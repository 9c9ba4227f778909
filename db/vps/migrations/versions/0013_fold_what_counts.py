"""Index anew what searches find: of a text its beginning counts."""

from db.migrate import run_script

revision = "0013"
down_revision = "0011"

# They hold what the former function gave; the routines, which are installed next, make them again.
DROPPED = """
DROP INDEX IF EXISTS vitrine.pedidos_search, vitrine.pedidos_cliente;
"""


def upgrade() -> None:
    run_script(DROPPED)
