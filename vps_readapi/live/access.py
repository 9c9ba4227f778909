"""Who may ask what, and what he sees of the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from vps_readapi.errors import ProblemError
from vps_readapi.live.questions import Group, Question
from vps_readapi.live.settings import WITHHELD, LiveSettings
from vps_readapi.pedidos.visibility import ANY, MONEY

NOT_OFFERED = "Esta consulta não está disponível neste servidor"
NOT_ALLOWED = "O seu setor não tem acesso a esta consulta"
_MONEY = "valor"
"""How the names of amounts begin."""


class Somebody(Protocol):
    """An asker of a request, or a person of the memory, by what decides."""

    @property
    def setor(self) -> str: ...  # noqa: D102
    @property
    def is_admin(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True)
class LivePolicy:
    """What the settings declare."""

    setores: Mapping[Group, frozenset[str]]
    """Of the questions that are offered."""
    reports: frozenset[str]
    report_fields: frozenset[str]
    withheld: frozenset[str]

    @classmethod
    def of(cls, settings: LiveSettings) -> LivePolicy:
        """Read it from the settings."""
        declared = {
            Group.MATERIAIS: settings.live_setores_materiais,
            Group.MAQUINAS: settings.live_setores_maquinas,
            Group.PRINT_LOGS: settings.live_setores_print_logs,
            Group.RELATORIOS: settings.live_setores_relatorios,
        }
        return cls(
            setores={one: frozenset(declared[one]) for one in settings.live_questions},
            reports=frozenset(settings.live_reports),
            report_fields=frozenset(settings.live_report_fields),
            withheld=(WITHHELD - frozenset(settings.live_reveal)) | frozenset(settings.live_hide),
        )

    def allows(self, group: Group, person: Somebody) -> bool:
        """Tell whether somebody may ask that."""
        setores = self.setores.get(group)
        return setores is not None and (person.is_admin or ANY in setores or person.setor in setores)

    def need_access(self, group: Group, person: Somebody) -> None:
        """Raise ProblemError: 404 for what is not offered, 403 for what somebody may not ask."""
        if group not in self.setores:
            raise ProblemError(404, NOT_OFFERED)
        if not self.allows(group, person):
            raise ProblemError(403, NOT_ALLOWED)

    def trim(self, question: Question, value: Any) -> Any:
        """Return an answer without what nobody may see."""
        if question.spec.group is Group.RELATORIOS:
            value = _keep(value, self.report_fields.__contains__)
        return _keep(value, lambda name: name not in self.withheld)


def hide_money(content: bytes, hidden: int) -> bytes:
    """Return an answer without amounts, for whom they are hidden from."""
    if not hidden & MONEY:
        return content
    return encode(_keep(json.loads(content), lambda name: not name.startswith(_MONEY)))


def encode(value: Any) -> bytes:
    """Write JSON. Raise ValueError for what it can't say."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _keep(value: Any, may_stay: Callable[[str], bool]) -> Any:
    """Return a value without the fields that may not stay, at any depth."""
    if isinstance(value, dict):
        return {name: _keep(one, may_stay) for name, one in value.items() if may_stay(name)}
    return [_keep(one, may_stay) for one in value] if isinstance(value, list) else value
