"""What looks at a connection's first bytes before a chain is chosen, and on which ports: where servers speak first
nobody may wait for a byte, so each inspector is at work only where some chain asks for what it finds."""

from collections.abc import Callable, Iterable
from typing import Any

from envoy.config.listener.v3.listener_components_pb2 import (
    FilterChainMatch,
    ListenerFilter,
    ListenerFilterChainMatchPredicate,
)
from envoy.extensions.filters.listener.http_inspector.v3.http_inspector_pb2 import HttpInspector
from envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector
from envoy.type.v3.range_pb2 import Int32Range
from google.protobuf.wrappers_pb2 import UInt32Value

from flotilla_pilot.compile.packing import typed

PLAIN_HTTP = ("http/1.1", "h2c")
"""What an inspector calls HTTP that is not encrypted. HTTP/1.0 is left alone: Envoy would refuse it."""

_FIRST_READ = 512
"""Bytes in which a handshake's first message mostly is; more are read where it is not."""

_TLS = "tls"


def tls_inspector() -> Any:
    inspector = TlsInspector(initial_read_buffer_size=UInt32Value(value=_FIRST_READ))
    return typed(ListenerFilter, "envoy.filters.listener.tls_inspector", inspector)


def http_inspector() -> Any:
    return typed(ListenerFilter, "envoy.filters.listener.http_inspector", HttpInspector())


def inbound_inspectors(matches: Iterable[FilterChainMatch]) -> list[Any]:
    """Those that chains with these matches need; TLS comes first, for what is encrypted is no HTTP yet.

    Where TLS is not looked for it is plain for Envoy, and lands in the chains of plain connections.
    """
    held = list(matches)
    found = ((tls_inspector(), _ports(held, _asks_tls)), (http_inspector(), _ports(held, _asks_http)))
    return [_limited(inspector, ports) for inspector, ports in found if any(ports.values())]


def _asks_tls(match: FilterChainMatch) -> bool:
    mesh = any(each.startswith("istio") for each in match.application_protocols)
    return match.transport_protocol == _TLS or mesh or bool(match.server_names)


def _asks_http(match: FilterChainMatch) -> bool:
    return any(each in PLAIN_HTTP for each in match.application_protocols)


def _ports(matches: Iterable[FilterChainMatch], asks: Callable[[FilterChainMatch], bool]) -> dict[int, bool]:
    """Each port that a chain is for, and whether one of its chains asks; 0 is every port that no chain is for."""
    found: dict[int, bool] = {}
    for match in matches:
        port = match.destination_port.value
        found[port] = found.get(port, False) or asks(match)
    return found


def _limited(inspector: Any, ports: dict[int, bool]) -> Any:
    """The inspector, off for the ports that do not ask; where nobody knows the port and nothing is asked, on for some."""
    everywhere = ports.get(0, False)
    apart = [port for port, asks in sorted(ports.items()) if port and asks is not everywhere]
    if everywhere and not apart:
        return inspector
    rules = _any_of(apart)
    inspector.filter_disabled.CopyFrom(rules if everywhere else ListenerFilterChainMatchPredicate(not_match=rules))
    return inspector


def _any_of(ports: list[int]) -> ListenerFilterChainMatchPredicate:
    rules = [
        ListenerFilterChainMatchPredicate(destination_port_range=Int32Range(start=port, end=port + 1)) for port in ports
    ]
    if len(rules) == 1:
        return rules[0]
    return ListenerFilterChainMatchPredicate(or_match=ListenerFilterChainMatchPredicate.MatchSet(rules=rules))
