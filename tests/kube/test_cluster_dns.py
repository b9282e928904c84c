"""The names of a cluster, as the specification of Kubernetes' DNS has them, and how questions are answered. No cluster needed."""

from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from tests.kube.cluster.dns.answer import answer
from tests.kube.cluster.dns.zone import Zone

DOMAIN = "cluster.local"


def _service(
    name: str, *addresses: str, namespace: str = "shop", ports: list[dict[str, Any]] | None = None, **spec: Any
) -> dict[str, Any]:
    ips = list(addresses) or ["None"]
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": ips[0], "clusterIPs": ips, "ports": ports or []} | spec,
    }


def _slice(
    service: str, *endpoints: dict[str, Any], ports: list[dict[str, Any]] | None = None, namespace: str = "shop"
) -> dict[str, Any]:
    meta = {"name": f"{service}-x", "namespace": namespace, "labels": {"kubernetes.io/service-name": service}}
    return {"metadata": meta, "endpoints": list(endpoints), "ports": ports}


HTTP = {"name": "http", "port": 80, "protocol": "TCP"}
SERVICES = [
    _service("web", "10.96.1.1", "fd00::1", ports=[HTTP, {"port": 9}]),
    _service("db", ports=[{"name": "pg", "port": 5432}]),
    _service("empty"),
    _service("alias", type="ExternalName", externalName="web.shop.svc.cluster.local"),
    _service("outside", type="ExternalName", externalName="example.com"),
    _service("Web2", "10.96.1.3", namespace="other"),
]
SLICES = [
    _slice(
        "db",
        {"addresses": ["10.244.0.7"], "hostname": "db-0", "conditions": {"ready": True}},
        {"addresses": ["10.244.0.8"], "conditions": {"ready": False}},
        {"addresses": ["10.244.0.9"]},
        ports=[{"name": "pg", "port": 5432, "protocol": "TCP"}],
    ),
    _slice("empty", ports=None),
    _slice("web", {"addresses": ["10.244.0.5"]}, ports=[HTTP]),
]
ZONE = Zone(DOMAIN, SERVICES, SLICES)


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("web.shop.svc.cluster.local", "A", {"10.96.1.1"}),
        ("WEB.shop.svc.Cluster.Local", "A", {"10.96.1.1"}),
        ("web2.other.svc.cluster.local", "A", {"10.96.1.3"}),
        ("web.shop.svc.cluster.local", "AAAA", {"fd00::1"}),
        ("_http._tcp.web.shop.svc.cluster.local", "SRV", {"0 100 80 web.shop.svc.cluster.local."}),
        ("1.1.96.10.in-addr.arpa", "PTR", {"web.shop.svc.cluster.local."}),
        # Headless: the ready endpoints, and those that say nothing of it; by their hostnames or their addresses.
        ("db.shop.svc.cluster.local", "A", {"10.244.0.7", "10.244.0.9"}),
        ("db-0.db.shop.svc.cluster.local", "A", {"10.244.0.7"}),
        ("10-244-0-9.db.shop.svc.cluster.local", "A", {"10.244.0.9"}),
        (
            "_pg._tcp.db.shop.svc.cluster.local",
            "SRV",
            {"0 100 5432 db-0.db.shop.svc.cluster.local.", "0 100 5432 10-244-0-9.db.shop.svc.cluster.local."},
        ),
        ("7.0.244.10.in-addr.arpa", "PTR", {"db-0.db.shop.svc.cluster.local."}),
        ("alias.shop.svc.cluster.local", "A", {"web.shop.svc.cluster.local.", "10.96.1.1"}),
        ("outside.shop.svc.cluster.local", "A", {"example.com."}),
        ("outside.shop.svc.cluster.local", "CNAME", {"example.com."}),
        ("dns-version.cluster.local", "TXT", {'"1.1.0"'}),
    ],
)
def test_a_name_has_its_records(name: str, kind: str, values: set[str]) -> None:
    response = _ask(name, kind)
    assert response.rcode() == dns.rcode.NOERROR
    assert {value.to_text() for rrset in response.answer for value in rrset} == values
    assert response.flags & dns.flags.AA


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("gone.shop.svc.cluster.local", "A", dns.rcode.NXDOMAIN),
        ("web.elsewhere.svc.cluster.local", "A", dns.rcode.NXDOMAIN),
        ("10-244-0-8.db.shop.svc.cluster.local", "A", dns.rcode.NXDOMAIN),
        ("_http._udp.web.shop.svc.cluster.local", "SRV", dns.rcode.NXDOMAIN),
        ("example.com", "A", dns.rcode.NXDOMAIN),
        # The name is there, the kind of record is not: no error, and nothing, or resolvers would stop searching.
        ("db.shop.svc.cluster.local", "AAAA", dns.rcode.NOERROR),
        ("shop.svc.cluster.local", "A", dns.rcode.NOERROR),
        ("web.shop.svc.cluster.local", "MX", dns.rcode.NOERROR),
        ("_tcp.web.shop.svc.cluster.local", "SRV", dns.rcode.NOERROR),
    ],
)
def test_a_name_without_records(name: str, kind: str, code: dns.rcode.Rcode) -> None:
    response = _ask(name, kind)
    assert response.rcode() == code
    assert not response.answer
    assert response.authority[0].rdtype == dns.rdatatype.SOA


def test_a_headless_service_without_endpoints_has_no_name_yet() -> None:
    assert ZONE.find("empty.shop.svc.cluster.local") is None


def test_an_answer_too_long_for_a_datagram_is_cut_and_whole_on_a_connection() -> None:
    many = _slice("db", *({"addresses": [f"10.244.1.{n}"]} for n in range(100)))
    zone = Zone(DOMAIN, SERVICES, [many])
    query = dns.message.make_query("db.shop.svc.cluster.local", "A", use_edns=False).to_wire()
    cut, whole = (_parsed(answer(query, zone, datagram=datagram)) for datagram in (True, False))
    assert cut.flags & dns.flags.TC
    assert not whole.flags & dns.flags.TC
    assert len(whole.answer[0]) == 100


def test_aliases_in_a_ring_end() -> None:
    ring = [
        _service(name, type="ExternalName", externalName=f"{to}.shop.svc.cluster.local")
        for name, to in (("a", "b"), ("b", "a"))
    ]
    response = _ask("a.shop.svc.cluster.local", "A", Zone(DOMAIN, ring, []))
    assert {rrset.rdtype for rrset in response.answer} == {dns.rdatatype.CNAME}


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"x" * 11,
        b"\0" * 12,
        b"\xff" * 40,
        dns.message.make_response(dns.message.make_query("a.", "A", id=1)).to_wire(),
    ],
)
def test_what_is_no_question_harms_nobody(wire: bytes) -> None:
    reply = answer(wire, ZONE, datagram=True)
    assert reply is None or _parsed(reply).rcode() == dns.rcode.NOTIMP


def _ask(name: str, kind: str, zone: Zone = ZONE) -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    response = _parsed(answer(query.to_wire(), zone, datagram=True))
    assert query.is_response(response)
    return response


def _parsed(wire: bytes | None) -> dns.message.Message:
    assert wire is not None
    return dns.message.from_wire(wire)
