"""Every column of the catalogs of replication: what it has to be, or why nobody here asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString


@dataclass(frozen=True)
class Usual:
    """A column that has one value with us."""

    value: str
    reset: LiteralString | None
    """The statement that brings it back, for a name; None where only a person may."""
    means: str
    """What another value does."""


COMPARED: Mapping[str, frozenset[str]] = {
    "pg_subscription": frozenset(
        {
            *("subname", "subenabled", "subbinary", "substream", "subdisableonerr", "subconninfo"),
            *("subslotname", "subsynccommit", "subpublications"),
        }
    ),
    "pg_publication": frozenset(
        {"pubname", "puballtables", "pubinsert", "pubupdate", "pubdelete", "pubtruncate"}
    ),
    "pg_publication_rel": frozenset({"prrelid", "prqual", "prattrs"}),
}
"""Declared, or derived from the declaration, and compared by the plan."""

IDENTITIES: Mapping[str, frozenset[str]] = {
    "pg_subscription": frozenset({"oid", "subdbid"}),
    "pg_publication": frozenset({"oid"}),
    "pg_publication_rel": frozenset({"oid", "prpubid"}),
}
"""Numbers by which the server knows a row: who reads it follows them."""

USUAL: Mapping[str, Mapping[str, Usual]] = {
    "pg_subscription": {
        "suborigin": Usual(
            "any", "ALTER SUBSCRIPTION {} SET (origin = any)", "what came from elsewhere is dropped"
        ),
        "subrunasowner": Usual(
            "false",
            "ALTER SUBSCRIPTION {} SET (run_as_owner = false)",
            "triggers run with all of its owner's rights",
        ),
        "subskiplsn": Usual("0/0", "ALTER SUBSCRIPTION {} SKIP (lsn = NONE)", "a transaction is passed over"),
        "subowner": Usual(
            "superuser", "ALTER SUBSCRIPTION {} OWNER TO CURRENT_USER", "it may not write every table"
        ),
        "subtwophasestate": Usual(
            "d", None, "a prepared transaction holds locks where it arrives, until somebody commits it"
        ),
        "subfailover": Usual("false", None, "the slot waits for standbys that are not there"),
    },
    "pg_publication": {
        "pubviaroot": Usual(
            "false",
            "ALTER PUBLICATION {} SET (publish_via_partition_root = false)",
            "partitions arrive under another name",
        ),
        "pubgencols": Usual(
            "n", "ALTER PUBLICATION {} SET (publish_generated_columns = none)", "computed columns leave, too"
        ),
        "pubowner": Usual(
            "superuser", "ALTER PUBLICATION {} OWNER TO CURRENT_USER", "somebody else may change it"
        ),
    },
    "pg_publication_rel": {},
}
"""What nobody declares: one value is right, and the plan says which other it finds."""

LEFT_TO_THE_DBA: Mapping[str, Mapping[str, str]] = {
    "pg_subscription": {
        "subpasswordrequired": "asked of owners that are no superusers only; ours is one",
    },
    "pg_publication": {},
    "pg_publication_rel": {},
}
"""Read by nobody here, and why."""

KINDS: Mapping[str, str] = {"pg_subscription": "subscription", "pg_publication": "publication"}
"""What a row of a catalog is called."""
