"""What limits the calls that a workload takes: of the rules for the services that it serves, and of its Sidecar."""

from dataclasses import replace

from flotilla_pilot.compile.cache import ResourceCache
from flotilla_pilot.compile.entrance import Entrance
from flotilla_pilot.compile.guard import Fault, fault
from flotilla_pilot.compile.inbound_clusters import InboundCluster, inbound
from flotilla_pilot.compile.traffic_policy import NOTHING_SAID, PortPolicy, port_policy
from flotilla_pilot.model.caller import Caller, Families
from flotilla_pilot.model.frozen import EMPTY
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.references import Reference, reference
from flotilla_pilot.model.services import Service, ServicePort
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import ConnectionPoolSettings
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog


def sound_application(
    given: InboundCluster, sidecar: ConfigObject | None, cache: ResourceCache, log: ProblemLog
) -> InboundCluster:
    """`given`, without limits where Envoy would refuse the cluster for one of them: the workload is reached all the same."""
    if given.policy.connection_pool is None and given.policy.retry_budget is None:
        return given
    stated = (reference(sidecar),) if sidecar is not None else ()
    key = "limits of an application", stated, given.mesh.references, *given.key()
    found: Fault | None = cache.get(key, lambda: fault(inbound(given)))
    if found is None:
        return given
    path, text = found
    whose, field = _owner(given, sidecar)
    if whose is not None:
        log.error(whose, "refused-by-envoy", field, f"Envoy's {path} {text}; {given.name} is without limits")
    return replace(given, policy=NOTHING_SAID)


def _owner(given: InboundCluster, sidecar: ConfigObject | None) -> tuple[ObjectKey | None, str]:
    """Whose limits they are."""
    if sidecar is not None and _stated_pool(sidecar, given.port) is not None:
        return sidecar.key, "spec.inboundConnectionPool"
    return (given.references[-1][0] if given.references else None), "spec.trafficPolicy"


def application(
    entrance: Entrance, snapshot: MeshSnapshot, proxy: Proxy, sidecar: ConfigObject | None, caller: Caller
) -> InboundCluster:
    """The cluster behind `entrance`. The Sidecar's own limits replace those of the rule for the service."""
    served = _served(entrance, snapshot, proxy)
    policy, references = _rules(served, snapshot, proxy) if served is not None else (PortPolicy(), ())
    pool = _stated_pool(sidecar, entrance.port)
    loopback = snapshot.mesh.clusters.dials_loopback and not entrance.target and not entrance.declared_by
    return InboundCluster(
        port=entrance.port,
        protocol=entrance.protocol,
        mesh=snapshot.mesh,
        address=_loopback(caller) if loopback else entrance.target,
        target_port=entrance.port if loopback else entrance.target_port,
        families=caller.families,
        policy=replace(policy, connection_pool=pool) if pool is not None else policy,
        served=served,
        references=references,
    )


def _served(entrance: Entrance, snapshot: MeshSnapshot, proxy: Proxy) -> tuple[Service, ServicePort] | None:
    """The oldest service that leads to the port, and its own port for that."""
    if entrance.served is not None and entrance.service_port:
        service = entrance.served[0]
        port = service.port(entrance.service_port)
        return (service, port) if port is not None else None
    for address in dict.fromkeys(proxy.addresses):
        for service, endpoint in snapshot.serving.get(address, ()):
            port = next((port for port in service.ports if endpoint.port_for(port) == entrance.port), None)
            if port is not None:
                return service, port
    return None


def _rules(
    served: tuple[Service, ServicePort], snapshot: MeshSnapshot, proxy: Proxy
) -> tuple[PortPolicy, tuple[Reference, ...]]:
    """Rules with a workload selector are for callers, and do not count here."""
    service, port = served
    found = snapshot.destination_rules.find(service.host, service.namespace, proxy.namespace, EMPTY)
    stated = service.references if snapshot.mesh.clusters.inbound_stat_name else ()
    return port_policy(found.policy, None, port.number), (*stated, *found.references)


def _stated_pool(sidecar: ConfigObject | None, port: int) -> ConnectionPoolSettings | None:
    """What the Sidecar says for the port, else for all that comes in."""
    if sidecar is None:
        return None
    for each in sidecar.spec.ingress:
        if each.port.number == port and each.HasField("connection_pool"):
            return each.connection_pool  # type: ignore[no-any-return]
    return sidecar.spec.inbound_connection_pool if sidecar.spec.HasField("inbound_connection_pool") else None


def _loopback(caller: Caller) -> str:
    return "::1" if caller.families is Families.V6 else "127.0.0.1"
