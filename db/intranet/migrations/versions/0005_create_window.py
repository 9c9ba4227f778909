"""Create the window, its versions, and what the projection, the photos' queue and the watch remember."""

import sqlalchemy as sa
from alembic import op

from db.migrate import run_script
from db.sqlfile import read_sql

revision = "0005"
down_revision = None

STATUSES = ("pendente", "em_producao", "pronto", "entregue", "cancelado")

# The sequence starts at the present time in microseconds: a window made anew after a loss gives higher
# numbers than the one before, so the guard on the VPS does not take its rows for old ones.
VERSIONS = """
DO $do$
BEGIN
  EXECUTE format('CREATE SEQUENCE projection.versao_seq START %s',
                 (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
END
$do$;
"""
# One row a photo, in a schema that no publication names; objects that nothing refers to are deleted when they
# are found so a second time.
PHOTOS = """
CREATE SCHEMA worker;
CREATE TABLE worker.photos (
  imagem_id integer PRIMARY KEY,
  next_at timestamptz,                 -- when its turn is; NULL: it has its verdict
  claimed_by text,                     -- the worker that makes it now
  claimed_until timestamptz,           -- from then on another one may
  attempts integer NOT NULL DEFAULT 0, -- how often in a row something that passes was in the way
  seen text                            -- the file's size and time of change when it was judged
);
CREATE INDEX photos_due ON worker.photos (imagem_id DESC) WHERE next_at IS NOT NULL;
CREATE TABLE worker.leftovers (
  chave text PRIMARY KEY,
  found_at timestamptz NOT NULL DEFAULT now()
);
"""
# What was measured, for the panel's chart and for rates: finely for a day, by the hour for a year. Numbers
# and words of Ponte's own, nothing of the shop's; not published.
WATCH = """
CREATE SCHEMA watch;
CREATE TABLE watch.measurements (
  subscriber text NOT NULL,
  measured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  state text NOT NULL,
  cause text,
  as_of timestamptz,
  age_seconds double precision,
  sgp_wal_bytes bigint,               -- how far the server has written
  sgp_retained_bytes bigint,          -- what its slot keeps
  vitrine_wal_bytes bigint,
  vitrine_retained_bytes bigint,
  PRIMARY KEY (subscriber, measured_at)
);
CREATE TABLE watch.measurements_hourly (
  subscriber text NOT NULL,
  hour timestamptz NOT NULL,
  samples integer NOT NULL,
  fresh integer NOT NULL,
  lagging integer NOT NULL,
  silent integer NOT NULL,
  max_age_seconds double precision,   -- NULL: at some time it was not known
  max_retained_bytes bigint,
  PRIMARY KEY (subscriber, hour)
);
"""


def upgrade() -> None:
    run_script(read_sql("db", "window_0005"))
    op.create_check_constraint(
        "pedidos_status_check", "pedidos", sa.column("status").in_(STATUSES), schema="vitrine"
    )
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "dead_letters",
        sa.Column("landing", sa.Text, primary_key=True),
        sa.Column("key", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sqlstate", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("1")),
        sa.Column("first_at", instant, nullable=False, server_default=sa.text("now()")),
        sa.Column("last_at", instant, nullable=False, server_default=sa.text("now()")),
        schema="projection",
    )
    op.create_table(
        "fingerprints",
        sa.Column("endpoint", sa.Text, primary_key=True),
        sa.Column("applied", sa.Text, nullable=False),
        sa.Column("applied_at", instant, nullable=False),
        sa.Column("seen", sa.Text),
        sa.Column("seen_at", instant),
        schema="projection",
    )
    op.add_column("credenciais", sa.Column("mudou_em", instant), schema="vitrine")
    op.create_table(
        "revogacoes",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("expira_em", instant),
        sa.Column("versao", sa.BigInteger, nullable=False, server_default=sa.text("0")),
        schema="vitrine",
    )
    op.create_table(
        "unsynced_credentials",
        sa.Column("user_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("seen_at", instant, nullable=False, server_default=sa.text("now()")),
        schema="projection",
    )
    op.add_column("miniaturas", sa.Column("codificador", sa.Text), schema="vitrine")
    for script in (VERSIONS, PHOTOS, WATCH):
        run_script(script)
