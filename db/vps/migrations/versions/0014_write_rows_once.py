"""Have who inserts take turns, and take the second index of trigrams away: the first has customers too."""

from db.migrate import run_script

revision = "0014"
down_revision = "0013"

TURNS = "CREATE TABLE guard.turns (table_name text PRIMARY KEY)"
DROPPED = "DROP INDEX IF EXISTS vitrine.pedidos_cliente"


def upgrade() -> None:
    run_script(TURNS)
    run_script(DROPPED)
