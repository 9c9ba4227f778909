"""Remember what the feeder has landed of SGP's file, how it fares, and which values it could not read."""

from db.migrate import run_script

revision = "0016"
down_revision = "0015"

FEED = """
CREATE TABLE projection.fed_rows (
  landing text NOT NULL,
  key bigint NOT NULL,
  digest bytea NOT NULL,
  PRIMARY KEY (landing, key)
);
CREATE TABLE projection.feed (
  id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  looked_at timestamptz,       -- when the last look that was landed whole began
  took_seconds double precision,
  file_identity text,          -- which file that was
  file_counter bigint,         -- and how often it had been changed
  schema_version bigint,
  fault text,                  -- why the next one was not
  hint text,
  fault_at timestamptz
);
INSERT INTO projection.feed DEFAULT VALUES;
CREATE TABLE projection.unread_values (
  landing text NOT NULL,
  key bigint NOT NULL,
  columns text[] NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (landing, key)
);
"""


def upgrade() -> None:
    run_script(FEED)
