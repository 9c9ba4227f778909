"""From the declaration to each endpoint's roles."""

from __future__ import annotations

from publications.decide.spec import MEMBER_OF, RoleSpec
from publications.declare.declaration import Declaration

CARRIER_CONNECTIONS = 8
"""One that follows and those that copy tables; more would be somebody who wants to use them all up."""
CARRIER_SETTINGS = {"temp_file_limit": "64MB"}
"""Which only a superuser may change: what travels is neither sorted nor joined."""


def derive_roles(declaration: Declaration, endpoint: str) -> dict[str, RoleSpec]:
    """Return the roles of an endpoint's carriers and services, by name."""
    carried = [hop.role for hop in declaration.hops if hop.source == endpoint]
    carriers = [_carrier(role, carried.count(role)) for role in carried]
    carriers += [
        RoleSpec(push.role, connections=CARRIER_CONNECTIONS)
        for push in declaration.pushes
        if push.source == endpoint
    ]
    intake = declaration.intake
    carriers += [RoleSpec(intake.role)] if intake.is_fed and intake.target == endpoint else []
    services = [
        RoleSpec(
            role.name,
            settings=frozenset(role.settings.items()),
            powers=frozenset(MEMBER_OF + group for group in role.member_of),
        )
        for role in declaration.roles
        if role.on == endpoint
    ]
    return {role.name: role for role in (*carriers, *services)}


def _carrier(role: str, hops: int) -> RoleSpec:
    """A role that receives, bounded in what else it can do."""
    return RoleSpec(
        role,
        replication=True,
        settings=frozenset(CARRIER_SETTINGS.items()),
        connections=CARRIER_CONNECTIONS * hops,
    )
