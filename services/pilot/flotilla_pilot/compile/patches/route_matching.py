"""Where in a route table a patch belongs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flotilla_pilot.compile.patches.patch import Context, Patch
from flotilla_protos.istio.networking.v1alpha3.envoy_filter_pb2 import EnvoyFilter

Ports = Mapping[int, frozenset[int]]
"""A router's own ports, each with the ports by which services send to it."""

_Action = EnvoyFilter.RouteConfigurationMatch.RouteMatch.Action
_ACTIONS = {"route": _Action.ROUTE, "redirect": _Action.REDIRECT, "direct_response": _Action.DIRECT_RESPONSE}


@dataclass(frozen=True, slots=True)
class TableName:
    """What the name of a route table says of it."""

    port: int = 0
    port_name: str = ""
    gateway: str = ""


def table_name(name: str, context: int) -> TableName:
    """A sidecar's tables are named by port (`80`, `inbound|80||`), a router's by server.

    A router's are `http.PORT` and `https.PORT.PORTNAME.GATEWAY.NAMESPACE`.
    """
    if context != Context.GATEWAY:
        parts = name.split("|")
        text = parts[1] if parts[0] == "inbound" and len(parts) == 4 else name
        return TableName(_number(text))
    parts = name.split(".")
    if parts[0] == "http" and len(parts) > 1:
        return TableName(_number(parts[1]))
    if parts[0] == "https" and len(parts) == 5:
        return TableName(_number(parts[1]), parts[2], f"{parts[4]}/{parts[3]}")
    return TableName()


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def matches_table(name: str, patch: Patch, context: int, ports: Ports) -> bool:
    stated = patch.match.route_configuration
    if stated.name and stated.name != name:
        return False
    said = table_name(name, context)
    if stated.port_number not in (0, said.port):
        behind = ports.get(said.port, frozenset()) if context == Context.GATEWAY else ()
        if stated.port_number not in behind:
            return False
    if context != Context.GATEWAY:
        return True
    return stated.port_name in ("", said.port_name) and stated.gateway in ("", said.gateway)


def matches_host(host: Any, patch: Patch) -> bool:
    stated = patch.match.route_configuration.vhost
    if stated.name and stated.name != host.name:
        return False
    return not stated.domain_name or stated.domain_name in host.domains


def has_route_match(patch: Patch) -> bool:
    return bool(patch.match.route_configuration.vhost.HasField("route"))


def matches_route(route: Any, patch: Patch) -> bool:
    stated = patch.match.route_configuration.vhost.route
    if stated.name and stated.name != route.name:
        return False
    return stated.action in (_Action.ANY, _ACTIONS.get(route.WhichOneof("action")))
