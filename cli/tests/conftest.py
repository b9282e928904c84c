"""A small mesh's directory, and addresses of this test process's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

PROCESSES = """\
control_plane:
  citadel: {{address: {block}.0.13}}
  galley: {{address: {block}.0.11}}
  pilot: {{address: {block}.0.12}}
  mixer: {{address: {block}.0.14}}
workloads:
- name: gate
  kind: router
- name: web-v1
  application_address: {block}.1.1
  command: [python, -m, http.server]
  environment: {{VERSION: v1, PORT: 9080}}
- name: guest
  start: false
  application_address: {block}.1.2
  command: [sleep, "1000"]
"""
OBJECTS = """\
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: gate, namespace: default}}
spec: {{address: {block}.2.100, labels: {{istio: ingressgateway}}, serviceAccount: gate}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: web-v1, namespace: shop}}
spec: {{address: {block}.2.1, labels: {{app: web, version: v1}}, serviceAccount: web}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {{name: guest, namespace: default}}
spec: {{address: {block}.2.2, serviceAccount: guest}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web, namespace: shop}}
spec:
  hosts: [web.shop.svc.cluster.local]
  ports: [{{number: 9080, name: http, protocol: HTTP}}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {{name: web-v1, namespace: shop}}
spec:
  ingress:
  - {{port: {{number: 9080, protocol: HTTP, name: http}}, bind: {block}.2.1, defaultEndpoint: "0.0.0.0:9081"}}
  egress:
  - {{port: {{number: 15002, protocol: HTTP_PROXY, name: p}}, bind: {block}.3.1, hosts: ["*/*"]}}
  - {{bind: {block}.3.1, hosts: ["*/*"]}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: gate, namespace: default}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{{port: {{number: 8080, name: http, protocol: HTTP}}, bind: {block}.0.1, hosts: ["*"]}}]
"""


@pytest.fixture(scope="session")
def block() -> str:
    """The first two bytes of addresses that no other test process and no mesh uses: 127.64 to 127.223."""
    return f"127.{64 + os.getpid() % 160}"


@pytest.fixture
def directory(tmp_path: Path, block: str) -> Path:
    """A mesh's directory with a gateway, one application, and one workload that is not started."""
    mesh = tmp_path / "mesh"
    (mesh / "config").mkdir(parents=True)
    (mesh / "mesh.yaml").write_text("trustDomain: example.org\n")
    (mesh / "processes.yaml").write_text(PROCESSES.format(block=block))
    (mesh / "config" / "all.yaml").write_text(OBJECTS.format(block=block))
    return mesh


@pytest.fixture
def edit(directory: Path) -> Callable[[str, str, str], None]:
    """`edit(file, old, new)` changes a file of the directory; `old` must be in it."""

    def change(name: str, old: str, new: str) -> None:
        file = directory / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return change
