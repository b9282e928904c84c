"""Mixer's view of a cluster of 10,000 Pods: reading it, following it, asking it, and the memory that it takes.

The API server's bytes come from memory, through the reflector and the index as they are in Mixer; HTTP and TLS are left
out. The Pods have what injection gives them, 5 KB each. The ratio is to reading the same bytes with the standard library.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bench.table import table
from flotilla_mixer.sources.cluster import ClusterWatch
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.connection import KubeConnection
from flotilla_shared.runtime.kube.metrics import NO_METRICS

PODS = 10_000
PAGE = 500
EVENTS = 5_000
LOOKUPS = 200_000
EMPTY = b'{"metadata":{"resourceVersion":"1"},"items":[]}'


def pod(number: int, version: int = 1) -> dict[str, Any]:
    """A Pod of one of 500 Deployments, as the API server writes it after injection."""
    deployment = f"service-{number // 20}"
    variables = [{"name": f"ISTIO_META_{i}", "value": "a value of some length, as they are"} for i in range(25)]
    mounts = [{"name": f"volume-{i}", "mountPath": f"/var/run/secrets/{i}", "readOnly": True} for i in range(8)]
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"} for kind in "ABCD"]
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return {
        "metadata": {
            "name": f"{deployment}-7d9f8b6c5-{number:05}",
            "namespace": f"ns-{number % 50}",
            "uid": f"00000000-0000-0000-0000-{number:012}",
            "resourceVersion": str(version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": deployment, "version": "v1", "pod-template-hash": "7d9f8b6c5"},
            "annotations": {
                "sidecar.istio.io/status": json.dumps({"containers": ["istio-proxy"], "revision": "x" * 300})
            },
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"{deployment}-7d9f8b6c5",
                    "uid": "u",
                    "controller": True,
                }
            ],
        },
        "spec": {
            "serviceAccountName": deployment,
            "nodeName": f"node-{number % 100}",
            "containers": [
                {
                    "name": "app",
                    "image": "app:1",
                    "ports": [{"containerPort": 9080, "protocol": "TCP"}],
                    "volumeMounts": mounts,
                },
                {"name": "istio-proxy", "image": "proxy:1", "env": variables, "volumeMounts": mounts},
            ],
            "volumes": [{"name": f"volume-{i}", "emptyDir": {}} for i in range(8)],
        },
        "status": {
            "phase": "Running",
            "conditions": conditions,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "containerStatuses": [{"name": name, "ready": True, "image": "x" * 80} for name in ("app", "istio-proxy")],
        },
    }


class CannedClient(KubeClient):
    """Gives pages and a watch from memory. `events` are the lines that the watch of Pods brings when it is let."""

    def __init__(self) -> None:
        super().__init__(KubeConnection("http://127.0.0.1"))
        self.pages = [self._page(begin) for begin in range(0, PODS, PAGE)]
        self.events = [
            json.dumps({"type": "MODIFIED", "object": pod(n % PODS, n + 2)}).encode() + b"\n" for n in range(EVENTS)
        ]
        self.let = asyncio.Event()

    def _page(self, begin: int) -> bytes:
        end = begin + PAGE
        token = {"continue": str(end // PAGE)} if end < PODS else {}
        content = {"metadata": {"resourceVersion": "1", **token}, "items": [pod(n) for n in range(begin, end)]}
        return json.dumps(content).encode()

    async def request(self, method: str, path: str, *, params: Any = None, **_: Any) -> bytes:
        return self.pages[int((params or {}).get("continue", 0))] if path.endswith("/pods") else EMPTY

    @contextlib.asynccontextmanager
    async def stream(self, path: str, **_: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        yield self._lines() if path.endswith("/pods") else self._nothing()

    async def _lines(self) -> AsyncIterator[bytes]:
        await self.let.wait()
        for line in self.events:
            yield line
        await asyncio.Event().wait()

    async def _nothing(self) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


def resident() -> float:
    """MiB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def run() -> dict[str, float]:
    """The figures, in seconds of CPU (of one) and MiB. For a process of its own."""
    client = CannedClient()
    synced = asyncio.Event()
    watch = ClusterWatch(
        client, trust_domain="cluster.local", domain="cluster.local", metrics=NO_METRICS, on_synced=synced.set
    )
    before, began = resident(), time.process_time()
    await watch.start()
    await synced.wait()
    found = {"list": time.process_time() - began, "memory": resident() - before}
    last = (f"ns-{(EVENTS - 1) % 50}", pod(EVENTS - 1)["metadata"]["name"])
    workloads = watch.view.workloads
    known = workloads._by_key[last]
    began = time.process_time()
    client.let.set()
    while workloads._by_key[last] is known:
        await asyncio.sleep(0)
    found["event"] = (time.process_time() - began) / EVENTS
    began = time.process_time()
    for _ in range(LOOKUPS):
        workloads.at("10.0.20.7")
    found["lookup"] = (time.process_time() - began) / LOOKUPS
    await watch.stop()
    began = time.process_time()
    for page in client.pages:
        json.loads(page)
    found["json"] = time.process_time() - began
    began = time.process_time()
    for line in client.events[:500]:
        json.loads(line)
    found["json event"] = (time.process_time() - began) / 500
    return found


def measure() -> str:
    """The table, measured in a process of its own."""
    answer = subprocess.run([sys.executable, "-m", "bench.pods"], check=True, capture_output=True, text=True).stdout
    found = json.loads(answer.splitlines()[-1])  # the log stands before it
    rows = [
        (1.0, "the list, standard library, decoded only", found["json"] * 1e3, "ms"),
        (found["list"] / found["json"], "the list, decoded and indexed", found["list"] * 1e3, "ms"),
        (
            found["json event"] / found["json"],
            "one event, standard library, decoded only",
            found["json event"] * 1e6,
            "us",
        ),
        (found["event"] / found["json"], "one event, decoded and in the index", found["event"] * 1e6, "us"),
        (found["lookup"] / found["json"], "who is at an address", found["lookup"] * 1e6, "us"),
        ("", "memory of all", found["memory"], "MiB"),
    ]
    return table(f"Mixer's view of {PODS:,} Pods", ("ratio", "what", "CPU", "unit"), rows)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run())))
