"""Workloads, and the index of those that the configuration names.

Reporters and peers are found by the address that they call from, and believed only if their certificate names the
workload's principal: an address alone says nothing, for addresses are used again, and on Kubernetes all that use a
node's network share its address.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.spiffe import spiffe_id

SPIFFE = "spiffe://"
DEFAULT_ACCOUNT = "default"
NOTHING: Mapping[int, str] = MappingProxyType({})


class WorkloadFacts(NamedTuple):
    """What a source of workloads tells of one.

    `owner` is a URI as Istio writes it, `workload` the name that people know it by. `containers` is the container that
    declares a port. `since` is when it began, in seconds since 1970, where the cluster gave it an address of its own;
    None where people wrote the address. `shared`: others may be at its address too, as in a node's network. `host` is
    the address of its node, where there is one.
    """

    name: str
    namespace: str
    addresses: tuple[str, ...]
    account: str
    labels: Mapping[str, str]
    owner: str
    workload: str
    containers: Mapping[int, str] = NOTHING
    since: float | None = None
    shared: bool = False
    host: str = ""


class Workload:
    """One workload. Immutable. `principal` is as 1.4 wrote it: without `spiffe://`.

    `source` and `destination` are its attributes in either role, made when they are first wanted: most Pods of a
    cluster never report.
    """

    __slots__ = ("_destination", "_source", "facts", "principal")

    def __init__(self, facts: WorkloadFacts, trust_domain: str) -> None:
        self.facts = facts
        self.principal = spiffe_id(trust_domain, facts.namespace, facts.account).removeprefix(SPIFFE)
        self._source: Mapping[str, object] | None = None
        self._destination: Mapping[str, object] | None = None

    def __repr__(self) -> str:
        return f"Workload({self.namespace}/{self.name} at {', '.join(self.addresses)} as {self.principal})"

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def namespace(self) -> str:
        return self.facts.namespace

    @property
    def addresses(self) -> tuple[str, ...]:
        return self.facts.addresses

    @property
    def labels(self) -> Mapping[str, str]:
        return self.facts.labels

    @property
    def source(self) -> Mapping[str, object]:
        if self._source is None:
            self._source = _attributes("source", self.facts)
        return self._source

    @property
    def destination(self) -> Mapping[str, object]:
        if self._destination is None:
            self._destination = _attributes("destination", self.facts)
        return self._destination


def _attributes(role: str, facts: WorkloadFacts) -> Mapping[str, object]:
    """As Istio 1.4's kubernetesenv makes them; labels are left out where there are none."""
    about: dict[str, object] = {
        "uid": f"kubernetes://{facts.name}.{facts.namespace}",
        "name": facts.name,
        "namespace": facts.namespace,
        "serviceAccount": facts.account,
        "workload.name": facts.workload,
        "workload.namespace": facts.namespace,
        "workload.uid": f"istio://{facts.namespace}/workloads/{facts.workload}",
        "owner": facts.owner,
    }
    if facts.labels:
        about["labels"] = facts.labels
    return MappingProxyType({f"{role}.{key}": value for key, value in about.items()})


def workload_of(entry: ConfigObject, trust_domain: str) -> Workload:
    """The workload of a WorkloadEntry: named as the object is; no service account means `default`, and labels of its
    metadata beat those of its spec.
    """
    name, namespace = entry.key.name, entry.key.namespace
    facts = WorkloadFacts(
        name=name,
        namespace=namespace,
        addresses=(entry.spec.address,),
        account=entry.spec.service_account or DEFAULT_ACCOUNT,
        labels=MappingProxyType({**entry.spec.labels, **entry.labels}),
        owner=f"kubernetes://apis/networking.istio.io/v1/namespaces/{namespace}/workloadentries/{name}",
        workload=name,
    )
    return Workload(facts, trust_domain)


class WorkloadIndex:
    """Workloads by address and by name. Immutable."""

    def __init__(self, workloads: Iterable[Workload] = ()) -> None:
        self._by_address: dict[str, tuple[Workload, ...]] = {}
        self._by_name: dict[tuple[str, str], Workload] = {}
        for workload in workloads:
            self._by_name[workload.namespace, workload.name] = workload
            for address in workload.addresses:
                self._by_address[address] = (*self._by_address.get(address, ()), workload)

    def __len__(self) -> int:
        return sum(map(len, self._by_address.values()))

    def at(self, address: str) -> tuple[Workload, ...]:
        """All that are said to be at this address."""
        return self._by_address.get(address, ())

    def named(self, namespace: str, name: str) -> Workload | None:
        """The one of this name, or None."""
        return self._by_name.get((namespace, name))

    def all(self) -> list[Workload]:
        return [each for found in self._by_address.values() for each in found]


def believed(candidates: Iterable[Workload], principal: str) -> Workload | None:
    """The one of these, all at one address, that a caller with this principal (without `spiffe://`) is; or None.

    Where the cluster gave the address to several, one after the other, the last has it. Nothing else tells two of
    one principal apart, so neither is believed.
    """
    found = [each for each in candidates if each.principal == principal]
    owners = [each for each in found if each.facts.since is not None]
    if owners:
        return max(owners, key=lambda each: each.facts.since or 0.0)
    return found[0] if len(found) == 1 else None
