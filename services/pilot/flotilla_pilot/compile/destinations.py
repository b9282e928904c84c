"""From what a route names to the cluster it leads to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration

from flotilla_pilot.compile import names
from flotilla_pilot.compile.stat_names import stat_name
from flotilla_pilot.compile.traffic_policy import port_policy
from flotilla_pilot.model.destination_rules import DestinationPolicy
from flotilla_pilot.model.frozen import FrozenMap
from flotilla_pilot.model.references import Reference
from flotilla_pilot.model.route_rules import RouteRules
from flotilla_pilot.model.services import Service
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import LoadBalancerSettings, Subset, TrafficPolicy
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import Destination
from flotilla_shared.model.protocols import Protocol

Hash = LoadBalancerSettings.ConsistentHashLB


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Where a route leads: a cluster, what it was found by, and how requests are to be hashed to it."""

    cluster: str
    host: str = ""
    port: int = 0
    namespace: str = ""
    references: tuple[Reference, ...] = ()
    hash: Hash | None = None
    tunnel: TrafficPolicy.TunnelSettings | None = None
    """How TCP is to be sent on by a proxy that is there."""
    stat: str = ""
    """What connections to it alone are counted under, where the mesh says so; else its cluster."""
    idle: Duration | None = None
    """How long a connection may be silent."""


def unknown(port: int, subset: str, host: str) -> Target:
    """What nobody declares keeps the name that it would have: no cluster has it, so Envoy answers 503 (NC)."""
    return Target(names.outbound_cluster(port, subset, host))


@dataclass(slots=True, eq=False)
class Destinations:
    """The services that a class of proxies sees, with their policies; remembers which clusters were used."""

    snapshot: MeshSnapshot
    namespace: str
    labels: FrozenMap
    services: Mapping[str, Service]
    used: set[tuple[str, int, str]] = field(default_factory=set)
    _policies: dict[str, DestinationPolicy] = field(default_factory=dict)

    def policy(self, service: Service) -> DestinationPolicy:
        found = self._policies.get(service.host)
        if found is None:
            rules = self.snapshot.destination_rules
            found = rules.find(service.host, service.namespace, self.namespace, self.labels)
            self._policies[service.host] = found
        return found

    def target(self, destination: Destination, rules: RouteRules, listener_port: int) -> Target:
        """The target of a destination as `rules` name it; `listener_port` stands in for a port not named."""
        named = rules.full_host(destination.host)
        host = self.snapshot.aliases.get(named, named)
        service = self.services.get(host)
        if service is None:
            return unknown(destination.port.number or listener_port, destination.subset, host)
        port = destination.port.number or _own_port(service, listener_port)
        return self.of(service, port, destination.subset)

    def of(self, service: Service, port: int, subset: str = "") -> Target:
        policy = self.policy(service)
        found = service.port(port)
        if found is None or found.protocol is Protocol.UDP or (subset and policy.subset(subset) is None):
            return unknown(port, subset, service.host)
        self.used.add((service.host, port, subset))
        stated = port_policy(policy.policy, policy.subset(subset), port)
        balancer, pool = stated.load_balancer, stated.connection_pool
        pattern = self.snapshot.mesh.clusters.outbound_stat_name
        hashed = balancer is not None and balancer.HasField("consistent_hash")
        return Target(
            cluster=names.outbound_cluster(port, subset, service.host),
            host=service.host,
            port=port,
            namespace=service.namespace,
            references=(*service.references, *policy.references),
            hash=balancer.consistent_hash if balancer is not None and hashed else None,
            tunnel=_tunnel(policy.policy, policy.subset(subset)),
            stat=stat_name(pattern, service, found, subset) if pattern else "",
            idle=pool.tcp.idle_timeout if pool is not None and pool.tcp.HasField("idle_timeout") else None,
        )


def _tunnel(policy: TrafficPolicy | None, subset: Subset | None) -> TrafficPolicy.TunnelSettings | None:
    """A subset's own before that of the whole."""
    policies = (subset.traffic_policy if subset is not None else None, policy)
    return next((each.tunnel for each in policies if each is not None and each.HasField("tunnel")), None)


def _own_port(service: Service, listener_port: int) -> int:
    return service.ports[0].number if len(service.ports) == 1 else listener_port
