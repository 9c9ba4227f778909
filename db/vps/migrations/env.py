"""Alembic's entry into the `vps` history."""

from alembic import context

from db.migrate import History, run_environment

run_environment(History.VPS, context)  # type: ignore[arg-type]  # alembic's proxy of EnvironmentContext
