"""Forget which texts were cleaned of orders that are gone: what was kept of them goes once, with the rest.

As after a crash, each order is cleaned once more with its next change.
"""

from db.migrate import run_script

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run_script("TRUNCATE projection.cleaned")
