"""Queue the photos, and tell which recipe a verdict is of."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0003"
down_revision = "0002"

# What has its verdict is not looked at again before something differs.
FILL = """
INSERT INTO worker.photos (imagem_id, next_at)
SELECT i.id, CASE WHEN m.imagem_id IS NULL THEN now() END
FROM vitrine.imagens AS i LEFT JOIN vitrine.miniaturas AS m ON m.imagem_id = i.id
"""


def upgrade() -> None:
    op.add_column("miniaturas", sa.Column("codificador", sa.Text), schema="vitrine")
    run_script(read_sql("db.intranet", "photos"))
    run_script(FILL)


def downgrade() -> None:
    op.execute("DROP TRIGGER queue_photo ON vitrine.imagens")
    op.execute("DROP TRIGGER queue_photo_again ON vitrine.imagens")
    op.execute("DROP SCHEMA worker CASCADE")
    op.drop_column("miniaturas", "codificador", schema="vitrine")
