"""The VPS's database as SQLAlchemy sees it: the window, with what the guard adds."""

from __future__ import annotations

from sqlalchemy import MetaData

from db.window import define_window

SCHEMA = "guard"

metadata = MetaData()
window = define_window(metadata, received=True)
