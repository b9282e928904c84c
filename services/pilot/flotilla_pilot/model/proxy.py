"""A proxy: what the node of its first request says it is."""

import json
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from flotilla_pilot.model.frozen import EMPTY, FrozenMap

SIDECAR = "sidecar"
ROUTER = "router"
KINDS = (SIDECAR, ROUTER)
TRANSPARENT = "TPROXY"
INTERCEPTION_MODES = ("REDIRECT", TRANSPARENT, "NONE")


class NodeRefused(ValueError):
    """The node cannot be served; the text says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy, equal and hashable by everything that may change what is compiled for it."""

    node_id: str
    kind: str
    addresses: tuple[str, ...]
    name: str
    namespace: str
    labels: FrozenMap = EMPTY
    service_account: str = ""
    interception_mode: str = "REDIRECT"
    network: str = ""
    locality: str = ""
    cluster_id: str = ""
    domain: str = ""
    metadata: FrozenMap = EMPTY

    @property
    def intercepts(self) -> bool:
        """Whether the workload's connections are redirected to the proxy, as on Kubernetes."""
        return self.interception_mode != "NONE"

    @property
    def proxyless(self) -> bool:
        """Whether it is no Envoy but an application whose gRPC library speaks xDS itself."""
        return self.metadata.get("GENERATOR") == "grpc"

    @property
    def captures_dns(self) -> bool:
        """Whether what the workload asks of DNS is answered by the proxy's agent."""
        return self._says("DNS_CAPTURE")

    @property
    def asks_for_addresses(self) -> bool:
        """Whether it wants to know the addresses that services without any are given."""
        return self._says("DNS_AUTO_ALLOCATE")

    def _says(self, name: str) -> bool:
        return self.metadata.get(name, "").lower() == "true"

    @property
    def only_ipv6(self) -> bool:
        return all(":" in each for each in self.addresses)

    @property
    def any_address(self) -> str:
        """Where to listen to be reached at every address of the workload."""
        return "::" if self.only_ipv6 else "0.0.0.0"  # noqa: S104

    @classmethod
    def from_node(cls, node: Any) -> "Proxy":
        """The proxy of an `envoy.config.core.v3.Node`.

        The id is `type~ip~name.namespace~domain` (pilot.md 2.1). `INSTANCE_IPS` of the metadata, where it
        is given, holds all addresses, the application's first. Raises NodeRefused.
        """
        kind, address, name, namespace, domain = _parse_id(node.id)
        metadata = json_format.MessageToDict(node.metadata)
        stated = str(metadata.get("NAMESPACE") or namespace)
        if stated != namespace:
            raise NodeRefused(
                f"node {node.id!r} is in namespace {namespace!r} by its id but in {stated!r} by its metadata "
                "NAMESPACE; both must name the same"
            )
        return cls(
            node_id=node.id,
            kind=kind,
            addresses=_addresses(metadata, address),
            name=name,
            namespace=namespace,
            labels=_labels(node.id, metadata),
            service_account=str(metadata.get("SERVICE_ACCOUNT", "")),
            interception_mode=_interception_mode(node.id, metadata),
            network=str(metadata.get("NETWORK", "")),
            locality=_locality(node.locality),
            cluster_id=str(metadata.get("CLUSTER_ID", "")),
            domain=domain,
            metadata=FrozenMap({key: _text(value) for key, value in metadata.items()}),
        )


def _parse_id(node_id: str) -> tuple[str, str, str, str, str]:
    parts = node_id.split("~")
    if len(parts) != 4:
        raise NodeRefused(f"node id {node_id!r} is not of the form type~ip~name.namespace~domain")
    kind, address, workload, domain = parts
    if kind not in KINDS:
        raise NodeRefused(f"node {node_id!r} is of type {kind!r}; known types are {', '.join(KINDS)}")
    name, dot, namespace = workload.rpartition(".")
    if not (dot and name and namespace):
        raise NodeRefused(f"node id {node_id!r} has {workload!r} as its third part; it must be name.namespace")
    return kind, address, name, namespace, domain


def _addresses(metadata: dict[str, Any], address: str) -> tuple[str, ...]:
    listed = str(metadata.get("INSTANCE_IPS", "")).split(",")
    return tuple(ip.strip() for ip in listed if ip.strip()) or (address,)


def _labels(node_id: str, metadata: dict[str, Any]) -> FrozenMap:
    labels = metadata.get("LABELS", {})
    if not isinstance(labels, dict):
        raise NodeRefused(f"node {node_id!r} has metadata LABELS that are no object of strings")
    return FrozenMap({key: str(value) for key, value in labels.items()})


def _interception_mode(node_id: str, metadata: dict[str, Any]) -> str:
    mode = str(metadata.get("INTERCEPTION_MODE") or "REDIRECT")
    if mode not in INTERCEPTION_MODES:
        raise NodeRefused(f"node {node_id!r} has INTERCEPTION_MODE {mode!r}; known are {', '.join(INTERCEPTION_MODES)}")
    return mode


def _locality(locality: Any) -> str:
    parts = [locality.region, locality.zone, locality.sub_zone]
    return "/".join(parts).rstrip("/")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
