"""The VirtualServices that stand for Ingresses: one for each host, of all Ingresses together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flotilla_pilot.ingress.gateways import gateway_name
from flotilla_pilot.ingress.options import NAMESPACE
from flotilla_pilot.ingress.told import Tell
from flotilla_pilot.model.route_rules import INGRESS_GATEWAY
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPRoute, StringMatch, VirtualService
from flotilla_shared.runtime.kube.objects import BackendService, Ingress, IngressBackend, IngressPath

NamedPort = Callable[[str, str], int]
"""The number of a port of a service, by the service's host and the port's name; 0 where there is none."""

_ANYTHING = ("", "*", "/*", ".*")


@dataclass(frozen=True, slots=True)
class Backends:
    """Where the backends of Ingresses lead: `domain` ends the hosts of services."""

    domain: str
    named_port: NamedPort

    def host(self, namespace: str, service: BackendService) -> str:
        return f"{service.name}.{namespace}.svc.{self.domain}"


@dataclass(slots=True, eq=False)
class HostRoutes:
    """One host: the namespace and name of its VirtualService, which are those of the first Ingress that has it."""

    namespace: str
    name: str
    spec: VirtualService


def add_routes(hosts: dict[str, HostRoutes], ingress: Ingress, backends: Backends, tell: Tell) -> None:
    """Add the rules of the next Ingress, which is younger than those before it.

    A host that is there already is served by the Gateway of its first Ingress alone, as in Istio. The longest path
    comes first, of two that are equally long the exact one.
    """
    if ingress.spec.default_backend is not None:
        tell("spec.defaultBackend", "it is not served: say it as a VirtualService for the gateway, or as a rule")
    for index, rule in enumerate(ingress.spec.rules):
        if rule.http is None:
            tell(f"spec.rules[{index}].http", "a rule without paths leads nowhere; give it paths with backends")
            continue
        host = rule.host or "*"
        found = hosts.get(host)
        if found is None:
            found = hosts[host] = _first(ingress, rule.host, host)
        found.spec.http.extend(_routes(ingress, index, rule.http.paths, backends, tell))
        found.spec.http.sort(key=_precedence)


def _first(ingress: Ingress, stated: str, host: str) -> HostRoutes:
    meta = ingress.metadata
    spec = VirtualService(hosts=[host], gateways=[f"{NAMESPACE}/{gateway_name(ingress)}"])
    return HostRoutes(meta.namespace, f"{stated.replace('.', '-')}-{meta.name}-{INGRESS_GATEWAY}", spec)


def _routes(
    ingress: Ingress, rule: int, paths: tuple[IngressPath, ...], backends: Backends, tell: Tell
) -> Iterator[HTTPRoute]:
    for index, path in enumerate(paths):
        field = f"spec.rules[{rule}].http.paths[{index}].backend"
        route = _leading_to(path.backend, ingress.metadata.namespace, backends, field, tell)
        if route is not None:
            match = _match(path)
            if match is not None:
                route.match.add().uri.CopyFrom(match)
            yield route


def _leading_to(
    backend: IngressBackend, namespace: str, backends: Backends, field: str, tell: Tell
) -> HTTPRoute | None:
    service = backend.service
    if service is None:
        tell(field, "only a service can be a backend; name one")
        return None
    host = backends.host(namespace, service)
    port = service.port.number or backends.named_port(host, service.port.name)
    if not port:
        tell(f"{field}.service.port", f"{host} has no port of the name {service.port.name!r}; name one that it has")
        return None
    route = HTTPRoute()
    target = route.route.add(weight=100)
    target.destination.host = host
    target.destination.port.number = port
    return route


def _match(path: IngressPath) -> StringMatch | None:
    """How the path is compared; None where any path is meant."""
    if path.path_type == "Exact":
        return StringMatch(exact=path.path)
    if path.path_type == "Prefix":
        return StringMatch(prefix=path.path)
    if path.path in _ANYTHING:
        return None
    for ending in (".*", "/*"):
        if path.path.endswith(ending):
            return StringMatch(prefix=path.path.removesuffix(ending))
    return StringMatch(exact=path.path)


def _precedence(route: HTTPRoute) -> tuple[int, bool]:
    if not route.match:
        return 1, True
    uri = route.match[0].uri
    return -len(uri.exact or uri.prefix), not uri.HasField("exact")
