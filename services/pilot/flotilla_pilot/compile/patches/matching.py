"""Where in a listener a patch belongs: Istio's rules for listeners, filter chains and filters."""

from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any

from flotilla_pilot.compile.names import VIRTUAL_INBOUND, VIRTUAL_OUTBOUND
from flotilla_pilot.compile.patches.patch import Patch

MANAGER = "envoy.filters.network.http_connection_manager"
_VIRTUAL = (VIRTUAL_INBOUND, VIRTUAL_OUTBOUND)


def matches_listener(listener: Any, patch: Patch) -> bool:
    """By name and port; of a listener for all ports the port is a filter chain's affair."""
    stated = patch.match.listener
    if stated.name and stated.name != listener.name:
        return False
    if patch.where is not None and not _is_within(listener.address.socket_address.address, patch.where.addresses):
        return False
    if not stated.port_number or listener.name in _VIRTUAL:
        return True
    return bool(listener.address.socket_address.port_value == stated.port_number)


def matches_chain(listener: Any, chain: Any, patch: Patch) -> bool:
    stated, asked = patch.match.listener, chain.filter_chain_match
    port = stated.port_number if listener.name in _VIRTUAL else 0
    if port and asked.destination_port.value != port:
        return False
    if patch.where is not None and patch.where.http not in (None, _speaks_http(chain)):
        return False
    wanted = stated.filter_chain
    protocols = wanted.application_protocols.split(",") if wanted.application_protocols else ()
    return (
        (not wanted.name or wanted.name == chain.name)
        and (not wanted.sni or wanted.sni in asked.server_names)
        and (not wanted.transport_protocol or wanted.transport_protocol == asked.transport_protocol)
        and all(each in asked.application_protocols for each in protocols)
        and (not wanted.destination_port or wanted.destination_port == asked.destination_port.value)
    )


def _is_within(address: str, wanted: tuple[str, ...]) -> bool:
    """Whether it is one of these addresses or in one of these networks; any is, where none are stated."""
    for each in wanted:
        with suppress(ValueError):
            if ip_address(address) in ip_network(each, strict=False):
                return True
    return not wanted


def _speaks_http(chain: Any) -> bool:
    return any(each.name == MANAGER for each in chain.filters)


def listener_filter_name(patch: Patch) -> str | None:
    """The listener filter that the patch names; None if it names none."""
    return patch.match.listener.listener_filter or None


def network_filter_name(patch: Patch) -> str | None:
    chain = patch.match.listener.filter_chain
    return chain.filter.name if chain.HasField("filter") else None


def http_filter_name(patch: Patch) -> str | None:
    chain = patch.match.listener.filter_chain
    return chain.filter.sub_filter.name if chain.filter.HasField("sub_filter") else None


def is_named(wanted: str, name: str) -> bool:
    """Whether a filter of `name` is meant by `wanted`, which may be its short name of old."""
    return wanted == name or wanted in _old_names(name)


def _old_names(name: str) -> tuple[str, ...]:
    """`envoy.filters.http.cors` was `envoy.cors`, `envoy.filters.listener.x` was `envoy.listener.x`."""
    parts = name.split(".")
    if parts[:2] != ["envoy", "filters"] or len(parts) != 4:
        return ()
    return (f"envoy.listener.{parts[3]}",) if parts[2] == "listener" else (f"envoy.{parts[3]}",)
