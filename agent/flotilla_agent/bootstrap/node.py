"""Who the proxy says it is: Envoy's node."""

from __future__ import annotations

from typing import Any

from flotilla_agent.config import WorkloadConfig

# What of Istio's xDS this agent's Envoy understands, and the cluster name that Istio has for a mesh's first one.
ISTIO_VERSION = "1.32.0"
CLUSTER_ID = "Kubernetes"


def node_id(workload: WorkloadConfig, domain: str) -> str:
    """`type~address~name.namespace~domain`. A sidecar's address is its application's: Sidecar's
    `defaultEndpoint: 0.0.0.0:<port>` means the first of the proxy's own addresses. An application without an Envoy is
    a sidecar to Pilot, which the node's GENERATOR tells apart.
    """
    kind = "router" if workload.kind == "router" else "sidecar"
    first = addresses(workload)[0]
    name = f"{workload.name}.{workload.namespace}"
    return f"{kind}~{first}~{name}~{workload.namespace}.svc.{domain}"


def addresses(workload: WorkloadConfig) -> list[str]:
    """The workload's own addresses, the application's first."""
    return list(workload.own_addresses)


def make_node(workload: WorkloadConfig, domain: str) -> dict[str, Any]:
    """Plain data. The cluster is not Pilot's affair, but Envoy's SDS client does not start without one."""
    service = workload.labels.get("app") or workload.labels.get("istio") or workload.name
    return {
        "id": node_id(workload, domain),
        "cluster": f"{service}.{workload.namespace}",
        "metadata": {
            "NAME": workload.name,
            "NAMESPACE": workload.namespace,
            "WORKLOAD_NAME": workload.name,
            "INSTANCE_IPS": ",".join(addresses(workload)),
            "LABELS": dict(workload.labels),
            "SERVICE_ACCOUNT": workload.service_account,
            "ISTIO_VERSION": ISTIO_VERSION,
            "CLUSTER_ID": CLUSTER_ID,
            **workload.node_metadata,
        },
    }
