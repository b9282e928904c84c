"""Where connections were meant to go, asked by rules of TCP and TLS (`destinationSubnets`)."""

from collections.abc import Callable

import pytest

from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

INTERCEPTED = make_proxy("client", INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.1.0.9")
ANY = "0.0.0.0_90"
Seen = tuple[tuple[str, ...], tuple[str, ...], str]


def service(name: str, protocol: str = "TCP", addresses: str = "") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.io]
  resolution: STATIC
  addresses: [{addresses}]
  ports: [{{number: 90, name: p, protocol: {protocol}}}]
  endpoints: [{{address: 10.1.0.1}}]
"""


def rules(spec: str, host: str = "a.io", name: str = "r") -> str:
    return (
        "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n"
        f"metadata: {{name: {name}, namespace: default}}\nspec: {{hosts: [{host}], {spec}}}\n"
    )


def chains(compiled: Compiled, listener: str = ANY) -> list[Seen]:
    """Names, networks and cluster of each chain; the default one last."""
    found = as_dict(compiled.listeners[listener])
    answer = []
    for chain in [*found.get("filter_chains", []), *([last] if (last := found.get("default_filter_chain")) else [])]:
        match = chain.get("filter_chain_match", {})
        networks = (f"{each['address_prefix']}/{each.get('prefix_len', 0)}" for each in match.get("prefix_ranges", ()))
        cluster = chain["filters"][-1]["typed_config"]["cluster"]
        answer.append((tuple(match.get("server_names", ())), tuple(networks), cluster))
    return answer


def to(name: str) -> str:
    return f"outbound|90||{name}.io"


TO_B, TO_C = ("route: [{destination: {host: %s.io}}]" % each for each in "bc")
SERVICES = service("a") + service("b", addresses="10.7.0.1") + service("c", addresses="10.7.0.2")


@pytest.mark.parametrize(
    ("tcp", "expected"),
    [
        (
            f"{{match: [{{destinationSubnets: [10.2.3.4/16]}}], {TO_B}}}",
            [((), ("10.2.0.0/16",), to("b")), ((), (), to("a"))],
        ),
        (
            f"{{match: [{{destinationSubnets: [10.2.0.0/16, 10.3.0.0/16]}}], {TO_B}}}, {{{TO_C}}}",
            [((), ("10.2.0.0/16",), to("b")), ((), ("10.3.0.0/16",), to("b")), ((), (), to("c"))],
        ),
        (
            f"{{match: [{{destinationSubnets: [10.2.0.0/16]}}], {TO_B}}}, "
            f"{{match: [{{destinationSubnets: [10.2.0.0/16]}}], {TO_C}}}",
            [((), ("10.2.0.0/16",), to("b")), ((), (), to("a"))],
        ),
        (f"{{{TO_C}}}, {{match: [{{destinationSubnets: [10.2.0.0/16]}}], {TO_B}}}", [((), (), to("c"))]),
        (f"{{match: [{{destinationSubnets: [10.2.0.0/16], port: 91}}], {TO_B}}}", [((), (), to("a"))]),
        (f"{{match: [{{destinationSubnets: [x/16]}}], {TO_B}}}", [((), (), to("a"))]),
        (f"{{match: [{{destinationSubnets: [10.2.0.0/16]}}, {{port: 90}}], {TO_B}}}", [((), (), to("b"))]),
    ],
)
def test_tcp_by_network(tcp: str, expected: list[Seen], validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(SERVICES + rules(f"tcp: [{tcp}]")).compile(INTERCEPTED)
    assert chains(compiled) == expected
    validate(compiled)


def test_a_rule_counts_before_the_services_own_network(validate: Callable[[Compiled], None]) -> None:
    rule = rules(f"tcp: [{{match: [{{destinationSubnets: [10.9.0.0/24]}}], {TO_B}}}]")
    text = service("a", addresses="'10.9.0.0/24', '10.8.0.0/24'") + service("b", addresses="10.7.0.1") + rule
    compiled = Mesh(text).compile(INTERCEPTED)
    assert chains(compiled)[:2] == [((), ("10.9.0.0/24",), to("b")), ((), ("10.8.0.0/24",), to("a"))]
    validate(compiled)


@pytest.mark.parametrize(
    ("subnets", "expected"),
    [
        ("10.2.0.0/16", [(("x.io",), ("10.2.0.0/16",), to("b"))]),
        ("10.2.0.0/16, 10.3.0.0/16", [(("x.io",), (f"10.{each}.0.0/16",), to("b")) for each in (2, 3)]),
    ],
)
@pytest.mark.parametrize("addresses", ["", "'10.9.0.0/24', '10.8.0.0/24'"])
def test_tls_by_name_and_network(
    addresses: str, subnets: str, expected: list[Seen], validate: Callable[[Compiled], None]
) -> None:
    tls = "{match: [{sniHosts: [x.io], destinationSubnets: [%s]}], %s}" % (subnets, TO_B)
    text = service("a", "TLS", addresses) + service("b", addresses="10.7.0.1") + rules(f"tls: [{tls}, {tls}]")
    compiled = Mesh(text).compile(INTERCEPTED)
    found = chains(compiled)
    assert [each for each in found if each[0] == ("x.io",)] == expected
    assert any(each[0] == ("a.io",) for each in found)
    validate(compiled)


def test_where_nothing_is_intercepted_nobody_knows_where_to() -> None:
    tls = "tls: [{match: [{sniHosts: [x.io], destinationSubnets: [10.2.0.0/16]}], %s}]" % TO_B
    compiled = Mesh(service("a", "TLS", "10.7.0.3") + SERVICES.replace("a.io", "d.io") + rules(tls)).compile(
        make_proxy("w")
    )
    names = [
        name
        for each in compiled.listeners.values()
        for c in each.filter_chains
        for name in c.filter_chain_match.server_names
    ]
    assert "x.io" not in names
