"""The synthetic ServiceEntries of all Services, each with what is behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flotilla_galley.transforms.kubernetes import Endpoints, KubernetesObject, Node, Origin, Pod, Service
from flotilla_galley.transforms.memo import Memo
from flotilla_galley.transforms.service_entries import service_entry_object
from flotilla_galley.transforms.workloads import Workloads
from flotilla_shared.model.objects import ConfigObject


def service_entries(
    objects: Sequence[KubernetesObject], trust_domain: str, domain: str, memo: Memo
) -> Iterator[tuple[ConfigObject, Origin]]:
    """One for each Service, in the order of the objects."""
    pods = [each for each in objects if isinstance(each, Pod)]
    nodes = [each for each in objects if isinstance(each, Node)]
    workloads = Workloads(pods, nodes, trust_domain or "cluster.local")
    endpoints: dict[tuple[str, str], list[Endpoints]] = {}
    for part in objects:
        if isinstance(part, Endpoints):
            endpoints.setdefault((part.origin.namespace, part.service), []).append(part)
    for each in objects:
        if isinstance(each, Service):
            found = endpoints.get((each.origin.namespace, each.origin.name), [])
            yield _entry(each, found, workloads, domain, memo), each.origin


def _entry(service: Service, endpoints: list[Endpoints], workloads: Workloads, domain: str, memo: Memo) -> ConfigObject:
    addresses = (address for each in endpoints for subset in each.subsets for address in subset.ready)
    behind = [part for address in addresses for part in workloads.behind(address)]
    return memo.made(
        ("entry", service.origin.full_name),
        (service, *endpoints, *behind, workloads.trust_domain, domain),
        lambda: service_entry_object(service, endpoints, workloads, domain),
    )
