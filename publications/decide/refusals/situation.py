"""All that the refusals look at. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from publications.decide.facts import EndpointFacts
from publications.decide.filters import Filters
from publications.decide.source import SourceTables
from publications.decide.spec import EndpointSpec
from publications.declare.declaration import Declaration


@dataclass(frozen=True)
class Situation:
    """All that the refusals look at."""

    declaration: Declaration
    live: Mapping[str, EndpointSpec]
    facts: Mapping[str, EndpointFacts]
    source: SourceTables
    filters: Filters
    conninfos: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By subscription, how its target is to reach its source."""
