"""Who the proxy says it is: Envoy's node."""

from __future__ import annotations

from typing import Any

from flotilla_agent.config import WorkloadConfig

ISTIO_VERSION = "1.32.0"
CLUSTER_ID = "Kubernetes"


def node_id(workload: WorkloadConfig) -> str:
    """`type~address~name.namespace~domain`. A sidecar's address is its application's: Sidecar's
    `defaultEndpoint: 0.0.0.0:<port>` means the first of the proxy's own addresses.
    """
    first = addresses(workload)[0]
    domain = f"{workload.namespace}.svc.cluster.local"
    return f"{workload.kind}~{first}~{workload.name}.{workload.namespace}~{domain}"


def addresses(workload: WorkloadConfig) -> list[str]:
    """The workload's own addresses, the application's first."""
    return [each for each in (workload.application_address, workload.address) if each]


def make_node(workload: WorkloadConfig) -> dict[str, Any]:
    service = workload.labels.get("app") or workload.labels.get("istio") or workload.name
    return {
        "id": node_id(workload),
        "cluster": f"{service}.{workload.namespace}",
        "metadata": {
            "INTERCEPTION_MODE": "NONE",
            "NAME": workload.name,
            "NAMESPACE": workload.namespace,
            "WORKLOAD_NAME": workload.name,
            "INSTANCE_IPS": ",".join(addresses(workload)),
            "LABELS": dict(workload.labels),
            "SERVICE_ACCOUNT": workload.service_account,
            "ISTIO_VERSION": ISTIO_VERSION,
            "CLUSTER_ID": CLUSTER_ID,
        },
    }
