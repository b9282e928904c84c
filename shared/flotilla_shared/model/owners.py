"""The workload that a pod belongs to, told from the pod alone: from its controller's name and its labels.

Istio 1.4 walked from pod to ReplicaSet to Deployment and so had to watch ReplicaSets; today's Istio tells the same
from the hash that the Deployment put into the pod's labels and into the ReplicaSet's name. Names the user chose may
look alike, so a hash is cut off only where the label says that it is one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# A label whose value ends the ReplicaSet's name, and the kind of who put it there.
_HASHED = (("pod-template-hash", "Deployment"), ("rollouts-pod-template-hash", "Rollout"))
_DEPLOYMENT_CONFIG = "deploymentconfig"
# A CronJob names its Jobs by the minute in which they were due.
_CRON_JOB = re.compile(r"(.+)-\d{8,10}")


class Owner(NamedTuple):
    """Whoever owns a pod, as an owner reference names it."""

    api_version: str
    kind: str
    name: str

    def uri(self, namespace: str) -> str:
        """The attribute `source.owner`, and a proxy's metadata OWNER."""
        return f"kubernetes://apis/{self.api_version}/namespaces/{namespace}/{self.kind.lower()}s/{self.name}"


def workload_owner(pod_name: str, labels: Mapping[str, str], controller: Owner | None) -> Owner:
    """The workload of a pod: the Deployment (Rollout, DeploymentConfig, CronJob) behind its controller, else the
    controller, else the pod itself. `controller` is the owner reference that has `controller: true`.
    """
    if controller is None:
        return Owner("v1", "Pod", pod_name)
    if controller.kind == "ReplicaSet":
        return _behind_replica_set(labels, controller)
    if controller.kind == "ReplicationController" and labels.get(_DEPLOYMENT_CONFIG):
        return Owner("apps.openshift.io/v1", "DeploymentConfig", labels[_DEPLOYMENT_CONFIG])
    if controller.kind == "Job" and (found := _CRON_JOB.fullmatch(controller.name)):
        return Owner(controller.api_version, "CronJob", found[1])
    return controller


def _behind_replica_set(labels: Mapping[str, str], controller: Owner) -> Owner:
    for label, kind in _HASHED:
        suffix = f"-{labels.get(label, '')}"
        if len(suffix) > 1 and controller.name.endswith(suffix) and controller.name != suffix:
            return Owner(controller.api_version, kind, controller.name.removesuffix(suffix))
    return controller
