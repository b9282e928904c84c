"""What Envoy refuses in a patched resource, besides the limits on fields."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)

from flotilla_pilot.compile.guard import fault
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.patches.filters import ROUTER, TERMINAL


def unsound(message: Any) -> str:
    """Why Envoy would refuse the resource `message`, to be read after "Envoy's"; empty if nothing is known."""
    broken = fault(message)
    if broken is not None:
        return f"{broken[0]} {broken[1]}"
    if isinstance(message, Listener):
        return _listener(message)
    if isinstance(message, Cluster):
        return "" if message.name else "name must be stated"
    return _table(message)


def _listener(listener: Any) -> str:
    chains = [
        *listener.filter_chains,
        *([listener.default_filter_chain] if listener.HasField("default_filter_chain") else ()),
    ]
    datagrams = listener.address.socket_address.protocol == 1
    if not listener.HasField("address"):
        return "address must be stated"
    if not chains and not datagrams:
        return "filter_chains must have at least 1"
    asked = Counter(serialized(each.filter_chain_match) for each in listener.filter_chains)
    if any(count > 1 for count in asked.values()):
        return "filter_chains must not have two of the same filter_chain_match"
    lists = [("listener_filters", listener.listener_filters), *(("filters", each.filters) for each in chains)]
    for name, held in lists:
        if text := _filters(name, held):
            return text
    return next((text for chain in chains for each in chain.filters if (text := _manager(each))), "")


def _manager(held: Any) -> str:
    manager = HttpConnectionManager()
    if not held.typed_config.Is(HttpConnectionManager.DESCRIPTOR):
        return ""
    manager.ParseFromString(held.typed_config.value)
    text = _filters("http_filters", manager.http_filters)
    if not text and manager.http_filters and manager.http_filters[-1].name in _NEVER_LAST:
        text = f"http_filters must end with {ROUTER} or another filter that answers"
    return text or (_table(manager.route_config) if manager.HasField("route_config") else "")


_NEVER_LAST = frozenset(
    f"envoy.filters.http.{each}" for each in ("lua", "local_ratelimit", "header_to_metadata", "cors", "fault", "rbac")
)


def _filters(name: str, held: Any) -> str:
    """A filter needs a configuration, of a type that this build of Envoy has, and what ends a list is its last."""
    for index, each in enumerate(held):
        kind = each.WhichOneof("config_type")
        if kind is None:
            return f"{name}[{index}].typed_config must be stated"
        if kind == "typed_config" and not each.typed_config.type_url:
            return f"{name}[{index}].typed_config must have a type"
        if each.name in TERMINAL and index != len(held) - 1:
            return f"{name}[{index}] is {each.name}, which must be the last"
    return ""


def _table(table: Any) -> str:
    domains = (domain.lower() for host in table.virtual_hosts for domain in host.domains)
    twice = _twice(domains)
    return f"virtual_hosts must not have {twice!r} among their domains twice" if twice else ""


def _twice(values: Iterable[str]) -> str:
    seen: set[str] = set()
    for each in values:
        if each in seen:
            return each
        seen.add(each)
    return ""
