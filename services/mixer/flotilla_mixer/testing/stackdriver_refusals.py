"""How Google's services refuse: a code, words and details; and the resources that they know."""

from __future__ import annotations

from typing import Any

import grpc
from google.rpc import status_pb2

DETAILS = "grpc-status-details-bin"
_PLACE = {"project_id", "location", "cluster_name"}
# Types of monitored resources, and the labels that each has.
RESOURCES: dict[str, set[str]] = {
    "global": {"project_id"},
    "generic_node": {"project_id", "location", "namespace", "node_id"},
    "generic_task": {"project_id", "location", "namespace", "job", "task_id"},
    "gce_instance": {"project_id", "instance_id", "zone"},
    "gke_container": {"project_id", "cluster_name", "namespace_id", "instance_id", "pod_id", "container_name", "zone"},
    "k8s_cluster": _PLACE,
    "k8s_pod": _PLACE | {"namespace_name", "pod_name"},
    "k8s_container": _PLACE | {"namespace_name", "pod_name", "container_name"},
    "istio_canonical_service": {
        "project_id", "mesh_uid", "location", "namespace_name", "canonical_service_name",
    },
}  # fmt: skip


class Refusal(Exception):
    """An answer that is none. `detail` is a message that goes with the status."""

    def __init__(self, code: grpc.StatusCode, text: str, *details: Any) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.details = details

    async def tell(self, context: Any) -> None:
        """Ends the call."""
        status = status_pb2.Status(code=self.code.value[0], message=self.text)
        for each in self.details:
            status.details.add().Pack(each)
        await context.abort(self.code, self.text, ((DETAILS, status.SerializeToString()),))
