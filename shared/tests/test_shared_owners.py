"""From a pod's controller and labels to the workload that people know it by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_shared.model.owners import Owner, workload_owner

APPS, BATCH = "apps/v1", "batch/v1"
HASH = {"pod-template-hash": "7d9f8b6c5"}

OWNERS = [
    # labels, controller, workload
    (HASH, Owner(APPS, "ReplicaSet", "reviews-v1-7d9f8b6c5"), Owner(APPS, "Deployment", "reviews-v1")),
    ({}, Owner(APPS, "ReplicaSet", "reviews-v1-7d9f8b6c5"), Owner(APPS, "ReplicaSet", "reviews-v1-7d9f8b6c5")),
    (HASH, Owner(APPS, "ReplicaSet", "made-by-hand"), Owner(APPS, "ReplicaSet", "made-by-hand")),
    (HASH, Owner(APPS, "ReplicaSet", "-7d9f8b6c5"), Owner(APPS, "ReplicaSet", "-7d9f8b6c5")),
    ({"pod-template-hash": ""}, Owner(APPS, "ReplicaSet", "web-"), Owner(APPS, "ReplicaSet", "web-")),
    (
        {"rollouts-pod-template-hash": "abc"},
        Owner("argoproj.io/v1alpha1", "ReplicaSet", "web-abc"),
        Owner("argoproj.io/v1alpha1", "Rollout", "web"),
    ),
    ({}, Owner(APPS, "StatefulSet", "db"), Owner(APPS, "StatefulSet", "db")),
    ({}, Owner(APPS, "DaemonSet", "node-agent-12345678"), Owner(APPS, "DaemonSet", "node-agent-12345678")),
    ({}, Owner(BATCH, "Job", "report-29384756"), Owner(BATCH, "CronJob", "report")),
    ({}, Owner(BATCH, "Job", "report-1"), Owner(BATCH, "Job", "report-1")),
    ({}, Owner(BATCH, "Job", "29384756"), Owner(BATCH, "Job", "29384756")),
    (
        {"deploymentconfig": "web"},
        Owner("v1", "ReplicationController", "web-3"),
        Owner("apps.openshift.io/v1", "DeploymentConfig", "web"),
    ),
    ({}, Owner("v1", "ReplicationController", "web-3"), Owner("v1", "ReplicationController", "web-3")),
    ({"app": "x"}, None, Owner("v1", "Pod", "alone")),
]


@pytest.mark.parametrize(("labels", "controller", "expected"), OWNERS)
def test_the_workload_behind_a_pod(labels, controller, expected):
    assert workload_owner("alone", labels, controller) == expected


@given(
    st.from_regex(r"[a-z]([-a-z0-9.]{0,40}[a-z0-9])?", fullmatch=True), st.from_regex(r"[a-z0-9]{1,10}", fullmatch=True)
)
def test_every_deployment_is_found_again(name, template_hash):
    controller = Owner(APPS, "ReplicaSet", f"{name}-{template_hash}")
    found = workload_owner("pod", {"pod-template-hash": template_hash}, controller)
    assert found == Owner(APPS, "Deployment", name)


def test_an_owner_is_written_as_istio_does():
    assert Owner(APPS, "Deployment", "web").uri("shop") == "kubernetes://apis/apps/v1/namespaces/shop/deployments/web"
    assert Owner("v1", "Pod", "one").uri("shop") == "kubernetes://apis/v1/namespaces/shop/pods/one"
