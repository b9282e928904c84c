"""The meshes that Istio measures itself by: templates of configuration, how large, and for which proxy."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flotilla_pilot.compile.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import MeshSnapshot
from flotilla_pilot.offline.proxies import read_proxy
from flotilla_pilot.testing.recorded import recorded_snapshot
from flotilla_pilot.testing.templates import render

_TYPES = {"Cluster": CLUSTER, "Listener": LISTENER, "RouteConfiguration": ROUTES, "ClusterLoadAssignment": ENDPOINTS}
_APART = {"gateways": ("router", 1000), "auto": ("sidecar", 100), "authorizationpolicy": ("sidecar", 100)}
"""Templates of which the cases are kept apart: for which proxy, and how many services."""

_GATEWAYS = {f"network-{number}": f"35.0.0.{number}" for number in range(4)}


@dataclass(frozen=True, slots=True)
class BenchmarkMesh:
    """One mesh; `types` are the resources (type URLs) that Istio makes of it."""

    name: str
    proxy: Proxy
    documents: list[dict[str, Any]]
    mesh: Mapping[str, Any]
    types: tuple[str, ...]

    def snapshot(self) -> MeshSnapshot:
        return recorded_snapshot(self.documents, self.mesh)


def benchmark_meshes(folder: Path, most: int = 10_000) -> Iterator[BenchmarkMesh]:
    """All of `folder` (`cases.json` and `templates/`) that Pilot makes resources of, in the order of the file.

    None has more than `most` services.
    """
    stated = json.loads((folder / "cases.json").read_text())
    mesh = {name.rstrip("+"): value for name, value in stated["meshConfig"].items()}
    for case in stated["cases"]:
        types = tuple(_TYPES[each] for each in case["types"] if each in _TYPES)
        if types:
            name = case["id"].removeprefix("benchmarks/")
            sized = {**case, "services": min(case["services"], most)}
            yield BenchmarkMesh(name, _proxy(stated, case["proxyType"]), _documents(folder, sized), mesh, types)
    for name, (kind, services) in _APART.items():
        documents = _rendered(folder / "templates" / f"{name}.yaml", min(services, most), 0)
        yield BenchmarkMesh(name, _proxy(stated, kind), documents, mesh, (CLUSTER, LISTENER, ROUTES))


def _proxy(stated: Mapping[str, Any], kind: str) -> Proxy:
    return read_proxy({**stated["proxy"], "type": kind})


def _documents(folder: Path, case: Mapping[str, Any]) -> list[dict[str, Any]]:
    if case.get("template"):
        return _rendered(folder / case["template"], case["services"], case.get("instances", 0))
    return list(_endpoints(case["services"], case["endpointsPerService"], case["networks"]))


def _rendered(template: Path, services: int, instances: int) -> list[dict[str, Any]]:
    text = render(template.read_text(), Services=services, Instances=instances)
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def _endpoints(services: int, endpoints: int, networks: int) -> Iterator[dict[str, Any]]:
    """Services of many endpoints, in several networks (the words of `endpointsCase`)."""
    for number in range(services):
        ends = [
            {
                "address": f"111.{each >> 16}.{(each >> 8) % 256}.{each % 256}",
                "network": f"network-{each % networks}",
                "labels": {"type": "eds-benchmark", "app": f"foo-{number}.com"},
                "serviceAccount": "something",
            }
            for each in range(endpoints)
        ]
        ports = [{"number": 80, "name": "http-port", "protocol": "http"}]
        spec = {"hosts": [f"foo-{number}.com"], "ports": ports, "endpoints": ends, "resolution": "STATIC"}
        yield _object("networking", "ServiceEntry", f"foo-{number}", "default", spec)
    for namespace in ("istio-system", "default"):
        spec = {"mtls": {"mode": "PERMISSIVE"}}
        yield _object("security", "PeerAuthentication", "default", namespace, spec)


def _object(group: str, kind: str, name: str, namespace: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{group}.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}
