"""Forget changes of transactions that a restored VPS has not had yet; let nobody borrow the log's writers."""

from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0006"
down_revision = "0005"

# A trigger's function is asked for by whoever makes the trigger, not when it fires: who may only read could
# otherwise hang it on a temporary table of his own and write into the log.
WRITERS = "guard.record(), guard.record_truncate(), guard.record_session(), guard.forget()"


def upgrade() -> None:
    run_script(read_sql("db.vps", "forget"))
    op.execute(f"REVOKE EXECUTE ON FUNCTION {WRITERS} FROM PUBLIC")


def downgrade() -> None:
    """Leave the function as it is: it only knows one case more."""
    op.execute(f"GRANT EXECUTE ON FUNCTION {WRITERS} TO PUBLIC")
