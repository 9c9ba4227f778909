"""Every kind of change there is. Pure.

Who tells them apart ends with `assert_never`: mypy then names each place that a new kind must have.
"""

from __future__ import annotations

from publications.decide.changes.publications import PublisherStep
from publications.decide.changes.pushes import PushStep
from publications.decide.changes.roles import RoleStep
from publications.decide.changes.rows import RowStep
from publications.decide.changes.subscriptions import SubscriberStep
from publications.decide.changes.tables import TableStep

Step = RoleStep | TableStep | RowStep | PublisherStep | SubscriberStep | PushStep
