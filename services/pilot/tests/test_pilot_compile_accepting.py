"""What a node says of how its listeners take connections, and which connections are looked into."""

from collections.abc import Callable
from typing import Any

import pytest
from envoy.config.listener.v3.listener_components_pb2 import FilterChainMatch
from google.protobuf import json_format

from flotilla_pilot.compile.inspectors import inbound_inspectors
from flotilla_pilot.testing.meshes import Compiled, Mesh, as_dict, make_proxy

SERVICES = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web}
spec:
  hosts: [web.example]
  addresses: [240.0.0.1]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 90, name: tcp, protocol: TCP}]
  endpoints: [{address: 10.0.0.1}]
"""


def listeners(**metadata: Any) -> Compiled:
    return Mesh(SERVICES).compile(make_proxy("p", **{"INTERCEPTION_MODE": "REDIRECT", **metadata}))


def having(compiled: Compiled, field: str) -> set[str]:
    return {name for name, each in compiled.listeners.items() if field in as_dict(each)}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, set()),
        ({"INBOUND_LISTENER_EXACT_BALANCE": True}, {"virtualInbound"}),
        ({"OUTBOUND_LISTENER_EXACT_BALANCE": True}, {"0.0.0.0_80", "240.0.0.1_90"}),
        ({"OUTBOUND_LISTENER_EXACT_BALANCE": False}, set()),
    ],
)
def test_connections_are_dealt_out_where_the_node_asks(
    metadata: dict[str, Any], expected: set[str], validate: Callable[[Compiled], None]
) -> None:
    compiled = listeners(**metadata)
    assert having(compiled, "connection_balance_config") == expected
    validate(compiled)


@pytest.mark.parametrize(("mode", "expected"), [("REDIRECT", set()), ("TPROXY", {"virtualInbound", "virtualOutbound"})])
def test_what_takes_connections_meant_for_others(
    mode: str, expected: set[str], validate: Callable[[Compiled], None]
) -> None:
    compiled = listeners(INTERCEPTION_MODE=mode)
    assert having(compiled, "transparent") == expected
    names = [each.name.rpartition(".")[2] for each in compiled.listeners["virtualInbound"].listener_filters]
    assert ("original_src" in names) is (mode == "TPROXY")
    validate(compiled)


def test_a_workload_of_two_families_has_both_wildcards(validate: Callable[[Compiled], None]) -> None:
    compiled = listeners(INSTANCE_IPS="10.1.1.1,fd00::1")
    assert having(compiled, "additional_addresses") == {"0.0.0.0_80"}
    (other,) = compiled.listeners["0.0.0.0_80"].additional_addresses
    assert (other.address.socket_address.address, other.address.socket_address.port_value) == ("::", 80)
    validate(compiled)


@pytest.mark.parametrize(("stated", "taken"), [({}, False), ({"HTTP10": "1"}, True), ({"HTTP10": "0"}, False)])
def test_old_clients_are_heard_where_the_node_asks(stated: dict[str, str], taken: bool) -> None:
    text = str(as_dict(listeners(**stated).listeners["0.0.0.0_80"]))
    assert ("'accept_http_10': True" in text) is taken


def off(matches: list[dict[str, Any]]) -> dict[str, Any]:
    """Where each inspector is off, by its name."""
    held = inbound_inspectors(json_format.ParseDict(each, FilterChainMatch()) for each in matches)
    return {each.name.rpartition(".")[2]: as_dict(each).get("filter_disabled") for each in held}


def at(port: int) -> dict[str, Any]:
    return {"destination_port_range": {"start": port, "end": port + 1}}


TLS, WEB = {"transportProtocol": "tls"}, {"applicationProtocols": ["h2c"], "transportProtocol": "raw_buffer"}
PLAIN = {"transportProtocol": "raw_buffer"}


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        ([PLAIN], {}),
        ([TLS, PLAIN], {"tls_inspector": None}),
        ([WEB, PLAIN], {"http_inspector": None}),
        ([{"applicationProtocols": ["istio"]}], {"tls_inspector": None}),
        ([TLS, {**PLAIN, "destinationPort": 9}], {"tls_inspector": at(9)}),
        ([TLS, {**TLS, "destinationPort": 9}, {**PLAIN, "destinationPort": 9}], {"tls_inspector": None}),
        (
            [TLS, {**PLAIN, "destinationPort": 9}, {**PLAIN, "destinationPort": 8}],
            {"tls_inspector": {"or_match": {"rules": [at(8), at(9)]}}},
        ),
        ([PLAIN, {**TLS, "destinationPort": 9}], {"tls_inspector": {"not_match": at(9)}}),
        (
            [PLAIN, {**WEB, "destinationPort": 8}, {**WEB, "destinationPort": 9}],
            {"http_inspector": {"not_match": {"or_match": {"rules": [at(8), at(9)]}}}},
        ),
    ],
)
def test_inspectors_are_at_work_where_a_chain_asks(matches: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert off(matches) == expected
