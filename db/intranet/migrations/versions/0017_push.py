"""Keep what each push may send, what of it arrived and how it fares."""

from db.migrate import run_script

revision = "0017"
down_revision = "0016"

PUSH = """
CREATE SCHEMA push;
CREATE TABLE push.ways (
  subscriber text PRIMARY KEY,
  role text NOT NULL,          -- who may read that slot, and send only this
  slot text NOT NULL,
  publications text[] NOT NULL,
  incarnation text,            -- another one with each first copy
  advanced text,               -- up to where the slot was let go, as an LSN
  arrived text,                -- the commit of the last transaction that arrived
  arrived_at timestamptz,
  beat bigint,                 -- the newest beat that arrived
  beat_at timestamptz,
  beat_arrived_at timestamptz,
  copied_rows bigint,          -- of a first copy under way
  rows_to_copy bigint,
  cause text,                  -- why nothing goes out
  fault text,
  hint text,
  fault_at timestamptz
);
"""


def upgrade() -> None:
    run_script(PUSH)
