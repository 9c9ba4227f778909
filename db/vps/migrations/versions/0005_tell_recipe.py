"""Let each verdict on a photo tell which recipe it is of."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INSTALL = "SELECT guard.install('vitrine.miniaturas', 'imagem_id')"


def upgrade() -> None:
    op.add_column("miniaturas", sa.Column("codificador", sa.Text), schema="vitrine")
    op.execute(INSTALL)


def downgrade() -> None:
    op.drop_column("miniaturas", "codificador", schema="vitrine")
    op.execute(INSTALL)
