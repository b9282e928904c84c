"""Networks whose workloads are to come from a registry that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.fields import mapping
from flotilla_galley.analysis.kinds import MESH_NETWORKS, SECRETS
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.resource import Resource

# The registries that Istio itself has; case counts. Others are clusters, each with a Secret that tells how to reach it.
_REGISTRIES = frozenset({"Kubernetes", "External", "Mock"})
_CLUSTER_LABEL = "istio/multiCluster"


def look(networks: Resource, view: View) -> Iterator[Message]:
    known = _REGISTRIES | {
        name
        for secret in view.all(SECRETS)
        if secret.labels.get(_CLUSTER_LABEL) == "true"
        for field in ("data", "stringData")
        for name in mapping(secret.value, field)
    }
    for name, network in sorted(networks.spec.networks.items()):
        for index, endpoint in enumerate(network.endpoints):
            registry = endpoint.from_registry
            if registry and registry not in known:
                field = f"networks.{name}.endpoints[{index}].fromRegistry"
                yield tell("UnknownMeshNetworksServiceRegistry", networks, field, registry=registry, network=name)


ANALYZER = Analyzer(
    "meshnetworks.MeshNetworksAnalyzer",
    "whether each registry of the networks is known",
    (MESH_NETWORKS, SECRETS),
    {MESH_NETWORKS: look},
)
