"""Everything that is made of Kubernetes' objects, and what of them is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from google.protobuf.json_format import ParseError

from flotilla_galley.transforms.core_objects import namespace_object, service_object
from flotilla_galley.transforms.derive_services import service_entries
from flotilla_galley.transforms.ingress_gateways import gateway_object
from flotilla_galley.transforms.ingress_options import SUFFIX, is_served
from flotilla_galley.transforms.ingress_routes import hosts_of, routes_object, tell_what_is_left_out
from flotilla_galley.transforms.kubernetes import Ingress, KubernetesObject, Namespace, Origin, Service
from flotilla_galley.transforms.memo import Memo
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

REFUSED = "ingress-refused"
_ALWAYS = frozenset({kinds.SYNTHETIC_SERVICE_ENTRIES, kinds.NAMESPACES, kinds.SERVICES})
Told = tuple[Ingress, str, str]


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
    problems: dict[Problem, None] = field(default_factory=dict)

    def tell(self, ingress: Ingress, path: str, text: str) -> None:
        """Something of an Ingress is not served; said once."""
        origin = ingress.origin
        sentence = f"Ingress {origin.full_name}: {text}"
        self.problems[Problem(REFUSED, path, sentence, "warning", file=origin.file, line=origin.line)] = None


def is_derived(key: ObjectKey) -> bool:
    """Whether an object of that key is one that Galley makes."""
    ingress = key.collection in (kinds.GATEWAYS, kinds.VIRTUAL_SERVICES) and key.name.endswith(f"-{SUFFIX}")
    return ingress or key.collection in _ALWAYS


def derive(
    objects: Sequence[KubernetesObject], mesh: MeshConfig, options: Options, memo: Memo | None = None
) -> Derived:
    """Deterministic: the order of `objects` does not count. What `memo` knows is not made again."""
    made, memo = Derived(), memo or Memo()
    ordered = sorted(objects, key=lambda each: (each.origin.full_name, each.origin.file, each.origin.line))
    if options.ingresses:
        _ingresses([each for each in ordered if isinstance(each, Ingress)], mesh, options, made, memo)
    if options.discovery:
        made.objects.extend(service_entries(ordered, mesh.trust_domain, options.domain, memo))
        _core(ordered, made, memo)
    memo.turn()
    return made


def _ingresses(ingresses: Iterable[Ingress], mesh: MeshConfig, options: Options, made: Derived, memo: Memo) -> None:
    served = [each for each in ingresses if is_served(each, mesh)]
    for ingress in served:
        name = ("gateway", ingress.origin.full_name)
        item = memo.made(name, (ingress,), lambda each=ingress: gateway_object(each))  # type: ignore[misc]
        made.objects.append((item, ingress.origin))
        tell_what_is_left_out(ingress, made.tell)
    for host, sharing in hosts_of(served).items():
        item, told = memo.made(("host", host), tuple(sharing), lambda: _routes(host, sharing, options.domain))  # noqa: B023  # called at once
        for each in told:
            made.tell(*each)
        if item.spec.http:  # else nothing of the host can be served, which is told
            made.objects.append((item, sharing[0].origin))


def _routes(host: str, sharing: list[Ingress], domain: str) -> tuple[ConfigObject, list[Told]]:
    told: list[Told] = []
    return routes_object(host, sharing, domain, lambda *given: told.append(given)), told


def _core(objects: Iterable[KubernetesObject], made: Derived, memo: Memo) -> None:
    for each in objects:
        if not isinstance(each, Namespace | Service):
            continue
        name = (type(each).__name__, each.origin.full_name)
        item = memo.made(name, (each,), lambda: _as_it_is(each))  # noqa: B023  # called at once
        if isinstance(item, Problem):
            made.problems[item] = None
        else:
            made.objects.append((item, each.origin))


def _as_it_is(each: Namespace | Service) -> ConfigObject | Problem:
    try:
        return namespace_object(each) if isinstance(each, Namespace) else service_object(each)
    except ParseError as error:
        origin = each.origin
        text = f"{type(each).__name__} {origin.full_name} cannot be read: {error}"
        return Problem("wrong-type", "spec", text, "warning", file=origin.file, line=origin.line)
