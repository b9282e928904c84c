"""The traffic policy of one port and subset."""

from dataclasses import dataclass, replace
from typing import Any

from flotilla_pilot.model.cluster_defaults import ClusterDefaults
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    ClientTLSSettings,
    ConnectionPoolSettings,
    LoadBalancerSettings,
    OutlierDetection,
    Subset,
    TrafficPolicy,
)
from flotilla_shared.model.protocols import Protocol


@dataclass(frozen=True, slots=True, eq=False)
class PortPolicy:
    """What applies to one port of a service, or of a subset of it; None where nothing is said."""

    load_balancer: LoadBalancerSettings | None = None
    connection_pool: ConnectionPoolSettings | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLSSettings | None = None
    tunnel: TrafficPolicy.TunnelSettings | None = None
    proxy_protocol: TrafficPolicy.ProxyProtocol | None = None
    retry_budget: TrafficPolicy.RetryBudget | None = None

    @property
    def passes_through(self) -> bool:
        """Whether connections go where the caller meant to go, whatever endpoints there are."""
        balancer = self.load_balancer
        return balancer is not None and balancer.simple == LoadBalancerSettings.PASSTHROUGH


NOTHING_SAID = PortPolicy()
_OF_A_PORT = ("load_balancer", "connection_pool", "outlier_detection", "tls")
_OF_ALL_PORTS = ("tunnel", "proxy_protocol", "retry_budget")


def port_policy(policy: TrafficPolicy | None, subset: Subset | None, port: int) -> PortPolicy:
    """Port settings replace a policy's as a whole; a subset's override field by field (pilot.md 2.7).

    What settings of a port cannot state is overridden where the subset states it, and is lost with the policy's own
    settings of the port.
    """
    base = _for_port(policy, port)
    overriding = subset.traffic_policy if subset is not None else None
    if overriding is None:
        return base
    own = _for_port(overriding, port)
    stated = {name: value for name in PortPolicy.__slots__ if (value := getattr(own, name)) is not None}
    if _port_settings(overriding, port) is not None:
        stated |= {name: getattr(own, name) for name in _OF_A_PORT}
    return replace(base, **stated) if stated else base


def _for_port(policy: TrafficPolicy | None, port: int) -> PortPolicy:
    if policy is None:
        return NOTHING_SAID
    settings = _port_settings(policy, port)
    if settings is not None:
        return PortPolicy(**{name: _stated(settings, name) for name in _OF_A_PORT})
    return PortPolicy(**{name: _stated(policy, name) for name in (*_OF_A_PORT, *_OF_ALL_PORTS)})


def _port_settings(policy: TrafficPolicy, port: int) -> TrafficPolicy.PortTrafficPolicy | None:
    return next((each for each in policy.port_level_settings if each.port.number == port), None)


def _stated(message: Any, field: str) -> Any:
    return getattr(message, field) if message.HasField(field) else None


def with_defaults(policy: PortPolicy, defaults: ClusterDefaults) -> PortPolicy:
    """`policy`, with the mesh's pool and outlier detection where it has none."""
    lacking = {
        name: value
        for name in ("connection_pool", "outlier_detection")
        if getattr(policy, name) is None and (value := getattr(defaults, name)) is not None
    }
    return replace(policy, **lacking) if lacking else policy


def speaks_http2(protocol: Protocol, pool: ConnectionPoolSettings | None, mesh_upgrades: bool) -> bool:
    """Whether a cluster for a port of `protocol` is HTTP/2: by its protocol, or upgraded by rule or mesh.

    It is neither where requests go on in the protocol in which they came.
    """
    if pool is not None and pool.http.use_client_protocol:
        return False
    return protocol.is_http2 or is_upgraded(protocol, pool, mesh_upgrades)


def is_upgraded(protocol: Protocol, pool: ConnectionPoolSettings | None, mesh_upgrades: bool) -> bool:
    """A rule upgrades any port, for it knows what the port speaks; the mesh only those that say HTTP."""
    asked = pool.http.h2_upgrade_policy if pool is not None else ConnectionPoolSettings.HTTPSettings.DEFAULT
    if asked == ConnectionPoolSettings.HTTPSettings.DEFAULT:
        return mesh_upgrades and protocol.is_http
    return asked == ConnectionPoolSettings.HTTPSettings.UPGRADE
