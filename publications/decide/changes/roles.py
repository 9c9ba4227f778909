"""What can differ of roles and of what they may do. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from publications.decide.changes.change import Change, Phase
from publications.decide.spec import GrantSpec, RoleSpec


@dataclass(frozen=True)
class CreateRole(Change):
    """Make a role that may log in and nothing else."""

    role: RoleSpec


@dataclass(frozen=True)
class AlterRole(Change):
    """Make a role what it should be: no more, no less."""

    role: RoleSpec
    was: RoleSpec
    phase: Phase = Phase.ROLES
    drops: bool = False
    """It takes from a carrier at work what it lives by, and waits until that is taken away."""


@dataclass(frozen=True)
class AddGrants(Change):
    """Let a role do something with one object."""

    grants: tuple[GrantSpec, ...]
    phase = Phase.GRANTS


@dataclass(frozen=True)
class RevokeGrants(Change):
    """Take from a role what it should not hold."""

    grants: tuple[GrantSpec, ...]
    kept: tuple[GrantSpec, ...] = ()
    """Those on columns that PostgreSQL takes back together with one on their whole table."""
    drops: bool = False
    """The same."""
    phase = Phase.WITHDRAWALS


@dataclass(frozen=True)
class CloseToAll(Change):
    """Take from PUBLIC what a stolen credential could do harm with, and nobody of ours does."""

    grants: tuple[GrantSpec, ...]
    phase = Phase.WITHDRAWALS


@dataclass(frozen=True)
class DropRole(Change):
    """Take away a role that nothing uses any more, with all that it holds."""

    name: str
    phase = Phase.WITHDRAWALS
    drops = True


RoleStep = CreateRole | AlterRole | AddGrants | RevokeGrants | CloseToAll | DropRole
