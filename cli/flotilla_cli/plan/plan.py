"""The plan of a mesh: everything that `flotilla up` will start, and every address that it will use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flotilla_cli.errors import PlanError
from flotilla_cli.plan.addresses import (
    Listener,
    application_listeners,
    configured_listeners,
    envoy_listeners,
    service_listeners,
)
from flotilla_cli.plan.objects import ConfigDocument, ConfigDocuments, read_documents
from flotilla_cli.plan.processes import NAME, WorkloadConfig, read_processes

MESH = "mesh.yaml"
CONFIG = "config"


@dataclass(frozen=True)
class Workload:
    """`address` is its sidecar's (in the mesh); `application_address` is where the application itself
    listens.
    """

    name: str
    namespace: str
    service_account: str
    kind: str
    address: str
    application_address: str
    labels: Mapping[str, str]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    start: bool


@dataclass(frozen=True)
class Plan:
    directory: Path
    addresses: Mapping[str, str]  # of the services
    workloads: Mapping[str, Workload]
    listeners: tuple[Listener, ...]

    @property
    def config_dir(self) -> Path:
        return self.directory / CONFIG

    @property
    def mesh_file(self) -> Path:
        return self.directory / MESH

    def workload(self, name: str) -> Workload:
        """Raises PlanError for a name that is not in processes.yaml."""
        if name not in self.workloads:
            known = ", ".join(self.workloads)
            raise PlanError(f"{self.directory / NAME} has no workload {name}.", f"It has: {known}.")
        return self.workloads[name]


def read_plan(directory: Path) -> Plan:
    """Reads the directory; raises PlanError with one sentence for what is missing or contradicts itself."""
    directory = directory.absolute()
    if not directory.is_dir():
        raise PlanError(
            f"{directory} is no directory.",
            "Name one that holds mesh.yaml, processes.yaml and config/, such as examples/bookinfo/local.",
        )
    for name in (NAME, MESH):
        if not (directory / name).is_file():
            raise PlanError(
                f"{directory} holds no {name}.",
                "A mesh's directory holds mesh.yaml, processes.yaml and config/ (see examples/bookinfo/local).",
            )
    processes = read_processes(directory / NAME)
    documents = read_documents(directory / CONFIG)
    addresses = {service: config.address for service, config in processes.control_plane.items()}
    workloads = {config.name: _join(config, documents) for config in processes.workloads}
    _distinct(directory / NAME, addresses, workloads)
    return Plan(directory, addresses, workloads, _listeners(addresses, workloads, documents))


def _join(config: WorkloadConfig, documents: ConfigDocuments) -> Workload:
    entry = _entry(config.name, documents)
    account = str(entry.spec.get("serviceAccount", ""))
    address = str(entry.spec.get("address", ""))
    if not account or not address:
        missing = "address" if account else "serviceAccount"
        raise PlanError(
            f"WorkloadEntry {entry.namespace}/{entry.name} in {entry.file} has no {missing}.",
            "Every workload of the mesh needs one: its certificate and its sidecar are made for it.",
        )
    labels = entry.spec.get("labels")
    return Workload(
        name=config.name,
        namespace=entry.namespace,
        service_account=account,
        kind=config.kind,
        address=address,
        application_address=config.application_address,
        labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {},
        command=config.command,
        environment={name: str(value) for name, value in config.environment.items()},
        start=config.start,
    )


def _entry(name: str, documents: ConfigDocuments) -> ConfigDocument:
    for entry in documents.of_kind("WorkloadEntry"):
        if entry.name == name:
            return entry
    hint = f"{documents.unreadable[0]} could not be read. " if documents.unreadable else ""
    raise PlanError(
        f"processes.yaml has a workload {name}, but no WorkloadEntry in {CONFIG}/ has this name.",
        f"{hint}Add one: it gives the workload's address, labels and service account.",
    )


def _distinct(file: Path, addresses: Mapping[str, str], workloads: Mapping[str, Workload]) -> None:
    """Two parts on one address would answer for each other, and nothing would say so."""
    holders: dict[str, str] = {}
    named = [*addresses.items()]
    for workload in workloads.values():
        named.append((f"the sidecar of {workload.name}", workload.address))
        if workload.application_address:
            named.append((f"the application of {workload.name}", workload.application_address))
    for owner, address in named:
        if address in holders:
            raise PlanError(
                f"{owner} and {holders[address]} have the same address, {address}.",
                f"Give each its own, in {file} or in the WorkloadEntry.",
            )
        holders[address] = owner


def _listeners(
    addresses: Mapping[str, str], workloads: Mapping[str, Workload], documents: ConfigDocuments
) -> tuple[Listener, ...]:
    applications = {w.name: w.application_address for w in workloads.values() if w.application_address}
    found = {
        *service_listeners(addresses),
        *(listener for w in workloads.values() for listener in envoy_listeners(w.name, w.address)),
        *configured_listeners(documents),
        *application_listeners(documents, applications),
    }
    first: dict[tuple[str, int], Listener] = {}
    for listener in sorted(found):
        first.setdefault((listener.address, listener.port), listener)
    return tuple(first.values())
