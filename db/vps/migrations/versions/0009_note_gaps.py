"""Note where beats, and with them changes, did not come, and how long people may log in without word."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script

revision = "0009"
down_revision = "0005"

BOUND = """
CREATE TABLE auth.offline_bound (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  seconds double precision NOT NULL CHECK (seconds > 0 AND seconds < 'infinity')
);
"""
GAPS = """
CREATE TABLE guard.gaps (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  after_beat bigint NOT NULL,
  beat bigint NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  noted boolean NOT NULL DEFAULT false  -- on each table that is to be copied again
);
"""


def upgrade() -> None:
    run_script(BOUND)
    op.add_column("heartbeat", sa.Column("landings", sa.BigInteger), schema="vitrine")
    run_script(GAPS)
