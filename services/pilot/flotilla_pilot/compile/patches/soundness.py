"""What Envoy refuses in a patched resource, besides the limits on fields."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.config.core.v3.address_pb2 import SocketAddress
from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import (
    HttpConnectionManager,
)
from udpa.type.v1.typed_struct_pb2 import TypedStruct as OldTypedStruct
from xds.type.v3.typed_struct_pb2 import TypedStruct

from flotilla_pilot.compile.guard import fault
from flotilla_pilot.compile.packing import serialized
from flotilla_pilot.compile.patches.envoy_rules import broken_rule, is_address
from flotilla_pilot.compile.patches.filters import TERMINAL


def unsound(message: Any) -> str:
    """Why Envoy would refuse the resource `message`, to be read after "Envoy's"; empty if nothing is known."""
    broken = fault(message)
    if broken is not None:
        return f"{broken[0]} {broken[1]}"
    if isinstance(message, Listener):
        text = _listener(message)
    elif isinstance(message, Cluster):
        text = "" if message.name else "name must be stated"
    else:
        text = _table(message)
    return text or broken_rule(message)


def _listener(listener: Any) -> str:
    chains = [*listener.filter_chains]
    if listener.HasField("default_filter_chain"):
        chains.append(listener.default_filter_chain)
    return (
        _place(listener.address)
        or _chains(listener, chains)
        or _filters("listener_filters", "listener", listener.listener_filters)
        or next((text for chain in chains if (text := _filters("filters", "network", chain.filters))), "")
        or next((text for chain in chains for each in chain.filters if (text := _manager(each))), "")
    )


def _place(address: Any) -> str:
    if address.WhichOneof("address") is None:
        return "address must be stated"
    if address.HasField("socket_address") and not is_address(address.socket_address.address):
        return f"address must be an IP address, not {address.socket_address.address!r}"
    return ""


def _chains(listener: Any, chains: list[Any]) -> str:
    if not chains and listener.address.socket_address.protocol != SocketAddress.UDP:
        return "filter_chains must have at least 1"
    asked = Counter(serialized(each.filter_chain_match) for each in listener.filter_chains)
    return (
        "filter_chains must not have two of the same filter_chain_match" if max(asked.values(), default=0) > 1 else ""
    )


def _manager(held: Any) -> str:
    manager = HttpConnectionManager()
    if not held.typed_config.Is(HttpConnectionManager.DESCRIPTOR):
        return ""
    manager.ParseFromString(held.typed_config.value)
    text = _filters("http_filters", "http", manager.http_filters)
    return text or (_table(manager.route_config) if manager.HasField("route_config") else "")


def _filters(name: str, family: str, held: Any) -> str:
    """A filter needs a configuration, of a type that is for such a list, and what ends the list is its last."""
    for index, each in enumerate(held):
        kind = each.WhichOneof("config_type")
        given = _type_name(each.typed_config)
        if kind is None or (kind == "typed_config" and not given):
            return f"{name}[{index}].typed_config must be stated, with its type"
        if given.startswith(_FILTERS) and given.removeprefix(_FILTERS).partition(".")[0] != family:
            return f"{name}[{index}] must be a filter of {family}, which {given} is not"
        last = index == len(held) - 1
        if not last and (each.name in TERMINAL or given in _ENDS):
            return f"{name}[{index}] is {each.name}, which must be the last"
        if last and (given in _NEVER_LAST or (given.startswith(_HTTP) and given not in _HTTP_ENDS)):
            return f"{name} must end with a filter that answers or forwards, which {each.name} does not"
    return ""


def _type_name(packed: Any) -> str:
    """The name of the type that is packed, also where it is written out in a TypedStruct."""
    for kind in (TypedStruct, OldTypedStruct):
        if packed.Is(kind.DESCRIPTOR):
            return str(kind.FromString(packed.value).type_url.rpartition("/")[2])
    return str(packed.type_url.rpartition("/")[2])


_FILTERS = "envoy.extensions.filters."
_HTTP, _NETWORK = f"{_FILTERS}http.", f"{_FILTERS}network."
_HTTP_ENDS = frozenset(f"{_HTTP}{each}" for each in ("router.v3.Router", "file_server.v3.FileServer"))
_ENDS = _HTTP_ENDS | frozenset(
    f"{_NETWORK}{each}"
    for each in (
        "http_connection_manager.v3.HttpConnectionManager",
        "tcp_proxy.v3.TcpProxy",
        "redis_proxy.v3.RedisProxy",
    )
)
_NEVER_LAST = frozenset(
    f"{_NETWORK}{each}"
    for each in (
        "rbac.v3.RBAC",
        "ext_authz.v3.ExtAuthz",
        "local_ratelimit.v3.LocalRateLimit",
        "mongo_proxy.v3.MongoProxy",
        "set_filter_state.v3.Config",
        "sni_cluster.v3.SniCluster",
        "wasm.v3.Wasm",
        "zookeeper_proxy.v3.ZooKeeperProxy",
    )
)


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
