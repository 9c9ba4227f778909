"""SGP's users, with passwords that everybody may know, and revoked tokens. For demo and tests only."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import bcrypt
import jwt

from .canaries import CANARIES
from .load import Row
from .moments import stamp

Stored = Literal["$2b$", "$2a$", "$2y$", "plain"]

SGP_BCRYPT_ROUNDS = 12
"""What SGP uses; the seed takes 4, the least that bcrypt allows, because tests log in often."""

DEMO_JWT_SECRET = "segredo-de-demonstracao-que-nao-vale-nada-0001"  # noqa: S105
"""The HS256 secret that the imitated SGP signs with; a real one comes from the environment."""

TOKEN_LIFE = timedelta(days=8)
BCRYPT_MAX_BYTES = 72
BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True)
class DemoUser:
    """A user of SGP and the password that logs in, however it is stored."""

    username: str
    password: str
    setor: str | None = "geral"
    is_admin: bool = False
    is_active: bool = True
    stored: Stored = "$2b$"
    former_username: str | None = None
    """The name before a renaming; tokens with it in `sub` are still good, identity is `user_id`."""


USERS: tuple[DemoUser, ...] = (
    DemoUser("admin", "ponte-demo", "admin", is_admin=True),
    DemoUser("debora.impressao", "tinta-ciano-1", "impressao"),
    DemoUser("otavio.costura", "linha-e-agulha", "costura"),
    DemoUser("ines.vendas", CANARIES["user", "password_plain"], "vendas"),
    DemoUser("regis.financeiro", "boleto-pago", "financeiro", stored="$2a$"),
    DemoUser("sonia.conferencia", "confere-2026", "conferencia", stored="$2y$"),
    DemoUser("luis.expedicao", "caixa-fechada", "expedicao"),
    DemoUser("iris.designer", "cor-e-forma", "designer", former_username="iris"),
    DemoUser("joão conceição", "acentuação-ñ-ü", "geral"),
    DemoUser("Admin", "outro-com-maiuscula", "geral"),
    DemoUser("sem.setor", "nenhum-setor", None),
    DemoUser("yara.inativa", "ja-saiu-da-loja", "vendas", is_active=False),
    DemoUser("texto.puro", CANARIES["user", "password_hash"], "geral", stored="plain"),
    DemoUser("senha.longa", "uma frase comprida com acentuação " * 3, "geral"),
)
"""Ids count from 1 in this order. A password over 72 bytes is hashed by its first 72, as old bcrypts did."""

DEMO_LOGIN = (USERS[0].username, USERS[0].password)


def build_users(rng: random.Random, *, now: datetime, rounds: int) -> list[Row]:
    """Build the rows of `"user"`, with salts from `rng` so that the hashes repeat."""
    return [
        build_user(rng, number, user, now=now, rounds=rounds) for number, user in enumerate(USERS, start=1)
    ]


def build_user(rng: random.Random, number: int, user: DemoUser, *, now: datetime, rounds: int) -> Row:
    """Build one user's row; its times are text in SGP, and every third row has the canaries in them."""
    created = (now - timedelta(days=400 - number)).isoformat()
    planted = number % 3 == 0
    return {
        "id": number,
        "username": user.username,
        "password_hash": store_password(rng, user, rounds=rounds),
        "password_plain": user.password,
        "is_admin": user.is_admin,
        "setor": user.setor,
        "is_active": user.is_active,
        "created_at": f"{created} {CANARIES['user', 'created_at']}" if planted else created,
        "updated_at": f"{created} {CANARIES['user', 'updated_at']}" if planted else created,
    }


def store_password(rng: random.Random, user: DemoUser, *, rounds: int) -> str:
    """Write a password as its user's row has it."""
    if user.stored == "plain":
        return user.password
    salt = f"$2b${rounds:02d}${make_salt(rng)}"
    hashed = bcrypt.hashpw(user.password.encode()[:BCRYPT_MAX_BYTES], salt.encode()).decode()
    return user.stored + hashed.removeprefix("$2b$")


def make_salt(rng: random.Random) -> str:
    """Make the 22 characters of a bcrypt salt; only four bits of the last one count."""
    return "".join(rng.choices(BCRYPT_ALPHABET, k=21)) + rng.choice(".Oeu")


def sign_token(user_id: int, *, username: str | None = None, expires_at: datetime) -> str:
    """Sign a session token as SGP does: HS256 and exactly `sub`, `user_id`, `exp`."""
    claims = {
        "sub": username or USERS[user_id - 1].username,
        "user_id": user_id,
        "exp": int(expires_at.timestamp()),
    }
    return jwt.encode(claims, DEMO_JWT_SECRET, algorithm="HS256")


def build_revoked_tokens(now: datetime) -> list[Row]:
    """Build the tokens that were logged out: one still in time, one past it, one forged around the canary."""
    later, earlier = now + TOKEN_LIFE, now - timedelta(days=30)
    forged = sign_token(3, expires_at=later).rpartition(".")[0] + "." + CANARIES["revoked_tokens", "token"]
    tokens = (
        (sign_token(2, expires_at=later), later),
        (sign_token(2, expires_at=earlier), earlier),
        (forged, later),
    )
    return [
        {"id": number, "token": token, "expires_at": stamp(end), "revoked_at": stamp(end - timedelta(days=2))}
        for number, (token, end) in enumerate(tokens, start=1)
    ]
