"""The workload index: from an address to the workload behind it.

On one machine it is made of WorkloadEntries. Reporters and peers are found by the address that they call from,
and believed only if their certificate names the workload's principal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.spiffe import spiffe_id

SPIFFE = "spiffe://"
DEFAULT_ACCOUNT = "default"


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """One workload. `principal` is as 1.4 wrote it: without `spiffe://`.

    `source` and `destination` are its attributes in either role, made once.
    """

    name: str
    namespace: str
    address: str
    principal: str
    labels: Mapping[str, str]
    source: Mapping[str, object] = field(repr=False)
    destination: Mapping[str, object] = field(repr=False)


def workload_of(entry: ConfigObject, trust_domain: str) -> Workload:
    """The workload of a WorkloadEntry: named as the object is; no service account means `default`, and labels of its
    metadata beat those of its spec.
    """
    account = entry.spec.service_account or DEFAULT_ACCOUNT
    labels = MappingProxyType({**entry.spec.labels, **entry.labels})
    name, namespace = entry.key.name, entry.key.namespace
    principal = spiffe_id(trust_domain, namespace, account).removeprefix(SPIFFE)
    about = {
        "uid": f"kubernetes://{name}.{namespace}",
        "name": name,
        "namespace": namespace,
        "labels": labels,
        "serviceAccount": account,
        "workload.name": name,
        "workload.namespace": namespace,
        "workload.uid": f"istio://{namespace}/workloads/{name}",
        "owner": f"kubernetes://apis/networking.istio.io/v1/namespaces/{namespace}/workloadentries/{name}",
    }
    return Workload(
        name,
        namespace,
        entry.spec.address,
        principal,
        labels,
        MappingProxyType({f"source.{key}": value for key, value in about.items()}),
        MappingProxyType({f"destination.{key}": value for key, value in about.items()}),
    )


class WorkloadIndex:
    """Workloads by address. Immutable. Where two entries share an address neither is believed by it alone:
    the principal decides between them.
    """

    def __init__(self, workloads: Iterable[Workload] = ()) -> None:
        self._by_address: dict[str, tuple[Workload, ...]] = {}
        for workload in workloads:
            self._by_address[workload.address] = (*self._by_address.get(workload.address, ()), workload)

    def __len__(self) -> int:
        return sum(map(len, self._by_address.values()))

    def at(self, address: str) -> tuple[Workload, ...]:
        """All that are said to be at this address."""
        return self._by_address.get(address, ())

    def believed(self, address: str, principal: str) -> Workload | None:
        """The one workload at the address that has this principal (without `spiffe://`), or None."""
        found = [each for each in self.at(address) if each.principal == principal]
        return found[0] if len(found) == 1 else None

    def all(self) -> list[Workload]:
        return [each for found in self._by_address.values() for each in found]
