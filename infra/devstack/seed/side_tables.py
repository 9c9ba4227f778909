"""The tables that never leave SGP: machines, print logs, stock, customers and the small ones."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from .canaries import CANARIES
from .load import Row
from .moments import stamp
from .words import (
    CITIES,
    DESIGNERS,
    ERRORS,
    FABRICS,
    MACHINES,
    PAYMENTS,
    SELLERS,
    SHIPPING,
    name_customer,
    write_phone,
)

CUSTOMERS = 60
SMALL_NAMES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "designer": ("nome", "ativo", DESIGNERS),
    "vendedor": ("nome", "ativo", SELLERS),
    "payment": ("nome", "ativo", PAYMENTS),
    "producoes": ("name", "active", ("painel", "totem", "lona", "adesivo", "almofada", "bolsinha", "canga")),
}
PrintJob = tuple[int, int, datetime]
"""An order, one of its items and when it was printed."""


def plant(table: str, row: Row) -> Row:
    """Return a row with its table's canaries in every text column that has one."""
    return row | {column: text for (owner, column), text in CANARIES.items() if owner == table}


def build_machines(now: datetime) -> list[Row]:
    """Build the printers; the last one is out of use and carries the canary."""
    made = stamp(now - timedelta(days=900))
    rows: list[Row] = [
        {"id": n, "name": name, "active": True, "created_at": made} for n, name in enumerate(MACHINES, 1)
    ]
    return [*rows, plant("machines", {"id": len(rows) + 1, "name": "", "active": False, "created_at": None})]


def build_materials(rng: random.Random) -> list[Row]:
    """Build the stock, a negative and a huge quantity among it."""
    stock = [*(rng.randint(0, 90_000) / 100 for _ in FABRICS[2:]), -3.5, 1e12]
    rows: list[Row] = [
        {
            "id": number,
            "nome": fabric,
            "tipo": "tecido" if number % 4 else "lona",
            "valor_metro": rng.randint(300, 9_000) / 100,
            "estoque_metros": metres,
            "ativo": number % 5 > 0,
            "observacao": None,
        }
        for number, (fabric, metres) in enumerate(zip(FABRICS, stock, strict=True), start=1)
    ]
    return [*rows, plant("material", rows[0] | {"id": len(rows) + 1})]


def build_customers(rng: random.Random) -> list[Row]:
    """Build the register of customers, which orders do not refer to."""
    rows: list[Row] = []
    for number in range(1, CUSTOMERS + 1):
        city, state = rng.choice(CITIES)
        place = {
            "cep": f"{rng.randint(1000, 99999):05d}-{rng.randint(0, 999):03d}",
            "cidade": city,
            "estado": state,
        }
        rows.append({"id": number, "nome": name_customer(rng), **place, "telefone": write_phone(rng) or ""})
    return [*rows, plant("cliente", rows[0] | {"id": len(rows) + 1})]


def build_print_logs(rng: random.Random, jobs: Iterable[PrintJob]) -> list[Row]:
    """Build one to three logs for each print job, then the odd ones."""
    rows: list[Row] = []
    for pedido_id, item_id, printed in jobs:
        for status in rng.choices(
            (("SUCCESS",), ("ERROR", "REPRINT"), ("ERROR", "ERROR", "SUCCESS")), (85, 10, 5)
        )[0]:
            rows.append(
                {
                    "id": len(rows) + 1,
                    "printer_id": rng.randint(1, len(MACHINES)),
                    "pedido_id": pedido_id,
                    "item_id": item_id if item_id < 2**31 else None,  # a browser's 13 digits don't fit
                    "status": status,
                    "error_message": rng.choice(ERRORS) if status == "ERROR" else None,
                    "created_at": stamp(printed),
                }
            )
    return rows + build_odd_print_logs(rows)


def build_odd_print_logs(rows: list[Row]) -> list[Row]:
    """Build logs whose item is gone, whose printer is out of use, whose time or reason is missing."""
    if not rows:
        return []
    base, first = rows[-1], len(rows) + 1
    return [
        base | {"id": first, "item_id": 999_999_999},
        base | {"id": first + 1, "item_id": None, "printer_id": len(MACHINES) + 1},
        base | {"id": first + 2, "status": "ERROR", "error_message": None},
        base | {"id": first + 3, "status": "SUCCESS", "error_message": ""},
        base | {"id": first + 4, "created_at": None},
        plant("print_logs", base | {"id": first + 5, "status": "ERROR"}),
    ]


def build_small_tables(now: datetime) -> dict[str, list[Row]]:
    """Build the tables known by name only: a few plain rows and one of canaries each."""
    at = stamp(now - timedelta(days=3))
    sent: Row = {"entity": "pedido", "entity_id": 1, "operation": "update", "payload": "{}", "attempts": 3}
    redo: Row = {"pedido_id": 1, "item_index": 0, "motivo": "Cor errada", "status": "aberta", "criado_em": at}
    sheet: Row = {
        "numero_pedido": "0000000001",
        "cliente": "Ateliê Maré Alta",
        "dados": "{}",
        "criado_em": at,
    }
    chat: Row = {
        "username": "admin",
        "pergunta": "Quantos pedidos hoje?",
        "resposta": "Doze.",
        "criado_em": at,
    }
    page: Row = {"nome": "Ficha A4", "html": "<h1>{{cliente}}</h1>"}
    tables: dict[str, list[Row]] = {
        "sync_outbox": [sent | {"created_at": at}],
        "reposicoes": [redo],
        "fichas": [sheet],
        "safira_logs": [chat],
        "ficha_templates": [page],
        "relatorio_templates": [page | {"nome": "Fechamento do mês"}],
        "_migrations": [{"name": "0001_setor", "applied_at": at}],
        "envio": [{"nome": name, "valor": float(number * 10)} for number, name in SHIPPING],
    }
    for table, (name_column, flag_column, names) in SMALL_NAMES.items():
        tables[table] = [{name_column: name, flag_column: True} for name in names]
    return {table: number_rows([*rows, plant(table, rows[0])]) for table, rows in tables.items()}


def number_rows(rows: list[Row]) -> list[Row]:
    """Give ids from 1."""
    return [row | {"id": number} for number, row in enumerate(rows, start=1)]
