"""Which connections may leave a machine as they are."""

from __future__ import annotations

import pytest

from publications.decide.wire import VERIFIED, find_wire_fault

pytestmark = pytest.mark.unit

TAILNET = ("100.64.0.5", "100.127.255.254", "fd7a:115c:a1e0::5")
LOCAL = ("", "/run/postgresql", "@abstract", "localhost", "127.0.0.1", "127.8.8.8", "::1")
ELSEWHERE = ("192.168.0.10", "203.0.113.5", "100.128.0.1", "fd7a:115c:a1e1::1", "intranet-sgp", "8.8.8.8")


@pytest.mark.parametrize("host", LOCAL)
def test_what_stays_on_the_machine_needs_nothing(host: str) -> None:
    assert find_wire_fault({"host": host}, tailnet=False) == ""


@pytest.mark.parametrize("host", TAILNET)
def test_a_tailnets_address_needs_the_shops_word(host: str) -> None:
    assert find_wire_fault({"host": host}, tailnet=True) == ""
    assert "wire is not 'tailnet'" in find_wire_fault({"host": host}, tailnet=False)
    assert find_wire_fault({"host": host, **VERIFIED}, tailnet=False) == ""


@pytest.mark.parametrize("host", ELSEWHERE)
@pytest.mark.parametrize("tailnet", [True, False])
def test_elsewhere_the_server_has_to_prove_itself(host: str, tailnet: bool) -> None:
    assert find_wire_fault({"host": host, **VERIFIED}, tailnet=tailnet) == ""
    for name in VERIFIED:
        half = {key: word for key, word in VERIFIED.items() if key != name}
        assert name in find_wire_fault({"host": host, **half}, tailnet=tailnet)
    assert find_wire_fault({"host": host, "sslmode": "require"}, tailnet=tailnet)


def test_the_address_counts_and_not_the_name_and_each_of_several() -> None:
    assert find_wire_fault({"host": "127.0.0.1", "hostaddr": "203.0.113.5"}, tailnet=True)
    assert find_wire_fault({"host": "intranet-sgp", "hostaddr": "100.64.0.5"}, tailnet=True) == ""
    assert find_wire_fault({"host": "127.0.0.1,203.0.113.5"}, tailnet=True)
