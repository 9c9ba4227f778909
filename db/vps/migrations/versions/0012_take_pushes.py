"""Keep what the signed push needs: how far it came, what was used, what waits, what was deleted."""

from db.migrate import run_script

revision = "0012"
down_revision = "0011"

TOMBSTONES = """
CREATE TABLE guard.tombstones (
  table_name text NOT NULL,
  key text NOT NULL,
  versao bigint NOT NULL,             -- up to which the row is dead for whatever is pushed
  pushed bigint,                      -- and for what is replicated: told by a push, in its source's order
  said_at timestamptz,                -- by SGP's own clock, where SGP said so
  buried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (table_name, key)
);
CREATE INDEX tombstones_buried_at ON guard.tombstones (buried_at);
"""
PUSH = """
CREATE SCHEMA push;
CREATE TABLE push.positions (
  source text PRIMARY KEY,
  "position" pg_lsn,
  versao bigint,                      -- the newest that came from there
  began_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE push.parts (
  source text NOT NULL,
  part integer NOT NULL,
  "position" pg_lsn NOT NULL,
  batch jsonb NOT NULL,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (source, part)
);
CREATE TABLE push.nonces (
  id text PRIMARY KEY,
  digest bytea NOT NULL,              -- of the body that it came with
  used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX nonces_used_at ON push.nonces (used_at);
CREATE TABLE push.ahead (
  id integer PRIMARY KEY,             -- the order
  said_at timestamptz NOT NULL,
  before jsonb                        -- what the mirror had; NULL: no such order
);
CREATE INDEX ahead_said_at ON push.ahead (said_at);
"""


def upgrade() -> None:
    run_script(TOMBSTONES)
    run_script(PUSH)
