"""Alembic's entry into the `intranet` history."""

from alembic import context

from db.migrate import History, run_environment

run_environment(History.INTRANET, context)  # type: ignore[arg-type]  # alembic's proxy of EnvironmentContext
