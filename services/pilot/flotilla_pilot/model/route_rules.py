"""VirtualServices: whose traffic they route, and through which gateways."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from flotilla_pilot.model.delegation import merge_rule
from flotilla_pilot.model.references import Reference, oldest_first, reference
from flotilla_pilot.model.visibility import visible
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPRoute, VirtualService
from flotilla_shared.model.hosts import covers, is_wildcard, resolve_short_name, specificity
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

MESH_GATEWAY = "mesh"
SEMANTICS = "internal.istio.io/route-semantics"
"""Annotation of what was made from an object of another API, whose rules are to be understood as that API's."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule was written, for messages. `delegated`: its matches are not as they stand there."""

    key: ObjectKey
    field: str
    delegated: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class RouteRules:
    """One VirtualService with its hosts and gateways in full (`mesh`, or namespace/name).

    `spec` has the rules of delegates in place of those that led to them; `places` tells where each of its HTTP rules
    was written, `references` what it was made from.
    """

    hosts: tuple[str, ...]
    gateways: tuple[str, ...]
    item: ConfigObject
    domain: str
    spec: VirtualService
    places: tuple[Place, ...]
    references: tuple[Reference, ...]

    @property
    def namespace(self) -> str:
        return self.item.key.namespace

    @property
    def whole_parts(self) -> bool:
        """Whether a prefix of a path ends where a part of the path ends: of an Ingress it does."""
        return self.item.annotations.get(SEMANTICS) == "ingress"

    def full_host(self, host: str) -> str:
        """A host that the rules name, in full: short names are of the rules' own namespace."""
        return resolve_short_name(host, self.namespace, self.domain).lower()

    def full_gateway(self, gateway: str) -> str:
        return full_gateway(gateway, self.namespace)


def full_gateway(gateway: str, namespace: str) -> str:
    """A gateway as namespace/name: `name` and `./name` are of `namespace`, `mesh` stays as it is.

    The first Istio's `name.namespace`, with whatever follows, is understood too.
    """
    if gateway == MESH_GATEWAY:
        return gateway
    owner, slash, name = gateway.partition("/")
    if slash:
        return f"{namespace}/{name}" if owner == "." else gateway
    name, dot, rest = gateway.partition(".")
    return f"{rest.partition('.')[0]}/{name}" if dot else f"{namespace}/{name}"


def build_route_rules(
    items: Iterable[ConfigObject], domain: str, export: Sequence[str], log: ProblemLog
) -> tuple[RouteRules, ...]:
    """All VirtualServices that have hosts, oldest first, each with the rules of its delegates.

    `export` is to whom those are exported that do not say; delegates that do not count are told in `log`.
    """
    ordered = oldest_first(items)
    delegates = {item.key: item for item in ordered if not item.spec.hosts}
    given = _Delegates(delegates, domain, export, log)
    return tuple(_route_rules(item, given) for item in ordered if item.spec.hosts)


@dataclass(frozen=True, slots=True, eq=False)
class _Delegates:
    """The VirtualServices without hosts, and in which mesh they are looked for."""

    items: Mapping[ObjectKey, ConfigObject]
    domain: str
    export: Sequence[str]
    log: ProblemLog

    def find(self, root: ConfigObject, number: int) -> ConfigObject | None:
        """What rule `number` of `root` leads to; None, and told, if it is not there for this root."""
        named = root.spec.http[number].delegate
        key = replace(root.key, namespace=named.namespace or root.key.namespace, name=named.name)
        found = self.items.get(key)
        if found is None:
            text = f"there is no VirtualService {key.full_name} without hosts; requests go on to the next rule"
        elif not visible(found.spec.export_to, key.namespace, root.key.namespace, self.export):
            text = f"{key.full_name} is not exported to {root.key.namespace}; requests go on to the next rule"
        else:
            return found
        self.log.error(root.key, "delegate-refused", f"spec.http[{number}].delegate", text)
        return None


