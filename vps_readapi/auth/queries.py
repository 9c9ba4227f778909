"""Every statement about who may read: one SELECT, and functions that count, revoke and tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    DateTime,
    Float,
    LargeBinary,
    Select,
    Text,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from db.vps.models import window
from vps_readapi.pedidos.queries import readable

_usuarios = window["usuarios"].c
_credenciais = window["credenciais"].c


def find_login(username: str) -> Select[Any]:
    """Select who has exactly this name, and what checks the password; the newest row counts."""
    return (
        select(
            _usuarios.id,
            _usuarios.username,
            _usuarios.is_admin,
            _usuarios.setor,
            _usuarios.is_active,
            _credenciais.salt,
            _credenciais.digest,
            _credenciais.key_id,
            readable(_credenciais.mudou_em),
        )
        .select_from(
            window["usuarios"].outerjoin(window["credenciais"], _credenciais.user_id == _usuarios.id)
        )
        .where(_usuarios.username == username)
        .order_by(_usuarios.versao.desc())
        .limit(1)
    )


def take_attempt(account: bytes, address: bytes) -> Select[Any]:
    """Count a login before its password is checked; `wait_s` is 0, or how long to wait instead."""
    return select(func.auth.take(_bytes(account), _bytes(address), type_=Float).label("wait_s"))


def settle_attempt(account: bytes, address: bytes) -> Select[Any]:
    """Take back the count of a login whose password was right."""
    return select(cast(func.auth.settle(_bytes(account), _bytes(address)), Text))


def revoke_token(digest: bytes, expires_at: datetime) -> Select[Any]:
    """End a session before its time."""
    end = literal(expires_at, DateTime(timezone=True))
    return select(cast(func.auth.revoke(_bytes(digest), end), Text))


def tell_offline_bound(seconds: float) -> Select[Any]:
    """Write down for how long people may log in without word from the intranet."""
    return select(cast(func.auth.tell_offline_bound(literal(seconds, Float)), Text))


def tell_key_marks(marks: Sequence[bytes]) -> Select[Any]:
    """Write down which keys are here; `fits` is whether the worker's is one of them, or null."""
    given = literal(list(marks), ARRAY(LargeBinary))
    return select(func.auth.tell_key_marks(given, type_=Boolean).label("fits"))


def _bytes(value: bytes) -> BindParameter[bytes]:
    return literal(value, LargeBinary)
