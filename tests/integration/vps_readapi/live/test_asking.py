"""Live questions: what SGP is asked, as whom, by whom, and what of its answer goes on."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import jwt
import pytest

from db.waiting import wait_until
from infra.devstack.link import Link
from tests.fix_api import (
    SGP_KEY,
    Client,
    RunningApi,
    Windows,
    read_events,
    run_api,
    write_session,
)
from tests.fix_live import ADMIN, ANA, DEADLINE_S, SECONDS, SLACK_S, ask, ask_live, names, source
from tests.fix_sgp import RunningSgp, run_sgp
from tests.ports import find_free_port
from tests.sgp_server import TRICKS_FROM
from vps_readapi.auth.tokens import Claims
from vps_readapi.live.asking import LiveAnswer
from vps_readapi.live.questions import MATERIAL, make_question
from vps_readapi.live.room import open_live
from vps_readapi.live.settings import LiveSettings
from vps_readapi.memory.people import People
from vps_readapi.pedidos.visibility import VisibilityPolicy

pytestmark = [pytest.mark.integration, pytest.mark.any_version, pytest.mark.timeout(300)]

fresh_ids = count(100)
"""Materials that no other test has asked for."""


@pytest.fixture(scope="module")
def dsn(windows: Windows) -> Iterator[str]:
    with windows.open(pedidos=20) as found:
        with write_session(found) as writer:
            writer.execute("UPDATE vitrine.usuarios SET is_admin = true, setor = 'admin' WHERE id = 1")
            writer.execute("UPDATE vitrine.usuarios SET setor = 'costura' WHERE id = 2")
        yield found


@pytest.fixture(scope="module")
def sgp() -> Iterator[RunningSgp]:
    with run_sgp() as one:
        yield one


@pytest.fixture(scope="module")
def link(sgp: RunningSgp) -> Iterator[Link]:
    one = Link(target=("127.0.0.1", sgp.port), listen_port=find_free_port())
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def api(dsn: str, link: Link) -> Iterator[RunningApi]:
    settings = {
        "live_url": f"http://127.0.0.1:{link.port}",
        "live_seconds": str(SECONDS),
        "live_connect_seconds": "1",
        "live_poll_seconds": "0.5",
        "live_setores_maquinas": "impressao",
        "live_token": "service-session",
        "money_setores": "financeiro",
    }
    with run_api(dsn, **settings) as one:
        yield one


@pytest.fixture(autouse=True)
def healed(sgp: RunningSgp, link: Link, api: RunningApi) -> None:
    """Begin with a link that carries, and a way that is tried again."""
    link.heal()
    sgp.tell("release")
    with closing(api.connect()) as client:
        for path in ("/materiais/", "/maquinas/", "/print-logs/", "/relatorios/envios"):
            assert wait_until(lambda path=path: source(client.get(path)) == "live", DEADLINE_S), path  # type: ignore[misc]
    sgp.forget()


QUESTIONS = {
    "/materiais/": "/materiais/",
    "/materiais": "/materiais/",
    "/materiais/7": "/materiais/7",
    "/materiais/stats?data_inicio=2026-01-01&data_fim=": "/materiais/stats?data_inicio=2026-01-01",
    "/materiais/stats/evolucao": "/materiais/stats/evolucao",
    "/maquinas/": "/maquinas/",
    "/maquinas/ativos": "/maquinas/ativos",
    "/maquinas/3": "/maquinas/3",
    "/maquinas/dashboard/overview": "/maquinas/dashboard/overview",
    "/print-logs/?status_filter=error": "/print-logs/?limit=100&offset=0&status_filter=error",
    "/print-logs/printers/2?limit=5&x=1": "/print-logs/printers/2?limit=5&offset=0",
    "/print-logs/stats/2": "/print-logs/stats/2",
    "/relatorios/fechamentos?data_inicio=2026-01-01&data_fim=2026-01-31": (
        "/relatorios/fechamentos?data_inicio=2026-01-01&data_fim=2026-01-31"
    ),
    "/relatorios/envios": "/relatorios/envios",
}


@pytest.mark.parametrize(("path", "target"), QUESTIONS.items())
def test_a_question_is_put_to_sgp_and_its_answer_is_written_anew(
    api: RunningApi, sgp: RunningSgp, path: str, target: str
) -> None:
    answer = ask(api, path)
    assert (answer.status, source(answer), answer.headers["age"]) == (200, "live", "0")
    assert answer.headers["sync-state"] == "fresh"
    assert answer.headers["cache-control"] == "private, no-store"
    assert "canario" not in answer.content.decode().lower()
    assert len(answer.json()) > 0
    assert names(answer.json()).isdisjoint({"valor_metro", "error_message", "item_imagem", "preview_url"})
    [asked] = sgp.asked()
    assert (asked["method"], asked["target"]) == ("GET", target)


def test_the_answer_keeps_what_the_phone_needs(api: RunningApi) -> None:
    assert ask(api, "/materiais/7").json() == {
        "id": 7,
        "nome": "Lona 440 g",
        "tipo": "lona",
        "estoque_metros": -3.5,
        "ativo": True,
        "observacao": None,
    }
    [log] = ask(api, "/print-logs/?limit=1").json()
    assert (log["cliente"], log["status"], log["item_medidas"]) == ("Agência Ção", "success", "3,00 x 2,00 m")
    report = ask(api, "/relatorios/fechamentos").json()
    assert report["items"] == [{"cliente": "ACME", "total": 2, "valor_total": 806.5}]


def test_no_header_of_the_callers_reaches_sgp(api: RunningApi, sgp: RunningSgp) -> None:
    ask(api, "/materiais/7", Cookie="a=b", X_Forwarded_For="10.0.0.1", X_Evil="1", Accept_Language="pt-BR")
    [asked] = sgp.asked()
    assert set(asked["headers"]) == {"host", "accept", "accept-encoding", "user-agent", "authorization"}
    assert asked["headers"]["authorization"] == "Bearer service-session"


def test_with_sgps_secret_it_is_asked_as_the_asker(dsn: str, sgp: RunningSgp) -> None:
    with run_api(dsn, live_url=sgp.url, sgp_token_key=SGP_KEY, live_token="service-session") as api:
        ask(api, "/materiais/8", user_id=ANA)
    [asked] = sgp.asked()
    token = asked["headers"]["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, SGP_KEY, algorithms=["HS256"])
    assert (set(claims), claims["user_id"], claims["sub"]) == ({"sub", "user_id", "exp"}, ANA, "admin")
    assert claims["exp"] - time.time() < 400
    assert "kid" not in jwt.get_unverified_header(token)


def test_without_any_of_them_it_is_asked_without_a_session(dsn: str, sgp: RunningSgp) -> None:
    with run_api(dsn, live_url=sgp.url) as api:
        assert ask(api, "/materiais/9").status == 200
    [asked] = sgp.asked()
    assert "authorization" not in asked["headers"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/materiais/", 200), ("/maquinas/", 403), ("/relatorios/envios", 403), ("/print-logs/eventos", 200)],
)
def test_who_may_ask_is_declared_by_setor(api: RunningApi, sgp: RunningSgp, path: str, status: int) -> None:
    answer = ask(api, path, user_id=ANA, method="HEAD") if "eventos" in path else ask(api, path, user_id=ANA)
    assert answer.status == status
    if status == 403:
        assert answer.json()["detail"] == "O seu setor não tem acesso a esta consulta"
        assert sgp.asked() == []


def test_amounts_are_hidden_from_setores_that_see_none(dsn: str, sgp: RunningSgp) -> None:
    shown = {"live_reveal": "valor_metro error_message", "live_setores_relatorios": "*", "live_hide": "tipo"}
    with run_api(dsn, live_url=sgp.url, money_setores="financeiro", **shown) as api:
        for user_id, sees in ((ADMIN, True), (ANA, False)):
            [material] = ask(api, "/materiais/", user_id=user_id).json()
            report = ask(api, "/relatorios/fechamentos", user_id=user_id).json()
            assert ("valor_metro" in material, "valor_total" in names(report)) == (sees, sees)
            assert "tipo" not in material
            assert ask(api, "/print-logs/?limit=1", user_id=user_id).json()[0]["error_message"] == "CANARIO"


def test_questions_that_are_not_offered_are_not_there(dsn: str, sgp: RunningSgp) -> None:
    with run_api(dsn, live_url=sgp.url, live_questions="maquinas relatorios", live_reports="envios") as api:
        found = {path: ask(api, path).status for path in ("/materiais/", "/print-logs/", "/maquinas/")}
        reports = [ask(api, f"/relatorios/{tipo}").status for tipo in ("envios", "fechamentos")]
    assert found == {"/materiais/": 404, "/print-logs/": 404, "/maquinas/": 200}
    assert reports == [200, 404]
    assert sgp.targets() == ["/maquinas/", "/relatorios/envios"]


def test_without_an_address_of_sgp_nothing_is_offered(dsn: str) -> None:
    with run_api(dsn) as api:
        for path in QUESTIONS:
            answer = ask(api, path)
            assert (answer.status, answer.json()["detail"]) == (
                404,
                "Esta consulta não está disponível neste servidor",
            )


def test_nobody_without_a_session_asks(api: RunningApi, sgp: RunningSgp) -> None:
    for path in QUESTIONS:
        with closing(Client(api.port, token="x")) as client:
            assert client.get(path).status == 401
    assert sgp.asked() == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
def test_nothing_but_reading_gets_through(api: RunningApi, sgp: RunningSgp, method: str) -> None:
    for path in ("/materiais/", "/materiais/7", "/maquinas/1", "/print-logs/", "/relatorios/envios"):
        assert ask(api, path, method=method, body="{}", Content_Type="application/json").status == 405
    assert sgp.asked() == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/materiais/stats?data_inicio=2026-13-01", 422),
        ("/materiais/stats?data_fim=0", 422),
        ("/print-logs/?limit=100000", 422),
        ("/print-logs/?limit=0", 422),
        ("/print-logs/?offset=-1", 422),
        ("/print-logs/?status_filter=success%26x=1", 422),
        ("/materiais/99999999999", 422),
        ("/materiais/-1", 422),
        ("/maquinas/um", 422),
        ("/relatorios/outro", 404),
    ],
)
def test_parameters_have_types(api: RunningApi, sgp: RunningSgp, path: str, status: int) -> None:
    assert ask(api, path).status == status
    assert sgp.asked() == []


def ask_together(sgp: RunningSgp, number: int) -> list[object]:
    """Ask the same of SGP ten times, in one process, before any answer can be there."""

    async def ask_all() -> list[object]:
        settings, people = LiveSettings(live_url=sgp.url), People(VisibilityPolicy.of())
        async with open_live(settings, people, sgp_key=None, max_streams=1, max_of_user=1) as room:
            assert room is not None
            question = make_question(MATERIAL, material_id=number)
            asking = (room.asking.ask(question, Claims(one, "ana")) for one in range(10))
            return list(await asyncio.gather(*asking, return_exceptions=True))

    return asyncio.run(ask_all())


def test_equal_questions_of_many_are_one_to_sgp(sgp: RunningSgp) -> None:
    number = next(fresh_ids)
    found = ask_together(sgp, number)
    assert found == [found[0]] * 10
    assert isinstance(found[0], LiveAnswer)
    assert sgp.targets() == [f"/materiais/{number}"]


def test_what_sgp_refuses_one_it_is_asked_for_by_the_next(sgp: RunningSgp) -> None:
    refused = TRICKS_FROM + 1021
    assert [getattr(one, "status", None) for one in ask_together(sgp, refused)] == [403] * 10
    assert sgp.targets() == [f"/materiais/{refused}"] * 10


# ---------------------------------------------------------------- when it fails


def test_cut_in_mid_answer_it_is_told_within_the_time_and_the_last_answer_is_shown_with_its_age(
    api: RunningApi, link: Link
) -> None:
    path = f"/materiais/{next(fresh_ids)}"
    good = ask_live(api, path)
    link.cut_after(150)  # the question gets through, and the head of its answer
    began = time.monotonic()
    kept = ask(api, path)
    assert time.monotonic() - began < SECONDS + SLACK_S
    assert (kept.status, source(kept), kept.content) == (200, "cached", good.content)
    unknown = ask(api, f"/materiais/{next(fresh_ids)}")
    assert unknown.status == 503
    assert int(unknown.headers["retry-after"]) > 0
    assert unknown.json()["detail"].startswith("Esta consulta depende do servidor da loja")


def test_a_kept_answer_says_how_old_it_is_and_is_refused_to_whom_it_is_too_old(
    api: RunningApi, link: Link
) -> None:
    path = f"/materiais/{next(fresh_ids)}"
    ask_live(api, path)
    link.cut()
    assert wait_until(lambda: ask(api, path).headers["age"] != "0", DEADLINE_S)
    kept = ask(api, path)
    assert int(kept.headers["sync-age"]) == int(kept.headers["age"]) >= 1
    assert ask(api, path, Sync_Max_Age="600").status == 200
    refused = ask(api, path, Sync_Max_Age="0")
    assert (refused.status, source(refused)) == (503, None)


def test_on_a_deaf_link_all_are_answered_in_time_and_replicated_reads_go_on(
    api: RunningApi, link: Link
) -> None:
    link.deafen()
    with ThreadPoolExecutor(50) as pool:
        began = time.monotonic()
        asking = [pool.submit(ask, api, f"/materiais/{next(fresh_ids)}") for _ in range(50)]
        assert ask(api, "/pedidos/7").status == 200
        assert ask(api, "/pedidos/?limit=3").status == 200
        assert {one.result().status for one in asking} == {503}
        assert time.monotonic() - began < SECONDS + SLACK_S


def test_one_kind_of_question_that_hangs_keeps_no_other_back(api: RunningApi, link: Link) -> None:
    link.deafen()
    asking = [f"/print-logs/?offset={next(fresh_ids)}" for _ in range(10)]
    with ThreadPoolExecutor(10) as pool:
        waiting = [pool.submit(ask, api, path) for path in asking]
        assert {one.result().status for one in waiting} == {503}
    link.heal()
    assert source(ask(api, "/materiais/")) == "live"


def test_the_breaker_opens_asks_once_and_closes_when_sgp_is_back(
    api: RunningApi, sgp: RunningSgp, link: Link
) -> None:
    link.cut()
    before = link.connections
    seen = [ask(api, f"/materiais/{next(fresh_ids)}") for _ in range(20)]
    assert {one.status for one in seen} == {503}
    assert all(0 < int(one.headers["retry-after"]) <= 20 for one in seen)
    assert 3 <= link.connections - before < 20  # at most one in each pause
    link.heal()
    assert sgp.asked() == []
    assert wait_until(lambda: source(ask(api, "/materiais/7")) == "live", DEADLINE_S)


def test_who_knows_nothing_of_it_sees_no_more_while_sgp_is_away(dsn: str, sgp: RunningSgp) -> None:
    link = Link(target=("127.0.0.1", sgp.port), listen_port=find_free_port())
    link.start()
    try:
        url = f"http://127.0.0.1:{link.port}"
        settings = {"live_reveal": "valor_metro", "money_setores": "financeiro"}
        with run_api(dsn, live_url=url, live_setores_maquinas="impressao", **settings) as api:
            assert "valor_metro" in ask(api, "/materiais/").json()[0]
            ask(api, "/maquinas/")
            link.cut()
            kept = ask(api, "/materiais/", user_id=ANA)
            assert (source(kept), "valor_metro" in kept.json()[0]) == ("cached", False)
            assert ask(api, "/maquinas/", user_id=ANA).status == 403
    finally:
        link.stop()


def test_an_answer_that_came_longer_ago_than_the_shop_wants_is_not_shown(dsn: str, sgp: RunningSgp) -> None:
    link = Link(target=("127.0.0.1", sgp.port), listen_port=find_free_port())
    link.start()
    try:
        url = f"http://127.0.0.1:{link.port}"
        with run_api(dsn, live_url=url, live_cache_hours="0") as api:
            assert ask(api, "/materiais/").status == 200
            link.cut()
            assert ask(api, "/materiais/").status == 503
    finally:
        link.stop()


# ---------------------------------------------------------------- followed


def follow(api: RunningApi, query: str = "", **headers: str) -> Iterator[dict[str, str]]:
    return read_events(api.port, path=f"/print-logs/eventos{query}", **headers)


def read_until(events: Iterator[dict[str, str]], name: str) -> dict[str, str]:
    return next(event for event in events if event["event"] == name)


def wait_live(events: Iterator[dict[str, str]]) -> None:
    """Read on until the stream says that SGP answers."""
    while json.loads(read_until(events, "pulso")["data"])["sync_source"] != "live":
        pass


def test_logs_are_followed_by_many_with_one_question_at_a_time_while_somebody_listens(
    api: RunningApi, sgp: RunningSgp
) -> None:
    followers = [follow(api) for _ in range(5)]
    for one in followers:
        wait_live(one)
    sgp.tell("log")
    told = [read_until(one, "impressoes") for one in followers]
    [log] = json.loads(told[0]["data"])["registros"]
    assert told == [told[0]] * 5
    assert told[0]["id"] == str(log["id"])
    assert "error_message" not in log
    assert set(sgp.targets()) == {"/print-logs/?limit=100&offset=0"}
    for one in followers:
        one.close()  # type: ignore[attr-defined]
    assert wait_until(lambda: _is_quiet(sgp), DEADLINE_S)


def _is_quiet(sgp: RunningSgp) -> bool:
    before = len(sgp.asked())
    return not wait_until(lambda: len(sgp.asked()) > before, 2)


def test_who_comes_back_is_told_what_he_missed_and_of_his_printer_alone(
    api: RunningApi, sgp: RunningSgp
) -> None:
    newest = ask(api, "/print-logs/?limit=1").json()[0]["id"]
    for _ in range(4):
        sgp.tell("log")
    missed = json.loads(read_until(follow(api, Last_Event_ID=str(newest)), "impressoes")["data"])
    assert [one["id"] for one in missed["registros"]] == [newest + step for step in range(1, 5)]
    own = json.loads(
        read_until(follow(api, "?printer_id=1", Last_Event_ID=str(newest)), "impressoes")["data"]
    )
    assert {one["printer_id"] for one in own["registros"]} == {1}


def test_a_stream_says_when_sgp_is_away_and_when_it_is_back(
    api: RunningApi, sgp: RunningSgp, link: Link
) -> None:
    events = follow(api)
    wait_live(events)
    link.cut()
    assert json.loads(read_until(events, "pulso")["data"])["sync_source"] == "cached"
    sgp.tell("log")
    link.heal()
    assert len(json.loads(read_until(events, "impressoes")["data"])["registros"]) == 1


# ---------------------------------------------------------------- counted by the mirror


def test_totals_and_counts_come_from_the_mirror(api: RunningApi, sgp: RunningSgp) -> None:
    assert ask(api, "/pedidos/total").json() == {"total": 20}
    assert ask(api, "/pedidos/total?status=pronto").json() == {"total": 4}
    counts = ask(api, "/pedidos/summary").json()
    assert counts == {
        "total": 20,
        "por_status": dict.fromkeys(("pendente", "em_producao", "pronto", "entregue", "cancelado"), 4),
    }
    assert sgp.asked() == []
