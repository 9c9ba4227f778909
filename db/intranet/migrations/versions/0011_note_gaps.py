"""Note where beats, and with them changes, did not come, and since when a photo waits."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script, run_with_routines

revision = "0011"
down_revision = "0005"

WAITING = """
ALTER TABLE worker.photos
  ADD COLUMN queued_at timestamptz,              -- when it came to the queue; NULL: it is not there
  ADD COLUMN strikes integer NOT NULL DEFAULT 0; -- how often its making killed a process or took too long
UPDATE worker.photos SET queued_at = now() WHERE next_at IS NOT NULL;
"""
GAPS = """
CREATE TABLE projection.gaps (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  after_beat bigint NOT NULL,
  beat bigint NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  noted boolean NOT NULL DEFAULT false  -- on each table that is to be copied again
);
"""
# What older rules let into the window goes. Where `ponte apply` has not been there is nothing yet.
AGAIN = """
DO $do$
BEGIN
  IF to_regclass('public.pedidos') IS NOT NULL THEN
    PERFORM projection.reproject('public.pedidos');
  END IF;
END
$do$;
"""


def upgrade() -> None:
    run_script(WAITING)
    op.add_column("heartbeat", sa.Column("landings", sa.BigInteger), schema="vitrine")
    run_script(GAPS)
    run_with_routines(AGAIN)
