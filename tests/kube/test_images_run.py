"""Every image runs what it is for: as nobody, on a root file system that cannot be written to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kube.cluster.client import Cluster
from tests.kube.cluster.images.catalogue import IMAGES
from tests.kube.cluster.images.wheels import rust

pytestmark = [pytest.mark.kube, pytest.mark.timeout(900)]

NOBODY = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
FRONT = "from flotilla_shared.runtime.front import use_front; print('native', use_front('auto'))"
# Pod -> image, command, and what it says.
RUNS = {
    **{name: (name, [f"flotilla-{name}", "version"], "0.1.0") for name in ("galley", "pilot", "citadel", "mixer")},
    "agent": ("proxy", ["flotilla-agent", "version"], "0.1.0"),
    "envoy": ("proxy", ["envoy", "--version"], "1.40.0"),
    "iptables": ("proxy", ["iptables", "--version"], "iptables v1"),
    **{f"{name}-front": (name, ["python3", "-c", FRONT], "native") for name in ("citadel", "mixer")},
    "bookinfo": ("bookinfo", ["python3", "-m", "flotilla_bookinfo", "--help"], "productpage"),
}


def _pod(name: str) -> dict[str, Any]:
    image, command, _ = RUNS[name]
    reference = next(each.reference for each in IMAGES if each.name == image)
    container = {
        "name": name,
        "image": reference,
        "imagePullPolicy": "Never",
        "command": command,
        "securityContext": NOBODY,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }


def test_every_image_runs(cluster: Cluster, namespace: str) -> None:
    cluster.images()
    cluster.apply(*(_pod(name) for name in RUNS), namespace=namespace)
    for name in RUNS:
        cluster.wait(f"pod/{name}", "jsonpath={.status.phase}=Succeeded", namespace=namespace)
    said = {name: cluster.kubectl("logs", name, "--namespace", namespace) for name in RUNS}
    assert {name: text for name, text in said.items() if RUNS[name][2] not in text} == {}
    there = f"native {rust()}"  # made where there is Rust
    assert {said[f"{name}-front"].strip() for name in ("citadel", "mixer")} == {there}
