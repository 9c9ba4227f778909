"""The pure parts of the imitated SGP: what tests elsewhere rely on when they iterate over it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import bcrypt
import jwt
import pytest

from infra.devstack.seed import (
    CANARIES,
    DEFAULT_NOW,
    DEMO_JWT_SECRET,
    DEMO_LOGIN,
    DIRT,
    DIRT_FORMA_ENVIO_ID,
    ITEM_CANARIES,
    ODD_IMAGES,
    SQLITE_ONLY_DIRT,
    USERS,
    DirtCase,
    dirt_ids,
    sign_token,
)
from infra.devstack.seed.canaries import plant_in_item
from infra.devstack.seed.dirt import build_dirty_order
from infra.devstack.seed.fill import OrderStream, find_clean_ids, make_rng, map_targets
from infra.devstack.seed.images import SeedImage, plan_images
from infra.devstack.seed.items import find_item_id
from infra.devstack.seed.orders import FLAGS, build_order
from infra.devstack.seed.people import BCRYPT_MAX_BYTES, build_revoked_tokens, build_users
from infra.devstack.seed.side_tables import build_small_tables
from infra.devstack.seed.traffic import choose_changes, read_items

pytestmark = pytest.mark.unit

HOSTS = range(1, 40)


def stream(random_seed: int = 1) -> OrderStream:
    return OrderStream(make_rng(random_seed, "pedidos"), range(1, 61), DEFAULT_NOW, {})


def images() -> list[SeedImage]:
    return plan_images(make_rng(1, "test"), HOSTS, photos=6, now=DEFAULT_NOW)


def test_dirt_names_are_unique() -> None:
    for names in ([case.name for case in DIRT], [case.name for case in SQLITE_ONLY_DIRT]):
        assert len(names) == len(set(names))


def test_dirty_orders_are_the_last_ones() -> None:
    ids = dirt_ids(520)
    assert list(ids.values()) == list(range(521 - len(DIRT), 521))


@pytest.mark.parametrize("case", [*DIRT, *SQLITE_ONLY_DIRT], ids=lambda case: case.name)
def test_a_case_overrides_existing_columns_and_keeps_the_mark(case: DirtCase) -> None:
    plain = build_dirty_order(DirtCase("plain", {}), 7, now=DEFAULT_NOW)
    row = build_dirty_order(case, 7, now=DEFAULT_NOW)
    assert row.keys() == plain.keys()
    assert row["forma_envio_id"] == DIRT_FORMA_ENVIO_ID
    assert row["id"] == 7


def test_seeded_dirt_respects_what_postgresql_refuses() -> None:
    required = {"data_entrada", "prioridade", "status", "cliente", "forma_envio_id", *FLAGS}
    for case in DIRT:
        row = build_dirty_order(case, 7, now=DEFAULT_NOW)
        assert all(row[column] is not None for column in required), case.name
        assert len(str(row["status"])) <= 50, case.name
        assert not any("\0" in value for value in row.values() if isinstance(value, str)), case.name


def test_dirt_reaches_the_kinds_that_break_parsers() -> None:
    items = {case.name: str(case.overrides["items"]) for case in DIRT if "items" in case.overrides}
    assert len(items["items_text_data_url_2_mb"]) > 2_000_000
    with pytest.raises(RecursionError):
        json.loads(items["items_shape_nested_100_000"])
    with pytest.raises(UnicodeEncodeError):
        json.loads(items["items_text_lone_high_surrogate"])[1]["descricao"].encode()
    assert json.loads(items["items_shape_duplicate_keys"])[1]["descricao"] == "segunda"
    assert json.loads(items["items_text_nul_escape_escaped"])[1]["descricao"] == "C:\\u0000 é só texto"


def test_the_same_seed_builds_the_same_orders() -> None:
    assert list(stream()) == list(stream())
    assert list(stream()) != list(stream(2))


def test_clean_orders_agree_with_their_age() -> None:
    rows = list(stream())
    times = [str(row["data_criacao"]) for row in rows]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert all(row["pronto"] is (row["status"] in {"pronto", "entregue"}) for row in rows)
    assert rows[0]["status"] in {"entregue", "pronto", "cancelado"}
    assert rows[-1]["status"] in {"pendente", "em_producao"}


def test_clean_items_are_json_with_their_ids() -> None:
    for row in stream():
        for index, item in enumerate(json.loads(str(row["items"]))):
            assert item.get("id", int(str(row["id"])) * 1000 + index) == find_item_id(
                int(str(row["id"])), index
            )


def test_the_newest_clean_order_carries_every_item_canary() -> None:
    rows = list(stream())
    assert all(text in str(rows[-1]["items"]) for text in ITEM_CANARIES.values())
    assert not any(text in str(rows[0]["items"]) for text in ITEM_CANARIES.values())
    planted = plant_in_item(json.loads(str(rows[0]["items"]))[0])
    assert str(planted["observacao"]).startswith("data:image/")


def test_canaries_are_unique_and_in_their_rows() -> None:
    texts = [*CANARIES.values(), *ITEM_CANARIES.values()]
    assert len(texts) == len(set(texts))
    tables = build_small_tables(DEFAULT_NOW)
    tables["user"] = build_users(make_rng(1, "test"), now=DEFAULT_NOW, rounds=4)
    tables["revoked_tokens"] = build_revoked_tokens(DEFAULT_NOW)
    tables["pedidos"] = list(stream())
    found = {(table, column) for table, column in CANARIES if table in tables}
    assert {("user", "password_hash"), ("pedidos", "obs_pagamento"), ("revoked_tokens", "token")} <= found
    for table, column in found:
        assert any(CANARIES[table, column] in str(row[column]) for row in tables[table]), (table, column)


def test_every_password_logs_in() -> None:
    rows = build_users(make_rng(1, "test"), now=DEFAULT_NOW, rounds=4)
    for row, user in zip(rows, USERS, strict=True):
        stored, typed = str(row["password_hash"]), user.password.encode()[:BCRYPT_MAX_BYTES]
        assert stored.startswith("$2") is (user.stored != "plain")
        assert stored == user.password or bcrypt.checkpw(typed, stored.encode())
    assert rows == build_users(make_rng(1, "test"), now=DEFAULT_NOW, rounds=4)


def test_users_cover_what_the_shop_has() -> None:
    assert (USERS[0].username, USERS[0].password) == DEMO_LOGIN
    assert len({user.username for user in USERS}) == len(USERS)
    assert any(not user.is_active for user in USERS)
    assert any(user.setor is None for user in USERS)
    assert any(len(user.password.encode()) > BCRYPT_MAX_BYTES for user in USERS)
    assert {"$2b$", "$2a$", "$2y$", "plain"} == {user.stored for user in USERS}


def test_tokens_have_exactly_the_claims_of_sgp() -> None:
    token = sign_token(1, expires_at=DEFAULT_NOW + timedelta(days=8))
    claims = jwt.decode(token, DEMO_JWT_SECRET, algorithms=["HS256"], options={"verify_exp": False})
    assert claims == {"sub": "admin", "user_id": 1, "exp": int(DEFAULT_NOW.timestamp()) + 8 * 86_400}


def test_images_are_the_same_each_time_and_their_names_unique() -> None:
    assert images() == images()
    names = [Path(str(image.row["path"]).replace("\\", "/")).name for image in images()[:6]]
    assert len(set(names)) == 6
    assert len(images()) == 6 + len(ODD_IMAGES)


def test_an_item_points_at_the_newest_of_its_images() -> None:
    planned = images()
    first_order = [image for image in planned if image.pedido_id == HOSTS[-2]]
    assert [image.row["item_index"] for image in first_order] == [0, 0]
    targets = map_targets(planned)[HOSTS[-2]]
    row, items = build_order(
        make_rng(1, "test"), HOSTS[-2], created=DEFAULT_NOW, now=DEFAULT_NOW, images=targets
    )
    assert items[0]["imagem"] == f"/pedidos/imagens/{first_order[1].row['id']}"
    assert row["id"] == HOSTS[-2]


def test_some_paths_are_windows_paths() -> None:
    assert any("\\" in str(image.row["path"]) for image in images()[:6])


def test_a_change_touches_only_a_few_columns_and_keeps_items_readable() -> None:
    rng = make_rng(3, "test")
    for row in stream():
        changes = choose_changes(rng, row, now=DEFAULT_NOW)
        assert 1 <= len(changes) <= 3
        assert any(row[column] != value for column, value in changes.items())
        assert read_items(str(changes.get("items", row["items"])))


@pytest.mark.parametrize("text", [None, "", "null", "{}", '["a"]', "[1", "[" * 100_000])
def test_unreadable_items_are_never_edited(text: str | None) -> None:
    assert read_items(text) is None


def test_orders_must_leave_room_for_clean_ones() -> None:
    assert find_clean_ids(len(DIRT) + 2) == range(1, 3)
    with pytest.raises(ValueError, match="orders=10 is fewer than"):
        find_clean_ids(10)
