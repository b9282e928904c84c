"""VirtualServices: whose traffic they route, and through which gateways."""

from collections.abc import Iterable
from dataclasses import dataclass

from flotilla_pilot.model.references import Reference, oldest_first, reference
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import VirtualService
from flotilla_shared.model.hosts import covers, is_wildcard, resolve_short_name, specificity
from flotilla_shared.model.objects import ConfigObject

MESH_GATEWAY = "mesh"


@dataclass(frozen=True, slots=True, eq=False)
class RouteRules:
    """One VirtualService with its hosts and gateways in full (`mesh`, or namespace/name)."""

    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    item: ConfigObject
    domain: str

    @property
    def spec(self) -> VirtualService:
        spec: VirtualService = self.item.spec
        return spec

    @property
    def namespace(self) -> str:
        return self.item.key.namespace

    @property
    def reference(self) -> Reference:
        return reference(self.item)

    def full_host(self, host: str) -> str:
        """A host that the rules name, in full: short names are of the rules' own namespace."""
        return resolve_short_name(host, self.namespace, self.domain).lower()

    def full_gateway(self, gateway: str) -> str:
        return full_gateway(gateway, self.namespace)


def full_gateway(gateway: str, namespace: str) -> str:
    """A gateway as namespace/name; a bare name is of `namespace`, `mesh` stays as it is."""
    return gateway if gateway == MESH_GATEWAY or "/" in gateway else f"{namespace}/{gateway}"


def build_route_rules(items: Iterable[ConfigObject], domain: str) -> tuple[RouteRules, ...]:
    """All VirtualServices, oldest first."""
    return tuple(_route_rules(item, domain) for item in oldest_first(items))


def _route_rules(item: ConfigObject, domain: str) -> RouteRules:
    namespace = item.key.namespace
    hosts = (resolve_short_name(host, namespace, domain).lower() for host in item.spec.hosts)
    gateways = (full_gateway(gateway, namespace) for gateway in item.spec.gateways)
    return RouteRules(
        hosts=tuple(dict.fromkeys(hosts)),
        gateways=tuple(dict.fromkeys(gateways)) or (MESH_GATEWAY,),
        item=item,
        domain=domain,
    )


class RuleIndex:
    """Rules by host: the most specific host that covers a name decides, among equals the oldest rules."""

    def __init__(self, rules: Iterable[RouteRules]) -> None:
        self._exact: dict[str, RouteRules] = {}
        wildcards: dict[str, RouteRules] = {}
        for each in rules:
            for host in each.hosts:
                (wildcards if is_wildcard(host) else self._exact).setdefault(host, each)
        self._wildcards = sorted(wildcards.items(), key=lambda pair: specificity(pair[0]))

    def find(self, host: str) -> RouteRules | None:
        """The rules that route `host`, which may be a wildcard itself; None if none do."""
        found = self._exact.get(host)
        if found is not None:
            return found
        return next((rules for pattern, rules in self._wildcards if covers(pattern, host)), None)
