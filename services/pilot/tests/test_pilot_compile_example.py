"""The example mesh: every workload's proxy holds what it should, and the real Envoy takes it."""

from collections.abc import Callable

import pytest

from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, ROUTES
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy
from flotilla_shared.model import kinds

HTTP_SERVICES = ("details", "productpage", "ratings", "reviews")


@pytest.fixture(scope="module")
def example(bookinfo: str) -> Mesh:
    return Mesh(bookinfo)


def proxies(mesh: Mesh) -> list[tuple[str, Proxy]]:
    """The proxy of every WorkloadEntry; the last number of its address is the workload's."""
    found = []
    for item in mesh.objects[kinds.WORKLOAD_ENTRIES].values():
        labels = dict(item.spec.labels)
        number = int(item.spec.address.rpartition(".")[2])
        kind = "router" if "istio" in labels else "sidecar"
        found.append((item.spec.address, make_proxy(item.key.name, number, kind, LABELS=labels)))
    return found


def test_nothing_is_wrong_with_the_example(example: Mesh) -> None:
    assert example.problems() == []
    for _, proxy in proxies(example):
        assert example.compile(proxy).problems() == [], proxy.name


def test_envoy_takes_what_every_workload_gets(example: Mesh, validate: Callable[[Compiled], None]) -> None:
    for _, proxy in proxies(example):
        validate(example.compile(proxy))


def test_every_sidecar_listens_on_its_own_addresses_only(example: Mesh) -> None:
    seen: set[str] = set()
    for address, proxy in proxies(example):
        names = set(example.compile(proxy).listeners)
        assert not names & seen
        seen |= names
        number = address.rpartition(".")[2]
        if proxy.kind == "sidecar":
            assert {f"127.0.3.{number}_15002", f"127.0.3.{number}_9080"} <= names
            own = {f"127.0.3.{number}_15002", f"127.0.3.{number}_9080", f"127.0.3.{number}_9090"}
            assert names <= own | {f"127.0.2.{number}_9080", f"127.0.2.{number}_9090"}


def test_every_sidecar_reaches_every_service_by_its_name(example: Mesh) -> None:
    for _, proxy in proxies(example):
        if proxy.kind == "sidecar":
            table = example.compile(proxy).routes["15002"]
            domains = {domain for host in table.virtual_hosts for domain in host.domains}
            assert {f"{name}:9080" for name in HTTP_SERVICES} <= domains


@pytest.mark.parametrize("type_url", [CLUSTER, ENDPOINTS])
def test_sidecars_share_clusters_and_endpoints(example: Mesh, type_url: str) -> None:
    compiled = [example.compile(proxy).compiled for _, proxy in proxies(example) if proxy.kind == "sidecar"]
    for name, first in compiled[0].resources[type_url].items():
        held = [each.resources[type_url][name] for each in compiled if name in each.resources[type_url]]
        assert name.startswith("inbound") or all(each is first for each in held), name


def test_tables_differ_by_the_sidecar_they_were_made_for_alone(example: Mesh) -> None:
    compiled = [example.compile(proxy).compiled for _, proxy in proxies(example) if proxy.kind == "sidecar"]
    assert len({each.resources[ROUTES]["15002"].version for each in compiled}) == 1
    assert len({each.resources[ROUTES]["15002"].depends_on for each in compiled}) == len(compiled)


def test_plaintext_is_refused_by_every_sidecar(example: Mesh) -> None:
    for _, proxy in proxies(example):
        for listener in example.compile(proxy).listeners.values():
            if listener.name.startswith("127.0.2."):
                assert [chain.filter_chain_match.transport_protocol for chain in listener.filter_chains] == ["tls"]
