"""Configuration with the Gateways and VirtualServices that stand for Ingresses in it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flotilla_pilot.ingress.gateways import gateway_name, gateway_of
from flotilla_pilot.ingress.options import NAMESPACE, ingress_options, is_served
from flotilla_pilot.ingress.routes import Backends, HostRoutes, add_routes
from flotilla_pilot.ingress.told import IngressProblems
from flotilla_pilot.model.route_rules import INGRESS_GATEWAY, SEMANTICS
from flotilla_pilot.model.services import Service
from flotilla_pilot.model.snapshot import Objects
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem, content_version
from flotilla_shared.runtime.kube.objects import Ingress, IngressClass

Classes = Mapping[tuple[str, str], IngressClass]
Problems = Mapping[ObjectKey, tuple[Problem, ...]]


def is_derived(key: ObjectKey) -> bool:
    """Whether an object is one that stands for an Ingress: nobody has written it."""
    return INGRESS_GATEWAY in key.name and key.collection in (kinds.GATEWAYS, kinds.VIRTUAL_SERVICES)


def with_ingresses(
    objects: Objects, services: Iterable[Service], ingresses: Iterable[Ingress], classes: Classes, domain: str
) -> tuple[Objects, Problems]:
    """`objects` and what stands for the Ingresses that are the mesh's; with what of these is not served.

    What stands for them says no time of creation, as in Istio: their Gateways are heard by name. Those of which a Galley
    has made a Gateway are left to it.
    """
    item = next(iter(objects.get(kinds.MESH_CONFIG, {}).values()), None)
    options = ingress_options(item.spec if item is not None else MeshConfig())
    theirs = objects.get(kinds.GATEWAYS, {})
    left = (each for each in ingresses if _key_of_galley(each) not in theirs)
    served = sorted((each for each in left if is_served(each, classes, options)), key=_age)
    if not served:
        return objects, {}
    problems = IngressProblems()
    gateways = [_gateway(each, options.selector, problems) for each in served]
    rules = _rules(served, services, domain, problems)
    made = {**objects}
    for name, found in ((kinds.GATEWAYS, gateways), (kinds.VIRTUAL_SERVICES, rules)):
        made[name] = {**{each.key: each for each in found}, **objects.get(name, {})}
    return made, problems.found()


def _key_of_galley(ingress: Ingress) -> ObjectKey:
    """Of the Gateway that a Galley makes of an Ingress, by Istio 1.4's rules."""
    return ObjectKey(kinds.GATEWAYS, NAMESPACE, f"{ingress.metadata.name}-{INGRESS_GATEWAY}")


def _age(ingress: Ingress) -> tuple[float, str, str]:
    meta = ingress.metadata
    created = meta.creation_timestamp.timestamp() if meta.creation_timestamp is not None else 0.0
    return created, meta.name, meta.namespace


def _gateway(ingress: Ingress, selector: str, problems: IngressProblems) -> ConfigObject:
    spec = gateway_of(ingress, selector, problems.of(ingress))
    return _object(ObjectKey(kinds.GATEWAYS, NAMESPACE, gateway_name(ingress)), spec, {})


def _rules(
    served: Iterable[Ingress], services: Iterable[Service], domain: str, problems: IngressProblems
) -> list[ConfigObject]:
    ports = {(each.host, port.name): port.number for each in services for port in each.ports}
    backends = Backends(domain, lambda host, name: ports.get((host, name), 0))
    hosts: dict[str, HostRoutes] = {}
    for ingress in served:
        add_routes(hosts, ingress, backends, problems.of(ingress))
    made: dict[ObjectKey, ConfigObject] = {}
    for number, each in enumerate(found for found in hosts.values() if found.spec.http):
        key = ObjectKey(kinds.VIRTUAL_SERVICES, each.namespace, each.name)
        if key in made:  # of a.b and a-b
            key = replace(key, name=f"{each.name}-{number}")
        made[key] = _object(key, each.spec, {SEMANTICS: "ingress"})
    return list(made.values())


def _object(key: ObjectKey, spec: Any, annotations: Mapping[str, str]) -> ConfigObject:
    return ConfigObject(key, content_version(key, spec, {}, annotations), spec, {}, annotations)
