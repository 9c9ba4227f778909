"""Name the orders that changed in the notification itself."""

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_script(read_sql("db.vps", "announce"))


def downgrade() -> None:
    run_script(read_sql("db.vps", "guard"))  # which has it as it was
