"""Every reason, in the order in which they are told. Pure."""

from __future__ import annotations

from publications.decide.refusals.columns import check_source_columns, check_subscribers
from publications.decide.refusals.leaks import check_exporting_cluster, check_filters, check_secrets
from publications.decide.refusals.rows import (
    check_hidden_rows,
    check_keys,
    check_source_identities,
    check_written_tables,
)
from publications.decide.refusals.servers import check_encodings, check_room, check_versions, check_wires
from publications.decide.refusals.situation import Situation
from publications.declare.privacy import RefusalError, check_privacy


def find_refusals(seen: Situation) -> tuple[RefusalError, ...]:
    """Return every reason, the gravest kind first."""
    return (
        *check_privacy(seen.declaration),
        *check_versions(seen),
        *check_encodings(seen),
        *check_source_columns(seen),
        *check_keys(seen),
        *check_source_identities(seen),
        *check_filters(seen),
        *check_secrets(seen),
        *check_exporting_cluster(seen),
        *check_subscribers(seen),
        *check_written_tables(seen),
        *check_hidden_rows(seen),
        *check_room(seen),
        *check_wires(seen),
    )
