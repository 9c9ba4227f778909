"""Note since when a photo waits, and how often its making went wrong by itself."""

from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_script(read_sql("db.intranet", "waiting"))


def downgrade() -> None:
    op.execute("DROP TRIGGER note_wait ON worker.photos")
    op.execute("DROP FUNCTION worker.note_wait()")
    op.execute("ALTER TABLE worker.photos DROP COLUMN queued_at, DROP COLUMN strikes")
