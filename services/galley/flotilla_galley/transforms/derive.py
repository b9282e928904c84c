"""Everything that is made of Kubernetes' objects, and what of them is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from google.protobuf.json_format import ParseError

from flotilla_galley.transforms.core_objects import namespace_object, service_object
from flotilla_galley.transforms.ingress_gateways import gateway_object
from flotilla_galley.transforms.ingress_options import SUFFIX, is_served
from flotilla_galley.transforms.ingress_routes import hosts_of, routes_object, tell_what_is_left_out
from flotilla_galley.transforms.kubernetes import (
    Endpoints,
    Ingress,
    KubernetesObject,
    Namespace,
    Node,
    Origin,
    Pod,
    Service,
)
from flotilla_galley.transforms.service_entries import service_entry_object
from flotilla_galley.transforms.workloads import Workloads
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

REFUSED = "ingress-refused"
_ALWAYS = frozenset({kinds.SYNTHETIC_SERVICE_ENTRIES, kinds.NAMESPACES, kinds.SERVICES})


@dataclass(frozen=True, slots=True)
class Options:
    """What is made; `domain` ends the hosts of Services."""

    ingresses: bool = False
    discovery: bool = False
    domain: str = "cluster.local"


@dataclass(frozen=True, slots=True)
class Derived:
    """What was made, each with the object whose place it has, and what could not be."""

    objects: list[tuple[ConfigObject, Origin]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def tell(self, ingress: Ingress, path: str, text: str) -> None:
        """Something of an Ingress is not served."""
        origin = ingress.origin
        sentence = f"Ingress {origin.full_name}: {text}"
        problem = Problem(REFUSED, path, sentence, "warning", file=origin.file, line=origin.line)
        if problem not in self.problems:
            self.problems.append(problem)


def is_derived(key: ObjectKey) -> bool:
    """Whether an object of that key is one that Galley makes."""
    ingress = key.collection in (kinds.GATEWAYS, kinds.VIRTUAL_SERVICES) and key.name.endswith(f"-{SUFFIX}")
    return ingress or key.collection in _ALWAYS


def derive(objects: Sequence[KubernetesObject], mesh: MeshConfig, options: Options) -> Derived:
    """Deterministic: the order of `objects` does not count. Never raises."""
    made = Derived()
    ordered = sorted(objects, key=lambda each: (each.origin.full_name, each.origin.file, each.origin.line))
    if options.ingresses:
        _ingresses([each for each in ordered if isinstance(each, Ingress)], mesh, options, made)
    if options.discovery:
        made.objects.extend(_services(ordered, mesh, options))
        _core(ordered, made)
    return made


def _ingresses(ingresses: Iterable[Ingress], mesh: MeshConfig, options: Options, made: Derived) -> None:
    served = [each for each in ingresses if is_served(each, mesh)]
    for ingress in served:
        made.objects.append((gateway_object(ingress), ingress.origin))
        tell_what_is_left_out(ingress, made.tell)
    for host, sharing in hosts_of(served).items():
        item = routes_object(host, sharing, options.domain, made.tell)
        if item.spec.http:  # else nothing of the host can be served, which is told
            made.objects.append((item, sharing[0].origin))


def _services(
    objects: Sequence[KubernetesObject], mesh: MeshConfig, options: Options
) -> Iterator[tuple[ConfigObject, Origin]]:
    pods, nodes = ([each for each in objects if isinstance(each, kind)] for kind in (Pod, Node))
    workloads = Workloads(pods, nodes, mesh.trust_domain or "cluster.local")  # type: ignore[arg-type]
    endpoints: dict[tuple[str, str], list[Endpoints]] = {}
    for part in objects:
        if isinstance(part, Endpoints):
            endpoints.setdefault((part.origin.namespace, part.service), []).append(part)
    for each in objects:
        if isinstance(each, Service):
            found = endpoints.get((each.origin.namespace, each.origin.name), [])
            yield service_entry_object(each, found, workloads, options.domain), each.origin


def _core(objects: Iterable[KubernetesObject], made: Derived) -> None:
    for each in objects:
        try:
            if isinstance(each, Namespace):
                made.objects.append((namespace_object(each), each.origin))
            elif isinstance(each, Service):
                made.objects.append((service_object(each), each.origin))
        except ParseError as error:
            text = f"{type(each).__name__} {each.origin.full_name} cannot be read: {error}"
            made.problems.append(
                Problem("wrong-type", "spec", text, "warning", file=each.origin.file, line=each.origin.line)
            )
