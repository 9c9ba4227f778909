"""Take the change log from PUBLIC: `ponte apply` gives it to the role that reads it."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("REVOKE SELECT ON guard.mudancas, guard.epoca FROM PUBLIC")
    op.execute("REVOKE USAGE ON SCHEMA guard FROM PUBLIC")


def downgrade() -> None:
    op.execute("GRANT USAGE ON SCHEMA guard TO PUBLIC")
    op.execute("GRANT SELECT ON guard.mudancas, guard.epoca TO PUBLIC")
