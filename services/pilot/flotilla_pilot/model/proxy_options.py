"""What a proxy's node says of itself that its listeners depend on: the same for nearly all proxies of a namespace."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration

from flotilla_pilot.model.caller import Families, families_of
from flotilla_pilot.model.proxy import TRANSPARENT, Proxy
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig

VIRTUAL_PORTS = frozenset({15001, 15006})
"""Where intercepted connections enter a proxy, on their way out and in."""

FIRST_UNPRIVILEGED = 1024
_KNOWN_PROXIES = 4096
"""Of so many what they ask for is read once and not anew with every push."""

_LONGEST = 10**12
_UNITS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_PART = re.compile(r"(\d+)(h|ms|m|s)")
_OWN_PORTS = ("ENVOY_STATUS_PORT", "ENVOY_PROMETHEUS_PORT", "EnvoySecureMergedMetricsPort")
_READ = ("tracing", "connection_settings")
"""The fields of ProxyConfig that listeners are made from; others must not keep proxies from sharing them."""


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """Equal options give equal listeners in one scope. `config` is a serialised ProxyConfig of nothing else."""

    namespace: str = ""
    cluster_id: str = ""
    mesh_id: str = ""
    config: bytes = b""
    http10: bool = False
    """Takes HTTP/1.0, which Envoy answers with 426 otherwise."""
    balances_in: bool = False
    balances_out: bool = False
    """Deals out new connections to its threads evenly, at a cost for each."""
    transparent: bool = False
    """The kernel hands over connections to other addresses than a listener's own."""
    families: Families = Families.V4
    any_address: str = "0.0.0.0"  # noqa: S104
    """Where to listen to be reached at every address."""
    own_ports: frozenset[int] = frozenset()
    """Those at which its Envoy itself answers, at every address, as its node tells: health and metrics."""
    http_proxy_port: int = 0
    idle_timeout: str = ""
    """How long a TCP connection may be silent, as Go writes durations."""
    unprivileged: bool = False
    """It has no right to the lowest ports."""

    @property
    def both_families(self) -> bool:
        """The workload has addresses of IPv4 and IPv6."""
        return self.families is Families.BOTH

    @property
    def loopback(self) -> str:
        return "::1" if ":" in self.any_address else "127.0.0.1"

    @property
    def silence(self) -> Duration | None:
        """`idle_timeout`; None where it is not stated, or cannot be read."""
        return _duration(self.idle_timeout) if self.idle_timeout else None

    def reserves(self, port: int) -> bool:
        """Whether an intercepting proxy listens there itself, at every address."""
        return port in VIRTUAL_PORTS or port in self.own_ports

    def may_bind(self, port: int) -> bool:
        """Whether it may listen on a port itself; for connections that are handed to it no right is needed."""
        return port >= FIRST_UNPRIVILEGED or not self.unprivileged

    @property
    def of_connections(self) -> "ProxyOptions":
        """Those that count where no HTTP is looked into: proxies of all namespaces may have them in common."""
        return replace(self, namespace="", cluster_id="", mesh_id="", config=b"", http10=False)


UNSAID = ProxyOptions()


@lru_cache(maxsize=_KNOWN_PROXIES)
def proxy_options(proxy: Proxy, default: bytes) -> ProxyOptions:
    """Those of `proxy`; `default` is the mesh's ProxyConfig, in place of which a node may state its own."""
    stated = proxy.metadata.get("PROXY_CONFIG", "")
    return ProxyOptions(
        namespace=proxy.namespace,
        cluster_id=proxy.cluster_id,
        mesh_id=proxy.metadata.get("MESH_ID", ""),
        config=_stated(stated) if stated else default,
        http10=proxy.metadata.get("HTTP10") == "1",
        balances_in=_is_on(proxy, "INBOUND_LISTENER_EXACT_BALANCE"),
        balances_out=_is_on(proxy, "OUTBOUND_LISTENER_EXACT_BALANCE"),
        transparent=proxy.interception_mode == TRANSPARENT,
        families=families_of(proxy.addresses),
        any_address=proxy.any_address,
        own_ports=frozenset(filter(None, (_number(proxy, name) for name in _OWN_PORTS))),
        http_proxy_port=_number(proxy, "HTTP_PROXY_PORT"),
        idle_timeout=proxy.metadata.get("IDLE_TIMEOUT", ""),
        unprivileged=_is_on(proxy, "UNPRIVILEGED_POD"),
    )


def _number(proxy: Proxy, name: str) -> int:
    """A whole number, as text or as JSON has it; 0 where none is stated."""
    stated = proxy.metadata.get(name, "").removesuffix(".0")
    return int(stated) if stated.isdecimal() else 0


def _is_on(proxy: Proxy, name: str) -> bool:
    return proxy.metadata.get(name) == "true"


def read_fields(config: ProxyConfig) -> bytes:
    """What listeners are made from of a ProxyConfig."""
    kept = ProxyConfig()
    for name in _READ:
        if config.HasField(name):
            getattr(kept, name).CopyFrom(getattr(config, name))
    return kept.SerializeToString(deterministic=True)


@lru_cache(maxsize=64)
def _duration(text: str) -> Duration | None:
    parts = _PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        return None
    total = sum(int(number) * _UNITS[unit] for number, unit in parts)
    found = Duration()
    found.FromMilliseconds(min(total, _LONGEST))
    return found


@lru_cache(maxsize=1024)
def _stated(text: str) -> bytes:
    """A node's own; the mesh's default is not meant for one that states something that cannot be read."""
    try:
        return read_fields(json_format.Parse(text, ProxyConfig(), ignore_unknown_fields=True))
    except json_format.ParseError:
        return b""