def _route_rules(item: ConfigObject, delegates: _Delegates) -> RouteRules:
    namespace, domain = item.key.namespace, delegates.domain
    hosts = (resolve_short_name(host, namespace, domain).lower() for host in item.spec.hosts)
    gateways = (full_gateway(gateway, namespace) for gateway in item.spec.gateways)
    spec, used = item.spec, [item]
    places = [Place(item.key, f"spec.http[{number}]") for number in range(len(spec.http))]
    if any(http.HasField("delegate") for http in spec.http):
        spec, places, used = _expanded(item, delegates)
    return RouteRules(
        hosts=tuple(dict.fromkeys(hosts)),
        gateways=tuple(dict.fromkeys(gateways)) or (MESH_GATEWAY,),
        item=item,
        domain=domain,
        spec=spec,
        places=tuple(places),
        references=tuple(dict.fromkeys(reference(each) for each in used)),
    )


def _expanded(root: ConfigObject, delegates: _Delegates) -> tuple[VirtualService, list[Place], list[ConfigObject]]:
    """The root's rules with those of its delegates in place, where each was written, and what was used."""
    spec = VirtualService()
    spec.CopyFrom(root.spec)
    del spec.http[:]
    places, used = [], [root]
    for number, http in enumerate(root.spec.http):
        if not http.HasField("delegate"):
            spec.http.append(http)
            places.append(Place(root.key, f"spec.http[{number}]"))
            continue
        found = delegates.find(root, number)
        if found is not None:
            used.append(found)
            for rule, place in _delegated(in_full(http, root.key.namespace, delegates.domain), root, found, delegates):
                spec.http.append(rule)
                places.append(place)
    return spec, places, used


def _delegated(
    outer: HTTPRoute, root: ConfigObject, found: ConfigObject, delegates: _Delegates
) -> Iterator[tuple[HTTPRoute, Place]]:
    for number, inner in enumerate(found.spec.http):
        place = Place(found.key, f"spec.http[{number}]", delegated=True)
        merged = merge_rule(outer, in_full(inner, found.key.namespace, delegates.domain))
        if inner.HasField("delegate"):
            text = "a delegate must not delegate again; this rule is left out"
            delegates.log.error(found.key, "delegate-refused", f"{place.field}.delegate", text)
        elif merged is None:
            text = f"it matches what {root.key.full_name} does not send here; there this rule is left out"
            delegates.log.warning(found.key, "delegate-refused", f"{place.field}.match", text)
        else:
            yield merged, place


def in_full(rule: HTTPRoute, namespace: str, domain: str) -> HTTPRoute:
    """The rule with the names in it in full, so that it may stand in a VirtualService of another namespace."""
    answer = HTTPRoute()
    answer.CopyFrom(rule)
    named = [*(each.destination for each in answer.route), *(each.destination for each in answer.mirrors)]
    for destination in [*named, *([answer.mirror] if answer.HasField("mirror") else [])]:
        destination.host = resolve_short_name(destination.host, namespace, domain)
    for match in answer.match:
        match.gateways[:] = [full_gateway(gateway, namespace) for gateway in match.gateways]
    return answer


class RuleIndex:
    """Rules by host: the most specific host that covers a name decides, among equals the oldest rules."""

    def __init__(self, rules: Iterable[RouteRules]) -> None:
        self._exact: dict[str, list[RouteRules]] = {}
        wildcards: dict[str, list[RouteRules]] = {}
        for each in rules:
            for host in each.hosts:
                (wildcards if is_wildcard(host) else self._exact).setdefault(host, []).append(each)
        self._wildcards = sorted(wildcards.items(), key=lambda pair: specificity(pair[0]))

    def find(self, host: str, fits: Callable[[RouteRules], bool] = lambda _: True) -> RouteRules | None:
        """The rules that route `host`, which may be a wildcard itself, of those that fit; None if none do."""
        return next(filter(fits, self._covering(host)), None)

    def _covering(self, host: str) -> Iterator[RouteRules]:
        yield from self._exact.get(host, ())
        for pattern, rules in self._wildcards:
            if covers(pattern, host):
                yield from rules
