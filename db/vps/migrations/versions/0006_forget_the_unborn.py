"""Let a VPS that was restored from a dump forget changes of transactions that it has not had yet."""

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_script(read_sql("db.vps", "forget"))


def downgrade() -> None:
    """The function is the same below: it only knows one case more."""
