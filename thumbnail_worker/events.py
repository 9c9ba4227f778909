"""What the worker writes down."""

from __future__ import annotations

import logging
from functools import partial

from db.logs import log_event

LOGGER = logging.getLogger("thumbnail_worker")
log = partial(log_event, LOGGER)
