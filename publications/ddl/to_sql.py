"""From a step to what makes it so: what `--sql` prints and what apply runs is the same. Pure."""

from __future__ import annotations

from typing import assert_never

from publications.ddl.acts import Act
from publications.ddl.publications import publisher_to_sql
from publications.ddl.pushes import push_to_sql
from publications.ddl.roles import role_to_sql
from publications.ddl.rows import row_to_sql
from publications.ddl.subscriptions import subscriber_to_sql
from publications.ddl.tables import table_to_sql
from publications.decide.changes.publications import PublisherStep
from publications.decide.changes.pushes import PushStep
from publications.decide.changes.roles import RoleStep
from publications.decide.changes.rows import RowStep
from publications.decide.changes.step import Step
from publications.decide.changes.subscriptions import SubscriberStep
from publications.decide.changes.tables import TableStep


def to_sql(step: Step) -> list[Act]:
    """Return the acts of one step, each to be run by itself."""
    if isinstance(step, RoleStep):
        return role_to_sql(step)
    if isinstance(step, TableStep):
        return table_to_sql(step)
    if isinstance(step, RowStep):
        return row_to_sql(step)
    if isinstance(step, PublisherStep):
        return publisher_to_sql(step)
    if isinstance(step, SubscriberStep):
        return subscriber_to_sql(step)
    if isinstance(step, PushStep):
        return push_to_sql(step)
    assert_never(step)
