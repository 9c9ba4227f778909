"""Take the second index of trigrams away: whom an order is for stands in the first one too."""

from db.migrate import run_script

revision = "0014"
down_revision = "0013"

DROPPED = "DROP INDEX IF EXISTS vitrine.pedidos_cliente"


def upgrade() -> None:
    run_script(DROPPED)
